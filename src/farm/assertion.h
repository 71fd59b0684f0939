/*
 * Assertions: what a server of a farm says to another about a user, instead of
 * the user's password.
 *
 *     BASE64URL(JSON) "." HMAC-SHA256 of the former, in hexadecimal
 *
 *     {"v": 1, "verb": "create" | "status" | "list" | "stop" | "enter" |
 *              "settle",
 *      "from": ORIGIN OF WHO SAYS IT, "to": ORIGIN OF WHO IS TO HEAR IT,
 *      "path": [IDS OF THE SERVERS THAT IT CAME THROUGH],
 *      "user": "ann", "mail": "", "method": "ldap", "groups": ["staff"],
 *      "remote": ADDRESS OF THE VISITOR, "session": NAME or "",
 *      "digest": SHA-256 OF THE FIELDS BESIDE IT, "nonce": TEXT,
 *      "expires": SECONDS}
 *
 * The key is the farm's secret (farm_secret), which all servers of it have:
 * each believes what another says of a user, whoever that is.  So all of them
 * must know the same users by the same names.
 *
 * An assertion is good for one server, one request, once, for FARM_LIFE_S (to
 * enter: FARM_ENTER_S) by clocks that differ by FARM_SKEW_S at most, and it
 * goes one hop: who is asked by another server asks no third one, and a server
 * that finds itself in the path refuses.  So whatever the lists say, there is
 * no loop.
 */
#ifndef QWD_FARM_ASSERTION_H
#define QWD_FARM_ASSERTION_H

#include "auth/secret.h"
#include "base/buf.h"
#include "conf/servers.h"
#include "session/access.h"

enum {
	FARM_LIFE_S = 30,
	FARM_ENTER_S = 60, /* between a redirect and the browser's request */
	FARM_SKEW_S = 30,
	FARM_HOPS_MAX = 1,
	FARM_ID_SIZE = 33,     /* 160 random bits, and a NUL */
	FARM_NONCE_SIZE = 33,  /* the same */
	FARM_DIGEST_SIZE = 65, /* SHA-256 in hexadecimal, and a NUL */
	FARM_ASSERTION_MAX = 32 * 1024,
	/* Of groups in what becomes part of a URL; what is beyond is left out,
	 * for groups only ever give rights. */
	FARM_ENTER_GROUPS_MAX = 1500,
};

enum farm_verb {
	FARM_CREATE,
	FARM_STATUS,
	FARM_LIST,
	FARM_STOP,
	FARM_ENTER, /* a visitor comes, whom the other server has logged in */
	FARM_SETTLE, /* what became of a FARM_CREATE? */
};

struct assertion {
	enum farm_verb verb;
	char from[SERVER_ORIGIN_SIZE];
	char to[SERVER_ORIGIN_SIZE];
	char id[FARM_ID_SIZE]; /* of who says it: the path's only entry */
	struct identity who;   /* admin is never said: each has its own list */
	char remote[64];
	char session[SESSION_NAME_SIZE];
	char digest[FARM_DIGEST_SIZE];
	char nonce[FARM_NONCE_SIZE];
	long long expires; /* wall clock */
};

/* The farm's secret.  ERR_CONFIG with a sentence if there is none that is
 * good. */
MUST_CHECK int farm_secret_read(const struct config *c, struct secret *ret,
				struct err *e);

/* SHA-256 of the text in hexadecimal. */
MUST_CHECK int farm_digest(const char *text, char ret[FARM_DIGEST_SIZE],
			   struct err *e);

/* Sign *a, whose nonce and end are set by this, and add it to `out`. */
MUST_CHECK int assertion_sign(struct assertion *a, const struct secret *s,
			      struct buf *out, struct err *e);

/*
 * Read what assertion_sign() has made: only if the signature is right is
 * anything else looked at.  ERR_FORBIDDEN with what is wrong, for the log, if
 * it is none, is not signed with this secret, or is not to be had now; in this
 * last case its field is FARM_FIELD_TIME.
 */
#define FARM_FIELD_TIME "expires"
MUST_CHECK int assertion_read(const char *text, const struct secret *s,
			      struct assertion *ret, struct err *e);

/* The same of the JSON alone, without freshness: for assertion_read() and
 * tests. */
MUST_CHECK int assertion_parse(const char *json, size_t len,
			       struct assertion *ret, struct err *e);

#endif
