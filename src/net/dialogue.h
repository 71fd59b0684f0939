/*
 * What is said in an IMAP or SMTP conversation about the login, as libcurl's
 * debug function hears it.
 *
 * libcurl succeeds without any login where the server offers none, or greets
 * with PREAUTH; only the server's own yes to our AUTH, AUTHENTICATE or LOGIN
 * proves a password.  Nothing that we say is kept but the command's tag.
 */
#ifndef QWD_NET_DIALOGUE_H
#define QWD_NET_DIALOGUE_H

#include <stdbool.h>
#include <stddef.h>

struct dialogue {
	bool imap;       /* else SMTP; set by whoever makes it */
	bool tried;      /* a login was sent */
	bool done;       /* and the server said yes to it */
	bool answered;   /* or no */
	char tag[16];    /* IMAP: of the login */
	char reply[128]; /* the server's no */
};

/* A line to the server; one from it. */
void dialogue_sent(struct dialogue *d, const char *line, size_t len);
void dialogue_heard(struct dialogue *d, const char *line, size_t len);

/* True if the no is for now, not about the password (RFC 4954, 4; RFC 5530). */
bool dialogue_later(const struct dialogue *d);

/* True if the no is to the command, not to the password: BAD, 500 to 504. */
bool dialogue_misunderstood(const struct dialogue *d);

#endif
