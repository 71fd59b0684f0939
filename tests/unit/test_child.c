/* src/sys/child: processes that get what they are given and nothing else. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/text.h"
#include "scratch.h"
#include "sys/child.h"
#include "sys/clock.h"

enum { PATIENCE_MS = 20000 };

#define BASE_ENV                                                               \
	"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin\nLANG=C.UTF-8\n"

/* Whatever a test has left behind is ours, as the subreaper: end it. */
static int end_the_rest(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	for (;;) {
		AUTO_FILE FILE *f = fopen("/proc/thread-self/children", "re");
		int left = 0;

		while (f && fscanf(f, "%d", &pid) == 1) { // NOLINT
			kill(pid, SIGKILL);
			left++;
		}
		if (!left)
			break;
		if (waitpid(-1, &status, 0) < 0)
			break;
	}
	return 0;
}

static int prepare(void **state)
{
	return prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 ? -1 : scratch_make(state);
}

static int clear(void **state)
{
	end_the_rest(state);
	return scratch_remove(state);
}

static void sh_vector(struct argv *a, const char *script)
{
	argv_add(a, "/bin/sh");
	argv_add(a, "-c");
	argv_add(a, script);
}

/* Run a vector to its good end; its standard output must be `expected`. */
static void check_output(struct child *c, const struct argv *argv,
			 const char *expected)
{
	AUTO_BUF struct buf out = BUF_INIT(65536);
	AUTO_BUF struct buf errors = BUF_INIT(65536);
	struct err e = ERR_INIT;
	int status = -1;

	c->argv = argv;
	if (child_run(c, NULL, &out, &errors, PATIENCE_MS, &status, &e) < 0)
		fail_msg("%s", e.msg);
	if (status != 0)
		fail_msg("status %d: %s", status, buf_str(&errors));
	assert_string_equal(buf_str(&out), expected);
}

static void check_sh(struct child *c, const char *script, const char *expected)
{
	AUTO_ARGV struct argv argv = { 0 };

	sh_vector(&argv, script);
	check_output(c, &argv, expected);
}

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

