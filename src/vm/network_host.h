/*
 * To which addresses this host answers, and when it gets another: from the
 * kernel's routing table `local` (rtnetlink(7), ip-route(8)), which knows more
 * than the list of interface addresses: the loopback's further addresses,
 * broadcast addresses, and whole networks that were made local.
 */
#ifndef QWD_VM_NETWORK_HOST_H
#define QWD_VM_NETWORK_HOST_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"

/*
 * Add lines for `ip -batch` to *ret that make all of these unreachable, and
 * with them what is no address of anybody else in any case: 0.0.0.0/8,
 * link-local addresses (169.254.0.0/16, where clouds answer with
 * a host's secrets), multicast (224.0.0.0/4) and 240.0.0.0/4.
 */
MUST_CHECK int network_routes(struct buf *ret, struct err *e);

/*
 * A descriptor that becomes readable when this host begins to answer to
 * another IPv4 address.  The caller closes it.  To be opened before the first
 * network_routes(): between the two nothing is missed then.
 */
MUST_CHECK int network_watch(struct err *e);

/* Take what a watch has.  True if there was anything: ask network_routes(). */
bool network_watch_read(int fd);

#endif
