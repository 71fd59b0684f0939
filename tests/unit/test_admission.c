/* src/session/admission: what a place is, and what keeps nobody from one. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "place.h"
#include "scratch.h"
#include "session/admission.h"
#include "sys/clock.h"

/* ---- Limits ---- */

static void limits_shrink_to_the_host(void **state)
{
	static const struct {
		long long cpus, memory_mb; /* the host */
		const char *cpu, *memory, *cpu_share, *memory_share;
		long long default_cpu, default_memory_mb;
		long long user_cpu, user_memory_mb;
	} table[] = {
		/* the built-in defaults on hosts of several sizes */
		{ 64, 262144, "1", "4", "0.3", "0.3", 1, 4096, 19, 78643 },
		{ 8, 16384, "1", "4", "0.3", "0.3", 1, 4096, 2, 4915 },
		{ 2, 8192, "1", "4", "0.3", "0.3", 1, 4096, 1, 4096 },
		{ 2, 4096, "1", "4", "0.3", "0.3", 1, 2048, 1, 2048 },
		{ 1, 1024, "1", "4", "0.3", "0.3", 1, 512, 1, 512 },
		{ 1, 512, "1", "4", "0.3", "0.3", 1, 256, 1, 256 },
		{ 1, 300, "1", "4", "0.3", "0.3", 1, 256, 1, 256 },
		/* a default of many cores shrinks, too */
		{ 2, 8192, "16", "4", "0.3", "0.3", 2, 4096, 2, 4096 },
		/* a small default stays small */
		{ 8, 16384, "1", "0.1", "0.3", "0.3", 1, 102, 2, 4915 },
		{ 1, 256, "1", "0.064", "0.3", "0.3", 1, 65, 1, 76 },
		/* shares above one, and tiny ones */
		{ 4, 8192, "1", "2", "2", "1", 1, 2048, 8, 8192 },
		{ 4, 8192, "1", "2", "0.001", "0.001", 1, 2048, 1, 2048 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct hostload host = { .cpus = table[i].cpus,
					 .memory_mb = table[i].memory_mb };
		struct limits l;

		place_set("snapshot_alloc_cpu", table[i].cpu);
		place_set("snapshot_alloc_mem", table[i].memory);
		place_set("service_max_cpu_fraction_nb_per_user",
			  table[i].cpu_share);
		place_set("service_max_mem_fraction_nb_per_user",
			  table[i].memory_share);
		limits_of(&place_config, &host, &l);
		assert_int_equal(l.default_cpu, table[i].default_cpu);
		assert_int_equal(l.default_memory_mb,
				 table[i].default_memory_mb);
		assert_int_equal(l.user_cpu, table[i].user_cpu);
		assert_int_equal(l.user_memory_mb, table[i].user_memory_mb);
		/* A default session always fits. */
		assert_true(l.default_cpu <= l.user_cpu);
		assert_true(l.default_memory_mb <= l.user_memory_mb);
		assert_int_equal(l.sessions, 100000);
		assert_int_equal(l.user_sessions, 100000);
	}
}

/* ---- A place ---- */

static void a_reserved_session_has_name_token_times_and_lock(void **state)
{
	struct session s = place_wish("ann");
	struct session back;
	struct err e = ERR_INIT;
	char boot_id[CLOCK_BOOT_ID_SIZE];
	long long wall = clock_wall();
	long long boot = clock_boot_ms();
	int lock = place_reserve(&s, 3600);

	(void)state;
	assert_int_equal(strlen(s.name), 4 + 20);
	assert_memory_equal(s.name, "svc-", 4);
	assert_int_equal(strspn(s.name + 4, "abcdefghijklmnopqrstuvwxyz234567"),
			 20);
	assert_int_equal(strspn(s.token, "abcdefghijklmnopqrstuvwxyz234567"),
			 32);
	assert_null(strstr(s.token, s.name + 4));
	clock_boot_id(boot_id);
	assert_string_equal(s.boot_id, boot_id);
	assert_int_equal(s.state, SESSION_STARTING);
	assert_int_equal(s.step, STEP_ACCEPTED);
	assert_true(s.started >= wall && s.started <= wall + 60);
	assert_int_equal(s.ends, s.started + 3600);
	assert_true(s.ends_boot_ms >= boot + 3600000 &&
		    s.ends_boot_ms <= boot + 3660000);
	assert_true(fcntl(lock, F_GETFD) & FD_CLOEXEC);
	assert_true(store_is_alive(&place_store, s.name));
	assert_int_equal(store_read_true(&place_store, s.name, &back, &e), 0);
	assert_int_equal(back.state, SESSION_STARTING);
	assert_string_equal(back.token, s.token);
	assert_string_equal(back.user, "ann");
	close(lock);
	assert_false(store_is_alive(&place_store, s.name));
}

static void a_session_may_have_no_end(void **state)
{
	struct session s = place_wish("ann");

	(void)state;
	s.ends = s.ends_boot_ms = 7;
	close(place_reserve(&s, 0));
	assert_int_equal(s.ends, 0);
	assert_int_equal(s.ends_boot_ms, 0);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void names_and_tokens_are_unique(void **state)
{
	enum { COUNT = 100 };
	static char names[COUNT][SESSION_NAME_SIZE];
	static char tokens[COUNT][SESSION_TOKEN_SIZE];

	(void)state;
	for (int i = 0; i < COUNT; i++) {
		struct session s = place_wish("ann");

		close(place_reserve(&s, 0));
		memcpy(names[i], s.name, sizeof(names[i]));
		memcpy(tokens[i], s.token, sizeof(tokens[i]));
	}
	qsort(names, COUNT, sizeof(names[0]), by_text);
	qsort(tokens, COUNT, sizeof(tokens[0]), by_text);
	for (int i = 1; i < COUNT; i++) {
		assert_string_not_equal(names[i - 1], names[i]);
		assert_string_not_equal(tokens[i - 1], tokens[i]);
	}
}

static void a_record_that_cannot_be_written_leaves_nothing_behind(void **state)
{
	struct session s = place_wish("ann");
	struct err e = ERR_INIT;
	size_t files;

	(void)state;
	close(place_reserve(&s, 0));
	files = place_entries(place_store.dir);
	snprintf(s.title, sizeof(s.title), "\303"); /* no JSON can hold it */
	assert_int_equal(admission_reserve(&place_store, &s, 0, &e), -1);
	assert_int_equal(e.code, ERR_SYSTEM);
	assert_int_equal(place_entries(place_store.dir), files);
	assert_int_equal(place_entries(place_store.locks), 1);
}

static void a_damaged_record_does_not_keep_others_out(void **state)
{
	struct session s = place_wish("ann");
	int fd = openat(place_store.dir, "svc-damaged.json", O_WRONLY | O_CREAT,
			0600);

	(void)state;
	close(fd);
	close(place_reserve(&s, 0));
}

/* ---- Names, clusters, other hosts ---- */

/* P6: from getrandom(2), and nothing public tells of it. */
static void tokens_are_random_and_no_part_of_the_name(void **state)
{
	enum { MANY = 200 };
	static struct session all[MANY];
	size_t letters[128] = { 0 };

	(void)state;
	for (int i = 0; i < MANY; i++) {
		all[i] = place_wish("ann");
		close(place_reserve(&all[i], 60));
		assert_int_equal(strlen(all[i].token), SESSION_TOKEN_SIZE - 1);
		for (int at = 0; at < 24; at++) {
			char part[9];

			snprintf(part, sizeof(part), "%.8s", all[i].token + at);
			assert_null(strstr(all[i].name, part));
		}
		for (const char *c = all[i].token; *c; c++)
			letters[(unsigned char)*c & 127]++;
		for (int j = 0; j < i; j++)
			assert_string_not_equal(all[i].token, all[j].token);
	}
	/* 6400 characters, 32 letters: 200 of each, give or take. */
	for (const char *c = "abcdefghijklmnopqrstuvwxyz234567"; *c; c++)
		assert_in_range(letters[(unsigned char)*c], 100, 320);
}

/* More than this host has, for one user: but the number is still a limit. */
static void a_cluster_counts_its_own_cores_and_memory(void **state)
{
	struct session s = place_wish("ann");
	struct err e = ERR_INIT;
	struct hostload host;
	struct limits l;

	(void)state;
	place_set("launcher", "slurm");
	place_set("slurm_max_cpu", "200");
	place_set("slurm_max_memory", "8000");
	place_set("service_max_session_nb_per_user", "2");
	place_set("service_max_load", "0");
	assert_int_equal(hostload_read(&host, &e), 0);
	limits_of(&place_config, &host, &l);
	assert_true(l.cluster);
	assert_int_equal(l.session_cpu, 200);
	assert_int_equal(l.user_memory_mb, 8000LL * 1024);
	s.cpu = 200;
	s.memory_mb = l.user_memory_mb;
	snprintf(s.gpu, sizeof(s.gpu), "any");
	for (int i = 0; i < 2; i++) {
		struct session one = s;
		/* The lock stays held, as by an owner. */
		if (admission_reserve(&place_store, &one, 60, &e) < 0)
			fail_msg("%s", e.msg);
		assert_string_equal(one.gpu, "any");
	}
	assert_int_equal(admission_reserve(&place_store, &s, 60, &e), -1);
	assert_int_equal(e.code, ERR_BUSY);
	assert_non_null(strstr(e.msg, "2 of at most 2 sessions"));
}

static void a_session_from_another_host_keeps_its_name(void **state)
{
	struct session s = place_wish("ann");
	struct err e = ERR_INIT;
	int lock;

	(void)state;
	snprintf(s.name, sizeof(s.name), "svc-aaaaaaaaaaaaaaaaaaaa");
	lock = admission_adopt(&place_store, &s, 60, &e);
	if (lock < 0)
		fail_msg("%s", e.msg);
	assert_true(store_is_alive(&place_store, "svc-aaaaaaaaaaaaaaaaaaaa"));
	assert_true(s.ends_boot_ms > clock_boot_ms());
	assert_int_equal(admission_adopt(&place_store, &s, 60, &e), -1);
	assert_int_equal(e.code, ERR_SYSTEM);
	close(lock);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PLACE_TEST(limits_shrink_to_the_host),
		PLACE_TEST(a_reserved_session_has_name_token_times_and_lock),
		PLACE_TEST(a_session_may_have_no_end),
		PLACE_TEST(names_and_tokens_are_unique),
		PLACE_TEST(a_cluster_counts_its_own_cores_and_memory),
		PLACE_TEST(a_session_from_another_host_keeps_its_name),
		PLACE_TEST(a_record_that_cannot_be_written_leaves_nothing_behind),
		PLACE_TEST(a_damaged_record_does_not_keep_others_out),
		PLACE_TEST(tokens_are_random_and_no_part_of_the_name),
	};

	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
