/*
 * The farm (src/farm) on the pages: what visitors get of other servers, and
 * what other servers get of this one.  src/doc/farm.md tells the whole.
 */
#ifndef QWD_WEB_FARM_H
#define QWD_WEB_FARM_H

#include <jansson.h>

#include "farm/farm.h"
#include "web/visit.h"

/* ---- As the one who asks ---- */

/* Ask about v->who. */
MUST_CHECK int farm_of_visit(struct visit *v, struct farm *ret,
			     struct err *e);

/* farm_round_begin() and farm_round_end(), and what went wrong goes to the log. */
MUST_CHECK int farm_ask_about(struct visit *v, struct farm *f,
			      enum farm_verb verb,
			      const struct server *const *servers,
			      size_t count, const char *session,
			      const char *fields, bool slow,
			      struct farm_answer *ret, struct err *e);

/* farm_round_end(), the same. */
MUST_CHECK int farm_hear_answers(struct visit *v, struct farm *f,
				 struct farm_round *r, struct err *e);

/* farm_disbelieve(), and that goes to the log. */
void farm_not_an_answer(struct visit *v, struct farm *f, struct farm_answer *a,
			const struct err *why);

/* Forward the posted form, password and all, to a server of the Perl program.
 * True if that has a place, and the reply is made. */
bool farm_try_perl(struct visit *v, const struct farm *f,
		   const struct server *server);

/* Does a Perl server forward this form?  Then its visitor reads the reply as a
 * page of that server's: it gets no redirect, but a link. */
bool farm_is_from_perl(const struct visit *v);
MUST_CHECK int farm_reply_to_perl(struct visit *v, const struct session *s,
				  struct err *e);

/*
 * Find a place for *s, which create_check() has let pass, on this host or on
 * another one, as farm_policy says, and reply.  What v->who has on other servers that answer counts
 * for the limits of a user.  If nobody has a place, the error is this host's.
 */
MUST_CHECK int farm_create(struct visit *v, struct session *s,
			   long long lifetime_s, struct err *e);

/* The question for what v->who may see on the other servers. */
struct farm_list {
	struct farm farm;
	struct farm_answer answers[SERVERS_MAX];
	struct farm_round round;
	bool asked;
};

/* Begin to ask; what goes wrong goes to the log.  To be ended by
 * farm_list_end() or farm_list_drop(). */
void farm_list_begin(struct visit *v, struct farm_list *ret);

/*
 * Wait for the answers: JSON (the caller owns it; NULL if no memory):
 * [{"server": ORIGIN, "answers", "reason": why it does not, or null,
 * "sessions": [the newest, as answer_sessions() has them]}].  Empty without a
 * list of servers.
 */
json_t *farm_list_end(struct visit *v, struct farm_list *l);

/* Do not wait for them. */
void farm_list_drop(struct farm_list *l);

/* Add what the page of that list wants.  -1 if no memory. */
MUST_CHECK int farm_decorate(json_t *servers);

/* POST session_connect=NAME with server=ORIGIN: to the session's page there,
 * logged in. */
MUST_CHECK int farm_connect(struct visit *v, struct err *e);

/* POST session_stop=NAME, which is checked, with server=ORIGIN. */
MUST_CHECK int farm_stop(struct visit *v, bool now, struct err *e);

/* ---- As the one who is asked ---- */

/*
 * A POST of another server: the field `farm` is its assertion.  ERR_LOGIN if
 * that is not believed, for which the log has the reason.
 */
MUST_CHECK int farm_serve(struct visit *v, struct err *e);

/*
 * A browser comes with a ticket of another server (farm_enter_url()): by GET,
 * or by the button of the page that a GET shows where it cannot be sure that
 * it is the visitor whom the other server has sent.
 */
MUST_CHECK int farm_enter(struct visit *v, const char *ticket, struct err *e);

/* The session that v->order (may be NULL) is about has its place.  ERR_CONFLICT
 * if who has sent it has given it up meanwhile, which goes to the log. */
MUST_CHECK int farm_order_done(const struct visit *v, const struct session *s,
			       struct err *e);

/* True if the ticket is one of these, not one that was mailed. */
bool farm_is_ticket(const char *ticket);

/* The assertion in `text`: signed, fresh, for this server or (*ret_own) by
 * it.  ERR_LOGIN; the log has the reason. */
MUST_CHECK int farm_hear(struct visit *v, const char *text,
			 struct assertion *ret, bool *ret_own, struct err *e);

/* v->who becomes whom it is about. */
void farm_believe(struct visit *v, const struct assertion *a);

#endif
