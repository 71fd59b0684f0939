/*
 * src/session/lifetime: when sessions end.  The wall clock of this program is
 * its own, and is set back and forth; the boot clock is the real one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/text.h"
#include "scratch.h"
#include "session/admission.h"
#include "session/housekeeping.h"
#include "session/lifetime.h"
#include "session/store.h"
#include "sys/clock.h"

static long long wall_offset_s;

/* In the C library's place, for all of this program; with its names. */
time_t time(time_t *__timer)
{
	struct timespec now = { 0 };

	(void)syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
	now.tv_sec += (time_t)wall_offset_s;
	if (__timer)
		*__timer = now.tv_sec;
	return now.tv_sec;
}

int clock_gettime(clockid_t __clock_id, struct timespec *__tp)
{
	int result = (int)syscall(SYS_clock_gettime, __clock_id, __tp);

	if (result == 0 && __clock_id == CLOCK_REALTIME)
		__tp->tv_sec += (time_t)wall_offset_s;
	return result;
}

enum { DAY_S = 86400 };
enum { NOW_MS = 50 * 1000 * 1000 };

static struct config config;

static void set(const char *name, const char *value)
{
	struct err e = ERR_INIT;

	if (config_set(&config, name, value, &e) < 0)
		fail_msg("%s", e.msg);
}

static int set_up(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	wall_offset_s = 0;
	return config_init(&config, &e);
}

static int tear_down(void **state)
{
	(void)state;
	config_release(&config);
	return 0;
}

static struct session running(long long lifetime_s)
{
	struct session s = { .name = "svc-a", .user = "ann",
			     .machine = "tiny.iso", .state = SESSION_RUNNING };

	lifetime_begin(&config, &s, NOW_MS, lifetime_s);
	return s;
}

/* ---- Begin, and the time of the warning ---- */

static void a_session_has_its_end_on_both_clocks(void **state)
{
	struct session s = running(3600);

	(void)state;
	assert_int_equal(s.started_boot_ms, NOW_MS);
	assert_int_equal(s.ends_boot_ms, NOW_MS + 3600 * 1000);
	assert_int_equal(s.ends, s.started + 3600);
	assert_int_equal(lifetime_left_s(&s, NOW_MS), 3600);
	assert_int_equal(lifetime_left_s(&s, NOW_MS + 1), 3600);
	assert_int_equal(lifetime_left_s(&s, NOW_MS + 3599 * 1000 + 1), 1);
	assert_int_equal(lifetime_left_s(&s, NOW_MS + 3600 * 1000), 0);
	assert_int_equal(lifetime_left_s(&s, NOW_MS + 9999 * 1000), 0);
}

static void a_session_without_an_end_has_no_warning(void **state)
{
	struct session s = running(0);

	(void)state;
	assert_int_equal(s.ends, 0);
	assert_int_equal(s.ends_boot_ms, 0);
	assert_int_equal(s.warn_boot_ms, 0);
	assert_int_equal(s.started_boot_ms, NOW_MS);
	assert_false(session_is_ending(&s));
}

