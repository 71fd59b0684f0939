/* qwdctl extend: a session gets more time. */
#include "ctl/ctl.h"

#include <string.h>

#include "base/text.h"
#include "ctl/service_store.h"
#include "run/control.h"
#include "session/lifetime.h"
#include "sys/clock.h"

static void tell(const struct session *s)
{
	char left[32];
	char ends[32];

	if (!s->ends) {
		printf("%s: has no end\n", s->name);
		return;
	}
	clock_duration(lifetime_left_s(s, clock_boot_ms()), left, sizeof(left));
	clock_human(session_ends(s), ends, sizeof(ends));
	printf("%s: ends in %s, %s\n", s->name, left, ends);
}

/* What control_extend() would do. */
static int look(const struct store *st, const char *name, long long seconds,
		struct session *ret, struct err *e)
{
	long long now = clock_boot_ms();
	long long ends;

	if (store_read_true(st, name, ret, e) < 0 ||
	    lifetime_extended(st->config, ret, now, seconds, &ends, e) < 0)
		return -1;
	lifetime_end_at(st->config, ret, now, ends);
	return 0;
}

static json_t *value_of(const struct session *s)
{
	json_int_t left = s->ends ? lifetime_left_s(s, clock_boot_ms()) : 0;

	return json_pack("{ss so}", "name", s->name, "seconds_left",
			 s->ends ? json_integer(left) : json_null());
}

int ctl_extend(const struct config *c, const struct given *g)
{
	AUTO_STORE struct store store = STORE_INIT;
	long long seconds = LIFETIME_LONGEST;
	const char *name = g->words[0];
	struct err e = ERR_INIT;
	struct session s;

	if (!session_name_ok(name))
		return command_usage(g->command, "this is no session's name");
	if (g->count == 2 && !text_long(g->words[1], 0, 1LL << 40, &seconds))
		return command_usage(g->command,
				     "the time is a whole number of seconds");
	if (service_store_open(c, &store, &e) < 0 ||
	    (g->dry_run ? look(&store, name, seconds, &s, &e) :
			  control_extend(&store, name, seconds,
					 "the administrator", &s, &e)) < 0) {
		if (e.code == ERR_NOT_FOUND)
			err_set(&e, ERR_NOT_FOUND, "no such session");
		err_prefix(&e, "%s", name);
		return command_fail(g, &e);
	}
	if (g->json)
		return command_print_json(g, value_of(&s));
	if (!g->quiet)
		tell(&s);
	return CTL_DONE;
}
