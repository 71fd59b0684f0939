#include "farm/farm.h"

#include <string.h>

#include "base/log.h"
#include "sys/json.h"

enum { UNKNOWN = 401, BUSY = 503 }; /* HTTP statuses */

bool farm_is_name(const struct farm_names *names, const char *origin)
{
	for (size_t i = 0; i < names->count; i++)
		if (strcmp(names->list[i], origin) == 0)
			return true;
	return false;
}

/* The list may be the same at all servers: we are in it, then. */
static void leave_out_self(struct servers *s, const struct farm_names *names)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->count; i++)
		if (!farm_is_name(names, s->list[i].origin))
			s->list[kept++] = s->list[i];
	s->count = kept;
}

int farm_open(const struct config *c, const struct store *st,
	      const struct farm_names *names, const struct identity *who,
	      const char *remote, struct farm *ret, struct err *e)
{
	if (servers_parse(c->fallback_servers, &ret->servers))
		return err_set(e, ERR_SYSTEM, "no memory");
	if (farm_secret_read(c, &ret->secret, e) < 0 ||
	    peer_id(st, ret->id, e) < 0)
		return -1;
	leave_out_self(&ret->servers, names);
	ret->config = c;
	ret->store = st;
	ret->who = *who;
	snprintf(ret->from, sizeof(ret->from), "%s",
		 names->count ? names->list[0] : "");
	snprintf(ret->remote, sizeof(ret->remote), "%s", remote);
	return 0;
}

size_t farm_own_servers(const struct farm *f, const struct server **ret)
{
	size_t count = 0;

	for (size_t i = 0; i < f->servers.count; i++)
		if (!f->servers.list[i].perl)
			ret[count++] = &f->servers.list[i];
	return count;
}

void farm_close(struct farm *f)
{
	secret_release(&f->secret);
}

/* ---- One call ---- */

static int sign(struct farm *f, enum farm_verb verb,
		const struct server *server, const char *session,
		const char *fields, struct buf *out, struct order_id *ret,
		struct err *e)
{
	struct assertion a = { .verb = verb, .who = f->who };

	memcpy(a.from, f->from, sizeof(a.from));
	memcpy(a.to, server->origin, sizeof(a.to));
	memcpy(a.id, f->id, sizeof(a.id));
	memcpy(a.remote, f->remote, sizeof(a.remote));
	snprintf(a.session, sizeof(a.session), "%s", session);
	if (farm_digest(fields, a.digest, e) < 0)
		return -1;
	if (assertion_sign(&a, &f->secret, out, e) < 0)
		return -1;
	memcpy(ret->nonce, a.nonce, sizeof(ret->nonce));
	ret->expires = a.expires;
	return 0;
}

static int make_call(struct farm *f, enum farm_verb verb,
		     const struct server *server, const char *session,
		     const char *fields, struct call *ret,
		     struct order_id *ret_order, struct err *e)
{
	*ret = (struct call){
		.url = server->url,
		.accept = "application/json",
		.body = BUF_INIT(FARM_BODY_MAX),
	};
	buf_puts(&ret->body, "farm=");
	if (sign(f, verb, server, session, fields, &ret->body, ret_order, e) <
	    0)
		return -1;
	buf_printf(&ret->body, "%s%s", *fields ? "&" : "", fields);
	return buf_failed(&ret->body) ?
		       err_set(e, ERR_TOO_LARGE, "The form is too long.") :
		       0;
}

/* ---- What became of it ---- */

static void say(struct farm_answer *a, enum farm_state state,
		const char *reason, const char *message)
{
	a->state = state;
	snprintf(a->reason, sizeof(a->reason), "%s", reason);
	snprintf(a->message, sizeof(a->message), "%s", message);
}

/* It would believe us at another time. */
static bool is_about_time(const json_t *json)
{
	const char *field = json_string_value(
		json_object_get(json_object_get(json, "error"), "field"));

	return field && strcmp(field, FARM_FIELD_TIME) == 0;
}

/* Any web server answers something: only JSON of ours counts. */
static void judge(struct farm_answer *a, const struct call *c)
{
	struct err e = ERR_INIT;
	char told[256] = "";

	a->status = c->status;
	a->ms = c->ms;
	a->open = c->sent;
	if (strcmp(c->reason, "ok") != 0 || !c->text) {
		say(a, FARM_SILENT, c->reason, c->message);
		return;
	}
	a->json = json_parse_object(c->text, strlen(c->text), &e);
	a->open = false;
	if (json_is_true(json_object_get(a->json, "self")))
		say(a, FARM_SELF, "self", "it is this server");
	else if (a->json && (c->status == 200 || c->status == 201))
		say(a, FARM_YES, "ok", "");
	else if (!a->json || !answer_error(a->json, told, sizeof(told))) {
		say(a, FARM_SILENT, "no-farm", "no answer of a server of ours");
		a->open = true;
	} else if (c->status == UNKNOWN)
		say(a, FARM_SILENT,
		    is_about_time(a->json) ? "clock" : "not-believed", told);
	else if (c->status >= 500 && c->status != BUSY)
		say(a, FARM_SILENT, "failed", told);
	else
		say(a, FARM_NO, "refused", told);
}

