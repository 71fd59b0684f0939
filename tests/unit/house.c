#include "house.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "aged.h"

long long house_later;
int house_snapshots = -1;

time_t time(time_t *ret)
{
	struct timespec now = { 0 };

	clock_gettime(CLOCK_REALTIME, &now);
	now.tv_sec += (time_t)house_later;
	if (ret)
		*ret = now.tv_sec;
	return now.tv_sec;
}

int house_open(void **state)
{
	aged_s = 86400;
	if (shelf_open(state) < 0)
		return -1;
	house_snapshots = open(shelf_config.dir_snapshots,
			       O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return house_snapshots < 0 ? -1 : 0;
}

int house_close(void **state)
{
	close(house_snapshots);
	return shelf_close(state);
}

void house_touch(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
}

void house_put(const struct session *s)
{
	char name[SESSION_NAME_SIZE + 16];

	house_touch(shelf.locks, s->name);
	shelf_write(s);
	assert_int_equal(mkdirat(shelf.run, s->name, 0700), 0);
	snprintf(name, sizeof(name), "%s/vnc", s->name);
	house_touch(shelf.run, name);
	snprintf(name, sizeof(name), "%s.qcow2", s->name);
	house_touch(house_snapshots, name);
}

struct purge_result house_purge(void)
{
	struct purge_result result;
	struct err e = ERR_INIT;

	if (housekeeping_purge(&shelf, &result, &e) < 0)
		fail_msg("%s", e.msg);
	return result;
}

void house_check(size_t failed, size_t removed, size_t overlays, size_t files)
{
	struct purge_result r = house_purge();

	assert_int_equal(r.failed, failed);
	assert_int_equal(r.removed, removed);
	assert_int_equal(r.overlays, overlays);
	assert_int_equal(r.files, files);
}

struct session house_read(const char *name)
{
	struct session s;
	struct err e = ERR_INIT;

	if (store_read(&shelf, name, &s, &e) < 0)
		fail_msg("%s", e.msg);
	return s;
}

void house_check_gone(const char *name)
{
	char file[SESSION_NAME_SIZE + 16];

	snprintf(file, sizeof(file), "%s.json", name);
	assert_false(shelf_has(shelf.dir, file));
	snprintf(file, sizeof(file), "%s.qcow2", name);
	assert_false(shelf_has(house_snapshots, file));
	assert_false(shelf_has(shelf.locks, name));
	assert_false(shelf_has(shelf.run, name));
}
