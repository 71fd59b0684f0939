/* The list: one's own sessions; for an administrator everybody's.  And those
 * of the other servers. */
#include "web/page.h"

#include <stdint.h>

#include "session/newest.h"
#include "sys/json.h"
#include "web/extend.h"
#include "web/farm.h"
#include "web/listing.h"
#include "web/view.h"

/* The page shows the newest so many, and all if it is asked for them. */
enum { ROWS_MAX = 100 };

/* What the template wants besides a session's public face. */
static int decorate(const struct visit *v, json_t *face,
		    const struct session *s)
{
	struct err ignored = ERR_INIT;
	bool can_stop = s->state < SESSION_STOPPING &&
			access_check(&v->who, ACTION_STOP, s, &ignored) == 0;
	const struct {
		const char *key;
		json_t *value;
	} more[] = {
		{ "machine_title", json_string(view_machine_title(s)) },
		{ "state_title", json_string(view_state_word(s->state)) },
		{ "started_text", view_started(s) },
		{ "time_left", view_time_left(s) },
		{ "url_session",
		  json_sprintf(PAGE_CGI "?session=%s", s->name) },
		{ "can_stop", json_boolean(can_stop) },
		{ "extend", extend_offer(v, s) },
		{ "running", json_boolean(s->state == SESSION_RUNNING) },
	};
	int failed = 0;

	for (size_t i = 0; i < ARRAY_LEN(more); i++)
		failed |= json_object_set_new_nocheck(face, more[i].key,
						      more[i].value);
	return failed;
}

static int manage_html(struct visit *v, const struct session_list *list,
		       size_t older, json_t *value, struct err *e)
{
	AUTO_JSON json_t *page = value;
	json_t *sessions = json_object_get(page, "sessions");
	AUTO_JSON json_t *flags =
		json_pack("{sb sb sb sI ss}", "empty", list->count == 0,
			  "admin", v->who.admin, "mine_only", !v->who.admin,
			  "older", (json_int_t)older, "url_all",
			  PAGE_CGI "?manage=1&all=1");
	int failed = !flags || json_object_update(page, flags) < 0;

	failed = failed || farm_decorate(json_object_get(page, "servers")) < 0;
	for (size_t i = 0; i < list->count && !failed; i++)
		failed = decorate(v, json_array_get(sessions, i),
				  &list->list[i]);
	if (failed)
		return err_set(e, ERR_SYSTEM, "no memory for the list");
	return page_html(v, 200, "manage.html",
			 v->who.admin ? "All sessions" : "My sessions", 0,
			 json_incref(page), e);
}

static bool wants_all(const struct visit *v)
{
	return v->request.wants_json || form_get(&v->request.query, "all");
}

/* What is here is read while the other servers think. */
static int list_value(struct visit *v, struct session_list *list,
		      size_t *ret_older, json_t **ret, struct err *e)
{
	struct farm_list others;
	json_t *sessions;
	json_t *host = NULL;

	farm_list_begin(v, &others);
	if (newest_list(&v->store, v->who.admin ? NULL : v->who.user,
			v->by_farm   ? FARM_LIST_MAX :
			wants_all(v) ? SIZE_MAX :
				       ROWS_MAX,
			list, ret_older, e) == 0)
		host = listing_host(&v->config, list, v->who.admin, e);
	if (!host) {
		farm_list_drop(&others);
		return -1;
	}
	sessions = listing_sessions(&v->config, list, v->who.user);
	/* The page's value, and the whole of the JSON. */
	*ret = json_pack("{so so so}", "host", host, "sessions", sessions,
			 "servers", farm_list_end(v, &others));
	return 0;
}

int page_manage(struct visit *v, struct err *e)
{
	AUTO_SESSION_LIST struct session_list list = { 0 };
	size_t older = 0;
	json_t *value = NULL;

	if (access_check(&v->who, ACTION_MANAGE, NULL, e) < 0)
		return err_set(e, ERR_LOGIN,
			       "Tell us who you are to see your desktops.");
	if (visit_store(v, e) < 0 ||
	    list_value(v, &list, &older, &value, e) < 0)
		return -1;
	if (v->request.wants_json)
		return page_json(v, 200, value, e);
	return manage_html(v, &list, older, value, e);
}
