/* src/sys/child: talking with processes, deadlines, their ends and ours. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/text.h"
#include "family.h"
#include "sys/child.h"
#include "sys/clock.h"

/* Reap `pid`, ours as the subreaper's, if it ends within that time. */
static bool has_ended(pid_t pid, int ms, int *ret_status)
{
	long long deadline = clock_boot_ms() + ms;

	while (waitpid(pid, ret_status, WNOHANG) != pid) {
		if (clock_boot_ms() >= deadline)
			return false;
		poll(NULL, 0, 5);
	}
	return true;
}

static pid_t pid_in(const char *text)
{
	AUTO_FREE char *copy = strdup(text);
	long long pid = 0;

	assert_non_null(copy);
	if (!text_long(text_trim(copy), 2, 1 << 30, &pid))
		fail_msg("'%s' is no pid", text);
	return (pid_t)pid;
}

/* What is said to a script, and where to what it says; NULL: nothing. */
struct talk {
	const char *input;
	struct buf *out;
	struct buf *errors;
	bool group;
};

/* Run it to its end; its exit status. */
static int run(const char *script, const struct talk *talk)
{
	AUTO_ARGV struct argv a = { 0 };
	struct child c = CHILD_INIT;
	struct err e = ERR_INIT;
	int status = -1;

	sh_vector(&a, script);
	c.argv = &a;
	c.group = talk->group;
	if (child_run(&c, talk->input, talk->out, talk->errors, PATIENCE_MS,
		      &status, &e) < 0)
		fail_msg("%s", e.msg);
	return status;
}

/* Start it; its first words go to `text`, unless that is NULL. */
static pid_t start(const char *script, bool group, char *text, size_t size)
{
	AUTO_ARGV struct argv a = { 0 };
	struct child c = CHILD_INIT;
	struct err e = ERR_INIT;
	int pipes[2];
	pid_t pid;

	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	sh_vector(&a, script);
	c.argv = &a;
	c.out = pipes[1];
	c.group = group;
	pid = child_start(&c, &e);
	assert_true(pid > 1);
	close(pipes[1]);
	if (text) {
		memset(text, 0, size);
		assert_true(read(pipes[0], text, size - 1) > 0);
	}
	close(pipes[0]);
	return pid;
}

/* ---- Talking and waiting ---- */

