/* A browser that another server has sent here. */
#include <string.h>

#include "base/log.h"
#include "sys/json.h"
#include "web/farm.h"
#include "web/page.h"

bool farm_is_ticket(const char *ticket)
{
	const char *dot = strchr(ticket, '.');

	return dot && dot != ticket;
}

static int too_late(struct err *e)
{
	return err_set(e, ERR_NOT_FOUND,
		       "This link works once, and for a minute only. Open your "
		       "desktop from the list of your sessions.");
}

/* The page that asks first: a link can be somebody else's, and whoever follows
 * it unawares would be logged in as they. */
static int ask_first(struct visit *v, const char *ticket,
		     const struct assertion *a, struct err *e)
{
	const char *before = v->who.user[0] ? v->who.user : NULL;

	if (v->request.wants_json)
		return err_set(e, ERR_FORBIDDEN,
			       "Send the ticket by POST: it was made for "
			       "another address.");
	return page_html(v, 200, "enter.html", "Go to your desktop", 0,
			 json_pack("{ss ss ss? sb ss?}", "ticket", ticket,
				   "address", a->who.user, "before", before,
				   "arrived", 0, "url_session", NULL),
			 e);
}

/*
 * The cookie is for this site only, and a browser that comes from another one
 * does not send it with what a redirect leads to; with what a page of ours
 * leads to, it does.
 */
static int go_on(struct visit *v, const struct assertion *a,
		 const char *ticket, struct err *e)
{
	AUTO_FREE char *url = NULL;
	struct session s;

	if (v->request.wants_json)
		return visit_session(v, a->session, ACTION_VIEW, &s, e) < 0 ?
			       -1 :
			       page_session_json(v, 200, &s, e);
	if (asprintf(&url, PAGE_CGI "?%s%s", a->session[0] ? "session=" :
							     "manage=1",
		     a->session) < 0) {
		url = NULL;
		return err_set(e, ERR_SYSTEM, "no memory");
	}
	if (page_html(v, 200, "enter.html", "Here is your desktop", 0,
		      json_pack("{ss ss ss? sb ss}", "ticket", ticket,
				"address", a->who.user, "before", NULL,
				"arrived", 1, "url_session", url),
		      e) < 0)
		return -1;
	reply_header(&v->reply, "Refresh", "0; url=%s", url);
	return 0;
}

/* The web server's word is not changed by a link; the link stays good. */
static int check_remote(const struct visit *v, const struct assertion *a,
			struct err *e)
{
	const char *remote = visit_remote_user(v);

	if (!remote || strcmp(remote, a->who.user) == 0)
		return 0;
	return err_set(e, ERR_FORBIDDEN,
		       "You are logged in as %.100s, and this link is for "
		       "somebody else.",
		       remote);
}

static int log_in(struct visit *v, const struct assertion *a, struct err *e)
{
	/* A program of the site's own has its say at a login only, and has had
	 * it at the other server. */
	if (visit_remote_user(v) && strcmp(v->who.user, a->who.user) == 0)
		return 0;
	farm_believe(v, a);
	return visit_begin_login(v, e);
}

static int use(struct visit *v, const char *ticket, const struct assertion *a,
	       struct err *e)
{
	bool same = strcmp(v->who.user, a->who.user) == 0;
	struct err why = ERR_INIT;

	if (heard_once(&v->store, a, &why) < 0) {
		if (why.code != ERR_FORBIDDEN) {
			*e = why;
			return -1;
		}
		/* The page was loaded again. */
		return same ? go_on(v, a, ticket, e) : too_late(e);
	}
	if (log_in(v, a, e) < 0)
		return -1;
	log_event("farm", "result", "entered", "request", v->request.id,
		  "remote", v->request.remote, "user", v->who.user, "server",
		  a->from, "session", a->session, NULL);
	return go_on(v, a, ticket, e);
}

int farm_enter(struct visit *v, const char *ticket, struct err *e)
{
	struct assertion a = { .from = "" };
	struct err why = ERR_INIT;
	bool expected;
	bool own;

	if (farm_hear(v, ticket, &a, &own, &why) < 0)
		return why.code == ERR_LOGIN ? too_late(e) : (*e = why, -1);
	if (a.verb != FARM_ENTER)
		return too_late(e);
	if (check_remote(v, &a, e) < 0)
		return -1;
	expected = strcmp(a.remote, v->request.remote) == 0 &&
		   (!v->who.user[0] || strcmp(v->who.user, a.who.user) == 0);
	/* Looking changes nothing. */
	if (v->request.method == METHOD_HEAD ||
	    (v->request.method != METHOD_POST && !expected))
		return ask_first(v, ticket, &a, e);
	return use(v, ticket, &a, e);
}
