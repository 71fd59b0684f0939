/*
 * The guest's network card, and what it is connected with: by the words of
 * the option guest_network,
 *
 * user          QEMU's own user network inside the sandbox's network
 *               namespace, whose loopback is empty; slirp4netns connects that
 *               namespace with the outside, and routes there make each of the
 *               host's own addresses unreachable before the guest starts
 *               (vm/network_host.h).  So a guest reaches the outside but no
 *               listener of the host, whatever frame it sends.
 * isolated      the same card and addresses, and nothing behind them: nobody
 *               outside, on the host, or in another session.
 * bridge=NAME   a port of the host's bridge NAME, from qemu-bridge-helper.
 * none          no card.
 */
#ifndef QWD_VM_NETWORK_H
#define QWD_VM_NETWORK_H

#include "sys/child.h"

/* resolv.conf inside the sandbox: slirp4netns(1)'s name server. */
#define NETWORK_RESOLV "nameserver 10.0.2.3\n"

enum network_kind {
	NETWORK_NONE,
	NETWORK_USER,
	NETWORK_ISOLATED,
	NETWORK_BRIDGE,
};

/* What a word means; of any other word ("failed") NETWORK_NONE. */
enum network_kind network_kind(const char *word);

/* NAME of "bridge=NAME", a part of `word`. */
const char *network_bridge(const char *word);

/* QEMU's -netdev with the id net0 for a card; `tap` is the descriptor of the
 * bridge's port.  Nothing is added for NETWORK_NONE.  A pure function. */
void network_netdev(const char *word, int tap, struct buf *ret);

/*
 * Further properties of the card, ",mac=..." or nothing.  On a bridge each
 * session needs an address of its own, which is made of its name: a locally
 * administered one (IEEE 802), the same whenever the session's QEMU starts.
 */
void network_card(const char *word, const char *session, struct buf *ret);

/* True if this process may use /dev/net/tun, which slirp4netns needs. */
bool network_can_tun(void);

/* slirp4netns for the namespace of process `pid`; it writes to `ready` when
 * the interface is up, and stays until it is killed.  A pure function. */
void network_attach_command(const char *slirp4netns, pid_t pid, int ready,
			    struct argv *ret);

/* nsenter into that namespace running `ip -batch -`.  A pure function. */
void network_route_command(const char *nsenter, const char *ip, pid_t pid,
			   struct argv *ret);

/* Where qemu-bridge-helper is (a constant), or NULL. */
const char *network_bridge_helper(void);

/* qemu-bridge-helper, which makes a port of the bridge and passes it through
 * the unix socket `to` (SCM_RIGHTS).  A pure function. */
void network_bridge_command(const char *helper, const char *bridge, int to,
			    struct argv *ret);

/* The descriptor that somebody passed through the unix socket `from`, or -1. */
int network_receive_tap(int from);

#endif
