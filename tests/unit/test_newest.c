/* src/session/newest: which sessions a page shows. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "scratch.h"
#include "session/newest.h"
#include "shelf.h"

static void put(const char *name, const char *user, enum session_state state,
		long long started)
{
	struct session s = { .machine = "tiny.iso", .format = "raw", .cpu = 1,
			     .memory_mb = 256, .state = state,
			     .started = started };
	struct err e = ERR_INIT;

	snprintf(s.name, sizeof(s.name), "%s", name);
	snprintf(s.user, sizeof(s.user), "%s", user);
	snprintf(s.boot_id, sizeof(s.boot_id), "x");
	assert_int_equal(store_write(&shelf, &s, &e), 0);
}

static void check(const char *user, size_t limit, const char *const *names,
		  size_t older)
{
	AUTO_SESSION_LIST struct session_list list = { .list = NULL };
	struct err e = ERR_INIT;
	size_t left = 999;
	size_t i = 0;

	assert_int_equal(newest_list(&shelf, user, limit, &list, &left, &e), 0);
	for (; names[i]; i++) {
		assert_true(i < list.count);
		assert_string_equal(list.list[i].name, names[i]);
	}
	assert_int_equal(list.count, i);
	assert_int_equal(left, older);
}

static void the_newest_come_first_and_the_rest_is_counted(void **state)
{
	(void)state;
	put("s-1", "ann", SESSION_ENDED, 100);
	put("s-2", "ann", SESSION_ENDED, 300);
	put("s-3", "ann", SESSION_FAILED, 200);
	check("ann", 2, (const char *const[]){ "s-2", "s-3", NULL }, 1);
	check("ann", SIZE_MAX,
	      (const char *const[]){ "s-2", "s-3", "s-1", NULL }, 0);
}

static void what_is_not_over_is_shown_however_old_and_many(void **state)
{
	int locks[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		char name[16];

		snprintf(name, sizeof(name), "s-%d", i);
		locks[i] = openat(shelf.locks, name, O_RDWR | O_CREAT, 0600);
		assert_true(locks[i] >= 0);
		assert_int_equal(flock(locks[i], LOCK_EX), 0);
		put(name, "ann", SESSION_RUNNING, 1 + i);
	}
	put("s-9", "ann", SESSION_ENDED, 900);
	check("ann", 1, (const char *const[]){ "s-1", "s-0", NULL }, 1);
	close(locks[0]);
	close(locks[1]);
}

static void another_users_are_neither_shown_nor_counted(void **state)
{
	(void)state;
	put("s-1", "ann", SESSION_ENDED, 100);
	put("s-2", "joanna", SESSION_ENDED, 200);
	put("s-3", "ann\xc3\xa9", SESSION_ENDED, 300);
	check("ann", 10, (const char *const[]){ "s-1", NULL }, 0);
	check("ann\xc3\xa9", 10, (const char *const[]){ "s-3", NULL }, 0);
	check(NULL, 1, (const char *const[]){ "s-3", NULL }, 2);
}

static void a_damaged_record_breaks_nothing(void **state)
{
	int fd;

	(void)state;
	put("s-1", "ann", SESSION_ENDED, 100);
	fd = openat(shelf.dir, "s-2.json", O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "{\"version\":1,", 13), 13);
	close(fd);
	check("ann", 10, (const char *const[]){ "s-1", NULL }, 0);
	check(NULL, 10, (const char *const[]){ "s-1", NULL }, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, shelf_open, shelf_close)
	const struct CMUnitTest tests[] = {
		T(the_newest_come_first_and_the_rest_is_counted),
		T(what_is_not_over_is_shown_however_old_and_many),
		T(another_users_are_neither_shown_nor_counted),
		T(a_damaged_record_breaks_nothing),
	};

	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