static void the_exit_status_and_a_signal_are_told_apart(void **state)
{
	static const struct {
		const char *script;
		int status;
	} table[] = {
		{ "exit 0", 0 },
		{ "exit 1", 1 },
		{ "exit 255", 255 },
		{ "kill -TERM $$", 128 + SIGTERM },
		{ "kill -KILL $$", 128 + SIGKILL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		assert_int_equal(run(table[i].script, &(struct talk){ 0 }),
				 table[i].status);
}

static void output_and_errors_are_collected_apart(void **state)
{
	AUTO_BUF struct buf out = BUF_INIT(64);
	AUTO_BUF struct buf errors = BUF_INIT(64);

	(void)state;
	assert_int_equal(run("echo wrong >&2; echo right; exit 4",
			     &(struct talk){ .out = &out, .errors = &errors }),
			 4);
	assert_string_equal(buf_str(&out), "right\n");
	assert_string_equal(buf_str(&errors), "wrong\n");
}

static void input_may_be_larger_than_a_pipe(void **state)
{
	enum { SIZE = 1 << 20 };
	AUTO_BUF struct buf out = BUF_INIT(2 * SIZE);
	AUTO_FREE char *input = malloc(SIZE + 1);

	(void)state;
	assert_non_null(input);
	for (int i = 0; i < SIZE; i++)
		input[i] = (char)('a' + i % 23);
	input[SIZE] = '\0';
	assert_int_equal(run("exec cat",
			     &(struct talk){ .input = input, .out = &out }),
			 0);
	assert_int_equal(out.len, SIZE);
	assert_memory_equal(buf_str(&out), input, SIZE);
}

static void a_child_that_does_not_read_breaks_nothing(void **state)
{
	enum { SIZE = 1 << 20 };
	AUTO_FREE char *input = malloc(SIZE + 1);
	struct sigaction after;

	(void)state;
	assert_non_null(input);
	memset(input, 'x', SIZE);
	input[SIZE] = '\0';
	signal(SIGPIPE, SIG_DFL); /* whatever this test was started with */
	assert_int_equal(run("exec <&-; exit 3",
			     &(struct talk){ .input = input }),
			 3);
	assert_int_equal(sigaction(SIGPIPE, NULL, &after), 0);
	assert_true(after.sa_handler == SIG_DFL);
}

static void empty_input_is_the_end_of_the_file(void **state)
{
	AUTO_BUF struct buf out = BUF_INIT(64);

	(void)state;
	assert_int_equal(run("cat; echo end",
			     &(struct talk){ .input = "", .out = &out }),
			 0);
	assert_string_equal(buf_str(&out), "end\n");
}

static void output_past_the_ceiling_is_dropped_and_told(void **state)
{
	AUTO_BUF struct buf out = BUF_INIT(5000);

	(void)state;
	/* The child is read to its end all the same. */
	assert_int_equal(run("head -c 300000 /dev/zero | tr '\\0' x; "
			     "echo done >&2",
			     &(struct talk){ .out = &out }),
			 0);
	assert_true(buf_failed(&out));
	assert_true(out.len <= 5000);
}

/* What is to say something first has the time for it, also on a busy host. */
static void check_timeout(const char *script, bool group, struct buf *out)
{
	const int deadline = out ? 3000 : 300;
	char message[64];
	AUTO_ARGV struct argv a = { 0 };
	struct child c = CHILD_INIT;
	struct err e = ERR_INIT;
	long long began = clock_boot_ms();
	int status = -1;

	sh_vector(&a, script);
	c.argv = &a;
	c.group = group;
	assert_int_equal(
		child_run(&c, NULL, out, NULL, deadline, &status, &e), -1);
	assert_int_equal(e.code, ERR_TIMEOUT);
	snprintf(message, sizeof(message), "/bin/sh did not end in %d ms",
		 deadline);
	assert_string_equal(e.msg, message);
	assert_int_equal(status, -1);
	assert_true(clock_boot_ms() - began >= deadline);
}

static void the_deadline_kills(void **state)
{
	AUTO_BUF struct buf out = BUF_INIT(64);

	(void)state;
	check_timeout("echo first; exec sleep 1000", false, &out);
	assert_string_equal(buf_str(&out), "first\n");
	check_timeout("trap '' TERM INT HUP; exec sleep 1000", false, NULL);
	check_timeout("exec >&- 2>&-; exec sleep 1000", false, NULL);
	/* Killed and reaped. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void a_child_that_ends_in_time_is_no_timeout(void **state)
{
	(void)state;
	/* Its pipes close long before its end. */
	assert_int_equal(run("exec >&- 2>&-; sleep 0.2; exit 7",
			     &(struct talk){ 0 }),
			 7);
}

/* The process that a script named on its output has been killed. */
static void check_killed(const char *text)
{
	int status = 0;

	assert_true(has_ended(pid_in(text), PATIENCE_MS, &status));
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
}

static void the_deadline_kills_the_whole_group(void **state)
{
	AUTO_BUF struct buf out = BUF_INIT(64);

	(void)state;
	check_timeout("sleep 1000 & echo $!; wait", true, &out);
	check_killed(buf_str(&out));
}

static void the_end_of_a_group_ends_its_members(void **state)
{
	char text[64];
	pid_t pid = start("sleep 1000 >/dev/null & echo $!; wait", true, text,
			  sizeof(text));

	(void)state;
	assert_int_equal(getpgid(pid), pid);
	child_end(&pid, true);
	assert_int_equal(pid, 0);
	check_killed(text);
}

static void members_of_a_group_do_not_outlive_its_leader(void **state)
{
	AUTO_BUF struct buf out = BUF_INIT(64);

	(void)state;
	assert_int_equal(run("sleep 1000 >/dev/null & echo $!",
			     &(struct talk){ .out = &out, .group = true }),
			 0);
	check_killed(buf_str(&out));
}

static void a_group_is_ended_when_its_leader_is_reaped(void **state)
{
	char text[64];
	pid_t pid = start("sleep 1000 >/dev/null & echo $!; exit 9", true,
			  text, sizeof(text));
	int status = -1;

	(void)state;
	while (!child_reaped(pid, true, &status))
		poll(NULL, 0, 5);
	assert_int_equal(status, 9);
	check_killed(text);
}

static void a_running_child_is_not_reaped(void **state)
{
	pid_t pid = start("exec sleep 1000", false, NULL, 0);
	int status = -1;

	(void)state;
	assert_false(child_reaped(pid, false, &status));
	child_signal(pid, false, SIGTERM);
	while (!child_reaped(pid, false, &status))
		poll(NULL, 0, 5);
	assert_int_equal(status, 128 + SIGTERM);
	assert_false(child_reaped(0, false, &status));
	assert_false(child_reaped(-1, false, &status));
	assert_int_equal(status, 128 + SIGTERM);
}

static volatile sig_atomic_t seen;

static void count(int signal)
{
	(void)signal;
	seen++;
}

static void no_signal_goes_to_pids_that_are_no_child(void **state)
{
	static const pid_t pids[] = { 0, 1, -1 };

	(void)state;
	/* SIGURG: who does not catch it does not notice. */
	signal(SIGURG, count);
	for (size_t i = 0; i < ARRAY_LEN(pids); i++) {
		pid_t pid = pids[i];

		child_signal(pid, false, SIGURG);
		child_signal(pid, true, SIGURG);
		if (pid <= 0) {
			child_end(&pid, true);
			assert_int_equal(pid, 0);
		}
	}
	assert_int_equal(seen, 0);
	signal(SIGURG, SIG_DFL);
}

/* ---- Life and death with the parent ---- */

/* Start a script in a caller of its own, learn the script's pid through a
 * pipe, and then end that caller by SIGKILL.  Returns the pid. */
static pid_t orphan(const char *script, bool detach)
{
	char text[64] = "";
	int pipes[2];
	pid_t caller;

	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	caller = fork();
	assert_true(caller >= 0);
	if (caller == 0) {
		AUTO_ARGV struct argv a = { 0 };
		struct child c = CHILD_INIT;
		struct err e = ERR_INIT;

		sh_vector(&a, script);
		c.argv = &a;
		c.out = pipes[1];
		c.detach = detach;
		if (child_start(&c, &e) < 0)
			_exit(1);
		/* Nobody's child: there is none to wait for. */
		if (detach && (waitpid(-1, NULL, WNOHANG) != -1 ||
			       errno != ECHILD))
			_exit(2);
		close(pipes[1]);
		for (;;)
			pause();
	}
	close(pipes[1]);
	if (read(pipes[0], text, sizeof(text) - 1) <= 0)
		fail_msg("the caller has failed");
	close(pipes[0]);
	kill(caller, SIGKILL);
	assert_int_equal(waitpid(caller, NULL, 0), caller);
	return pid_in(text);
}

static void a_child_dies_with_its_parent(void **state)
{
	pid_t pid = orphan("trap '' HUP TERM; echo $$; exec sleep 1000", false);
	int status = 0;

	(void)state;
	assert_true(has_ended(pid, PATIENCE_MS, &status));
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
}

static void a_detached_child_outlives_its_caller(void **state)
{
	pid_t pid = orphan("echo $$; exec sleep 1000", true);
	int status = 0;

	(void)state;
	assert_false(has_ended(pid, 300, &status));
	/* In a session of its own, in which it can get no terminal. */
	assert_true(getsid(pid) != getsid(0));
	assert_true(getsid(pid) != pid);
	family_end(NULL);
}

#define T(name) cmocka_unit_test_teardown(name, family_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_exit_status_and_a_signal_are_told_apart),
		T(output_and_errors_are_collected_apart),
		T(input_may_be_larger_than_a_pipe),
		T(a_child_that_does_not_read_breaks_nothing),
		T(empty_input_is_the_end_of_the_file),
		T(output_past_the_ceiling_is_dropped_and_told),
		T(the_deadline_kills),
		T(a_child_that_ends_in_time_is_no_timeout),
		T(the_deadline_kills_the_whole_group),
		T(the_end_of_a_group_ends_its_members),
		T(members_of_a_group_do_not_outlive_its_leader),
		T(a_group_is_ended_when_its_leader_is_reaped),
		T(a_running_child_is_not_reaped),
		T(no_signal_goes_to_pids_that_are_no_child),
		T(a_child_dies_with_its_parent),
		T(a_detached_child_outlives_its_caller),
	};

	return cmocka_run_group_tests(tests, family_make, family_remove);
}
