/*
 * qwdctl report: the sessions that have ended, and the sums for each user, and
 * for each account of a cluster.
 */
#include "ctl/ctl.h"

#include <stdint.h>
#include <string.h>

#include "base/text.h"
#include "conf/options_slurm.h"
#include "ctl/service_store.h"
#include "ctl/table.h"
#include "session/history.h"
#include "sys/clock.h"
#include "sys/json.h"

enum { DAY_S = 86400 };

struct report {
	long long since; /* wall clock; a session counts by its end */
	long long until; /* that moment is not within */
	const char *user; /* NULL: all */
	const char *account; /* of the cluster; NULL: all and none */
	bool json;
	bool cluster; /* tell accounts, too */

	json_t *sessions; /* an array of lines */
	json_t *users;	  /* {NAME: sums} */
	json_t *accounts; /* the same */
	struct table table;
};

static int read_arguments(const struct given *g, struct report *r)
{
	const char *since = given_value(g, "since");
	const char *until = given_value(g, "until");

	r->json = g->json;
	r->user = given_value(g, "user");
	r->account = given_value(g, "account");
	if ((since && !clock_read(since, &r->since)) ||
	    (until && !clock_read(until, &r->until)))
		return command_usage(g->command, "a day is as in 2026-11-25");
	if (until && strlen(until) == strlen("2026-11-25"))
		r->until += DAY_S;
	if (r->user && !session_user_ok(r->user))
		return command_usage(g->command, "no user can have this name");
	return CTL_DONE;
}

/* ---- Sums ---- */

static json_int_t sum_of(const json_t *sums, const char *key)
{
	return json_integer_value(json_object_get(sums, key));
}

static int add_sums(json_t *all, const char *name,
		    const struct history_line *line)
{
	json_t *sums = json_object_get(all, name);
	AUTO_JSON json_t *more = json_pack(
		"{sI sI sI sI}", "sessions", sum_of(sums, "sessions") + 1,
		"seconds", sum_of(sums, "seconds") + line->seconds,
		"core_seconds",
		sum_of(sums, "core_seconds") + line->seconds * line->cpu,
		"memory_mb_seconds",
		sum_of(sums, "memory_mb_seconds") +
			line->seconds * line->memory_mb);

	return !more ? -1 : json_object_set(all, name, more);
}

static void add_row(struct report *r, const struct history_line *line)
{
	char ended[32];
	char life[32];

	clock_human(line->ended, ended, sizeof(ended));
	clock_duration(line->seconds, life, sizeof(life));
	table_add(&r->table, ended);
	table_add(&r->table, line->user);
	if (r->cluster)
		table_add(&r->table, line->account);
	table_add(&r->table, line->machine);
	table_add(&r->table, life);
	table_addf(&r->table, "%lld", line->cpu);
	table_addf(&r->table, "%lld MB", line->memory_mb);
	table_add(&r->table, line->state);
	table_add(&r->table, line->reason);
}

static int take_line(const struct history_line *line, void *arg, struct err *e)
{
	struct report *r = arg;
	int failed;

	if (line->ended < r->since || line->ended >= r->until ||
	    (r->user && strcmp(r->user, line->user) != 0) ||
	    (r->account && strcmp(r->account, line->account) != 0))
		return 0;
	failed = add_sums(r->users, line->user, line);
	if (line->account[0])
		failed |= add_sums(r->accounts, line->account, line);
	if (r->json)
		failed |= json_array_append_new(r->sessions,
						history_line_value(line));
	else
		add_row(r, line);
	return failed ? err_set(e, ERR_SYSTEM, "no memory") : 0;
}

/* ---- Output ---- */

static json_t *value_of(const struct report *r, size_t damaged)
{
	return json_pack("{sO sO sO sI}", "sessions", r->sessions, "users",
			 r->users, "accounts", r->accounts, "damaged",
			 (json_int_t)damaged);
}

static void print_sums(const char *title, json_t *all)
{
	AUTO_TABLE struct table t = { .columns = 4 };
	const char *name;
	json_t *sums;

	table_add(&t, title);
	table_add(&t, "SESSIONS");
	table_add(&t, "HOURS");
	table_add(&t, "CORE HOURS");
	json_object_foreach(all, name, sums) {
		table_add(&t, name);
		table_addf(&t, "%lld", sum_of(sums, "sessions"));
		table_addf(&t, "%.1f", (double)sum_of(sums, "seconds") / 3600);
		table_addf(&t, "%.1f",
			   (double)sum_of(sums, "core_seconds") / 3600);
	}
	printf("\n");
	table_print(&t, 0, stdout);
}

static int print_text(const struct report *r, size_t damaged)
{
	if (damaged)
		fprintf(stderr, "qwdctl report: %zu lines of the history "
				"cannot be read\n",
			damaged);
	if (!json_object_size(r->users)) {
		printf("No session has ended.\n");
		return CTL_NOTHING;
	}
	table_print(&r->table, 0, stdout);
	print_sums("USER", r->users);
	if (r->cluster && json_object_size(r->accounts))
		print_sums("ACCOUNT", r->accounts);
	return fflush(stdout) == 0 ? CTL_DONE : CTL_FAILED;
}

/* The history is private to the service's user: root becomes that first. */
static int gather(const struct config *c, struct report *r, size_t *damaged,
		  struct err *e)
{
	AUTO_STORE struct store store = STORE_INIT;

	if (!r->sessions || !r->users || !r->accounts)
		return err_set(e, ERR_SYSTEM, "no memory");
	if (service_store_open(c, &store, e) < 0)
		return -1;
	return history_read(c, take_line, r, damaged, e);
}

/* The first row; accounts only where there are any. */
static void add_titles(struct report *r)
{
	static const char *const titles[] = {
		"ENDED", "USER",   "ACCOUNT", "MACHINE", "LIFE",
		"CORES", "MEMORY", "STATE",   "REASON",
	};

	r->table.columns = ARRAY_LEN(titles) - !r->cluster;
	for (size_t i = 0; i < ARRAY_LEN(titles); i++)
		if (r->cluster || i != 2)
			table_add(&r->table, titles[i]);
}

int ctl_report(const struct config *c, const struct given *g)
{
	struct report r = { .until = INT64_MAX };
	int status = read_arguments(g, &r);
	struct err e = ERR_INIT;
	size_t damaged = 0;

	if (status != CTL_DONE)
		return status;
	r.sessions = json_array();
	r.users = json_object();
	r.accounts = json_object();
	r.cluster = r.account || config_has_slurm(c);
	add_titles(&r);
	if (gather(c, &r, &damaged, &e) < 0) {
		status = command_fail(g, &e);
	} else {
		status = g->json ? command_print_json(g,
						      value_of(&r, damaged)) :
				   print_text(&r, damaged);
	}
	table_release(&r.table);
	json_decref(r.sessions);
	json_decref(r.users);
	json_decref(r.accounts);
	return status;
}
