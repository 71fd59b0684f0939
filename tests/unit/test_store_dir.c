/* src/session/store: the directory of the sessions, whatever lies there. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "scratch.h"
#include "session/store.h"
#include "shelf.h"

/* A configuration with dir_cfg = scratch directory + `below`. */
static void configure(struct config *c, const char *below)
{
	char path[4200];
	struct err e = ERR_INIT;

	assert_int_equal(config_init(c, &e), 0);
	snprintf(path, sizeof(path), "%s%s", scratch_path, below);
	if (config_set(c, "service", "svc", &e) < 0 ||
	    config_set(c, "dir_cfg", path, &e) < 0 ||
	    config_set(c, "dir_snapshots", path, &e) < 0)
		fail_msg("%s", e.msg);
}

static void check_dir(const char *below, const char *expected)
{
	AUTO_CONFIG struct config c = { 0 };
	AUTO_STORE struct store s = STORE_INIT;
	char path[4200];
	struct err e = ERR_INIT;
	struct stat stat;

	configure(&c, below);
	if (store_open(&c, &s, &e) < 0)
		fail_msg("%s", e.msg);
	snprintf(path, sizeof(path), "%s%s", scratch_path, expected);
	assert_string_equal(s.path, path);
	assert_int_equal(lstat(path, &stat), 0);
	assert_true(S_ISDIR(stat.st_mode));
	assert_int_equal(stat.st_mode & 07777, 0700);
	assert_int_equal(stat.st_uid, geteuid());
	assert_true(shelf_has(s.dir, "locks"));
	assert_true(shelf_has(s.dir, "run"));
	assert_true(fcntl(s.dir, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(s.locks, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(s.run, F_GETFD) & FD_CLOEXEC);
}

static void make_dir(const char *name, mode_t mode)
{
	assert_int_equal(mkdirat(scratch_fd, name, 0700), 0);
	assert_int_equal(fchmodat(scratch_fd, name, mode, 0), 0);
}

static void a_private_directory_is_the_store_itself(void **state)
{
	(void)state;
	make_dir("private", 0700);
	check_dir("/private", "/private");
	check_dir("/private", "/private");
}

static void a_missing_directory_is_made_as_a_private_one(void **state)
{
	mode_t before = umask(0);

	(void)state;
	check_dir("/new", "/new");
	umask(before);
}

static void a_shared_directory_gets_a_private_one(void **state)
{
	static const mode_t modes[] = { 01777, 0755, 0770, 0701 };
	char name[48];
	char below[80];
	char expected[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		snprintf(name, sizeof(name), "shared%zu", i);
		make_dir(name, modes[i]);
		snprintf(below, sizeof(below), "/%s", name);
		snprintf(expected, sizeof(expected), "/%s/svc-%u", name,
			 (unsigned)geteuid());
		check_dir(below, expected);
		check_dir(below, expected);
	}
}

static void check_refused(const char *below, enum err_code code,
			  const char *part)
{
	AUTO_CONFIG struct config c = { 0 };
	AUTO_STORE struct store s = STORE_INIT;
	struct err e = ERR_INIT;

	configure(&c, below);
	assert_int_equal(store_open(&c, &s, &e), -1);
	assert_int_equal(e.code, code);
	if (strncmp(e.msg, "dir_cfg: ", 9) != 0 || !strstr(e.msg, part))
		fail_msg("'%s' does not say '%s'", e.msg, part);
	assert_int_equal(s.dir, -1);
	assert_null(s.path);
}

/* `victim` for planted links; nothing may appear in it. */
static void plant(const char *target, const char *name)
{
	char path[4200];

	snprintf(path, sizeof(path), "%s/%s", scratch_path, target);
	assert_int_equal(symlinkat(path, scratch_fd, name), 0);
}

static void a_planted_link_is_refused(void **state)
{
	char name[64];

	(void)state;
	make_dir("victim", 0700);
	make_dir("sticky", 01777);
	snprintf(name, sizeof(name), "sticky/svc-%u", (unsigned)geteuid());
	plant("victim", name);
	check_refused("/sticky", ERR_DAMAGED, "is no real directory");
	assert_int_equal(unlinkat(scratch_fd, "victim", AT_REMOVEDIR), 0);
	/* It dangles now. */
	check_refused("/sticky", ERR_DAMAGED, "is no real directory");
	plant("nowhere", "dangling");
	check_refused("/dangling", ERR_DAMAGED, "is no real directory");
}

static void planted_folders_in_the_store_are_refused(void **state)
{
	static const char *const folders[] = { "locks", "run" };
	char name[64];
	char below[80];

	(void)state;
	make_dir("elsewhere", 0700);
	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		snprintf(name, sizeof(name), "planted%zu", i);
		make_dir(name, 0700);
		snprintf(below, sizeof(below), "/%s", name);
		snprintf(name, sizeof(name), "planted%zu/%s", i, folders[i]);
		plant("elsewhere", name);
		check_refused(below, ERR_DAMAGED, "is no real directory");
	}
	assert_int_equal(unlinkat(scratch_fd, "elsewhere", AT_REMOVEDIR), 0);
}

static void a_directory_that_others_may_enter_is_refused(void **state)
{
	char name[64];
	char part[64];

	(void)state;
	make_dir("open", 01777);
	snprintf(name, sizeof(name), "open/svc-%u", (unsigned)geteuid());
	make_dir(name, 0750);
	snprintf(part, sizeof(part), "must belong to user %u with mode 0700",
		 (unsigned)geteuid());
	check_refused("/open", ERR_DAMAGED, part);
}

static void a_directory_of_another_user_is_refused(void **state)
{
	char name[64];

	(void)state;
	if (geteuid() != 0)
		skip(); /* only root can make one */
	make_dir("foreign", 01777);
	snprintf(name, sizeof(name), "foreign/svc-%u", (unsigned)geteuid());
	make_dir(name, 0700);
	assert_int_equal(fchownat(scratch_fd, name, 65534, 65534, 0), 0);
	check_refused("/foreign", ERR_DAMAGED, "must belong to user 0");
}

static void a_file_in_the_place_of_the_directory_is_refused(void **state)
{
	char name[64];

	(void)state;
	make_dir("file", 01777);
	snprintf(name, sizeof(name), "file/svc-%u", (unsigned)geteuid());
	scratch_puts(name, "");
	check_refused("/file", ERR_DAMAGED, "is no real directory");
}

static void a_missing_parent_is_an_error(void **state)
{
	(void)state;
	check_refused("/no/such/parent", ERR_SYSTEM, "cannot make directory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_private_directory_is_the_store_itself),
		cmocka_unit_test(a_missing_directory_is_made_as_a_private_one),
		cmocka_unit_test(a_shared_directory_gets_a_private_one),
		cmocka_unit_test(a_planted_link_is_refused),
		cmocka_unit_test(planted_folders_in_the_store_are_refused),
		cmocka_unit_test(a_directory_that_others_may_enter_is_refused),
		cmocka_unit_test(a_directory_of_another_user_is_refused),
		cmocka_unit_test(
			a_file_in_the_place_of_the_directory_is_refused),
		cmocka_unit_test(a_missing_parent_is_an_error),
	};

	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
