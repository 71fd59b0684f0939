/* A place on one of several servers. */
#include <string.h>

#include "base/log.h"
#include "farm/choice.h"
#include "farm/room.h"
#include "session/admission.h"
#include "sys/clock.h"
#include "sys/json.h"
#include "vm/script.h"
#include "web/create.h"
#include "web/farm.h"
#include "web/order.h"
#include "web/page.h"

enum {
	URL_BYTES_MAX = FARM_ASSERTION_MAX + 512,
	SEARCH_MS = 30 * 1000, /* then nobody else is asked */
};

/* ---- What the others say ---- */

/* All that is known before a place is looked for. */
struct search {
	struct visit *v;
	struct farm *f;
	struct session *s;
	long long lifetime_s;
	struct elsewhere more;
	struct choice choices[SERVERS_MAX + 1];
	size_t count;
	const char *order;
	long long start; /* clock_boot_ms() */
	struct err why; /* this host has no place; ERR_NONE: not tried */
};

static void take_status(struct search *q, struct farm_answer *a)
{
	struct farm_status status;
	struct err why = ERR_INIT;

	if (a->state != FARM_YES)
		return;
	if (answer_status(a->json, &status, &why) < 0) {
		farm_not_an_answer(q->v, q->f, a, &why);
		return;
	}
	q->more.sessions += status.user_sessions;
	q->more.cpu += status.user_cpu;
	q->more.memory_mb += status.user_memory_mb;
	q->choices[q->count++] = choice_of(a->server, &status, q->s);
}

/* Servers that do not answer do not keep a user from this one. */
static void ask_all(struct search *q)
{
	struct farm_answer answers[SERVERS_MAX];
	const struct server *servers[SERVERS_MAX];
	size_t count = farm_own_servers(q->f, servers);
	struct err e = ERR_INIT;

	if (farm_ask_about(q->v, q->f, FARM_STATUS, servers, count, "", "",
			   false, answers, &e) < 0) {
		log_error("farm", &e);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		take_status(q, &answers[i]);
		farm_answer_release(&answers[i]);
	}
}

/* ---- To another server ---- */

static void log_forwarded(const struct visit *v, const struct server *server,
			  const char *session)
{
	log_event("farm", "result", "forwarded", "request", v->request.id,
		  "remote", v->request.remote, "user", v->who.user, "server",
		  server->origin, "session", session, NULL);
}

/* There the visitor finds the session's page, and is logged in. */
static int reply_forwarded(struct visit *v, struct farm *f,
			   const struct server *server, const json_t *session,
			   struct err *e)
{
	const char *name =
		json_string_value(json_object_get(session, "name"));
	AUTO_BUF struct buf url = BUF_INIT(URL_BYTES_MAX);

	if (farm_enter_url(f, server, name, &url, e) < 0)
		return -1;
	if (!v->request.wants_json)
		reply_reset(&v->reply, 303, NULL);
	else if (page_json(v, 201,
			   json_pack("{sO ss ss}", "session", session,
				     "server", server->origin, "enter",
				     buf_str(&url)),
			   e) < 0)
		return -1;
	reply_header(&v->reply, "Location", "%s", buf_str(&url));
	log_forwarded(v, server, name);
	return 0;
}

/*
 * The order was sent, and no answer came: before anybody else is asked, that
 * server says what became of it, and starts nothing after it has said that
 * there is nothing.  If it says nothing either, the visitor is not kept from a
 * place elsewhere.
 */
static void settle(const struct visit *v, struct farm *f,
		   struct farm_answer *answer)
{
	static const char *const words[] = {
		[FARM_YES] = "found",
		[FARM_NO] = "given-up",
		[FARM_SILENT] = "unsettled",
		[FARM_SELF] = "self",
	};
	struct farm_answer told;
	struct err e = ERR_INIT;

	if (farm_settle(f, answer, &told, &e) < 0)
		log_error("farm", &e);
	log_event("farm", "result", words[told.state], "request",
		  v->request.id, "user", v->who.user, "server",
		  told.server->origin, "reason", told.reason, "message",
		  told.message, NULL);
	farm_answer_release(answer);
	*answer = told;
}

