/* The sessions of a user on all servers: the list, the way to one, its end. */
#include <string.h>

#include "base/log.h"
#include "sys/clock.h"
#include "sys/json.h"
#include "web/farm.h"
#include "web/page.h"
#include "web/view.h"

enum { URL_BYTES_MAX = FARM_ASSERTION_MAX + 512 };

/* ---- The list ---- */

static json_t *server_value(struct visit *v, struct farm *f,
			    struct farm_answer *a)
{
	struct err why = ERR_INIT;
	json_t *sessions = NULL;

	if (a->state == FARM_YES) {
		sessions = answer_sessions(a->json, &why);
		if (!sessions)
			farm_not_an_answer(v, f, a, &why);
	}
	return json_pack("{ss sb ss? so}", "server", a->server->origin,
			 "answers", sessions != NULL, "reason",
			 sessions ? NULL : a->reason, "sessions",
			 sessions ? sessions : json_array());
}

static int begin(struct visit *v, struct farm_list *l, struct err *e)
{
	const struct server *servers[SERVERS_MAX];

	if (farm_of_visit(v, &l->farm, e) < 0)
		return -1;
	return farm_round_begin(&l->farm, FARM_LIST, servers,
				farm_own_servers(&l->farm, servers), "", "",
				false, l->answers, &l->round, e);
}

void farm_list_begin(struct visit *v, struct farm_list *ret)
{
	struct err e = ERR_INIT;

	*ret = (struct farm_list){ .asked = false };
	if (!*v->config.fallback_servers || v->by_farm)
		return;
	ret->asked = begin(v, ret, &e) == 0;
	if (!ret->asked)
		log_error("farm", &e);
}

static json_t *take_list(struct visit *v, struct farm_list *l)
{
	json_t *list = json_array();

	for (size_t i = 0; i < l->round.count; i++) {
		if (l->answers[i].state != FARM_SELF)
			json_array_append_new(
				list, server_value(v, &l->farm,
						   &l->answers[i]));
		farm_answer_release(&l->answers[i]);
	}
	return list;
}

json_t *farm_list_end(struct visit *v, struct farm_list *l)
{
	struct err e = ERR_INIT;
	json_t *list;

	if (l->asked && farm_hear_answers(v, &l->farm, &l->round, &e) < 0) {
		log_error("farm", &e);
		l->asked = false;
	}
	list = l->asked ? take_list(v, l) : json_array();
	l->asked = false;
	farm_close(&l->farm);
	return list;
}

void farm_list_drop(struct farm_list *l)
{
	if (l->asked)
		farm_round_drop(&l->round);
	l->asked = false;
	farm_close(&l->farm);
}

/* ---- The list on a page ---- */

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static enum session_state state_of(const json_t *face)
{
	const char *word = text_of(face, "state");
	int i = SESSION_STARTING;

	while (i < SESSION_FAILED &&
	       strcmp(word, session_state_name((enum session_state)i)) != 0)
		i++;
	return (enum session_state)i;
}

static json_t *started_text(const json_t *face)
{
	long long started;
	char text[32] = "";

	if (clock_read(text_of(face, "started"), &started))
		clock_human(started, text, sizeof(text));
	return json_string(text);
}

static json_t *time_left(const json_t *face, enum session_state state)
{
	const char *ends = text_of(face, "ends");
	long long at;
	char text[32];

	if (!ends || state >= SESSION_ENDED || !clock_read(ends, &at))
		return json_null();
	at -= clock_wall();
	clock_duration(at > 0 ? at : 0, text, sizeof(text));
	return json_string(text);
}

/* The other server has the last word about who may. */
static int decorate_session(json_t *face)
{
	enum session_state state = state_of(face);
	AUTO_JSON json_t *more = json_pack(
		"{ss so so sb sb}", "state_title", view_state_word(state),
		"started_text", started_text(face), "time_left",
		time_left(face, state), "can_stop", state < SESSION_STOPPING,
		"running", state == SESSION_RUNNING);

	return more ? json_object_update(face, more) : -1;
}

