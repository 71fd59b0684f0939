/* src/run/leftover: whose jobs a purge removes first.  The visitors have no
 * accounts here, so that each of them fails: what is looked at is their turn. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "farm/visitor.h"
#include "run/leftover.h"
#include "scratch.h"
#include "shelf.h"

enum { MOST = 10 };

static int reg = -1;

static void set(const char *name, const char *value)
{
	struct err e = ERR_INIT;

	if (config_set(&shelf_config, name, value, &e) < 0)
		fail_msg("%s: %s", name, e.msg);
}

static int open_register(void **state)
{
	char path[4300];
	struct err e = ERR_INIT;

	if (shelf_open(state) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/jobs", shelf_path);
	if (mkdir(path, 0755) < 0)
		return -1;
	set("dir_slurm", path);
	set("launcher", "slurm");
	set("slurm_user", "visitor");
	reg = visitor_register_open(&shelf_config, &e);
	return reg < 0 ? -1 : 0;
}

static int close_register(void **state)
{
	close(reg);
	return shelf_close(state);
}

/* A visitor with a job that is left over, of whom one failed in that second (0:
 * none did). */
static void add(const char *user, const char *name, time_t late)
{
	const struct timespec times[2] = { { .tv_sec = late },
					   { .tv_sec = late } };
	char path[100];
	struct err e = ERR_INIT;

	if (visitor_enter(&shelf_config, shelf.path, user, name, MOST, &e) < 0)
		fail_msg("%s", e.msg);
	if (!late)
		return;
	visitor_note_late(reg, user, true);
	snprintf(path, sizeof(path), "%s/.late", user);
	assert_int_equal(utimensat(reg, path, times, 0), 0);
}

static void check_turns(const char *const *users)
{
	AUTO_TURNS struct visitor_turns turns = { .list = NULL };
	struct err e = ERR_INIT;
	size_t i = 0;

	assert_int_equal(visitor_turns(reg, &turns, &e), 0);
	for (; users[i]; i++) {
		assert_true(i < turns.count);
		assert_string_equal(turns.list[i].user, users[i]);
	}
	assert_int_equal(turns.count, i);
}

/* Neither the order of names nor that of entries is theirs, both ways. */
static void who_kept_others_waiting_comes_last(void **state)
{
	(void)state;
	check_turns((const char *const[]){ NULL });
	add("no-such-a", SHELF_A, 300);
	add("no-such-b", SHELF_A, 0);
	add("no-such-c", SHELF_A, 100);
	add("no-such-d", SHELF_A, 200);
	check_turns((const char *const[]){ "no-such-b", "no-such-c",
					   "no-such-d", "no-such-a", NULL });
	visitor_note_late(reg, "no-such-b", true);
	visitor_note_late(reg, "no-such-a", false);
	check_turns((const char *const[]){ "no-such-a", "no-such-c",
					   "no-such-d", "no-such-b", NULL });
	visitor_note_late(reg, "no-such-c", true);
	check_turns((const char *const[]){ "no-such-a", "no-such-d",
					   "no-such-b", "no-such-c", NULL });
	visitor_note_late(reg, "nobody-of-them", true);
	assert_int_equal(faccessat(reg, "nobody-of-them", F_OK, 0), -1);
}

static void a_purge_goes_by_turns_and_notes_who_failed(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	add("no-such-a", SHELF_A, 300);
	add("no-such-a", SHELF_B, 300); /* waits for his next turn */
	add("no-such-b", SHELF_A, 0);
	add("no-such-c", SHELF_A, 100);
	for (int i = 0; i < 2; i++) {
		e = (struct err)ERR_INIT;
		assert_int_equal(leftover_end_visitors(&shelf, &e), -1);
		assert_int_not_equal(e.code, ERR_NONE);
		/* Each in his turn, so that it is the same the next time. */
		check_turns((const char *const[]){ "no-such-b", "no-such-c",
						   "no-such-a", NULL });
	}
	assert_int_equal(faccessat(reg, "no-such-a/" SHELF_A, F_OK, 0), 0);
	assert_int_equal(faccessat(reg, "no-such-a/" SHELF_B, F_OK, 0), 0);
}

static void a_trap_in_the_notes_place_is_let_be(void **state)
{
	int target = openat(scratch_fd, "target", O_WRONLY | O_CREAT, 0600);
	struct stat was;
	struct stat is;

	(void)state;
	assert_true(target >= 0);
	assert_int_equal(fstat(target, &was), 0);
	add("no-such-a", SHELF_A, 0);
	assert_int_equal(symlinkat("../../../../target", reg,
				   "no-such-a/.late"),
			 0);
	visitor_note_late(reg, "no-such-a", true);
	assert_int_equal(fstat(target, &is), 0);
	assert_memory_equal(&is.st_mtim, &was.st_mtim, sizeof(is.st_mtim));
	close(target);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, open_register, close_register)
	const struct CMUnitTest tests[] = {
		T(who_kept_others_waiting_comes_last),
		T(a_purge_goes_by_turns_and_notes_who_failed),
		T(a_trap_in_the_notes_place_is_let_be),
	};

	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
