/* src/session/housekeeping: the dead, and what is in the way of their end. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/text.h"
#include "house.h"
#include "scratch.h"
#include "session/history.h"
#include "sys/clock.h"

#define A SHELF_A
#define B SHELF_B

/* ---- The dead ---- */

static void a_session_without_owner_is_failed_and_its_things_go(void **state)
{
	(void)state;
	for (int i = SESSION_STARTING; i <= SESSION_STOPPING; i++) {
		struct session s = shelf_session(A, (enum session_state)i);

		house_put(&s);
		house_check(1, 0, 1, 0);
		s = house_read(A);
		assert_int_equal(s.state, SESSION_FAILED);
		assert_string_equal(s.reason, "The process that looked after "
					      "this machine has died.");
		assert_in_range(s.ended, clock_wall() - 60, clock_wall());
		assert_true(s.ended_boot_ms > 0);
		assert_false(shelf_has(house_snapshots, A ".qcow2"));
		assert_false(shelf_has(shelf.run, A));
		assert_true(shelf_has(shelf.locks, A));
		/* Once is enough. */
		house_check(0, 0, 0, 0);
		assert_int_equal(unlinkat(shelf.locks, A, 0), 0);
		house_check(0, 0, 0, 1);
	}
}

static void a_session_of_another_boot_says_so(void **state)
{
	struct session s = shelf_session(A, SESSION_RUNNING);
	char boot_id[CLOCK_BOOT_ID_SIZE];

	(void)state;
	snprintf(s.boot_id, sizeof(s.boot_id), "another boot");
	house_put(&s);
	house_check(1, 0, 1, 0);
	s = house_read(A);
	assert_int_equal(s.state, SESSION_FAILED);
	assert_string_equal(s.reason, "The server was restarted.");
	clock_boot_id(boot_id);
	assert_string_equal(s.boot_id, boot_id);
	/* Shown for ten minutes from now on. */
	house_check(0, 0, 0, 0);
}

static int count_line(const struct history_line *line, void *arg,
		      struct err *e)
{
	(void)e;
	assert_string_equal(line->session, A);
	assert_string_equal(line->state, "failed");
	++*(size_t *)arg;
	return 0;
}

static void a_dead_session_is_in_the_history_once(void **state)
{
	struct session s = shelf_session(A, SESSION_RUNNING);
	struct err e = ERR_INIT;
	size_t damaged = 1;
	size_t count = 0;

	(void)state;
	house_put(&s);
	house_check(1, 0, 1, 0);
	house_check(0, 0, 0, 0);
	assert_int_equal(history_read(&shelf_config, count_line, &count,
				      &damaged, &e),
			 0);
	assert_int_equal(count, 1);
	assert_int_equal(damaged, 0);
}

static void a_history_that_cannot_be_written_keeps_nothing_alive(void **state)
{
	struct session s = shelf_session(A, SESSION_RUNNING);
	struct purge_result r;
	struct err e = ERR_INIT;
	int fd = open(shelf_config.dir_history, O_WRONLY | O_CREAT | O_CLOEXEC,
		      0600);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	house_put(&s);
	assert_int_equal(housekeeping_purge(&shelf, &r, &e), -1);
	assert_true(text_starts(e.msg, "dir_history: "));
	assert_int_equal(r.failed, 1);
	assert_int_equal(house_read(A).state, SESSION_FAILED);
	assert_false(shelf_has(house_snapshots, A ".qcow2"));
	house_check(0, 0, 0, 0); /* it is said once */
}

static void an_end_keeps_its_reason(void **state)
{
	struct session s = shelf_session(A, SESSION_ENDED);

	(void)state;
	snprintf(s.reason, sizeof(s.reason), "Stopped by its user.");
	house_put(&s);
	house_check(1, 0, 1, 0); /* final, but its end was not noted */
	s = house_read(A);
	assert_int_equal(s.state, SESSION_ENDED);
	assert_string_equal(s.reason, "Stopped by its user.");
	assert_true(s.ended > 0);
}

static void a_session_that_ended_long_ago_is_forgotten(void **state)
{
	long long now = clock_boot_ms();
	struct session s = shelf_session(A, SESSION_ENDED);

	(void)state;
	s.ended = clock_wall();
	s.ended_boot_ms = now - 599 * 1000;
	house_put(&s);
	house_check(0, 0, 1, 0);
	assert_string_equal(house_read(A).name, A);
	s.ended_boot_ms = now - 600 * 1000;
	house_put(&s);
	house_check(0, 1, 1, 0);
	house_check_gone(A);
}

/* The wall clock may be set: it says nothing within one boot. */
static void the_wall_clock_forgets_nobody(void **state)
{
	static const long long steps[] = { -86400LL * 400, 86400LL * 400 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		struct session s = shelf_session(A, SESSION_FAILED);

		s.ended = clock_wall() + steps[i];
		s.ended_boot_ms = clock_boot_ms();
		house_put(&s);
		house_check(0, 0, 1, 0);
		assert_string_equal(house_read(A).name, A);
	}
}

