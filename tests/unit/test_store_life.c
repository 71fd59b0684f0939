/* src/session/store: who lives, and what those see who look. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "scratch.h"
#include "session/store.h"
#include "shelf.h"
#include "sys/clock.h"

#define A SHELF_A

static void a_session_lives_as_long_as_its_lock_is_held(void **state)
{
	struct session s = shelf_session(A, SESSION_RUNNING);
	struct err e = ERR_INIT;
	int lock;

	(void)state;
	shelf_write(&s);
	assert_false(store_is_alive(&shelf, A)); /* no lock at all */
	assert_int_equal(store_count_alive(&shelf), 0);
	lock = shelf_hold(A);
	assert_true(store_is_alive(&shelf, A));
	assert_int_equal(store_count_alive(&shelf), 1);
	assert_int_equal(store_take_lock(&shelf, A, &e), -1);
	assert_int_equal(e.code, ERR_CONFLICT);
	close(lock);
	assert_false(store_is_alive(&shelf, A));
	lock = store_take_lock(&shelf, A, &e);
	assert_true(lock >= 0);
	assert_true(fcntl(lock, F_GETFD) & FD_CLOEXEC);
	assert_true(store_is_alive(&shelf, A));
	close(lock);
}

static void two_who_look_do_not_see_each_other(void **state)
{
	/* As another process that is looking at this moment holds it. */
	AUTO_CLOSE int other = openat(shelf.locks, A,
				      O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	(void)state;
	assert_int_equal(flock(other, LOCK_SH | LOCK_NB), 0);
	assert_false(store_is_alive(&shelf, A));
	assert_int_equal(store_count_alive(&shelf), 0);
}

static void many_who_look_never_see_life(void **state)
{
	pid_t pids[4];
	int status;
	int fd = shelf_hold(A);

	(void)state;
	close(fd);
	for (size_t i = 0; i < ARRAY_LEN(pids); i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0) {
			for (int n = 0; n < 3000; n++)
				if (store_is_alive(&shelf, A))
					_exit(1);
			_exit(0);
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(pids); i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
}

static void a_lock_that_is_unlinked_is_not_found(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(store_take_lock(&shelf, A, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_int_equal(symlinkat("../lock", shelf.locks, A), 0);
	e = (struct err)ERR_INIT;
	assert_int_equal(store_take_lock(&shelf, A, &e), -1);
	assert_int_equal(e.code, ERR_SYSTEM);
	assert_int_equal(e.sys, ELOOP);
	assert_false(store_is_alive(&shelf, A));
}

static void the_lock_survives_in_who_inherits_it(void **state)
{
	int lock = shelf_hold(A);
	int pipes[2];
	pid_t pid;
	int status;
	char byte;

	(void)state;
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(pipes[1]);
		/* Until the test closes its end. */
		_exit(read(pipes[0], &byte, 1) == 0 ? 0 : 1);
	}
	close(lock); /* the request has gone, its owner lives */
	assert_true(store_is_alive(&shelf, A));
	close(pipes[0]);
	close(pipes[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_false(store_is_alive(&shelf, A));
}

static void a_session_without_owner_is_shown_as_failed(void **state)
{
	struct session s = shelf_session(A, SESSION_RUNNING);
	struct session back;
	struct err e = ERR_INIT;
	int lock = shelf_hold(A);

	(void)state;
	for (int i = SESSION_STARTING; i <= SESSION_STOPPING; i++) {
		s.state = (enum session_state)i;
		shelf_write(&s);
		assert_int_equal(store_read_true(&shelf, A, &back, &e), 0);
		assert_int_equal(back.state, i);
		assert_string_equal(back.reason, "");
	}
	close(lock);
	for (int i = SESSION_STARTING; i <= SESSION_STOPPING; i++) {
		s.state = (enum session_state)i;
		shelf_write(&s);
		assert_int_equal(store_read_true(&shelf, A, &back, &e), 0);
		assert_int_equal(back.state, SESSION_FAILED);
		assert_string_equal(back.reason, "The process that looked "
						 "after this machine has "
						 "died.");
		/* Looking changes nothing. */
		assert_int_equal(store_read(&shelf, A, &back, &e), 0);
		assert_int_equal(back.state, i);
	}
	snprintf(s.boot_id, sizeof(s.boot_id), "another boot");
	shelf_write(&s);
	assert_int_equal(store_read_true(&shelf, A, &back, &e), 0);
	assert_int_equal(back.state, SESSION_FAILED);
	assert_string_equal(back.reason, "The server was restarted.");
}

static void an_end_is_shown_as_it_was(void **state)
{
	struct session s = shelf_session(A, SESSION_RUNNING);
	struct session back;
	struct err e = ERR_INIT;

	(void)state;
	s.state = SESSION_ENDED;
	snprintf(s.reason, sizeof(s.reason), "Stopped by its user.");
	shelf_write(&s);
	assert_int_equal(store_read_true(&shelf, A, &back, &e), 0);
	assert_int_equal(back.state, SESSION_ENDED);
	assert_string_equal(back.reason, "Stopped by its user.");
}

/* Reads A, at least so many times, and 200 times after the last write, which
 * the end of `writer` tells; says on `done` when it has read enough. */
static void __attribute__((noreturn)) read_on(long least, int writer, int done)
{
	int left = 200;

	for (long reads = 1; left > 0; reads++) {
		struct session back;
		struct err e = ERR_INIT;
		char byte;

		if (store_read_true(&shelf, A, &back, &e) < 0)
			_exit(1);
		if (back.state == SESSION_FAILED)
			_exit(2);
		if (left == 1 && back.state != SESSION_ENDED)
			_exit(3);
		if (reads == least)
			close(done);
		if (reads >= least && read(writer, &byte, 1) == 0)
			left--;
	}
	_exit(0);
}

static bool is_closed(int fd)
{
	char byte;

	return read(fd, &byte, 1) == 0;
}

/* RR3, P10: a reader never sees a half-written record, nor a session that has
 * ended in good order as failed. */
static void a_reader_sees_whole_records_while_they_are_written(void **state)
{
	const char *text = getenv("LONG");
	long least = text && *text ? 1000000 : 2000;
	struct session s = shelf_session(A, SESSION_RUNNING);
	AUTO_CLOSE int lock = shelf_hold(A);
	int writer[2];
	int done[2];
	int status;
	pid_t pid;

	(void)state;
	shelf_write(&s);
	assert_int_equal(pipe2(writer, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(pipe2(done, O_CLOEXEC | O_NONBLOCK), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(writer[1]);
		close(done[0]);
		close(lock);
		read_on(least, writer[0], done[1]);
	}
	close(writer[0]);
	close(done[1]);
	for (int i = 0; i < 2000 || !is_closed(done[0]); i++) {
		memset(s.reason, 'a' + i % 26, (size_t)(i % 300));
		s.reason[i % 300] = '\0';
		shelf_write(&s);
	}
	close(done[0]);
	s.state = SESSION_ENDED;
	shelf_write(&s);
	flock(lock, LOCK_UN);
	close(writer[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SHELF_TEST(a_session_lives_as_long_as_its_lock_is_held),
		SHELF_TEST(two_who_look_do_not_see_each_other),
		SHELF_TEST(many_who_look_never_see_life),
		SHELF_TEST(a_lock_that_is_unlinked_is_not_found),
		SHELF_TEST(the_lock_survives_in_who_inherits_it),
		SHELF_TEST(a_session_without_owner_is_shown_as_failed),
		SHELF_TEST(an_end_is_shown_as_it_was),
		SHELF_TEST(a_reader_sees_whole_records_while_they_are_written),
	};

	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
