/* src/run/hung: whom a purge kills, and whom it never does. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "aged.h"
#include "run/control.h"
#include "run/hung.h"
#include "run/purge.h"
#include "run/stray.h"
#include "scratch.h"
#include "shelf.h"
#include "sys/child.h"
#include "sys/clock.h"

#define A SHELF_A

static const char *program; /* this one's path */
/* A running session that should have ended `ago` milliseconds ago. */
static struct session overdue(long long ago)
{
	struct session s = { .name = A, .user = "ann", .machine = "tiny.iso",
			     .format = "raw", .cpu = 1, .memory_mb = 256,
			     .state = SESSION_RUNNING };
	struct err e = ERR_INIT;

	clock_boot_id(s.boot_id);
	s.started = clock_wall() - 3600;
	s.ends = clock_wall() - ago / 1000;
	s.ends_boot_ms = clock_boot_ms() - ago;
	if (store_write(&shelf, &s, &e) < 0)
		fail_msg("%s", e.msg);
	return s;
}

static long long grace(void)
{
	return HUNG_GRACE_MS + shelf_config.service_stop_grace * 1000;
}

/* valgrind 3.19 has no pidfd_open(2). */
static void need_handles(void)
{
	int handle = child_handle(getpid());

	if (handle < 0 && errno == ENOSYS)
		skip();
	close(handle);
}

static int make_lock(void)
{
	int fd;

	need_handles();
	fd = openat(shelf.locks, A, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	return fd;
}

/* This program as an owner that hangs: has lock and control socket, leaves no
 * core, as owners do, and never looks up. */
static int be_owner(int control)
{
	struct err e = ERR_INIT;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_DUMPABLE, 0);
	if (control_adopt(control, &e) < 0)
		return 1;
	raise(SIGSTOP);
	return 0;
}

static pid_t start_owner_of(const char *name, int lock, int control)
{
	char text[2][16];
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		char *const argv[] = { (char *)"owner",
				       (char *)"--session-owner", (char *)name,
				       text[0], text[1], NULL };

		snprintf(text[0], sizeof(text[0]), "%d", lock);
		snprintf(text[1], sizeof(text[1]), "%d", control);
		fcntl(lock, F_SETFD, 0);
		fcntl(control, F_SETFD, 0);
		execv(program, argv);
		_exit(1);
	}
	return pid;
}

static pid_t start_owner(int lock, int control)
{
	return start_owner_of(A, lock, control);
}

static void await_stop(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
}

static int listen_control(void)
{
	struct err e = ERR_INIT;
	int fd;

	need_handles();
	fd = control_listen(&shelf, A, &e);
	if (fd < 0)
		fail_msg("%s", e.msg);
	return fd;
}

static void end(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
}

static void check_lives(pid_t pid)
{
	siginfo_t info = { .si_pid = 0 };

	assert_int_equal(waitid(P_PID, (id_t)pid, &info,
				WEXITED | WNOHANG | WNOWAIT), 0);
	assert_int_equal(info.si_pid, 0);
}

static void an_owner_that_hangs_past_the_end_is_killed(void **state)
{
	struct purge_result result;
	struct err e = ERR_INIT;
	struct session s;
	int lock = make_lock();
	int control = listen_control();
	pid_t pid = start_owner(lock, control);
	int status;

	(void)state;
	close(lock);
	close(control);
	await_stop(pid);
	overdue(grace() + 1000);
	/* One pass: killed, and then found dead. */
	if (purge_everything(&shelf, &result, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(waitpid(pid, &status, WNOHANG), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
	assert_int_equal(result.failed, 1);
	assert_int_equal(store_read(&shelf, A, &s, &e), 0);
	assert_int_equal(s.state, SESSION_FAILED);
	assert_int_equal(faccessat(shelf.run, A, F_OK, 0), -1);
}

static void an_owner_has_time_to_end_its_session(void **state)
{
	struct err e = ERR_INIT;
	int lock = make_lock();
	int control = listen_control();
	pid_t pid = start_owner(lock, control);
	struct session s;

	(void)state;
	close(lock);
	close(control);
	await_stop(pid);
	overdue(grace() - 5000);
	assert_int_equal(hung_end(&shelf, &e), 0);
	s = overdue(grace() + 1000);
	s.ends_boot_ms = 0; /* no end at all */
	assert_int_equal(store_write(&shelf, &s, &e), 0);
	assert_int_equal(hung_end(&shelf, &e), 0);
	s = overdue(grace() + 1000);
	snprintf(s.boot_id, sizeof(s.boot_id), "another boot");
	assert_int_equal(store_write(&shelf, &s, &e), 0);
	assert_int_equal(hung_end(&shelf, &e), 0);
	check_lives(pid);
	/* One that hangs in its clean-up has no time left either. */
	s = overdue(-1000000);
	s.state = SESSION_ENDED;
	s.ended = 1;
	s.ended_boot_ms = clock_boot_ms() - grace() - 1000;
	assert_int_equal(store_write(&shelf, &s, &e), 0);
	assert_int_equal(hung_end(&shelf, &e), 1);
	end(pid);
}

/* RR9: the socket names a process that is not the owner (any more). */
static void a_stranger_behind_the_socket_survives(void **state)
{
	struct err e = ERR_INIT;
	int control = listen_control();
	pid_t pid = fork();
	int lock;

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (control_adopt(control, &e) < 0)
			_exit(1);
		raise(SIGSTOP);
		_exit(0);
	}
	await_stop(pid);
	lock = make_lock(); /* not the stranger's */
	overdue(grace() + 1000);
	assert_int_equal(hung_end(&shelf, &e), 0);
	check_lives(pid);
	end(pid);
	/* Nor the owner of another session. */
	pid = start_owner_of(SHELF_B, control, control);
	await_stop(pid);
	assert_int_equal(hung_end(&shelf, &e), 0);
	check_lives(pid);
	end(pid);
	close(lock);
	close(control);
}

/* ---- Guests without an owner ---- */

static pid_t start_guest(const char *store, const char *name)
{
	char dir[4400];
	pid_t pid;

	need_handles();
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		char *const argv[] = { (char *)"/usr/bin/sleep", (char *)"600",
				       NULL };
		char *const shell[] = { (char *)"sh", (char *)"-c",
					(char *)"kill -STOP $$; :",
					(char *)"--bind", dir, (char *)"/vm",
					NULL };

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		snprintf(dir, sizeof(dir), "%s/run/%s/vm", store, name);
		if (name[0])
			execv("/bin/sh", shell);
		execv(argv[0], argv);
		_exit(1);
	}
	if (name[0])
		await_stop(pid);
	return pid;
}

static void check_killed(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, WNOHANG), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
}

