/* src/farm/job_dir and src/farm/tunnel: the directory that a job and its owner
 * share, and the display's way through it. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "farm/job_dir.h"
#include "farm/tunnel.h"
#include "scratch.h"
#include "settings.h"
#include "shelf.h"

#define N SHELF_A

static int made(char **path)
{
	static int serial;
	struct err e = ERR_INIT;
	char dir[4300];
	int fd;

	snprintf(dir, sizeof(dir), "%s/jobs%d", scratch_path, serial++);
	settings_set("dir_slurm", dir);
	fd = job_dir_make(&settings, "/store", N, path, &e);
	if (fd < 0)
		fail_msg("%s", e.msg);
	return fd;
}

static void a_directory_is_made_once_and_claimed_once(void **state)
{
	AUTO_FREE char *path = NULL;
	AUTO_CLOSE int dir = made(&path);
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(job_dir_make(&settings, "/store", N, &path, &e), -1);
	assert_int_equal(e.code, ERR_CONFLICT);
	assert_true(job_dir_is_ours(dir, "/store"));
	assert_false(job_dir_is_ours(dir, "/other"));
	assert_int_equal(job_dir_claim(dir, 7, "node1", &e), 0);
	assert_int_equal(job_dir_claim(dir, 8, "node2", &e), -1);
	assert_int_equal(e.code, ERR_CONFLICT);
}

static void a_directory_that_others_may_enter_is_refused(void **state)
{
	AUTO_FREE char *path = NULL;
	AUTO_CLOSE int dir = made(&path);
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(fchmod(dir, 0750), 0);
	assert_int_equal(job_dir_open(path, geteuid(), &e), -1);
	assert_int_equal(e.code, ERR_DAMAGED);
}

static void a_directory_that_is_gone_is_noticed(void **state)
{
	AUTO_FREE char *path = NULL;
	AUTO_CLOSE int dir = made(&path);
	AUTO_FREE char *moved = NULL;

	(void)state;
	assert_true(job_dir_is_there(path, dir));
	assert_true(asprintf(&moved, "%s.moved", path) > 0);
	assert_int_equal(rename(path, moved), 0);
	assert_false(job_dir_is_there(path, dir));
	assert_int_equal(mkdir(path, 0700), 0);
	assert_false(job_dir_is_there(path, dir));
}

/* As a file that somebody has open keeps a directory on NFS. */
static void a_directory_that_cannot_be_removed_is_still_ours(void **state)
{
	AUTO_FREE char *path = NULL;
	AUTO_CLOSE int dir = made(&path);
	struct job_wish wish = { .stop = true };
	AUTO_FREE char *stays = NULL;
	struct err e = ERR_INIT;

	(void)state;
	assert_true(asprintf(&stays, "%s/stays", path) > 0);
	assert_int_equal(mkdir(stays, 0700), 0);
	if (mount("none", stays, "tmpfs", 0, NULL) < 0)
		skip(); /* not root */
	assert_int_equal(job_dir_write_wish(dir, &wish, &e), 0);
	assert_int_equal(job_dir_remove(AT_FDCWD, path, &e), -1);
	assert_int_equal(e.sys, EBUSY);
	assert_true(job_dir_is_there(path, dir));
	assert_true(job_dir_is_ours(dir, "/store"));
	assert_int_equal(umount(stays), 0);
	assert_int_equal(job_dir_remove(AT_FDCWD, path, &e), 0);
	assert_false(job_dir_is_there(path, dir));
}

static void what_is_said_is_read(void **state)
{
	AUTO_FREE char *path = NULL;
	AUTO_CLOSE int dir = made(&path);
	struct job_wish wish = { .stop = true, .who = "bob", .ends = 99 };
	struct job_wish wish2;
	struct job_order said = { .session = shelf_session(N, SESSION_STARTING),
				  .lifetime_s = 60,
				  .certificate = "PEM" };
	struct job_order read;
	struct job_mark mark = { .job = 7,
				 .node = "node1",
				 .port = 4000,
				 .left_ms = 5,
				 .session =
					 shelf_session(N, SESSION_STARTING) };
	struct job_mark mark2;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(job_dir_read_mark(dir, &mark2, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_int_equal(job_dir_write_wish(dir, &wish, &e), 0);
	assert_int_equal(job_dir_read_wish(dir, &wish2, &e), 0);
	assert_true(wish2.stop && !wish2.now && wish2.ends == 99);
	assert_string_equal(wish2.who, "bob");
	assert_int_equal(job_dir_write_order(dir, &settings, &said, -1, &e), 0);
	assert_int_equal(job_dir_read_order(dir, &read, &e), 0);
	assert_int_equal(read.lifetime_s, 60);
	assert_string_equal(read.session.name, N);
	assert_int_equal(job_dir_open_script(dir, &e), 0);
	assert_int_equal(job_dir_write_mark(dir, &mark, &e), 0);
	assert_int_equal(job_dir_read_mark(dir, &mark2, &e), 0);
	assert_int_equal(mark2.port, 4000);
	assert_string_equal(mark2.node, "node1");
}

static void a_display_goes_nowhere_odd(void **state)
{
	AUTO_FREE char *path = NULL;
	AUTO_CLOSE int dir = made(&path);
	struct tunnel t = TUNNEL_INIT;
	struct err e = ERR_INIT;

	(void)state;
	t.dir = dir;
	assert_int_equal(tunnel_configure(&t, true, "node:1\nexec = /bin/sh",
					  "-----BEGIN CERTIFICATE-----\n", &e),
			 -1);
	assert_int_equal(e.code, ERR_INPUT);
	assert_int_equal(tunnel_configure(&t, true, "node:1", "", &e), -1);
	assert_int_equal(e.code, ERR_INPUT);
	assert_int_equal(tunnel_configure(&t, true, "node:1",
					  "-----BEGIN CERTIFICATE-----\n", &e),
			 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SETTINGS_TEST(a_directory_is_made_once_and_claimed_once),
		SETTINGS_TEST(a_directory_that_others_may_enter_is_refused),
		SETTINGS_TEST(a_directory_that_is_gone_is_noticed),
		SETTINGS_TEST(a_directory_that_cannot_be_removed_is_still_ours),
		SETTINGS_TEST(what_is_said_is_read),
		SETTINGS_TEST(a_display_goes_nowhere_odd),
	};

	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