/* Run `body` in a process of its own, which must exit with 0. */
static void in_process(int (*body)(void))
{
	int status = -1;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(body());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
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

/* ---- The vector ---- */

static void a_vector_keeps_its_arguments_in_their_order(void **state)
{
	AUTO_ARGV struct argv a = { 0 };

	(void)state;
	argv_add(&a, "/bin/true");
	argv_add(&a, "");
	argv_addf(&a, "--n=%d,%s", 7, "a b");
	assert_false(a.failed);
	assert_int_equal(a.count, 3);
	assert_string_equal(a.list[0], "/bin/true");
	assert_string_equal(a.list[1], "");
	assert_string_equal(a.list[2], "--n=7,a b");
	assert_null(a.list[3]);
	argv_release(&a);
	assert_null(a.list);
	assert_int_equal(a.count, 0);
}

static void a_vector_with_too_many_arguments_does_not_run(void **state)
{
	AUTO_ARGV struct argv a = { 0 };
	struct child c = CHILD_INIT;
	struct err e = ERR_INIT;

	(void)state;
	argv_add(&a, "/bin/true");
	for (int i = 0; i < 511; i++)
		argv_add(&a, "x");
	assert_false(a.failed);
	argv_add(&a, "one more");
	assert_true(a.failed);
	assert_int_equal(a.count, 512);
	c.argv = &a;
	assert_int_equal(child_start(&c, &e), -1);
	assert_int_equal(e.code, ERR_SYSTEM);
	assert_string_equal(e.msg, "bad argument vector");
}

static void a_vector_without_an_absolute_program_does_not_run(void **state)
{
	static const char *const programs[] = { NULL, "", "true", "./true" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
		AUTO_ARGV struct argv a = { 0 };
		struct child c = CHILD_INIT;
		struct err e = ERR_INIT;

		if (programs[i])
			argv_add(&a, programs[i]);
		c.argv = &a;
		assert_int_equal(child_start(&c, &e), -1);
		assert_int_equal(e.code, ERR_SYSTEM);
		assert_string_equal(e.msg, "bad argument vector");
	}
}

/* ---- What a child gets ---- */

static void arguments_arrive_byte_for_byte(void **state)
{
	AUTO_ARGV struct argv a = { 0 };
	AUTO_BUF struct buf out = BUF_INIT(4096);
	struct child c = CHILD_INIT;
	struct err e = ERR_INIT;
	int status = -1;

	(void)state;
	argv_add(&a, "/usr/bin/printf");
	argv_add(&a, "[%s]");
	argv_add(&a, "a b");
	argv_add(&a, "");
	argv_add(&a, "$(id)`id`;|&\n'\"\\*");
	argv_add(&a, "\303\251\377");
	c.argv = &a;
	assert_int_equal(
		child_run(&c, NULL, &out, NULL, PATIENCE_MS, &status, &e), 0);
	assert_int_equal(status, 0);
	assert_string_equal(buf_str(&out),
			    "[a b][][$(id)`id`;|&\n'\"\\*][\303\251\377]");
}

static void the_environment_is_built_from_nothing(void **state)
{
	static const char *const more[] = { "A=1", "B=two words", NULL };
	AUTO_ARGV struct argv env = { 0 };
	struct child c = CHILD_INIT;

	(void)state;
	argv_add(&env, "/usr/bin/env");
	setenv("QWD_TEST_SECRET", "leak", 1);
	setenv("PATH", "/evil", 1);
	setenv("BASH_ENV", "/evil", 1);
	check_output(&c, &env, BASE_ENV "HOME=/nonexistent\n");
	c.home = "/var/home";
	c.env = more;
	check_output(&c, &env,
		     BASE_ENV "HOME=/var/home\nA=1\nB=two words\n");
	unsetenv("QWD_TEST_SECRET");
	unsetenv("BASH_ENV");
	setenv("PATH", "/usr/bin:/bin", 1);
}

static void too_many_variables_are_an_error(void **state)
{
	AUTO_ARGV struct argv a = { 0 };
	const char *many[40];
	struct child c = CHILD_INIT;
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i + 1 < ARRAY_LEN(many); i++)
		many[i] = "A=1";
	many[ARRAY_LEN(many) - 1] = NULL;
	argv_add(&a, "/bin/true");
	c.argv = &a;
	c.env = many;
	assert_int_equal(child_start(&c, &e), -1);
	assert_int_equal(e.code, ERR_SYSTEM);
	assert_string_equal(e.msg, "too many environment variables");
}

/* The shell's own descriptor for the directory is the lowest free one, 3. */
#define LIST_FDS "cd /proc/self/fd && echo *"

static void only_the_kept_descriptors_reach_a_child(void **state)
{
	static const int open_ones[] = { 10, 40, 41, 200, 203, 700 };
	int null = open("/dev/null", O_RDWR);
	int kept[] = { 200, 41 };
	struct child c = CHILD_INIT;

	(void)state;
	assert_true(null > 2);
	/* Without close-on-exec, as a library might leave them. */
	for (size_t i = 0; i < ARRAY_LEN(open_ones); i++)
		assert_int_equal(dup2(null, open_ones[i]), open_ones[i]);
	check_sh(&c, LIST_FDS, "0 1 2 3\n");
	c.keep = kept;
	c.keep_count = 2;
	fcntl(200, F_SETFD, FD_CLOEXEC);
	check_sh(&c, LIST_FDS, "0 1 2 200 3 41\n");
	/* Ours stays as it was. */
	assert_int_equal(fcntl(200, F_GETFD), FD_CLOEXEC);
	for (size_t i = 0; i < ARRAY_LEN(open_ones); i++)
		close(open_ones[i]);
	close(null);
}

