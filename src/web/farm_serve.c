/* This server as other servers of the farm see it. */
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "farm/room.h"
#include "sys/clock.h"
#include "sys/json.h"
#include "web/actions.h"
#include "web/create.h"
#include "web/farm.h"
#include "web/page.h"

/* ---- What is said ---- */

static int not_believed(const struct visit *v, const struct err *why,
			struct err *e)
{
	log_event("farm", "result", "not-believed", "request", v->request.id,
		  "remote", v->request.remote, "message", why->msg, NULL);
	if (why->code == ERR_BUSY) {
		*e = *why;
		return -1;
	}
	err_set(e, ERR_LOGIN,
		"This server does not take what another server says of you. "
		"Its log says why.");
	/* It is signed, so the other server may know: it can do something. */
	if (strcmp(why->field, FARM_FIELD_TIME) == 0) {
		err_set(e, ERR_LOGIN, "%s", why->msg);
		memcpy(e->field, why->field, sizeof(e->field));
	}
	return -1;
}

static int check_names(const struct visit *v, const struct assertion *a,
		       struct err *e)
{
	struct farm_names names;

	request_own_names(&v->request, &v->config, &names);
	if (!farm_is_name(&names, a->to))
		return err_set(e, ERR_FORBIDDEN,
			       "assertion: it is for %.100s, and this is %.100s",
			       a->to, names.count ? names.list[0] : "unknown");
	/* A user whom nobody has checked is nobody, where logins are. */
	if (a->who.user[0] && !a->who.method[0] &&
	    access_logins_checked(&v->config))
		return err_set(e, ERR_FORBIDDEN,
			       "assertion: %.100s has not checked the user",
			       a->from);
	return 0;
}

/* Whatever name we are called by: what we said ourselves we know. */
int farm_hear(struct visit *v, const char *text, struct assertion *ret,
	      bool *ret_own, struct err *e)
{
	AUTO_SECRET struct secret secret = { .key = { 0 } };
	struct err why = ERR_INIT;
	char id[FARM_ID_SIZE];

	if (visit_store(v, e) < 0 || peer_id(&v->store, id, e) < 0)
		return -1;
	if (farm_secret_read(&v->config, &secret, &why) < 0 ||
	    assertion_read(text, &secret, ret, &why) < 0)
		return not_believed(v, &why, e);
	*ret_own = strcmp(ret->id, id) == 0;
	if (!*ret_own && check_names(v, ret, &why) < 0)
		return not_believed(v, &why, e);
	return 0;
}

void farm_believe(struct visit *v, const struct assertion *a)
{
	v->who = a->who;
	if (v->who.method[0])
		snprintf(v->who.method, sizeof(v->who.method), "farm");
	v->who.admin = access_is_admin(&v->config, &v->who);
}

/* The fields beside the assertion, as its digest has them. */
static int check_fields(const struct visit *v, const struct assertion *a,
			struct err *e)
{
	const struct form *f = &v->request.fields;
	AUTO_BUF struct buf text = BUF_INIT(FARM_BODY_MAX);
	char digest[FARM_DIGEST_SIZE];

	for (size_t i = 0; i < f->count; i++) {
		if (strcmp(f->fields[i].name, "farm") == 0)
			continue;
		if (text.len)
			buf_putc(&text, '&');
		text_url_escape(&text, f->fields[i].name);
		buf_putc(&text, '=');
		text_url_escape(&text, f->fields[i].value);
	}
	if (buf_failed(&text) || farm_digest(buf_str(&text), digest, e) < 0 ||
	    !text_same_secret(digest, a->digest))
		return err_set(e, ERR_FORBIDDEN,
			       "assertion: it is about another request");
	return 0;
}

/* ---- What is asked for ---- */

static int reply_status(struct visit *v, struct err *e)
{
	struct farm_status status = { .time = clock_wall() };
	struct room room;

	if (farm_room(&v->store, v->who.user, &room, e) < 0 ||
	    peer_id(&v->store, status.id, e) < 0)
		return -1;
	status.busy_milli = room.busy_milli;
	status.free_sessions = room.sessions;
	status.free_cpu = room.cpu;
	status.free_memory_mb = room.memory_mb;
	status.user_sessions = room.user.sessions;
	status.user_cpu = room.user.cpu;
	status.user_memory_mb = room.user.memory_mb;
	return page_json(v, 200, status_value(&status), e);
}

static int serve_create(struct visit *v, const struct assertion *a,
			struct err *e)
{
	int result;

	v->order = a;
	result = create_session(v, e);
	v->order = NULL;
	return result;
}

int farm_order_done(const struct visit *v, const struct session *s,
		    struct err *e)
{
	if (!v->order)
		return 0;
	if (heard_order_done(&v->store, v->order, s->name, e) == 0)
		return 0;
	log_event("farm", "result", "withdrawn", "request", v->request.id,
		  "server", v->order->from, "user", s->user, "session",
		  s->name, "message", e->msg, NULL);
	return -1;
}

/* One that has ended meanwhile is none: who asks looks for a desktop. */
static int reply_settled(struct visit *v, struct err *e)
{
	const char *text = form_get(&v->request.fields, "order");
	char name[SESSION_NAME_SIZE];
	struct order_id order;
	struct session s;

	if (order_id_parse(text ? text : "", &order, e) < 0)
		return -1;
	if (heard_order_settle(&v->store, &order, name, e) < 0) {
		struct err why = *e;

		return why.code == ERR_FORBIDDEN ? not_believed(v, &why, e) :
						   -1;
	}
	if (visit_session(v, name, ACTION_VIEW, &s, e) < 0)
		return -1;
	return session_is_final(&s) ?
		       err_set(e, ERR_NOT_FOUND, "It has ended already.") :
		       page_session_json(v, 200, &s, e);
}

static int serve(struct visit *v, const struct assertion *a, struct err *e)
{
	switch (a->verb) {
	case FARM_STATUS:
		return reply_status(v, e);
	case FARM_CREATE:
		return serve_create(v, a, e);
	case FARM_LIST:
		return page_manage(v, e);
	case FARM_STOP:
		return actions_stop(v, e);
	case FARM_SETTLE:
		return reply_settled(v, e);
	case FARM_ENTER:
		break;
	}
	return err_set(e, ERR_LOGIN, "A ticket is for browsers.");
}

int farm_serve(struct visit *v, struct err *e)
{
	struct assertion a = { .from = "" };
	struct err why = ERR_INIT;
	bool own = false;

	v->request.wants_json = true;
	if (farm_hear(v, form_get(&v->request.fields, "farm"), &a, &own, e) <
	    0)
		return -1;
	if (own)
		return page_json(v, 200, json_pack("{sb}", "self", 1), e);
	if (check_fields(v, &a, &why) < 0 ||
	    heard_once(&v->store, &a, &why) < 0)
		return not_believed(v, &why, e);
	v->by_farm = true;
	v->cookie[0] = '\0';
	farm_believe(v, &a);
	return serve(v, &a, e);
}
