/*
 * The way of a display from its node to the web host: stunnel at both ends,
 * mutual TLS 1.3.  Each end makes a key and a certificate of its own for each
 * session, keeps the key in a private directory of its own host, and tells the
 * other end the certificate through the job's directory; each accepts that one
 * certificate and nothing else (verifyPeer), so that a stranger on the
 * cluster's network, and a node with another certificate, get no byte.
 *
 * The listening socket is ours.  Each viewer gets a stunnel of its own, with
 * the connection as its standard input and output: a session that nobody looks
 * at costs none, and there is no port that another program could take in
 * between.
 *
 *     websockify -> run/NAME/vnc -> stunnel -> TCP -> stunnel -> QEMU's socket
 *                   (the listener)              (the listener)
 */
#ifndef QWD_FARM_TUNNEL_H
#define QWD_FARM_TUNNEL_H

#include <stdbool.h>

#include "sys/child.h"

/* Viewers of one session at a time; others wait in the socket's queue. */
enum { TUNNEL_VIEWERS = 16 };

struct tunnel {
	int dir; /* private: tunnel.key, .crt, .peer, .conf; not owned */
	const char *path; /* the same; not owned */
	int listener; /* -1: none */
	long long port; /* of a TCP listener */
	char *program;	/* stunnel */
	pid_t viewers[TUNNEL_VIEWERS];
	int inherited; /* descriptor that each stunnel keeps; -1 */
};

#define TUNNEL_INIT { .dir = -1, .listener = -1, .inherited = -1 }

/* The openssl command that makes tunnel.key and tunnel.crt in its working
 * directory. */
void tunnel_key_command(const char *openssl, struct argv *ret);

/* Read the certificate that it made. */
MUST_CHECK int tunnel_read_certificate(int dir, char *ret, size_t size,
				       struct err *e);

/* Listen on a unix socket "vnc" in t->dir; or on TCP, `port` or the next ones
 * that are free (0: any). */
MUST_CHECK int tunnel_listen_unix(struct tunnel *t, struct err *e);
MUST_CHECK int tunnel_listen_tcp(struct tunnel *t, long long port,
				 struct err *e);

/* Can that have taken this port? */
bool tunnel_port_ok(long long port, long long first);

/*
 * Write stunnel's configuration: `target` is "HOST:PORT" for the web host's
 * end (`client`), or the path of a unix socket; `peer` the one certificate
 * (PEM) that the other end may have.  ERR_INPUT if target or peer has what a
 * line must not.
 */
MUST_CHECK int tunnel_configure(struct tunnel *t, bool client,
				const char *target, const char *peer,
				struct err *e);

/* Is there no place for one more?  Then poll the listener again when one has
 * ended. */
bool tunnel_is_full(const struct tunnel *t);

/* Somebody connects: give him a stunnel, whose complaints go to `said`.  Nothing
 * if there is no place, or he has left. */
MUST_CHECK int tunnel_accept(struct tunnel *t, int said, struct err *e);

/* Reap those that have ended. */
void tunnel_reap(struct tunnel *t);

/* End all viewers and the listener. */
void tunnel_release(struct tunnel *t);

#endif