static void a_detached_child_gets_only_the_kept_descriptors(void **state)
{
	AUTO_ARGV struct argv a = { 0 };
	AUTO_CLOSE int null = open("/dev/null", O_RDWR);
	struct child c = CHILD_INIT;
	struct err e = ERR_INIT;
	char text[64] = "";
	int pipes[2];
	int keep;

	(void)state;
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	assert_int_equal(dup2(null, 60), 60);
	keep = dup2(null, 80);
	assert_int_equal(keep, 80);
	sh_vector(&a, LIST_FDS);
	c.argv = &a;
	c.out = pipes[1];
	c.keep = &keep;
	c.keep_count = 1;
	c.detach = true;
	assert_int_equal(child_start(&c, &e), 0);
	close(pipes[1]);
	assert_true(read(pipes[0], text, sizeof(text) - 1) > 0);
	assert_string_equal(text, "0 1 2 3 80\n");
	close(pipes[0]);
	close(60);
	close(80);
	end_the_rest(NULL);
}

static void a_kept_descriptor_still_works(void **state)
{
	AUTO_CLOSE int fd = openat(scratch_fd, "kept",
				   O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int keep = fcntl(fd, F_DUPFD_CLOEXEC, 300);
	struct child c = CHILD_INIT;
	char text[8] = "";

	(void)state;
	c.keep = &keep;
	c.keep_count = 1;
	check_sh(&c, "echo hello >/proc/self/fd/300", "");
	assert_int_equal(pread(fd, text, sizeof(text), 0), 6);
	assert_string_equal(text, "hello\n");
	close(keep);
}

static void too_many_or_closed_descriptors_are_an_error(void **state)
{
	AUTO_ARGV struct argv a = { 0 };
	int keep[17] = { 0 };
	struct child c = CHILD_INIT;
	struct err e = ERR_INIT;

	(void)state;
	argv_add(&a, "/bin/true");
	c.argv = &a;
	c.keep = keep;
	c.keep_count = 17;
	assert_int_equal(child_start(&c, &e), -1);
	assert_int_equal(e.code, ERR_SYSTEM);
	assert_string_equal(e.msg, "too many descriptors");
	keep[0] = 999;
	c.keep_count = 1;
	assert_int_equal(child_start(&c, &e), -1);
	assert_int_equal(e.code, ERR_SYSTEM);
	assert_int_equal(e.sys, EBADF);
}

/* In a caller whose own 1 and 2 are files: out goes to 2, err to 1. */
static int cross_the_standard_descriptors(void)
{
	AUTO_ARGV struct argv a = { 0 };
	struct child c = { .in = 0, .out = 2, .err = 1 };
	struct err e = ERR_INIT;
	int one = openat(scratch_fd, "one", O_RDWR | O_CREAT | O_TRUNC, 0600);
	int two = openat(scratch_fd, "two", O_RDWR | O_CREAT | O_TRUNC, 0600);
	int in = openat(scratch_fd, "in", O_RDWR | O_CREAT | O_TRUNC, 0600);
	pid_t pid;
	int status = -1;

	if (write(in, "input\n", 6) != 6 || lseek(in, 0, SEEK_SET) != 0 ||
	    dup2(in, 0) != 0 || dup2(one, 1) != 1 || dup2(two, 2) != 2)
		return 1;
	sh_vector(&a, "read w; echo out $w; echo err >&2");
	c.argv = &a;
	pid = child_start(&c, &e);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 2;
	return status;
}

static void check_file(const char *name, const char *expected)
{
	AUTO_CLOSE int fd = openat(scratch_fd, name, O_RDONLY | O_CLOEXEC);
	char text[256] = "";

	assert_true(fd >= 0);
	assert_true(read(fd, text, sizeof(text) - 1) >= 0);
	assert_string_equal(text, expected);
}

static void standard_descriptors_may_be_standard_ones_crossed(void **state)
{
	(void)state;
	in_process(cross_the_standard_descriptors);
	check_file("one", "err\n");
	check_file("two", "out input\n");
}

/* A caller without 0, 1 and 2: the pipes take their numbers. */
static int run_without_standard_descriptors(void)
{
	AUTO_ARGV struct argv good = { 0 };
	AUTO_ARGV struct argv bad = { 0 };
	AUTO_BUF struct buf out = BUF_INIT(64);
	struct child c = CHILD_INIT;
	struct err e = ERR_INIT;
	int status = -1;

	for (int fd = 0; fd < 3; fd++)
		close(fd);
	sh_vector(&good, "read w; echo got $w; " LIST_FDS);
	argv_add(&bad, "/nonexistent/program");
	c.argv = &good;
	if (child_run(&c, "input\n", &out, NULL, PATIENCE_MS, &status, &e) < 0)
		return 1;
	if (status != 0 || strcmp(buf_str(&out), "got input\n0 1 2 3\n") != 0)
		return 2;
	c.argv = &bad;
	if (child_start(&c, &e) != -1 || e.sys != ENOENT)
		return 3;
	return 0;
}

static void a_caller_may_lack_standard_descriptors(void **state)
{
	(void)state;
	in_process(run_without_standard_descriptors);
}

static void standard_descriptors_are_the_null_device_by_default(void **state)
{
	AUTO_ARGV struct argv a = { 0 };
	struct child c = CHILD_INIT;
	struct err e = ERR_INIT;
	int status = -1;

	(void)state;
	sh_vector(&a, "for i in 0 1 2; do "
		      "test /proc/self/fd/$i -ef /dev/null || exit 1; done");
	c.argv = &a;
	assert_int_equal(
		child_run(&c, NULL, NULL, NULL, PATIENCE_MS, &status, &e), 0);
	assert_int_equal(status, 0);
}

static void signals_are_default_and_none_is_blocked(void **state)
{
	AUTO_ARGV struct argv sed = { 0 };
	struct child c = CHILD_INIT;
	sigset_t all;
	sigset_t before;

	(void)state;
	/* No shell, since that catches and ignores some by itself. */
	argv_add(&sed, "/bin/sed");
	argv_add(&sed, "-n");
	/* 32 and 33 are the C library's own, which nobody can set by it. */
	argv_add(&sed, "s/0000000180000000/0000000000000000/;/^Sig[BIC]/p");
	argv_add(&sed, "/proc/self/status");
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	check_output(&c, &sed,
		     "SigBlk:\t0000000000000000\n"
		     "SigIgn:\t0000000000000000\n"
		     "SigCgt:\t0000000000000000\n");
	signal(SIGHUP, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGUSR1, SIG_DFL);
	sigprocmask(SIG_SETMASK, &before, NULL);
}

static void a_child_leaves_no_core_and_works_in_its_directory(void **state)
{
	struct child c = CHILD_INIT;

	(void)state;
	check_sh(&c, "ulimit -c; pwd", "0\n/\n");
	c.dir = "/usr/bin";
	check_sh(&c, "pwd", "/usr/bin\n");
}

static void a_file_cannot_grow_past_the_limit(void **state)
{
	AUTO_ARGV struct argv a = { 0 };
	AUTO_BUF struct buf errors = BUF_INIT(4096);
	struct child c = CHILD_INIT;
	struct err e = ERR_INIT;
	struct stat st;
	int status = -1;

	(void)state;
	argv_add(&a, "/bin/dd");
	argv_add(&a, "if=/dev/zero");
	argv_addf(&a, "of=%s/big", scratch_path);
	argv_add(&a, "bs=1000");
	argv_add(&a, "count=100");
	c.argv = &a;
	c.max_file = 10240;
	assert_int_equal(
		child_run(&c, NULL, NULL, &errors, PATIENCE_MS, &status, &e),
		0);
	assert_int_equal(fstatat(scratch_fd, "big", &st, 0), 0);
	assert_int_equal(st.st_size, 10240);
	assert_int_equal(status, 128 + SIGXFSZ);
	c.max_file = 0;
	assert_int_equal(
		child_run(&c, NULL, NULL, &errors, PATIENCE_MS, &status, &e),
		0);
	assert_int_equal(status, 0);
}

/* ---- Failures of exec ---- */

static void a_failure_of_exec_comes_back(void **state)
{
	static const struct {
		const char *program;
		int sys;
	} table[] = {
		{ "/nonexistent/program", ENOENT },
		{ "/etc", EACCES },
		{ "/etc/passwd", EACCES },
		{ "%s/junk", ENOEXEC },
	};

	(void)state;
	scratch_puts("junk", "\1\2\3 no program\n");
	assert_int_equal(fchmodat(scratch_fd, "junk", 0700, 0), 0);
	for (size_t i = 0; i < 2 * ARRAY_LEN(table); i++) {
		AUTO_ARGV struct argv a = { 0 };
		struct child c = CHILD_INIT;
		struct err e = ERR_INIT;
		const char *program = table[i / 2].program;

		if (program[0] == '%')
			argv_addf(&a, "%s%s", scratch_path, program + 2);
		else
			argv_add(&a, program);
		c.argv = &a;
		c.detach = i % 2;
		assert_int_equal(child_start(&c, &e), -1);
		assert_int_equal(e.code, ERR_SYSTEM);
		assert_int_equal(e.sys, table[i / 2].sys);
		if (!strstr(e.msg, "cannot run ") || !strstr(e.msg, a.list[0]))
			fail_msg("'%s' does not name the program", e.msg);
		/* Reaped; a detached one comes to us as the subreaper. */
		if (c.detach) {
			end_the_rest(NULL);
			continue;
		}
		assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
		assert_int_equal(errno, ECHILD);
	}
}

static void a_missing_directory_is_a_failure(void **state)
{
	AUTO_ARGV struct argv a = { 0 };
	struct child c = CHILD_INIT;
	struct err e = ERR_INIT;

	(void)state;
	argv_add(&a, "/bin/true");
	c.argv = &a;
	c.dir = "/nonexistent";
	assert_int_equal(child_start(&c, &e), -1);
	assert_int_equal(e.code, ERR_SYSTEM);
	assert_int_equal(e.sys, ENOENT);
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
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		AUTO_ARGV struct argv a = { 0 };
		struct child c = CHILD_INIT;
		struct err e = ERR_INIT;
		int status = -1;

		sh_vector(&a, table[i].script);
		c.argv = &a;
		assert_int_equal(child_run(&c, NULL, NULL, NULL, PATIENCE_MS,
					   &status, &e),
				 0);
		assert_int_equal(status, table[i].status);
	}
}