int farm_decorate(json_t *servers)
{
	json_t *server;
	json_t *face;
	size_t i;
	size_t k;
	int failed = 0;

	json_array_foreach(servers, i, server) {
		json_t *sessions = json_object_get(server, "sessions");
		size_t count = json_array_size(sessions);
		bool answers =
			json_is_true(json_object_get(server, "answers"));
		AUTO_JSON json_t *more = json_pack(
			"{si ss sb sb}", "number", (int)i + 1, "name",
			strstr(text_of(server, "server"), "://") + 3, "none",
			answers && count == 0, "some", count > 0);

		failed |= !more || json_object_update(server, more);
		json_array_foreach(sessions, k, face)
			failed |= decorate_session(face);
	}
	return failed ? -1 : 0;
}

/* ---- One session there ---- */

/* The server that the form names, which must be one of the list. */
static int find_server(struct visit *v, struct farm *f,
		       const struct server **ret, struct err *e)
{
	const char *origin = form_get(&v->request.fields, "server");

	if (!v->who.user[0])
		return err_set(e, ERR_LOGIN,
			       "Tell us who you are to see this desktop.");
	if (farm_of_visit(v, f, e) < 0)
		return -1;
	*ret = servers_find(&f->servers, origin ? origin : "");
	return *ret && !(*ret)->perl ?
		       0 :
		      err_field(e, "server",
				"There is no such server beside this one.");
}

int farm_connect(struct visit *v, struct err *e)
{
	const char *name = form_get(&v->request.fields, "session_connect");
	AUTO_BUF struct buf url = BUF_INIT(URL_BYTES_MAX);
	AUTO_FARM struct farm f = FARM_INIT;
	const struct server *server = NULL;

	if (visit_check_name(name, e) < 0 ||
	    find_server(v, &f, &server, e) < 0 ||
	    farm_enter_url(&f, server, name, &url, e) < 0)
		return -1;
	if (v->request.wants_json)
		return page_json(v, 200,
				 json_pack("{ss ss}", "server", server->origin,
					   "enter", buf_str(&url)),
				 e);
	reply_reset(&v->reply, 303, NULL);
	reply_header(&v->reply, "Location", "%s", buf_str(&url));
	return 0;
}

static int say_no(const struct farm_answer *a, struct err *e)
{
	const char *host = strstr(a->server->origin, "://") + 3;

	if (a->state == FARM_NO && a->status == 404)
		return err_set(e, ERR_NOT_FOUND,
			       "There is no such desktop on %.200s.", host);
	if (a->state == FARM_NO && a->status == 403)
		return err_set(e, ERR_FORBIDDEN,
			       "This desktop belongs to somebody else.");
	if (a->state == FARM_NO && a->status == 409)
		return err_set(e, ERR_CONFLICT,
			       "This desktop on %.200s is ending already.",
			       host);
	return err_set(e, ERR_BUSY,
		       "The server %.200s does not answer now. Try again in a "
		       "minute.",
		       host);
}

static int take_stop(struct visit *v, struct farm *f, struct farm_answer *a,
		     struct err *e)
{
	AUTO_JSON json_t *session = NULL;
	struct err why = ERR_INIT;

	if (a->state == FARM_YES)
		session = answer_session(a->json, &why);
	if (a->state == FARM_YES && !session)
		farm_not_an_answer(v, f, a, &why);
	if (!session)
		return say_no(a, e);
	log_event("stop", "result", "ok", "request", v->request.id, "remote",
		  v->request.remote, "user", v->who.user, "session",
		  text_of(session, "name"), "server", a->server->origin, NULL);
	if (v->request.wants_json)
		return page_json(v, 200,
				 json_pack("{sO ss}", "session", session,
					   "server", a->server->origin),
				 e);
	page_see_other(v, "manage=1");
	return 0;
}

int farm_stop(struct visit *v, bool now, struct err *e)
{
	const char *name = form_get(&v->request.fields, "session_stop");
	AUTO_FARM struct farm f = FARM_INIT;
	const struct server *server = NULL;
	AUTO_FREE char *fields = NULL;
	struct farm_answer answer;
	int result;

	if (find_server(v, &f, &server, e) < 0)
		return -1;
	if (asprintf(&fields, "session_stop=%s%s", name,
		     now ? "&now=1" : "") < 0) {
		fields = NULL;
		return err_set(e, ERR_SYSTEM, "no memory");
	}
	if (farm_ask_about(v, &f, FARM_STOP, &server, 1, name, fields, true,
			   &answer, e) < 0)
		return -1;
	result = take_stop(v, &f, &answer, e);
	farm_answer_release(&answer);
	return result;
}