/* Whoever did not answer is left alone for a while. */
static int note(const struct farm *f, const struct farm_answer *a,
		struct err *e)
{
	bool silent = a->state == FARM_SILENT;

	return peer_skip(f->store, a->server->origin, a->reason,
			 a->state == FARM_SELF ? FARM_SELF_S :
			 silent		       ? f->config->farm_skip :
						 0,
			 e);
}

/* ---- All of them ---- */

/* Set those that are not to be asked aside; the rest is to be asked. */
static size_t sort_out(const struct farm *f, struct farm_answer *answers,
		       size_t count, struct farm_answer **ret_ask)
{
	size_t asked = 0;

	for (size_t i = 0; i < count; i++) {
		struct farm_answer *a = &answers[i];

		a->skipped = peer_is_skipped(f->store, a->server->origin,
					     a->reason);
		if (!a->skipped)
			ret_ask[asked++] = a;
		else if (strcmp(a->reason, "self") == 0)
			a->state = FARM_SELF;
	}
	return asked;
}

void farm_round_drop(struct farm_round *r)
{
	asking_release(&r->asking);
	for (size_t i = 0; i < r->made; i++)
		call_release(&r->calls[i]);
	r->made = 0;
}

static int begin(struct farm *f, struct farm_round *r, bool slow,
		 struct err *e)
{
	long long wait = f->config->farm_wait;
	long long most = slow ? f->config->farm_timeout * 1000 : wait;

	if (r->asked == 0)
		return 0;
	return farm_ask_begin(f->config, f->agent ? f->store : NULL, r->calls,
			      r->asked, slow, wait, most > wait ? most : wait,
			      &r->asking, e);
}

int farm_round_begin(struct farm *f, enum farm_verb verb,
		     const struct server *const *servers, size_t count,
		     const char *session, const char *fields, bool slow,
		     struct farm_answer *ret_answers, struct farm_round *ret,
		     struct err *e)
{
	struct farm_round *r = ret;
	int result = 0;

	r->answers = ret_answers;
	r->count = count;
	r->made = 0;
	r->asking = (struct asking)ASKING_INIT;
	for (size_t i = 0; i < count; i++)
		ret_answers[i] = (struct farm_answer){
			.server = servers[i],
			.state = FARM_SILENT,
		};
	r->asked = sort_out(f, ret_answers, count, r->ask);
	while (r->made < r->asked && result == 0) {
		struct farm_answer *a = r->ask[r->made];

		result = make_call(f, verb, a->server, session, fields,
				   &r->calls[r->made], &a->order, e);
		r->made++;
	}
	/* From here on they may hear it. */
	for (size_t i = 0; i < r->made && result == 0; i++)
		r->ask[i]->open = true;
	if (result == 0)
		result = begin(f, r, slow, e);
	if (result < 0)
		farm_round_drop(r);
	return result;
}

int farm_round_end(struct farm *f, struct farm_round *r, struct err *e)
{
	int result = 0;

	if (r->asked)
		result = farm_ask_end(f->config, &r->asking, r->calls,
				      r->asked, e);
	for (size_t i = 0; i < r->asked && result == 0; i++) {
		struct err why = ERR_INIT;

		judge(r->ask[i], &r->calls[i]);
		/* Whoever has said yes has done it, noted or not. */
		if (note(f, r->ask[i], &why) < 0)
			log_error("farm", &why);
	}
	farm_round_drop(r);
	return result;
}

void farm_answer_release(struct farm_answer *a)
{
	json_decref(a->json);
	a->json = NULL;
}

int farm_disbelieve(struct farm *f, struct farm_answer *a,
		    const struct err *why, struct err *e)
{
	say(a, FARM_SILENT, "damaged", why->msg);
	return note(f, a, e);
}

int farm_settle(struct farm *f, const struct farm_answer *order,
		struct farm_answer *ret, struct err *e)
{
	long long wait = f->config->farm_wait;
	char fields[sizeof("order=") + ORDER_ID_TEXT_SIZE] = "order=";
	struct order_id own;
	struct call call;
	int result;

	*ret = (struct farm_answer){
		.server = order->server,
		.state = FARM_SILENT,
	};
	order_id_text(&order->order, fields + strlen(fields));
	result = make_call(f, FARM_SETTLE, order->server, "", fields, &call,
			   &own, e);
	if (result == 0)
		result = farm_ask(f->config, &call, 1, wait, wait, e);
	if (result == 0) {
		judge(ret, &call);
		result = note(f, ret, e);
	}
	call_release(&call);
	return result;
}

int farm_enter_url(struct farm *f, const struct server *server,
		   const char *session, struct buf *out, struct err *e)
{
	struct order_id own;

	buf_printf(out, "%s/qemu-web-desktop/?ticket=", server->origin);
	return sign(f, FARM_ENTER, server, session, "", out, &own, e);
}