/* RR4: bubblewrap was killed before its other half had bound itself to it. */
static void a_guest_whose_owner_is_dead_is_killed(void **state)
{
	struct purge_result result;
	struct err e = ERR_INIT;
	pid_t dead = start_guest(shelf.path, A);
	pid_t living = start_guest(shelf.path, SHELF_B);
	/* Of another store of the same user, which knows that it lives. */
	pid_t strange = start_guest("/tmp/other", A);
	pid_t none = start_guest(shelf.path, "");
	int lock = openat(shelf.locks, SHELF_B,
			  O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	(void)state;
	assert_int_equal(flock(lock, LOCK_EX), 0);
	if (purge_everything(&shelf, &result, &e) < 0)
		fail_msg("%s", e.msg);
	check_killed(dead);
	check_lives(living);
	check_lives(strange);
	check_lives(none);
	/* Its owner, who holds the lock, may end it by its name. */
	assert_int_equal(stray_end(&shelf, SHELF_B, &e), 1);
	check_killed(living);
	end(strange);
	end(none);
	close(lock);
}

/* RR9: the owner's number is used again, and what has it now survives. */
static void who_has_got_the_owners_number_survives(void **state)
{
	struct err e = ERR_INIT;
	int lock = make_lock();
	int control = listen_control();
	char text[16];
	pid_t owner;
	pid_t stranger = 0;

	(void)state;
	owner = start_owner(lock, control);
	await_stop(owner);
	end(owner);
	overdue(grace() + 1000);
	/* pid_namespaces(7): the next one gets the number after this. */
	for (int tries = 0; tries < 100 && stranger != owner; tries++) {
		int fd = open("/proc/sys/kernel/ns_last_pid",
			      O_WRONLY | O_CLOEXEC);

		snprintf(text, sizeof(text), "%d", (int)owner - 1);
		if (fd < 0 || write(fd, text, strlen(text)) < 0)
			skip();
		close(fd);
		stranger = fork();
		assert_true(stranger >= 0);
		if (stranger == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			close(lock); /* a copy that fork made */
			raise(SIGSTOP);
			_exit(0);
		}
		await_stop(stranger);
		if (stranger != owner)
			end(stranger);
	}
	assert_int_equal(stranger, owner);
	assert_int_equal(control_peer(&shelf, A, &e), stranger);
	/* The lock is held still: by us. */
	assert_int_equal(hung_end(&shelf, &e), 0);
	check_lives(stranger);
	end(stranger);
	close(lock);
	close(control);
}

static void a_session_without_a_socket_is_an_error_and_no_more(void **state)
{
	struct err e = ERR_INIT;
	int lock = make_lock();

	(void)state;
	overdue(grace() + 1000);
	assert_int_equal(hung_end(&shelf, &e), -1);
	assert_int_equal(e.code, ERR_SYSTEM);
	assert_non_null(strstr(e.msg, "cannot reach the owner of " A));
	close(lock);
}

#define T(name) cmocka_unit_test_setup_teardown(name, shelf_open, shelf_close)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(an_owner_that_hangs_past_the_end_is_killed),
		T(an_owner_has_time_to_end_its_session),
		T(a_stranger_behind_the_socket_survives),
		T(who_has_got_the_owners_number_survives),
		T(a_session_without_a_socket_is_an_error_and_no_more),
		T(a_guest_whose_owner_is_dead_is_killed),
	};

	program = argv[0];
	aged_s = 86400;
	if (argc == 5 && strcmp(argv[1], "--session-owner") == 0)
		return be_owner((int)strtol(argv[4], NULL, 10));
	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
