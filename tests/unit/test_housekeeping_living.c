/* src/session/housekeeping: the living, and several who purge at once. */
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "house.h"
#include "scratch.h"
#include "session/admission.h"
#include "sys/clock.h"
#include "vm/overlay.h"

#define A SHELF_A
#define B SHELF_B
#define C SHELF_C

/* FNV-1a over every path, its metadata and its content. */
static uint64_t hash;

static void mix(const void *bytes, size_t len)
{
	const unsigned char *p = bytes;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ p[i]) * 1099511628211ULL;
}

static int visit(const char *path, const struct stat *stat, int type,
		 struct FTW *where)
{
	char content[4096];

	(void)where;
	mix(path, strlen(path));
	mix(&stat->st_ino, sizeof(stat->st_ino));
	mix(&stat->st_mode, sizeof(stat->st_mode));
	mix(&stat->st_size, sizeof(stat->st_size));
	mix(&stat->st_mtim, sizeof(stat->st_mtim));
	mix(&stat->st_ctim, sizeof(stat->st_ctim));
	if (type == FTW_F) {
		AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t got = read(fd, content, sizeof(content));

		if (got > 0)
			mix(content, (size_t)got);
	}
	return 0;
}

static uint64_t tree(void)
{
	hash = 14695981039346656037ULL;
	assert_int_equal(nftw(shelf_path, visit, 16, FTW_PHYS), 0);
	return hash;
}

static void the_living_are_not_touched(void **state)
{
	static const char *const names[] = { A, B, C };
	int locks[3];
	uint64_t before;

	(void)state;
	house_purge(); /* the store's lock is there from now on */
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct session s = shelf_session(
			names[i], i ? SESSION_RUNNING : SESSION_STARTING);

		if (i == 2) {
			/* whatever its record says */
			s.state = SESSION_ENDED;
			s.ended = 1;
			s.ended_boot_ms = 1;
			snprintf(s.boot_id, sizeof(s.boot_id), "another boot");
		}
		house_put(&s);
		locks[i] = shelf_hold(names[i]);
	}
	house_touch(shelf.dir, A ".json.tmp"); /* it is writing just now */
	before = tree();
	for (int i = 0; i < 3; i++) {
		house_check(0, 0, 0, 0);
		assert_true(tree() == before);
	}
	for (size_t i = 0; i < ARRAY_LEN(locks); i++)
		close(locks[i]);
	house_check(2, 1, 3, 0);
}

/* Purges one after the other, until the pipe closes. */
static void __attribute__((noreturn)) purge_on(int until)
{
	char byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (read(until, &byte, 1) < 0) {
		struct purge_result result;
		struct err e = ERR_INIT;

		if (housekeeping_purge(&shelf, &result, &e) < 0)
			_exit(1);
		if (result.failed || result.files || result.overlays)
			_exit(2);
	}
	_exit(0);
}

static void a_purge_harms_none_that_is_just_being_reserved(void **state)
{
	int pipes[2];
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(config_set(&shelf_config, "service_max_load", "1000",
				    &(struct err){ 0 }),
			 0);
	assert_int_equal(pipe2(pipes, O_CLOEXEC | O_NONBLOCK), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(pipes[1]);
		purge_on(pipes[0]);
	}
	close(pipes[0]);
	for (int i = 0; i < 200; i++) {
		struct session s = shelf_session("", SESSION_STARTING);
		struct session back;
		struct err e = ERR_INIT;
		int lock = admission_reserve(&shelf, &s, 60, &e);
		int overlay;

		if (lock < 0)
			fail_msg("%s", e.msg);
		overlay = overlay_reserve(&shelf, &s, &e);
		if (overlay < 0 || store_read(&shelf, s.name, &back, &e) < 0)
			fail_msg("%s", e.msg);
		assert_int_equal(back.state, SESSION_STARTING);
		/* Its good end: the overlay first, the record last. */
		assert_int_equal(overlay_remove(&shelf, &s, &e), 0);
		s.state = SESSION_ENDED;
		s.ended = clock_wall();
		s.ended_boot_ms = clock_boot_ms();
		assert_int_equal(store_write(&shelf, &s, &e), 0);
		close(overlay);
		close(lock);
	}
	close(pipes[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* ---- Several at once ---- */

enum { RACERS = 3, RACED = 60 };

struct score {
	size_t failed;
	size_t removed;
	size_t overlays;
};

static void __attribute__((noreturn)) race(int start, int answer)
{
	struct score score = { 0 };
	struct purge_result r;
	struct err e = ERR_INIT;
	char byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)!read(start, &byte, 1);
	if (housekeeping_purge(&shelf, &r, &e) < 0) {
		fprintf(stderr, "%s\n", e.msg);
		_exit(1);
	}
	score = (struct score){ r.failed, r.removed, r.overlays };
	_exit(write(answer, &score, sizeof(score)) == sizeof(score) ? 0 : 1);
}

/* RR15: timer, request and administrator purge the same sessions. */
static struct score run_race(void)
{
	struct score sum = { 0 };
	int start[2];
	int answer[2];
	pid_t pids[RACERS];

	assert_int_equal(pipe2(start, O_CLOEXEC), 0);
	assert_int_equal(pipe2(answer, O_CLOEXEC), 0);
	for (size_t i = 0; i < RACERS; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0) {
			close(start[1]);
			race(start[0], answer[1]);
		}
	}
	close(start[0]);
	close(start[1]); /* go */
	close(answer[1]);
	for (size_t i = 0; i < RACERS; i++) {
		struct score one;
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
		assert_int_equal(read(answer[0], &one, sizeof(one)),
				 sizeof(one));
		sum.failed += one.failed;
		sum.removed += one.removed;
		sum.overlays += one.overlays;
	}
	close(answer[0]);
	return sum;
}

static void three_purges_at_once_free_each_thing_once(void **state)
{
	int rounds = getenv("LONG") && *getenv("LONG") ? 200 : 10;

	(void)state;
	for (int round = 0; round < rounds; round++) {
		struct score sum;

		for (int i = 0; i < RACED; i++) {
			char name[SESSION_NAME_SIZE];
			struct session s;

			snprintf(name, sizeof(name), "svc-%020d", i);
			s = shelf_session(name, i % 2 ? SESSION_RUNNING :
							SESSION_ENDED);
			s.ended = i % 2 ? 0 : 1;
			s.ended_boot_ms = 1;
			/* As long ago as this boot is not old. */
			if (i % 2 == 0)
				snprintf(s.boot_id, sizeof(s.boot_id), "other");
			house_put(&s);
		}
		sum = run_race();
		assert_int_equal(sum.failed, RACED / 2);
		assert_int_equal(sum.removed, RACED / 2);
		assert_int_equal(sum.overlays, RACED);
		house_later = 2 * STORE_KEEP_ENDED_S; /* all are old now */
		for (int i = 1; i < RACED; i += 2) {
			char name[SESSION_NAME_SIZE];
			struct session s;
			struct err e = ERR_INIT;

			snprintf(name, sizeof(name), "svc-%020d", i);
			s = house_read(name);
			s.ended_boot_ms -= 2000LL * STORE_KEEP_ENDED_S;
			assert_int_equal(store_write(&shelf, &s, &e), 0);
		}
		sum = run_race();
		house_later = 0;
		assert_int_equal(sum.removed, RACED / 2);
		assert_int_equal(sum.failed + sum.overlays, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HOUSE_TEST(the_living_are_not_touched),
		HOUSE_TEST(a_purge_harms_none_that_is_just_being_reserved),
		HOUSE_TEST(three_purges_at_once_free_each_thing_once),
	};

	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