static void the_end_of_a_session_of_another_boot_is_told_by_the_wall_clock(
	void **state)
{
	static const struct {
		long long age_s;
		bool kept;
	} table[] = { { 590, true }, { 600, false }, { 86400, false },
		      { -100, false } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct session s = shelf_session(A, SESSION_ENDED);

		snprintf(s.boot_id, sizeof(s.boot_id), "another boot");
		s.ended = clock_wall() - table[i].age_s;
		s.ended_boot_ms = clock_boot_ms();
		house_put(&s);
		house_check(0, !table[i].kept, 1, 0);
		assert_int_equal(shelf_has(shelf.dir, A ".json"),
				 table[i].kept);
		assert_int_equal(shelf_has(shelf.locks, A), table[i].kept);
	}
}

static void a_session_whose_record_is_damaged_is_forgotten(void **state)
{
	struct session s = shelf_session(A, SESSION_RUNNING);
	int fd;

	(void)state;
	house_put(&s);
	fd = openat(shelf.dir, A ".json", O_WRONLY | O_TRUNC | O_CLOEXEC);
	close(fd);
	house_check(0, 1, 1, 0);
	house_check_gone(A);
	assert_true(shelf_has(shelf.dir, "damaged/" A ".json"));
}

static void a_lock_without_a_record_is_removed(void **state)
{
	(void)state;
	house_touch(shelf.locks, A);
	house_check(0, 1, 0, 0);
	house_check_gone(A);
}

/* ---- What is in the way ---- */

/* P10, RR7: a record that cannot be replaced keeps nothing else from going. */
static void without_room_for_a_record_all_else_goes(void **state)
{
	struct session s = shelf_session(A, SESSION_RUNNING);
	struct purge_result r;
	struct err e = ERR_INIT;
	struct rlimit before;
	struct rlimit none;

	(void)state;
	house_put(&s);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	none = (struct rlimit){ 0, before.rlim_max };
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	assert_int_equal(housekeeping_purge(&shelf, &r, &e), -1);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(e.code, ERR_SYSTEM);
	assert_int_equal(r.overlays, 1);
	assert_false(shelf_has(house_snapshots, A ".qcow2"));
	assert_false(shelf_has(shelf.run, A));
	s = house_read(A); /* whole, as it was */
	assert_int_equal(s.state, SESSION_RUNNING);
	house_check(1, 0, 0, 0);
}

/* RR5: who cannot look does not take the living for dead. */
static void without_descriptors_nothing_is_thought_dead(void **state)
{
	struct session s = shelf_session(A, SESSION_RUNNING);
	struct session_list list;
	struct rlimit before;
	struct rlimit none;
	struct err e = ERR_INIT;
	int lock;

	(void)state;
	house_put(&s);
	lock = shelf_hold(A);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){ (rlim_t)lock + 1, before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_true(store_is_alive(&shelf, A));
	/* And who counts the living does not miss one: P18. */
	assert_int_equal(store_list_alive(&shelf, &list, &e), -1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(e.code, ERR_SYSTEM);
	close(lock);
}

static void records_that_were_set_aside_go_after_a_week(void **state)
{
	struct session s;
	struct err e = ERR_INIT;
	int fd;

	(void)state;
	fd = openat(shelf.dir, A ".json", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(store_read(&shelf, A, &s, &e), -1);
	assert_int_equal(e.code, ERR_DAMAGED);
	assert_true(shelf_has(shelf.dir, "damaged/" A ".json"));
	assert_int_equal(mkdirat(shelf.dir, "damaged/" B ".json", 0700), 0);
	house_check(0, 0, 0, 0);
	house_later = STORE_KEEP_DAMAGED_S - 60;
	house_check(0, 0, 0, 0);
	house_later = STORE_KEEP_DAMAGED_S + 60;
	house_check(0, 0, 0, 2);
	house_later = 0;
	assert_false(shelf_has(shelf.dir, "damaged/" A ".json"));
	assert_false(shelf_has(shelf.dir, "damaged/" B ".json"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HOUSE_TEST(a_session_without_owner_is_failed_and_its_things_go),
		HOUSE_TEST(a_session_of_another_boot_says_so),
		HOUSE_TEST(a_dead_session_is_in_the_history_once),
		HOUSE_TEST(
			a_history_that_cannot_be_written_keeps_nothing_alive),
		HOUSE_TEST(an_end_keeps_its_reason),
		HOUSE_TEST(a_session_that_ended_long_ago_is_forgotten),
		HOUSE_TEST(the_wall_clock_forgets_nobody),
		HOUSE_TEST(
			the_end_of_a_session_of_another_boot_is_told_by_the_wall_clock),
		HOUSE_TEST(a_session_whose_record_is_damaged_is_forgotten),
		HOUSE_TEST(a_lock_without_a_record_is_removed),
		HOUSE_TEST(without_room_for_a_record_all_else_goes),
		HOUSE_TEST(without_descriptors_nothing_is_thought_dead),
		HOUSE_TEST(records_that_were_set_aside_go_after_a_week),
	};

	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