static void the_warning_is_in_time_and_not_at_the_start(void **state)
{
	static const struct {
		const char *warning;
		long long lifetime_s;
		long long before_s; /* 0: none */
	} table[] = {
		{ "900", 3600, 900 }, { "900", 1800, 900 }, { "900", 60, 30 },
		{ "0", 3600, 0 },     { "86400", 86400, 43200 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct session s;

		set("snapshot_warning", table[i].warning);
		s = running(table[i].lifetime_s);
		assert_int_equal(s.warn_boot_ms,
				 table[i].before_s ?
					 s.ends_boot_ms -
						 table[i].before_s * 1000 :
					 0);
	}
}

/* ---- Extending ---- */

static void check_extended(const struct session *s, long long now_ms,
			   long long seconds, long long expected_ms)
{
	struct err e = ERR_INIT;
	long long end = -7;

	if (lifetime_extended(&config, s, now_ms, seconds, &end, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(end, expected_ms);
}

static void check_refused(const struct session *s, long long now_ms,
			  long long seconds, enum err_code code,
			  const char *message)
{
	struct err e = ERR_INIT;
	long long end = -7;

	assert_int_equal(
		lifetime_extended(&config, s, now_ms, seconds, &end, &e), -1);
	assert_int_equal(e.code, code);
	if (code == ERR_INPUT)
		assert_string_equal(e.field, "snapshot_lifetime");
	if (!strstr(e.msg, message))
		fail_msg("'%s' does not say '%s'", e.msg, message);
	assert_int_equal(end, -7);
}

static void an_extension_counts_from_now(void **state)
{
	struct session s = running(600);
	long long now = NOW_MS + 500 * 1000;

	(void)state;
	set("snapshot_lifetime", "3600");
	check_extended(&s, now, 200, now + 200 * 1000);
	check_extended(&s, now, 3100, now + 3100 * 1000);
	/* Asked twice it is the same. */
	s.ends_boot_ms = now + 200 * 1000;
	check_extended(&s, now, 200, now + 200 * 1000);
}

static void nothing_is_extended_past_the_total(void **state)
{
	struct session s = running(600);
	long long now = NOW_MS + 500 * 1000;

	(void)state;
	/* By itself the total is what a session may have at once. */
	set("snapshot_lifetime", "3600");
	check_refused(&s, now, 3101, ERR_INPUT,
		      "may run for another 51 min at most, 3100 seconds.");
	check_extended(&s, now, LIFETIME_LONGEST, NOW_MS + 3600 * 1000);
	assert_int_equal(lifetime_offer_s(&config, &s, now), 3100);
	/* Two hours in all, but never more than one from now. */
	set("snapshot_lifetime_total", "7200");
	check_extended(&s, now, LIFETIME_LONGEST, now + 3600 * 1000);
	check_refused(&s, now, 3601, ERR_INPUT, "from 60 to 3600");
	now = NOW_MS + 5000 * 1000;
	s.ends_boot_ms = now + 60 * 1000;
	check_extended(&s, now, LIFETIME_LONGEST, NOW_MS + 7200 * 1000);
	check_refused(&s, now, 2201, ERR_INPUT, "2200 seconds");
	/* At the limit it stays where it is, and is not offered. */
	s.ends_boot_ms = NOW_MS + 7200 * 1000;
	check_extended(&s, now, LIFETIME_LONGEST, s.ends_boot_ms);
	assert_int_equal(lifetime_offer_s(&config, &s, now), 0);
	/* Also if the configuration has become stricter since. */
	set("snapshot_lifetime_total", "60");
	set("snapshot_lifetime", "60");
	check_extended(&s, now, LIFETIME_LONGEST, s.ends_boot_ms);
	assert_int_equal(lifetime_offer_s(&config, &s, now), 0);
}

/* "Bad input" of the issue: negative, huge. */
static void a_wrong_time_is_refused(void **state)
{
	static const long long wrong[] = {
		-2, -60, -(1LL << 62), 1, 59, 3601, 1LL << 40, INT64_MAX,
		INT64_MIN,
	};
	struct session s = running(60);

	(void)state;
	set("snapshot_lifetime", "3600");
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		check_refused(&s, NOW_MS, wrong[i], ERR_INPUT,
			      "a whole number of seconds, from 60 to 3600.");
}

static void an_extension_never_shortens(void **state)
{
	struct session s = running(3600);

	(void)state;
	check_refused(&s, NOW_MS, 3599, ERR_INPUT,
		      "runs longer than that already: for another 1 h 0 min.");
}

static void without_an_end_only_where_it_is_allowed(void **state)
{
	struct session s = running(3600);

	(void)state;
	check_refused(&s, NOW_MS, 0, ERR_INPUT,
		      "Desktops without an end are not allowed here.");
	set("snapshot_unlimited", "yes");
	check_extended(&s, NOW_MS, 0, 0);
	/* Then the total is no limit either. */
	check_extended(&s, NOW_MS + 3000000LL * 1000, LIFETIME_LONGEST,
		       NOW_MS + (3000000LL + DAY_S) * 1000);
	s = running(0);
	check_refused(&s, NOW_MS, 600, ERR_CONFLICT, "there is nothing to");
	assert_int_equal(lifetime_offer_s(&config, &s, NOW_MS), 0);
}

static void what_is_ending_is_not_extended(void **state)
{
	static const enum session_state over[] = {
		SESSION_STOPPING, SESSION_ENDED, SESSION_FAILED,
	};
	struct session s = running(600);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(over); i++) {
		s.state = over[i];
		check_refused(&s, NOW_MS, 600, ERR_CONFLICT,
			      "is ending or has ended");
		assert_int_equal(lifetime_offer_s(&config, &s, NOW_MS), 0);
	}
	s.state = SESSION_STARTING;
	check_extended(&s, NOW_MS, 600, NOW_MS + 600 * 1000);
}

/* ---- RR8, P25: steps of the wall clock ---- */

static const long long steps_s[] = { 400LL * DAY_S, -DAY_S, 3600, -400LL * DAY_S };

static void a_step_of_the_clock_changes_no_time_that_is_left(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(steps_s); i++) {
		struct session s = { .name = "svc-a",
				     .state = SESSION_RUNNING };
		long long now = clock_boot_ms();

		wall_offset_s = 0;
		set("snapshot_warning", "900");
		lifetime_begin(&config, &s, now, 3600);
		assert_int_equal(session_ends(&s), s.ends);
		wall_offset_s = steps_s[i];
		assert_in_range(lifetime_left_s(&s, clock_boot_ms()), 3500,
				3600);
		assert_false(session_is_ending(&s));
		/* People see the end where it lies on the new clock. */
		assert_in_range(session_ends(&s) - s.ends - steps_s[i] + 100,
				0, 200);
		/* Its last quarter of an hour is its last, too. */
		lifetime_end_at(&config, &s, now - 2700 * 1000, now + 900000);
		assert_true(session_is_ending(&s));
		wall_offset_s = -steps_s[i];
		assert_true(session_is_ending(&s));
	}
}

static void a_step_of_the_clock_purges_nothing_early_and_nothing_never(
	void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(steps_s); i++) {
		AUTO_STORE struct store st = STORE_INIT;
		struct session s = { .user = "ann", .machine = "tiny.iso",
				     .format = "raw", .cpu = 1,
				     .memory_mb = 1 };
		struct purge_result result;
		struct err e = ERR_INIT;
		char path[4200];
		int lock;

		wall_offset_s = 0;
		snprintf(path, sizeof(path), "%s/clock%zu", scratch_path, i);
		set("dir_cfg", path);
		set("dir_snapshots", scratch_path);
		set("service_max_load", "1000");
		assert_int_equal(store_open(&config, &st, &e), 0);
		lock = admission_reserve(&st, &s, 3600, &e);
		if (lock < 0)
			fail_msg("%s", e.msg);
		/* One that lives is left alone. */
		wall_offset_s = steps_s[i];
		assert_int_equal(housekeeping_purge(&st, &result, &e), 0);
		assert_int_equal(result.failed + result.removed, 0);
		assert_int_equal(store_read_true(&st, s.name, &s, &e), 0);
		assert_int_equal(s.state, SESSION_STARTING);
		/* One that has ended is shown for ten minutes, whatever. */
		s.state = SESSION_ENDED;
		s.ended = clock_wall();
		s.ended_boot_ms = clock_boot_ms();
		assert_int_equal(store_write(&st, &s, &e), 0);
		close(lock);
		wall_offset_s = -steps_s[i];
		assert_int_equal(housekeeping_purge(&st, &result, &e), 0);
		assert_int_equal(result.removed, 0);
		s.ended_boot_ms -= STORE_KEEP_ENDED_S * 1000LL;
		assert_int_equal(store_write(&st, &s, &e), 0);
		assert_int_equal(housekeeping_purge(&st, &result, &e), 0);
		assert_int_equal(result.removed, 1);
	}
	wall_offset_s = 0;
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_session_has_its_end_on_both_clocks),
		T(a_session_without_an_end_has_no_warning),
		T(the_warning_is_in_time_and_not_at_the_start),
		T(an_extension_counts_from_now),
		T(nothing_is_extended_past_the_total),
		T(a_wrong_time_is_refused),
		T(an_extension_never_shortens),
		T(without_an_end_only_where_it_is_allowed),
		T(what_is_ending_is_not_extended),
		T(a_step_of_the_clock_changes_no_time_that_is_left),
		T(a_step_of_the_clock_purges_nothing_early_and_nothing_never),
	};

	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
