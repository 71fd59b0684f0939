/* qwdctl status: the configuration, the machines, the sessions. */
#include "ctl/ctl.h"

#include <string.h>

#include "conf/catalogue.h"
#include "ctl/service_store.h"
#include "ctl/table.h"
#include "session/access.h"
#include "sys/clock.h"
#include "sys/json.h"
#include "web/listing.h"

/* All that there is to tell. */
struct status {
	const struct config *config;
	struct store store;
	struct catalogue catalogue;
	struct session_list sessions;
	json_t *host;
};

static int gather(const struct config *c, struct status *s, struct err *e)
{
	struct err failure = ERR_INIT;

	s->config = c;
	if (catalogue_load(c, &s->catalogue, &failure) < 0 &&
	    failure.code != ERR_NOT_FOUND) {
		*e = failure;
		return -1;
	}
	if (service_store_open(c, &s->store, e) < 0 ||
	    store_list(&s->store, NULL, &s->sessions, e) < 0)
		return -1;
	s->host = listing_host(c, &s->sessions, true, e);
	return s->host ? 0 : -1;
}

static void release(struct status *s)
{
	json_decref(s->host);
	session_list_release(&s->sessions);
	catalogue_release(&s->catalogue);
	store_release(&s->store);
}

/* ---- For programs ---- */

static json_t *machines_value(const struct catalogue *catalogue)
{
	json_t *list = json_array();
	int failed = !list;

	for (size_t i = 0; i < catalogue->count; i++) {
		const struct catalogue_entry *m = &catalogue->list[i];

		failed |= json_array_append_new(
			list,
			json_pack("{ss ss ss sI sb ss?}", "name", m->name,
				  "description", m->description, "format",
				  m->format, "size", (json_int_t)m->size,
				  "usable", m->usable, "reason",
				  m->reason[0] ? m->reason : NULL));
	}
	if (!failed)
		return list;
	json_decref(list);
	return NULL;
}

static json_t *value_of(const struct status *s)
{
	return json_pack("{sO so so}", "host", s->host, "sessions",
			 listing_sessions(s->config, &s->sessions, NULL),
			 "machines", machines_value(&s->catalogue));
}

/* ---- For people ---- */

static void print_config(const struct status *s)
{
	AUTO_TABLE struct table t = { .columns = 2 };
	const struct config *c = s->config;

	table_add(&t, "Configuration");
	table_add(&t, c->file[0] ? c->file : "none, the defaults are used");
	table_add(&t, "Service");
	table_addf(&t, "%s  %s", c->service,
		   c->service_url[0] ? c->service_url : "(no service_url)");
	table_add(&t, "Machines");
	table_addf(&t, "%s, listed in %s", c->dir_machines, c->machines_conf);
	table_add(&t, "Overlays");
	table_add(&t, c->dir_snapshots);
	table_add(&t, "Records");
	table_add(&t, s->store.path);
	table_add(&t, "Logins");
	table_add(&t, access_logins_checked(c) ? "checked" :
		      c->allow_anonymous ?
			      "none: everybody is served (allow_anonymous)" :
			      "none: only this computer is served");
	table_print(&t, 0, stdout);
}

static void print_host(const struct status *s)
{
	const json_t *h = s->host;

	printf("\nHost %s: %lld cores with %lld %% load, %lld of %lld MB of "
	       "memory available,\n%lld of at most %lld sessions\n",
	       json_string_value(json_object_get(h, "name")),
	       json_integer_value(json_object_get(h, "cpus")),
	       json_integer_value(json_object_get(h, "load_percent")),
	       json_integer_value(json_object_get(h, "memory_available_mb")),
	       json_integer_value(json_object_get(h, "memory_mb")),
	       json_integer_value(json_object_get(h, "sessions")),
	       json_integer_value(json_object_get(h, "sessions_max")));
}

static void print_machines(const struct catalogue *catalogue)
{
	AUTO_TABLE struct table t = { .columns = 4 };

	printf("\nMachines: ");
	if (!catalogue->count) {
		printf("none; see 'qwdctl download' and 'qwdctl refresh'\n");
		return;
	}
	printf("%zu\n", catalogue->count);
	for (size_t i = 0; i < catalogue->count; i++) {
		const struct catalogue_entry *m = &catalogue->list[i];

		table_add(&t, m->name);
		table_add(&t, m->iso ? "iso" : m->format);
		table_add(&t, m->usable ? "ok" : "refused");
		table_add(&t, m->usable ? m->description : m->reason);
	}
	table_print(&t, 2, stdout);
}

static void add_session(struct table *t, const struct session *s)
{
	char started[32];
	char left[32] = "-";

	clock_human(s->started, started, sizeof(started));
	if (s->ends && !session_is_final(s))
		clock_duration((s->ends_boot_ms - clock_boot_ms()) / 1000, left,
			       sizeof(left));
	table_add(t, s->name);
	table_add(t, s->user);
	table_add(t, s->machine);
	table_add(t, session_state_name(s->state));
	table_add(t, started);
	table_add(t, left);
	table_addf(t, "%lld", s->cpu);
	table_addf(t, "%lld MB", s->memory_mb);
}

static void print_sessions(const struct session_list *sessions)
{
	static const char *const titles[] = {
		"NAME",	   "USER", "MACHINE", "STATE",
		"STARTED", "LEFT", "CORES",   "MEMORY",
	};
	AUTO_TABLE struct table t = { .columns = ARRAY_LEN(titles) };

	printf("\nSessions: ");
	if (!sessions->count) {
		printf("none\n");
		return;
	}
	printf("%zu\n", sessions->count);
	for (size_t i = 0; i < ARRAY_LEN(titles); i++)
		table_add(&t, titles[i]);
	for (size_t i = 0; i < sessions->count; i++)
		add_session(&t, &sessions->list[i]);
	table_print(&t, 2, stdout);
}

int ctl_status(const struct config *c, const struct given *g)
{
	struct status s = { .store = STORE_INIT };
	struct err e = ERR_INIT;
	int status = CTL_DONE;

	if (gather(c, &s, &e) < 0) {
		status = command_fail(g, &e);
	} else if (g->json) {
		status = command_print_json(g, value_of(&s));
	} else {
		print_config(&s);
		print_host(&s);
		print_machines(&s.catalogue);
		print_sessions(&s.sessions);
	}
	release(&s);
	return status;
}
