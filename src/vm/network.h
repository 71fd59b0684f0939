/*
 * The guest's network.  QEMU's own user network runs inside the sandbox's
 * network namespace, whose loopback is empty; slirp4netns connects that
 * namespace with the outside, and routes there make each of the host's own
 * addresses unreachable before the guest starts.  So a guest reaches the
 * outside but no listener of the host, whatever frame it sends.
 */
#ifndef QWD_VM_NETWORK_H
#define QWD_VM_NETWORK_H

#include "sys/child.h"

/* resolv.conf inside the sandbox: slirp4netns(1)'s name server. */
#define NETWORK_RESOLV "nameserver 10.0.2.3\n"

/* True if this process may use /dev/net/tun, which slirp4netns needs. */
bool network_can_tun(void);

/* slirp4netns for the namespace of process `pid`; it writes to `ready` when
 * the interface is up, and stays until it is killed.  A pure function. */
void network_attach_command(const char *slirp4netns, pid_t pid, int ready,
			    struct argv *ret);

/* nsenter into that namespace running `ip -batch -`.  A pure function. */
void network_route_command(const char *nsenter, const char *ip, pid_t pid,
			   struct argv *ret);

/*
 * ip(8) batch lines that make the host's own IPv4 addresses, found by
 * getifaddrs(3), unreachable: "route add unreachable 192.0.2.7".
 */
MUST_CHECK int network_routes(struct buf *ret, struct err *e);

#endif