static void output_and_errors_are_collected_apart(void **state)
{
	AUTO_ARGV struct argv a = { 0 };
	AUTO_BUF struct buf out = BUF_INIT(64);
	AUTO_BUF struct buf errors = BUF_INIT(64);
	struct child c = CHILD_INIT;
	struct err e = ERR_INIT;
	int status = -1;

	(void)state;
	sh_vector(&a, "echo wrong >&2; echo right; exit 4");
	c.argv = &a;
	assert_int_equal(
		child_run(&c, NULL, &out, &errors, PATIENCE_MS, &status, &e),
		0);
	assert_int_equal(status, 4);
	assert_string_equal(buf_str(&out), "right\n");
	assert_string_equal(buf_str(&errors), "wrong\n");
}

static void input_may_be_larger_than_a_pipe(void **state)
{
	enum { SIZE = 1 << 20 };
	AUTO_ARGV struct argv a = { 0 };
	AUTO_BUF struct buf out = BUF_INIT(2 * SIZE);
	AUTO_FREE char *input = malloc(SIZE + 1);
	struct child c = CHILD_INIT;
	struct err e = ERR_INIT;
	int status = -1;

	(void)state;
	assert_non_null(input);
	for (int i = 0; i < SIZE; i++)
		input[i] = (char)('a' + i % 23);
	input[SIZE] = '\0';
	argv_add(&a, "/bin/cat");
	c.argv = &a;
	assert_int_equal(
		child_run(&c, input, &out, NULL, PATIENCE_MS, &status, &e), 0);
	assert_int_equal(status, 0);
	assert_int_equal(out.len, SIZE);
	assert_memory_equal(buf_str(&out), input, SIZE);
}

