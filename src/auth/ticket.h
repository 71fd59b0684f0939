/*
 * Tickets: one-time permission to log in as a user, which is sent by mail.
 *
 * The token is 160 random bits and says nothing.  What it stands for is the
 * file tickets/HASH of the store, HASH being the token's SHA-256 in
 * hexadecimal, so that whoever reads the store learns no token:
 *
 *     {"version": 1, "user": ADDRESS, "purpose": "create" | "manage",
 *      "order": TEXT, "remote": ADDRESS OF WHO ASKED, "created": SECONDS,
 *      "expires": SECONDS, "created_boot_ms": MS, "expires_boot_ms": MS,
 *      "boot_id": ID}
 *
 * A ticket is good for what was asked for when it was made, and for nothing
 * else, until it is used or expires (by this boot's clock; another boot ends
 * it too).  Looking at one, as mail scanners do, changes nothing.  Using one is
 * renaming its file to HASH.used, which works for exactly one of those who
 * try; that file stays as long as it counts for the limits below.
 *
 * It is bound to no browser: who reads a mail on another device than the one
 * that asked is the rule, and whoever holds the ticket gets the login in their
 * own browser, not in that of who asked.
 */
#ifndef QWD_AUTH_TICKET_H
#define QWD_AUTH_TICKET_H

#include <stddef.h>

#include "session/session.h"
#include "session/store.h"

enum {
	TICKET_TOKEN_SIZE = 33, /* 32 characters of 5 bits, and a NUL */
	TICKET_ORDER_MAX = 128 * 1024,
	TICKET_WINDOW_S = 15 * 60,
	/* Not yet used, for one user. */
	TICKET_USER_MAX = 3,
	/* Made within the window, used or not, asked for from one address; an
	 * IPv6 address counts as its /64. */
	TICKET_REMOTE_MAX = 20,
	/* Of all, in files. */
	TICKET_MAX = 500,
};

enum ticket_purpose { TICKET_CREATE, TICKET_MANAGE };

struct ticket {
	char user[SESSION_USER_SIZE];
	enum ticket_purpose purpose;
	char *order;         /* what was asked for, the maker's own text */
	long long created;   /* wall clock, for people */
	long long expires;   /* the same, as that clock is when it is read */
};

#define AUTO_TICKET __attribute__((cleanup(ticket_release)))
#define TICKET_INIT { .order = NULL }

/*
 * Make a ticket of t->user, t->purpose and t->order for `lifetime_s` seconds,
 * asked for from address `remote`.  Its token goes to `ret_token`.  If a limit
 * is reached ERR_THROTTLED, or ERR_BUSY for that of all, with a sentence and
 * retry_after.
 */
MUST_CHECK int ticket_make(const struct store *st, const struct ticket *t,
			   const char *remote, long long lifetime_s,
			   char ret_token[TICKET_TOKEN_SIZE], struct err *e);

/*
 * Read the ticket and leave it as it is.  ERR_NOT_FOUND with a sentence if the
 * token is malformed, unknown, used or expired, or its file is damaged.  The
 * caller releases *ret with ticket_release().
 */
MUST_CHECK int ticket_look(const struct store *st, const char *token,
			   struct ticket *ret, struct err *e);

/* The same, and the ticket is used up: of several at the same time one gets
 * it, the others ERR_NOT_FOUND. */
MUST_CHECK int ticket_use(const struct store *st, const char *token,
			  struct ticket *ret, struct err *e);

/* Forget a ticket that could not be sent; it does not count any more. */
MUST_CHECK int ticket_drop(const struct store *st, const char *token,
			   struct err *e);

/* Remove tickets that neither work nor count; their number goes to
 * *removed. */
MUST_CHECK int ticket_purge(const struct store *st, size_t *removed,
			    struct err *e);

void ticket_release(struct ticket *t);

#endif
