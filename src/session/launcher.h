/*
 * Starting the processes that outlive a request: session owners and the
 * gateway's keeper.  Where systemd offers it (the option `launcher`), each
 * becomes an instance of a socket-activated unit, in a control group of its
 * own, which the web server's end does not touch; elsewhere it detaches.
 */
#ifndef QWD_SESSION_LAUNCHER_H
#define QWD_SESSION_LAUNCHER_H

#include "conf/options.h"
#include "sys/child.h"

/* The sockets in dir_launcher. */
#define LAUNCHER_SESSION "session"
#define LAUNCHER_GATEWAY "gateway"

/*
 * Start the process that *c describes (sys/child.h), detached.  `socket` is
 * one of the above.  With launcher = auto the socket is used if it is there
 * and belongs to our effective user; so with slurm, for what stays on this
 * host.  Waits at most `wait_ms` for systemd to
 * have started it; that it is late is no error (sys/handover.h).
 */
MUST_CHECK int launcher_start(const struct config *config, const char *socket,
			      struct child *c, int wait_ms, struct err *e);

#endif