static void a_child_that_does_not_read_breaks_nothing(void **state)
{
	enum { SIZE = 1 << 20 };
	AUTO_ARGV struct argv a = { 0 };
	AUTO_FREE char *input = malloc(SIZE + 1);
	struct sigaction after;
	struct child c = CHILD_INIT;
	struct err e = ERR_INIT;
	int status = -1;

	(void)state;
	assert_non_null(input);
	memset(input, 'x', SIZE);
	input[SIZE] = '\0';
	sh_vector(&a, "exec <&-; exit 3");
	c.argv = &a;
	signal(SIGPIPE, SIG_DFL); /* whatever this test was started with */
	assert_int_equal(
		child_run(&c, input, NULL, NULL, PATIENCE_MS, &status, &e), 0);
	assert_int_equal(status, 3);
	assert_int_equal(sigaction(SIGPIPE, NULL, &after), 0);
	assert_true(after.sa_handler == SIG_DFL);
}

static void empty_input_is_the_end_of_the_file(void **state)
{
	AUTO_ARGV struct argv a = { 0 };
	AUTO_BUF struct buf out = BUF_INIT(64);
	struct child c = CHILD_INIT;
	struct err e = ERR_INIT;
	int status = -1;

	(void)state;
	sh_vector(&a, "cat; echo end");
	c.argv = &a;
	assert_int_equal(
		child_run(&c, "", &out, NULL, PATIENCE_MS, &status, &e), 0);
	assert_string_equal(buf_str(&out), "end\n");
}

