/*
 * TCP connections within a deadline.
 */
#ifndef QWD_NET_CONNECT_H
#define QWD_NET_CONNECT_H

#include "net/net.h"

/*
 * Connect to the request's host and port, each of its addresses in turn, all
 * within the request's timeout (but for the name resolver, which has its own).
 * Returns a blocking descriptor, or -1 with NET_UNKNOWN_HOST,
 * NET_REFUSED_CONNECTION, NET_UNREACHABLE, NET_TIMEOUT or NET_INTERNAL in *a.
 */
MUST_CHECK int net_connect(const struct net_request *r, struct net_answer *a);

#endif
