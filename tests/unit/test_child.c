/* src/sys/child: processes that get what they are given and nothing else. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "family.h"
#include "scratch.h"
#include "sys/child.h"

#define BASE_ENV                                                               \
	"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin\nLANG=C.UTF-8\n"

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
	family_end(NULL);
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
			family_end(NULL);
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

#define T(name) cmocka_unit_test_teardown(name, family_end)

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
		T(programs_are_found_where_the_system_keeps_them),
		T(other_programs_are_named_as_missing),
	};

	return cmocka_run_group_tests(tests, family_make, family_remove);
}
