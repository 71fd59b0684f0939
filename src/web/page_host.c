/* The host's page for an administrator: what is in use, and what failed. */
#include "web/page.h"

#include <string.h>

#include "sys/clock.h"
#include "web/listing.h"
#include "web/state.h"
#include "web/view.h"

enum { FAILURES_MAX = 20 };

static json_t *disk_value(const struct state_disk *d)
{
	long long used = d->use.total_mb - d->use.free_mb;
	long long percent = d->use.total_mb ? used * 100 / d->use.total_mb :
					      100;

	return json_pack("{ss ss ss sI sI sI sb}", "what", d->what, "option",
			 d->option, "path", d->path, "free_mb",
			 (json_int_t)d->use.free_mb, "total_mb",
			 (json_int_t)d->use.total_mb, "percent",
			 (json_int_t)percent, "low",
			 d->use.free_mb < STATE_DISK_MIN_MB);
}

static json_t *disks_value(const struct state *s)
{
	json_t *list = json_array();
	int failed = !list;

	for (size_t i = 0; i < STATE_DISKS; i++)
		failed |= json_array_append_new(list, disk_value(&s->disks[i]));
	if (!failed)
		return list;
	json_decref(list);
	return NULL;
}

static long long sessions_of(const struct state *s, const char *machine)
{
	long long sessions = 0;

	for (size_t i = 0; i < s->sessions.count; i++)
		sessions += !session_is_final(&s->sessions.list[i]) &&
			    strcmp(s->sessions.list[i].machine, machine) == 0;
	return sessions;
}

static json_t *machines_value(const struct state *s)
{
	json_t *list = json_array();
	int failed = !list;

	for (size_t i = 0; i < s->machines.count; i++) {
		const struct catalogue_entry *m = &s->machines.list[i];

		failed |= json_array_append_new(
			list,
			json_pack("{ss ss ss sb ss sI}", "name", m->name,
				  "description", m->description, "format",
				  m->format, "usable", m->usable, "reason",
				  m->reason, "sessions",
				  (json_int_t)sessions_of(s, m->name)));
	}
	if (!failed)
		return list;
	json_decref(list);
	return NULL;
}

static json_t *failure_value(const struct session *s)
{
	char ended[32];
	char text[32];

	clock_rfc3339(s->ended, ended, sizeof(ended));
	clock_human(s->ended, text, sizeof(text));
	return json_pack("{ss ss ss ss ss ss ss}", "session", s->name, "user",
			 s->user, "machine", s->machine, "machine_title",
			 view_machine_title(s), "ended", ended, "ended_text",
			 text, "reason", s->reason);
}

/* The newest first, as the list of sessions is. */
static json_t *failures_value(const struct state *s)
{
	json_t *list = json_array();
	int failed = !list;

	for (size_t i = 0; i < s->sessions.count && !failed &&
			   json_array_size(list) < FAILURES_MAX;
	     i++)
		if (s->sessions.list[i].state == SESSION_FAILED)
			failed = json_array_append_new(
				list, failure_value(&s->sessions.list[i]));
	if (!failed)
		return list;
	json_decref(list);
	return NULL;
}

static json_t *states_value(const struct state *s)
{
	json_t *states = json_object();
	int failed = !states;

	for (int state = SESSION_STARTING; state <= SESSION_FAILED; state++) {
		json_int_t count = 0;

		for (size_t i = 0; i < s->sessions.count; i++)
			count += (int)s->sessions.list[i].state == state;
		failed |= json_object_set_new(
			states, session_state_name((enum session_state)state),
			json_integer(count));
	}
	if (!failed)
		return states;
	json_decref(states);
	return NULL;
}

static json_t *value_of(const struct config *c, const struct state *s,
			struct err *e)
{
	json_t *host = listing_host(c, &s->sessions, true, e);

	if (!host)
		return NULL;
	return json_pack("{so so so so so s{sI sI sI}}", "host", host, "disks",
			 disks_value(s), "machines", machines_value(s),
			 "states", states_value(s), "failures",
			 failures_value(s), "promised", "users",
			 (json_int_t)s->users, "cpus", (json_int_t)s->cpus,
			 "memory_mb", (json_int_t)s->memory_mb);
}

int page_host(struct visit *v, struct err *e)
{
	AUTO_STATE struct state state = { .live = 0 };
	json_t *value;

	if (access_check(&v->who, ACTION_OVERSEE, NULL, e) < 0)
		return e->code != ERR_FORBIDDEN ?
			       -1 :
			       err_set(e, ERR_FORBIDDEN,
				       "Only an administrator may see this "
				       "page.");
	if (visit_store(v, e) < 0 || state_read(&v->store, true, &state, e) < 0)
		return -1;
	value = value_of(&v->config, &state, e);
	if (!value)
		return err_set(e, ERR_SYSTEM, "no memory for the host's state");
	if (v->request.wants_json)
		return page_json(v, 200, value, e);
	if (json_object_set_new(value, "none_failed",
				json_boolean(!json_array_size(json_object_get(
					value, "failures")))) < 0 ||
	    json_object_set_new(value, "no_machines",
				json_boolean(!state.machines.count)) < 0 ||
	    json_object_set_new(value, "url_host",
				json_string(PAGE_CGI "?host=1")) < 0) {
		json_decref(value);
		return err_set(e, ERR_SYSTEM, "no memory for a page");
	}
	return page_html(v, 200, "host.html", "This host", 0, value, e);
}
