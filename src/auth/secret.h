/*
 * The service's secret: what keys everything that is signed or hashed with a
 * key.  It is the file service_secret, made once at installation by `qwdctl
 * secret`: SECRET_BYTES_MIN bytes or more, a regular file that belongs to the
 * service's user or to root and that nobody else can read or write.
 *
 * What needs the secret does not run without: checking logins (the throttle's
 * names) and login links.  All else does.
 */
#ifndef QWD_AUTH_SECRET_H
#define QWD_AUTH_SECRET_H

#include <stddef.h>

#include "conf/options.h"

enum {
	SECRET_BYTES_MIN = 32,
	SECRET_BYTES_MAX = 4096,
	SECRET_MAC_SIZE = 65, /* 32 bytes in hexadecimal, and a NUL */
};

/* A key of its own, made of the file's bytes. */
struct secret {
	unsigned char key[32];
};

#define AUTO_SECRET __attribute__((cleanup(secret_release)))

/* Read the secret.  ERR_CONFIG with a sentence if it is missing, too short,
 * or if others may read it.  Wipe it with secret_release(). */
MUST_CHECK int secret_read(const struct config *c, struct secret *ret,
			   struct err *e);
void secret_release(struct secret *s);

/* Another secret that is kept in the same way. */
struct secret_file {
	const char *path;
	const char *option;  /* that names it, and the command that makes it: */
	const char *command; /* for messages */
};
MUST_CHECK int secret_read_file(const struct secret_file *f,
				struct secret *ret, struct err *e);

/*
 * HMAC-SHA256 (RFC 2104) of "PURPOSE:TEXT" in hexadecimal, so that what is
 * made for one purpose is no good for another.
 */
void secret_mac(const struct secret *s, const char *purpose, const char *text,
		char ret_hex[SECRET_MAC_SIZE]);

#endif