static void output_past_the_ceiling_is_dropped_and_told(void **state)
{
	AUTO_ARGV struct argv a = { 0 };
	AUTO_BUF struct buf out = BUF_INIT(5000);
	struct child c = CHILD_INIT;
	struct err e = ERR_INIT;
	int status = -1;

	(void)state;
	/* The child is read to its end all the same. */
	sh_vector(&a, "head -c 300000 /dev/zero | tr '\\0' x; echo done >&2");
	c.argv = &a;
	assert_int_equal(
		child_run(&c, NULL, &out, NULL, PATIENCE_MS, &status, &e), 0);
	assert_int_equal(status, 0);
	assert_true(buf_failed(&out));
	assert_true(out.len <= 5000);
}

static void check_timeout(const char *script, bool group, struct buf *out)
{
	AUTO_ARGV struct argv a = { 0 };
	struct child c = CHILD_INIT;
	struct err e = ERR_INIT;
	long long began = clock_boot_ms();
	int status = -1;

	sh_vector(&a, script);
	c.argv = &a;
	c.group = group;
	assert_int_equal(child_run(&c, NULL, out, NULL, 300, &status, &e), -1);
	assert_int_equal(e.code, ERR_TIMEOUT);
	assert_string_equal(e.msg, "/bin/sh did not end in 300 ms");
	assert_int_equal(status, -1);
	assert_true(clock_boot_ms() - began >= 300);
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
	AUTO_ARGV struct argv a = { 0 };
	struct child c = CHILD_INIT;
	struct err e = ERR_INIT;
	int status = -1;

	(void)state;
	/* Its pipes close long before its end. */
	sh_vector(&a, "exec >&- 2>&-; sleep 0.2; exit 7");
	c.argv = &a;
	assert_int_equal(
		child_run(&c, NULL, NULL, NULL, PATIENCE_MS, &status, &e), 0);
	assert_int_equal(status, 7);
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
	AUTO_ARGV struct argv a = { 0 };
	struct child c = CHILD_INIT;
	struct err e = ERR_INIT;
	char text[64] = "";
	int pipes[2];
	pid_t pid;

	(void)state;
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	sh_vector(&a, "sleep 1000 >/dev/null & echo $!; wait");
	c.argv = &a;
	c.out = pipes[1];
	c.group = true;
	pid = child_start(&c, &e);
	assert_true(pid > 1);
	assert_int_equal(getpgid(pid), pid);
	close(pipes[1]);
	assert_true(read(pipes[0], text, sizeof(text) - 1) > 0);
	close(pipes[0]);
	child_end(&pid, true);
	assert_int_equal(pid, 0);
	check_killed(text);
}

