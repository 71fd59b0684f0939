/*
 * What this server has heard of others: each assertion once, and of each order
 * what became of it.  In the folder farm of the store:
 *
 *     nonces/T/N    an assertion that ended in minute T, with nonce N, was
 *                   used.  If it was an order, the file holds
 *                     nothing   while there is no session,
 *                     its NAME  as soon as there is one, or
 *                     -         where there will be none: given up
 *
 * What an order's file holds is written once, under its own flock(2), by who
 * carries it out (heard_order_done()) or by who asks what became of it
 * (heard_order_settle()), whoever comes first.  So who has got no answer to an
 * order can ask, and what it is told stays true.
 */
#ifndef QWD_FARM_HEARD_H
#define QWD_FARM_HEARD_H

#include "farm/assertion.h"
#include "session/store.h"

enum {
	FARM_NONCES_MAX = 8192, /* of one minute */
	/* That an order can be asked about, from when nobody takes it any
	 * more: more than the longest farm_timeout and farm_wait. */
	FARM_SETTLE_S = 60,
};

/* An order, as who has sent it knows it. */
struct order_id {
	char nonce[FARM_NONCE_SIZE]; /* of its assertion; "": there is none */
	long long expires;	     /* wall clock */
};

/* In a field of a form: EXPIRES.NONCE. */
enum { ORDER_ID_TEXT_SIZE = FARM_NONCE_SIZE + 24 };
void order_id_text(const struct order_id *o, char ret[ORDER_ID_TEXT_SIZE]);

/* ERR_INPUT if it is none. */
MUST_CHECK int order_id_parse(const char *text, struct order_id *ret,
			      struct err *e);

/*
 * Note that this assertion is used: of several at the same time, one is.
 * ERR_FORBIDDEN if it was used before, ERR_BUSY if there were too many in its
 * minute.  Old ones are forgotten on the way.
 */
MUST_CHECK int heard_once(const struct store *st, const struct assertion *a,
			  struct err *e);

/*
 * The order *a, which is noted, has session `name`, whose record is written.
 * ERR_CONFLICT if the server that has sent it has given it up: then nobody must
 * get to see that session.
 */
MUST_CHECK int heard_order_done(const struct store *st,
				const struct assertion *a, const char *name,
				struct err *e);

/*
 * What has become of an order?  Its session's name goes to `ret_name`.
 * ERR_NOT_FOUND if it has none; from now on it gets none, even if it arrives
 * only later.  ERR_FORBIDDEN if that is so long ago, or ahead, that nothing is
 * known.
 */
MUST_CHECK int heard_order_settle(const struct store *st,
				  const struct order_id *o,
				  char ret_name[SESSION_NAME_SIZE],
				  struct err *e);

#endif
