/* src/web/byhand_arguments */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "scratch.h"
#include "web/byhand_arguments.h"

static char config_argument[4200];

static int make_config(void **state)
{
	if (scratch_make(state) < 0)
		return -1;
	scratch_puts("good.conf", "layout_title = From the file\n");
	scratch_puts("bad.conf", "no_such_option = 1\n");
	snprintf(config_argument, sizeof(config_argument),
		 "--config=%s/good.conf", scratch_path);
	unsetenv("QWD_CONFIG");
	return chdir(scratch_path);
}

/* Complaints go to `complaint`, which is "" where there are none. */
static int read_them(const char *one, const char *two, struct by_hand *ret,
		     char *complaint, size_t size)
{
	char *argv[] = { strdup("qemu-web-desktop"), strdup(config_argument),
			 strdup(one), two ? strdup(two) : NULL, NULL };
	int old = dup(STDERR_FILENO);
	int status;
	int file = openat(scratch_fd, "stderr",
			  O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ssize_t len;

	assert_true(old >= 0 && file >= 0);
	*ret = (struct by_hand){ .task = TASK_START };
	fflush(stderr);
	assert_true(dup2(file, STDERR_FILENO) >= 0);
	status = by_hand_arguments(two ? 4 : 3, argv, ret);
	fflush(stderr);
	assert_true(dup2(old, STDERR_FILENO) >= 0);
	len = pread(file, complaint, size - 1, 0);
	assert_true(len >= 0);
	complaint[len] = '\0';
	close(old);
	close(file);
	for (size_t i = 0; i < 4; i++)
		free(argv[i]);
	return status;
}

static void the_task_is_found(void **state)
{
	static const struct {
		const char *argument;
		enum task task;
	} table[] = {
		{ "--machine=slax.iso", TASK_START },
		{ "--session_stop=qwd-a", TASK_STOP },
		{ "--service_purge=1", TASK_PURGE },
		{ "--service_purge", TASK_PURGE },
		{ "--session_purge=yes", TASK_PURGE },
		{ "--service_purge=0", TASK_START },
		{ "--service_monitor=1", TASK_MONITOR },
	};
	char complaint[1000];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct by_hand b;

		assert_int_equal(read_them(table[i].argument, NULL, &b,
					   complaint, sizeof(complaint)),
				 BY_HAND_DONE);
		assert_string_equal(complaint, "");
		assert_int_equal(b.task, table[i].task);
		assert_string_equal(b.config.layout_title, "From the file");
		by_hand_release(&b);
	}
}

static void options_are_stronger_than_the_file(void **state)
{
	char complaint[1000];
	struct by_hand b;

	(void)state;
	assert_int_equal(read_them("--layout-title=Here", "--machine=a.iso", &b,
				   complaint, sizeof(complaint)),
			 BY_HAND_DONE);
	assert_string_equal(b.config.layout_title, "Here");
	assert_string_equal(b.config.machine, "a.iso");
	by_hand_release(&b);
}

static void directories_may_be_relative(void **state)
{
	static const struct {
		const char *argument;
		const char *expected; /* behind the working directory */
	} table[] = {
		{ "--dir_machines=images", "/images" },
		{ "--dir-machines=images/more", "/images/more" },
	};
	char complaint[1000];
	char path[4300];
	struct by_hand b;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		assert_int_equal(read_them(table[i].argument, NULL, &b,
					   complaint, sizeof(complaint)),
				 BY_HAND_DONE);
		snprintf(path, sizeof(path), "%s%s", scratch_path,
			 table[i].expected);
		assert_string_equal(b.config.dir_machines, path);
		by_hand_release(&b);
	}
	assert_int_equal(read_them("--dir_machines=/images",
				   "--dir_websockify=websockify", &b,
				   complaint, sizeof(complaint)),
			 BY_HAND_DONE);
	assert_string_equal(b.config.dir_machines, "/images");
	assert_string_equal(b.config.dir_websockify, "websockify");
	by_hand_release(&b);
}

static void a_wrong_argument_is_named(void **state)
{
	static const char *const arguments[] = {
		"--no_such_option=1",	"--snapshot_lifetime=x",
		"--machine",		"machine=a.iso",
		"-h",			"slax.iso",
		"--machine=../a.iso",	"--service_purge=perhaps",
		"--session_stop",	"--guest_network=bridge",
	};
	char complaint[1000];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(arguments); i++) {
		struct by_hand b;

		if (read_them(arguments[i], NULL, &b, complaint,
			      sizeof(complaint)) != BY_HAND_USAGE ||
		    !strstr(complaint, arguments[i]))
			fail_msg("%s: %s", arguments[i], complaint);
		by_hand_release(&b);
	}
}

static void a_wrong_file_is_no_wrong_argument(void **state)
{
	static const char *const files[] = { "bad.conf", "none.conf" };
	char complaint[1000];
	char argument[4300];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		struct by_hand b;

		snprintf(argument, sizeof(argument), "--config=%s", files[i]);
		assert_int_equal(read_them(argument, NULL, &b, complaint,
					   sizeof(complaint)),
				 BY_HAND_FAILED);
		assert_non_null(strstr(complaint, files[i]));
		by_hand_release(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_task_is_found),
		cmocka_unit_test(options_are_stronger_than_the_file),
		cmocka_unit_test(directories_may_be_relative),
		cmocka_unit_test(a_wrong_argument_is_named),
		cmocka_unit_test(a_wrong_file_is_no_wrong_argument),
	};

	return cmocka_run_group_tests(tests, make_config, scratch_remove);
}
