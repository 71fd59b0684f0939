/*
 * For programs that watch the service: does it work (?health=1), and its
 * figures (?metrics=1, https://prometheus.io/docs/instrumenting/
 * exposition_formats/).  Neither tells who has what.
 */
#include "web/page.h"

#include <string.h>

#include "base/log.h"
#include "base/version.h"
#include "vm/gateway.h"
#include "web/state.h"

#define TYPE_METRICS "text/plain; version=0.0.4; charset=utf-8"

/* ---- Health ---- */

struct part {
	const char *name;
	bool works;
};

enum { PARTS = 4 };

static json_t *health_value(const struct part *parts, bool works, bool place)
{
	json_t *list = json_object();
	int failed = !list;

	for (size_t i = 0; i < PARTS; i++)
		failed |= json_object_set_new(list, parts[i].name,
					      json_boolean(parts[i].works));
	if (!failed)
		return json_pack("{ss sb so}", "status",
				 works ? "ok" : "failing", "accepting",
				 works && place, "parts", list);
	json_decref(list);
	return NULL;
}

static int reply_health(struct visit *v, const struct part *parts, bool place,
			struct err *e)
{
	bool works = true;

	for (size_t i = 0; i < PARTS; i++) {
		works = works && parts[i].works;
		if (!parts[i].works)
			log_event("health", "request", v->request.id, "failing",
				  parts[i].name, NULL);
	}
	if (v->request.wants_json)
		return page_json(v, works ? 200 : 503,
				 health_value(parts, works, place), e);
	reply_reset(&v->reply, works ? 200 : 503, REPLY_TEXT);
	buf_puts(&v->reply.body, works ? "ok\n" : "failing:");
	for (size_t i = 0; i < PARTS && !works; i++)
		if (!parts[i].works)
			buf_printf(&v->reply.body, " %s", parts[i].name);
	if (!works)
		buf_putc(&v->reply.body, '\n');
	return 0;
}

int page_health(struct visit *v, struct err *e)
{
	AUTO_STATE struct state state = { .live = 0 };
	struct err broken = ERR_INIT;
	bool store = visit_store(v, &broken) == 0 &&
		     state_read(&v->store, false, &state, &broken) == 0;
	const struct part parts[PARTS] = {
		{ "store", store },
		{ "machines", store && state_has_machines(&state) },
		{ "disk", store && state_has_disk(&state) },
		{ "programs", state_has_programs(&v->config) },
	};

	if (!store)
		log_error("health", &broken);
	return reply_health(v, parts,
			    store && state_has_place(&v->config, &state), e);
}

/* ---- Metrics ---- */

static void begin(struct buf *out, const char *name, const char *help)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name);
}

static void gauge(struct buf *out, const char *name, const char *help,
		  long long value)
{
	begin(out, name, help);
	buf_printf(out, "%s %lld\n", name, value);
}

static void put_states(struct buf *out, const struct state *s)
{
	begin(out, "qwd_sessions",
	      "Sessions by state; the ended are kept for ten minutes.");
	for (int state = SESSION_STARTING; state <= SESSION_FAILED; state++) {
		long long count = 0;

		for (size_t i = 0; i < s->sessions.count; i++)
			count += (int)s->sessions.list[i].state == state;
		buf_printf(out, "qwd_sessions{state=\"%s\"} %lld\n",
			   session_state_name((enum session_state)state),
			   count);
	}
}

static void put_disks(struct buf *out, const struct state *s)
{
	begin(out, "qwd_disk_bytes", "Size of the file system of a directory.");
	for (size_t i = 0; i < STATE_DISKS; i++)
		buf_printf(out, "qwd_disk_bytes{directory=\"%s\"} %lld\n",
			   s->disks[i].option,
			   s->disks[i].use.total_mb * 1048576);
	begin(out, "qwd_disk_free_bytes", "What is free of it.");
	for (size_t i = 0; i < STATE_DISKS; i++)
		buf_printf(out, "qwd_disk_free_bytes{directory=\"%s\"} %lld\n",
			   s->disks[i].option,
			   s->disks[i].use.free_mb * 1048576);
}

static void put_machines(struct buf *out, const struct state *s)
{
	long long usable = 0;

	for (size_t i = 0; i < s->machines.count; i++)
		usable += s->machines.list[i].usable;
	gauge(out, "qwd_machines_usable", "Machines that can be started.",
	      usable);
	gauge(out, "qwd_machines_refused",
	      "Machines whose image qwdctl refresh has refused.",
	      (long long)s->machines.count - usable);
}

static void put_host(struct buf *out, const struct state *s)
{
	/* load_milli is the average divided by the cores. */
	long long centi = (s->load.load_milli * s->load.cpus + 5) / 10;

	gauge(out, "qwd_cpus", "Processors of the host.", s->load.cpus);
	begin(out, "qwd_load1", "Load average of one minute.");
	buf_printf(out, "qwd_load1 %lld.%02lld\n", centi / 100, centi % 100);
	gauge(out, "qwd_memory_bytes", "Memory of the host.",
	      s->load.memory_mb * 1048576);
	gauge(out, "qwd_memory_available_bytes", "What is available of it.",
	      s->load.memory_available_mb * 1048576);
}

static void put_metrics(const struct visit *v, const struct state *s,
			struct buf *out)
{
	const struct config *c = &v->config;

	begin(out, "qwd_info", "The program.");
	buf_printf(out, "qwd_info{version=\"%s\"} 1\n", QWD_VERSION);
	put_states(out, s);
	gauge(out, "qwd_sessions_max", "Sessions that may live at a time.",
	      c->service_max_instance_nb);
	gauge(out, "qwd_users", "Users who have live sessions.", s->users);
	gauge(out, "qwd_promised_cpus", "Cores of all live sessions.", s->cpus);
	gauge(out, "qwd_promised_memory_bytes", "Memory of all live sessions.",
	      s->memory_mb * 1048576);
	put_host(out, s);
	put_disks(out, s);
	put_machines(out, s);
	gauge(out, "qwd_accepting",
	      "1 if a small session would find a place on the host.",
	      state_has_place(c, s));
	gauge(out, "qwd_gateway_up", "1 if the display gateway answers.",
	      gateway_port(&v->store) > 0);
}

/* Off, for this machine only, or for whoever reaches the service. */
static int check_offered(const struct visit *v, struct err *e)
{
	const char *offered = v->config.service_metrics;

	if (strcmp(offered, "no") == 0)
		return err_set(e, ERR_NOT_FOUND,
			       "There are no metrics here: service_metrics is "
			       "off.");
	if (strcmp(offered, "local") == 0 &&
	    (!v->request.peer_is_local || v->request.forwarded))
		return err_set(e, ERR_FORBIDDEN,
			       "The metrics are for programs on this host "
			       "only.");
	return 0;
}

int page_metrics(struct visit *v, struct err *e)
{
	AUTO_STATE struct state state = { .live = 0 };

	if (check_offered(v, e) < 0 || visit_store(v, e) < 0 ||
	    state_read(&v->store, true, &state, e) < 0)
		return -1;
	reply_reset(&v->reply, 200, TYPE_METRICS);
	put_metrics(v, &state, &v->reply.body);
	return 0;
}