/* Ask one server.  True if it has a place, and the reply is made. */
static bool try_server(struct visit *v, struct farm *f,
		       const struct server *server, const char *order)
{
	struct farm_answer answer;
	AUTO_JSON json_t *session = NULL;
	struct err e = ERR_INIT;

	if (farm_ask_about(v, f, FARM_CREATE, &server, 1, "", order, true,
			   &answer, &e) < 0)
		log_error("farm", &e);
	if (answer.open)
		settle(v, f, &answer);
	if (answer.state == FARM_YES) {
		session = answer_session(answer.json, &e);
		if (!session)
			farm_not_an_answer(v, f, &answer, &e);
	}
	farm_answer_release(&answer);
	if (!session)
		return false;
	if (reply_forwarded(v, f, server, session, &e) == 0)
		return true;
	log_error("farm", &e);
	return false;
}

/* The password stays here, and so do scripts that want it. */
static bool may_leave(const struct visit *v)
{
	const char *script = form_get(&v->request.fields, "config_script");

	return !script || !script_uses(script, SYMBOL_PW);
}

static bool go_to(struct search *q, const struct server *server)
{
	if (!q->order || !may_leave(q->v) ||
	    clock_boot_ms() - q->start > SEARCH_MS)
		return false;
	return server->perl ? farm_try_perl(q->v, q->f, server) :
			      try_server(q->v, q->f, server, q->order);
}

/* Here.  Who has no place does not ask what the user has elsewhere. */
static bool stay(struct search *q, bool asked)
{
	if (admission_check(&q->v->store, q->s, &q->why) < 0)
		return false;
	if (!asked)
		ask_all(q);
	return create_here(q->v, q->s, q->lifetime_s, &q->more, &q->why) == 0;
}

/* In the order of the list. */
static bool spill(struct search *q)
{
	if (stay(q, false))
		return true;
	if (!q->why.elsewhere || q->v->by_farm)
		return false;
	for (size_t i = 0; i < q->f->servers.count; i++)
		if (go_to(q, &q->f->servers.list[i]))
			return true;
	return false;
}

/* What this host itself would tell another one. */
static void add_self(struct search *q)
{
	struct farm_status status = { .time = 0 };
	struct err e = ERR_INIT;
	struct room room;

	if (farm_room(&q->v->store, q->v->who.user, &room, &e) < 0) {
		log_error("farm", &e);
		return;
	}
	status.busy_milli = room.busy_milli;
	status.free_sessions = room.sessions;
	status.free_cpu = room.cpu;
	status.free_memory_mb = room.memory_mb;
	q->choices[q->count++] = choice_of(NULL, &status, q->s);
}

/* Perl servers tell nothing of themselves: they come last. */
static bool try_perl_servers(struct search *q)
{
	for (size_t i = 0; i < q->f->servers.count; i++)
		if (q->f->servers.list[i].perl &&
		    go_to(q, &q->f->servers.list[i]))
			return true;
	return false;
}

/* The least loaded one first, this one where nothing differs. */
static bool balance(struct search *q)
{
	add_self(q);
	ask_all(q);
	choice_sort(q->choices, q->count);
	for (size_t i = 0; i < q->count; i++) {
		const struct server *server = q->choices[i].server;

		if (server ? go_to(q, server) : stay(q, true))
			return true;
		/* It is the user who has enough. */
		if (!server && !q->why.elsewhere)
			return false;
	}
	if (try_perl_servers(q))
		return true;
	return q->why.code == ERR_NONE && stay(q, true);
}

int farm_create(struct visit *v, struct session *s, long long lifetime_s,
		struct err *e)
{
	AUTO_FARM struct farm f = FARM_INIT;
	AUTO_FREE char *order = order_pack(&v->request.fields);
	struct search q = {
		.v = v,
		.f = &f,
		.s = s,
		.lifetime_s = lifetime_s,
		.order = order,
		.start = clock_boot_ms(),
	};
	bool by_load = strcmp(v->config.farm_policy, "balance") == 0;

	if (farm_of_visit(v, &f, &q.why) < 0) {
		log_error("farm", &q.why);
		return create_here(v, s, lifetime_s, NULL, e);
	}
	if (by_load && !v->by_farm ? balance(&q) : spill(&q))
		return 0;
	*e = q.why;
	return -1;
}
