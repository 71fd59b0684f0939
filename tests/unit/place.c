#include "place.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "scratch.h"
#include "session/admission.h"

struct config place_config;
struct store place_store = STORE_INIT;
static int serial;

void place_set(const char *name, const char *value)
{
	struct err e = ERR_INIT;

	if (config_set(&place_config, name, value, &e) < 0)
		fail_msg("%s", e.msg);
}

int place_open(void **state)
{
	char path[4200];
	struct err e = ERR_INIT;

	(void)state;
	if (config_init(&place_config, &e) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/store%d", scratch_path, serial++);
	place_set("dir_cfg", path);
	place_set("service", "svc");
	place_set("service_max_load", "1000");
	place_set("service_max_instance_nb", "100000");
	place_set("service_max_session_nb_per_user", "100000");
	place_set("service_max_cpu_fraction_nb_per_user", "100");
	place_set("service_max_mem_fraction_nb_per_user", "1");
	place_set("snapshot_reserve_disk", "0");
	place_set("dir_snapshots", scratch_path);
	return store_open(&place_config, &place_store, &e);
}

int place_close(void **state)
{
	(void)state;
	store_release(&place_store);
	config_release(&place_config);
	return 0;
}

struct session place_wish(const char *user)
{
	struct session s = { .machine = "tiny.iso", .format = "raw",
			     .cpu = 1, .memory_mb = 1 };

	snprintf(s.user, sizeof(s.user), "%s", user);
	return s;
}

int place_reserve(struct session *s, long long lifetime_s)
{
	struct err e = ERR_INIT;
	int lock = admission_reserve(&place_store, s, lifetime_s, &e);

	if (lock < 0)
		fail_msg("%s", e.msg);
	return lock;
}

size_t place_entries(int dirfd)
{
	DIR *dir = fdopendir(openat(dirfd, ".", O_RDONLY | O_CLOEXEC));
	size_t n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2;
}
