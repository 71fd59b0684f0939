/*
 * websockify as a child of ours: the one of the display gateway's keeper, or
 * that of a session which has a port of its own.
 *
 * The listening socket is ours, and websockify inherits it (--inetd): a port
 * is taken once, by the kernel's word, and while websockify is started again
 * the browsers wait in the socket's queue instead of being refused.
 */
#ifndef QWD_VM_WEBSOCKIFY_H
#define QWD_VM_WEBSOCKIFY_H

#include "base/buf.h"
#include "conf/options.h"
#include "sys/child.h"

enum { WEBSOCKIFY_SAID_MAX = 4096 };

struct websockify {
	int listener;
	long long port; /* of the listener; 0: none */
	pid_t pid;	/* 0: it does not run */
	int said;	/* read end of its standard error */
	int probe;	/* a connection of ours, until it is served */
	bool ready;
	struct buf words; /* the last of what it said; holds tokens */
};

#define WEBSOCKIFY_INIT                                                        \
	{ .listener = -1, .said = -1, .probe = -1,                             \
	  .words = BUF_INIT(2 * WEBSOCKIFY_SAID_MAX) }

/* Which displays there are, and which pages may open them. */
struct websockify_place {
	const char *program; /* absolute */
	const char *dir;     /* its working directory */
	const char *tokens;  /* file with lines "TOKEN: unix_socket:PATH", the
				path relative to `dir` */
	const char *pages;   /* file with lines "SESSION: ORIGIN ORIGIN..." */
};

/*
 * Its vector: a pure function.  It shows noVNC unless the web server does, and
 * speaks TLS, and nothing else, with certificate_crt.  Both files are read
 * anew for each viewer, whose number is limited (qwd_display.py in
 * dir_libexec).
 */
void websockify_command(const struct config *c,
			const struct websockify_place *place,
			struct argv *ret);

/* Listen on the TCP port (0: any free one).  ERR_CONFLICT if another program
 * has it. */
MUST_CHECK int websockify_listen(struct websockify *w, const char *address,
				 long long port, struct err *e);

/*
 * Start it on the listener.  It is ready once websockify_is_ready() says so;
 * poll `probe` and `said` until then.  ERR_CONFIG if the program, its part in
 * dir_libexec or the certificate is missing or cannot be read.
 */
MUST_CHECK int websockify_start(struct websockify *w, const struct config *c,
				const struct websockify_place *place,
				struct err *e);

/* Has it served our own connection? */
bool websockify_is_ready(struct websockify *w);

/* Read what it has said; only the last words are kept. */
void websockify_listen_to(struct websockify *w);

/* The last line of it: Python's tracebacks end with what matters.  "" if it
 * may hold a token. */
const char *websockify_last_words(struct websockify *w);

/* End it and its connections; the listener stays. */
void websockify_end(struct websockify *w);

/* The same, and the port is free again. */
void websockify_release(struct websockify *w);

#endif
