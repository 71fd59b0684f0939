/*
 * Handing the start of a process over to a service manager, so that it lives
 * outside the caller's control group: systemd.socket(5) with Accept=yes on a
 * SOCK_SEQPACKET socket starts one instance of a unit for each connection.
 *
 * The sender describes the process as for child_start().  One packet carries
 *
 *     {"version":1,"arguments":["--ROLE",...],"descriptors":[2,7,8]}
 *
 * and the descriptors themselves (SCM_RIGHTS, unix(7)), which the receiver
 * puts to the numbers that they had, so that the arguments mean the same; it
 * answers "ok".  Whoever holds a lock on a descriptor so passed holds it from
 * the sending on: if nobody takes the packet, the kernel closes it.
 */
#ifndef QWD_SYS_HANDOVER_H
#define QWD_SYS_HANDOVER_H

#include "sys/child.h"

enum { HANDOVER_FDS = 8 };

/* Connect to the service manager's socket.  ERR_SYSTEM if nobody listens. */
MUST_CHECK int handover_connect(const char *path, struct err *e);

/*
 * Send c->argv without its program, c->keep and c->err over the connection
 * `fd`, and wait at most `wait_ms` for the answer.  0 also if none has come by
 * then, which does not mean failure: the process may still be starting.
 * ERR_SYSTEM if the connection was closed instead: nothing was started.
 */
MUST_CHECK int handover_send(int fd, const struct child *c, int wait_ms,
			     struct err *e);

/* What was handed over. */
struct handover {
	struct argv argv;
	int fds[HANDOVER_FDS]; /* beside 2, as they are numbered now */
	size_t count;
};

/*
 * The other side: receive over the connection `fd` what a process of our own
 * effective user has sent, put the descriptors to their numbers (close-on-exec
 * but for 2), answer, and close `fd`.  ret->argv becomes `program` and the
 * arguments; release it, and close ret->fds.  ERR_FORBIDDEN for another user's
 * process, ERR_INPUT for a packet that is none of ours; then no descriptor of
 * it stays open, and ret->argv is empty.
 */
MUST_CHECK int handover_receive(int fd, const char *program,
				struct handover *ret, struct err *e);

/*
 * The connection that systemd has started this process for (sd_listen_fds(3):
 * LISTEN_PID, LISTEN_FDS=1), made close-on-exec.  ERR_INPUT if there is none.
 */
MUST_CHECK int handover_connection(struct err *e);

#endif
