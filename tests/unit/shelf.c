#include "shelf.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "scratch.h"
#include "sys/clock.h"
#include "sys/file.h"

struct config shelf_config;
struct store shelf = STORE_INIT;
char shelf_path[4200];

static int set_dir(const char *option, const char *name, struct err *e)
{
	char path[4300];

	snprintf(path, sizeof(path), "%s/%s", shelf_path, name);
	return config_set(&shelf_config, option, path, e);
}

int shelf_open(void **state)
{
	static int serial;
	char path[4300];
	struct err e = ERR_INIT;

	(void)state;
	snprintf(shelf_path, sizeof(shelf_path), "%s/shelf%d", scratch_path,
		 serial++);
	snprintf(path, sizeof(path), "%s/snapshots", shelf_path);
	if (mkdir(shelf_path, 0700) < 0 || mkdir(path, 0700) < 0 ||
	    config_init(&shelf_config, &e) < 0 ||
	    config_set(&shelf_config, "service", "svc", &e) < 0 ||
	    set_dir("dir_cfg", "store", &e) < 0 ||
	    set_dir("dir_history", "history", &e) < 0 ||
	    set_dir("dir_snapshots", "snapshots", &e) < 0)
		return -1;
	return store_open(&shelf_config, &shelf, &e);
}

int shelf_close(void **state)
{
	(void)state;
	store_release(&shelf);
	config_release(&shelf_config);
	return 0;
}

int shelf_make(void **state)
{
	return scratch_make(state) < 0 ? -1 : shelf_open(state);
}

int shelf_remove(void **state)
{
	(void)!shelf_close(state);
	return scratch_remove(state);
}

struct session shelf_session(const char *name, enum session_state state)
{
	struct session s = { .user = "ann", .machine = "tiny.iso",
			     .format = "raw", .cpu = 1, .memory_mb = 256,
			     .state = state, .started = clock_wall() };

	snprintf(s.name, sizeof(s.name), "%s", name);
	clock_boot_id(s.boot_id);
	return s;
}

void shelf_write(const struct session *s)
{
	struct err e = ERR_INIT;

	if (store_write(&shelf, s, &e) < 0)
		fail_msg("%s", e.msg);
}

void shelf_put(const char *name, const void *bytes, size_t len)
{
	AUTO_CLOSE int fd = openat(shelf.dir, name,
				   O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
				   0600);

	assert_true(fd >= 0);
	assert_int_equal(file_write_all(fd, bytes, len), 0);
}

int shelf_hold(const char *name)
{
	int fd = openat(shelf.locks, name, O_RDWR | O_CREAT | O_CLOEXEC,
			0600);

	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	return fd;
}

bool shelf_has(int dirfd, const char *name)
{
	return faccessat(dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}