static void members_of_a_group_do_not_outlive_its_leader(void **state)
{
	AUTO_ARGV struct argv a = { 0 };
	AUTO_BUF struct buf out = BUF_INIT(64);
	struct child c = CHILD_INIT;
	struct err e = ERR_INIT;
	int status = -1;

	(void)state;
	sh_vector(&a, "sleep 1000 >/dev/null & echo $!");
	c.argv = &a;
	c.group = true;
	assert_int_equal(
		child_run(&c, NULL, &out, NULL, PATIENCE_MS, &status, &e), 0);
	assert_int_equal(status, 0);
	check_killed(buf_str(&out));
}

static void a_group_is_ended_when_its_leader_is_reaped(void **state)
{
	AUTO_ARGV struct argv a = { 0 };
	struct child c = CHILD_INIT;
	struct err e = ERR_INIT;
	char text[64] = "";
	int pipes[2];
	int status = -1;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	sh_vector(&a, "sleep 1000 >/dev/null & echo $!; exit 9");
	c.argv = &a;
	c.out = pipes[1];
	c.group = true;
	pid = child_start(&c, &e);
	assert_true(pid > 1);
	close(pipes[1]);
	assert_true(read(pipes[0], text, sizeof(text) - 1) > 0);
	close(pipes[0]);
	while (!child_reaped(pid, true, &status))
		poll(NULL, 0, 5);
	assert_int_equal(status, 9);
	check_killed(text);
}

static void a_running_child_is_not_reaped(void **state)
{
	AUTO_ARGV struct argv a = { 0 };
	struct child c = CHILD_INIT;
	struct err e = ERR_INIT;
	int status = -1;
	pid_t pid;

	(void)state;
	sh_vector(&a, "exec sleep 1000");
	c.argv = &a;
	pid = child_start(&c, &e);
	assert_true(pid > 1);
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
	end_the_rest(NULL);
}

/* ---- Programs ---- */

static void programs_are_found_where_the_system_keeps_them(void **state)
{
	AUTO_FREE char *bare = NULL;
	AUTO_FREE char *absolute = NULL;
	struct err e = ERR_INIT;

	(void)state;
	bare = child_find_program("env", &e);
	absolute = child_find_program("/bin/sh", &e);
	assert_non_null(bare);
	assert_string_equal(bare, "/usr/bin/env");
	assert_non_null(absolute);
	assert_string_equal(absolute, "/bin/sh");
}

static void other_programs_are_named_as_missing(void **state)
{
	static const char *const names[] = {
		"no-such-program", "/nonexistent/env", "bin/env", "./env",
		"../bin/env", "/etc/passwd",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct err e = ERR_INIT;
		char expected[128];

		snprintf(expected, sizeof(expected),
			 "the program %s is not installed", names[i]);
		assert_null(child_find_program(names[i], &e));
		assert_int_equal(e.code, ERR_CONFIG);
		assert_string_equal(e.msg, expected);
	}
}

#define T(name) cmocka_unit_test_teardown(name, end_the_rest)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_vector_keeps_its_arguments_in_their_order),
		T(a_vector_with_too_many_arguments_does_not_run),
		T(a_vector_without_an_absolute_program_does_not_run),
		T(arguments_arrive_byte_for_byte),
		T(the_environment_is_built_from_nothing),
		T(too_many_variables_are_an_error),
		T(only_the_kept_descriptors_reach_a_child),
		T(a_detached_child_gets_only_the_kept_descriptors),
		T(a_kept_descriptor_still_works),
		T(too_many_or_closed_descriptors_are_an_error),
		T(standard_descriptors_may_be_standard_ones_crossed),
		T(a_caller_may_lack_standard_descriptors),
		T(standard_descriptors_are_the_null_device_by_default),
		T(signals_are_default_and_none_is_blocked),
		T(a_child_leaves_no_core_and_works_in_its_directory),
		T(a_file_cannot_grow_past_the_limit),
		T(a_failure_of_exec_comes_back),
		T(a_missing_directory_is_a_failure),
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
		T(programs_are_found_where_the_system_keeps_them),
		T(other_programs_are_named_as_missing),
	};

	return cmocka_run_group_tests(tests, prepare, clear);
}
