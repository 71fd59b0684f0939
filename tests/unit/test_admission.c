/* src/session/admission: who gets a place, and that nobody else does. */
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

static void check_busy(const struct session *wish, const char *message)
{
	struct session s = *wish;
	struct err e = ERR_INIT;

	assert_int_equal(admission_reserve(&place_store, &s, 0, &e), -1);
	assert_int_equal(e.code, ERR_BUSY);
	assert_true(e.retry_after >= 60 && e.retry_after <= 86400);
	if (!strstr(e.msg, message))
		fail_msg("'%s' does not say '%s'", e.msg, message);
}

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

/* ---- Refusals ---- */

static void the_number_of_places_is_a_limit(void **state)
{
	struct session s[3];
	int locks[3];

	(void)state;
	place_set("service_max_instance_nb", "3");
	for (int i = 0; i < 3; i++) {
		s[i] = place_wish(i ? "ann" : "bob");
		locks[i] = place_reserve(&s[i], 0);
	}
	s[2] = place_wish("carl");
	check_busy(&s[2], "All 3 places on this server are taken.");
	/* A place that becomes free is given again: no owner, no session. */
	close(locks[1]);
	locks[1] = place_reserve(&s[2], 0);
	check_busy(&s[2], "All 3 places on this server are taken.");
	for (int i = 0; i < 3; i++)
		close(locks[i]);
}

static void an_ended_session_takes_no_place(void **state)
{
	struct session s = place_wish("ann");
	struct err e = ERR_INIT;
	int lock;
	int more;

	(void)state;
	place_set("service_max_instance_nb", "1");
	lock = place_reserve(&s, 0);
	s.state = SESSION_STOPPING;
	assert_int_equal(store_write(&place_store, &s, &e), 0);
	check_busy(&s, "All 1 places");
	s.state = SESSION_ENDED;
	assert_int_equal(store_write(&place_store, &s, &e), 0);
	/* although its owner has not gone yet */
	more = place_reserve(&s, 0);
	close(more);
	close(lock);
}

static void sessions_of_one_user_are_a_limit(void **state)
{
	static const char *const others[] = { "an", "anna", "Ann", "a.n" };
	struct session s = place_wish("ann");
	int locks[2 + ARRAY_LEN(others)];
	size_t n = 0;

	(void)state;
	place_set("service_max_session_nb_per_user", "2");
	locks[n++] = place_reserve(&s, 0);
	locks[n++] = place_reserve(&s, 0);
	check_busy(&s, "You have 2 of at most 2 sessions. Stop one that you no "
		       "longer need.");
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		struct session other = place_wish(others[i]);

		locks[n++] = place_reserve(&other, 0);
	}
	for (size_t i = 0; i < n; i++)
		close(locks[i]);
}

static void what_a_user_has_on_other_hosts_counts_as_well(void **state)
{
	static const struct elsewhere more = { .sessions = 2 };
	struct session s = place_wish("ann");
	struct err e = ERR_INIT;

	(void)state;
	place_set("service_max_session_nb_per_user", "2");
	assert_int_equal(admission_reserve_with(&place_store, &s, 0, &more, &e),
			 -1);
	assert_int_equal(e.code, ERR_BUSY);
	assert_non_null(strstr(e.msg, "You have 2 of at most 2 sessions"));
	assert_false(e.elsewhere);
	close(place_reserve(&s, 0));
}

static void what_this_host_has_no_room_for_another_may_have(void **state)
{
	struct session s = place_wish("ann");
	struct session other = place_wish("bob");
	struct err e = ERR_INIT;
	struct room room;
	int lock;

	(void)state;
	place_set("service_max_instance_nb", "1");
	assert_int_equal(admission_check(&place_store, &s, &e), 0);
	assert_int_equal(admission_room(&place_store, "ann", &room, &e), 0);
	assert_int_equal(room.sessions, 1);
	assert_int_equal(room.user.sessions, 0);
	lock = place_reserve(&s, 0);
	assert_int_equal(admission_check(&place_store, &other, &e), -1);
	assert_int_equal(e.code, ERR_BUSY);
	assert_true(e.elsewhere);
	assert_int_equal(admission_room(&place_store, "ann", &room, &e), 0);
	assert_int_equal(room.sessions, 0);
	assert_int_equal(room.user.sessions, 1);
	assert_int_equal(room.user.cpu, 1);
	assert_int_equal(room.user.memory_mb, 1);
	close(lock);
}

static void cores_of_one_user_are_a_limit(void **state)
{
	struct session s = place_wish("ann");
	struct session other = place_wish("bob");
	int lock;

	(void)state;
	place_set("service_max_cpu_fraction_nb_per_user", "0.001");
	place_set("snapshot_alloc_cpu", "1");
	s.cpu = 2;
	check_busy(&s, "Your sessions use 0 of at most 1 cores. Ask for fewer, "
		       "or stop a session.");
	s.cpu = 1;
	lock = place_reserve(&s, 0);
	check_busy(&s, "Your sessions use 1 of at most 1 cores.");
	close(place_reserve(&other, 0));
	close(lock);
}

static void memory_of_one_user_is_a_limit(void **state)
{
	struct session s = place_wish("ann");
	struct hostload host;
	struct limits l;
	struct err e = ERR_INIT;
	char message[128];
	int lock;

	(void)state;
	/* A small share, so that the host has that much in any case. */
	place_set("service_max_mem_fraction_nb_per_user", "0.001");
	place_set("snapshot_alloc_mem", "0.1");
	assert_int_equal(hostload_read(&host, &e), 0);
	limits_of(&place_config, &host, &l);
	s.memory_mb = l.user_memory_mb - 22;
	lock = place_reserve(&s, 0);
	s.memory_mb = 22;
	close(place_reserve(&s, 0));
	s.memory_mb = 23;
	snprintf(message, sizeof(message),
		 "Your sessions use %lld of at most %lld MB of memory. Ask for "
		 "less, or stop a session.",
		 l.user_memory_mb - 22, l.user_memory_mb);
	check_busy(&s, message);
	close(lock);
}

static void the_hosts_memory_is_a_limit(void **state)
{
	struct session ann = place_wish("ann");
	struct session bob = place_wish("bob");
	struct hostload host;
	struct err e = ERR_INIT;
	int lock;

	(void)state;
	assert_int_equal(hostload_read(&host, &e), 0);
	/* What is promised to a session that does not run yet counts. */
	ann.memory_mb = bob.memory_mb = host.memory_available_mb * 6 / 10;
	lock = place_reserve(&ann, 0);
	check_busy(&bob, "MB of memory left, and the machine needs");
	/* Also to one that runs and has not touched it. */
	ann.state = SESSION_RUNNING;
	ann.touched_mb = ann.memory_mb / 10;
	assert_int_equal(store_write(&place_store, &ann, &e), 0);
	check_busy(&bob, "MB of memory left, and the machine needs");
	/* What it uses has been taken from the host already. */
	ann.touched_mb = ann.memory_mb;
	assert_int_equal(store_write(&place_store, &ann, &e), 0);
	close(place_reserve(&bob, 0));
	/* QEMU's own memory gives nothing back to others. */
	ann.touched_mb = ann.memory_mb * 3;
	assert_int_equal(store_write(&place_store, &ann, &e), 0);
	close(place_reserve(&bob, 0));
	close(lock);
	bob.memory_mb = host.memory_mb;
	check_busy(&bob, "This server has ");
}

static void the_hosts_load_is_a_limit(void **state)
{
	struct session s = place_wish("ann");
	struct hostload host;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(hostload_read(&host, &e), 0);
	if (host.load_milli < 10)
		skip(); /* an idle host */
	place_set("service_max_load", "0");
	check_busy(&s, "This server is busy: its load is");
}

static void cores_of_sessions_younger_than_the_load_are_a_limit(void **state)
{
	struct session ann = place_wish("ann");
	struct session bob = place_wish("bob");
	struct hostload host;
	struct err e = ERR_INIT;
	long long each;
	char load[32];
	int lock;

	(void)state;
	assert_int_equal(hostload_read(&host, &e), 0);
	/* More than any other load of this host takes, its tests' too: as much
	 * as a record (4096 cores) and a user (100 for each core) may have. */
	each = 4095 / host.cpus < 99 ? 4095 / host.cpus : 99;
	snprintf(load, sizeof(load), "%lld", each);
	place_set("service_max_load", load);
	ann.cpu = each * host.cpus + 1;
	check_busy(&ann, "cores are free, and the machine needs");
	ann.cpu = 1;
	lock = place_reserve(&ann, 0);
	ann.cpu = each * host.cpus; /* promised a moment ago */
	assert_int_equal(store_write(&place_store, &ann, &e), 0);
	check_busy(&bob, "This server is busy: 0 of its");
	/* After a minute the load average has it. */
	ann.started_boot_ms -= 60000;
	assert_int_equal(store_write(&place_store, &ann, &e), 0);
	close(place_reserve(&bob, 0));
	close(lock);
}

static void disk_for_overlays_is_a_limit(void **state)
{
	struct session ann = place_wish("ann");
	struct session bob = place_wish("bob");
	struct err e = ERR_INIT;
	long long free_mb;
	char gb[32];
	int lock;

	(void)state;
	assert_int_equal(hostload_disk_free_mb(scratch_path, &free_mb, &e), 0);
	/* Six tenths of what is free: enough for one, not for two. */
	snprintf(gb, sizeof(gb), "%.3f", (double)free_mb * 0.6 / 1024);
	place_set("snapshot_reserve_disk", gb);
	lock = place_reserve(&ann, 0);
	check_busy(&bob, "MB of disk left for machines, and");
	/* An empty disk beside an ISO cannot grow past its size. */
	bob.iso = true;
	bob.disk_mb = 1;
	close(place_reserve(&bob, 0));
	close(lock);
	snprintf(gb, sizeof(gb), "%.3f", (double)free_mb * 2 / 1024);
	place_set("snapshot_reserve_disk", gb);
	bob.iso = false;
	check_busy(&bob, "This server has ");
	place_set("snapshot_reserve_disk", "0");
	close(place_reserve(&bob, 0));
}

static void what_an_overlay_has_written_is_not_counted_twice(void **state)
{
	struct session ann = place_wish("ann");
	struct session bob = place_wish("bob");
	struct err e = ERR_INIT;
	char path[4200];
	long long free_mb;
	char gb[32];
	int lock;
	int fd;

	(void)state;
	assert_int_equal(hostload_disk_free_mb(scratch_path, &free_mb, &e), 0);
	snprintf(gb, sizeof(gb), "%.3f", ((double)free_mb - 32) / 2048);
	place_set("snapshot_reserve_disk", gb);
	lock = place_reserve(&ann, 0);
	snprintf(path, sizeof(path), "%s/%s.qcow2", scratch_path, ann.name);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
	/* What is written is gone from the free space, and from the claim. */
	assert_int_equal(posix_fallocate(fd, 0, 64 << 20), 0);
	close(place_reserve(&bob, 0));
	close(fd);
	unlink(path);
	close(lock);
}

static void a_refusal_says_when_the_next_session_ends(void **state)
{
	struct session soon = place_wish("ann");
	struct session later = place_wish("bob");
	struct session wish = place_wish("bob");
	struct err e = ERR_INIT;
	int locks[2];

	(void)state;
	place_set("service_max_instance_nb", "2");
	locks[0] = place_reserve(&soon, 1830);
	locks[1] = place_reserve(&later, 7230);
	check_busy(&wish, "Try again later. The next session ends in 30 min.");
	assert_int_equal(admission_reserve(&place_store, &wish, 0, &e), -1);
	assert_in_range(e.retry_after, 1700, 1830);
	/* To a user who has too many, that is one of the user's own. */
	place_set("service_max_session_nb_per_user", "1");
	check_busy(&wish, "no longer need. Your session ends in 2 h 0 min.");
	assert_int_equal(admission_reserve(&place_store, &wish, 0, &e), -1);
	assert_in_range(e.retry_after, 7100, 7230);
	close(locks[0]);
	close(locks[1]);
}

static void a_user_is_told_how_long_to_wait(void **state)
{
	static const struct {
		long long lifetime_s;
		long min, max;
	} table[] = {
		{ 0, 300, 300 },	 { 10, 60, 60 },
		{ 7200, 7100, 7200 },	 { 86400LL * 30, 86400, 86400 },
	};

	(void)state;
	place_set("service_max_instance_nb", "1");
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct session s = place_wish("ann");
		struct session more = place_wish("bob");
		struct err e = ERR_INIT;
		int lock = place_reserve(&s, table[i].lifetime_s);

		assert_int_equal(admission_reserve(&place_store, &more, 0, &e),
				 -1);
		assert_int_equal(e.code, ERR_BUSY);
		assert_in_range(e.retry_after, table[i].min, table[i].max);
		close(lock);
	}
}

static void a_refusal_leaves_nothing_behind(void **state)
{
	struct session s = place_wish("ann");
	struct session wish = place_wish("bob");
	int lock;
	size_t files;
	size_t locks;

	(void)state;
	place_set("service_max_instance_nb", "1");
	lock = place_reserve(&s, 0);
	files = place_entries(place_store.dir);
	locks = place_entries(place_store.locks);
	assert_int_equal(locks, 1);
	for (int i = 0; i < 20; i++)
		check_busy(&wish, "All 1 places");
	assert_int_equal(place_entries(place_store.dir), files);
	assert_int_equal(place_entries(place_store.locks), locks);
	assert_int_equal(place_entries(place_store.run), 0);
	close(lock);
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

#define T(name) cmocka_unit_test_setup_teardown(name, place_open, place_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(limits_shrink_to_the_host),
		T(a_reserved_session_has_name_token_times_and_lock),
		T(a_session_may_have_no_end),
		T(names_and_tokens_are_unique),
		T(a_cluster_counts_its_own_cores_and_memory),
		T(a_session_from_another_host_keeps_its_name),
		T(the_number_of_places_is_a_limit),
		T(an_ended_session_takes_no_place),
		T(sessions_of_one_user_are_a_limit),
		T(what_a_user_has_on_other_hosts_counts_as_well),
		T(what_this_host_has_no_room_for_another_may_have),
		T(cores_of_one_user_are_a_limit),
		T(memory_of_one_user_is_a_limit),
		T(the_hosts_memory_is_a_limit),
		T(the_hosts_load_is_a_limit),
		T(cores_of_sessions_younger_than_the_load_are_a_limit),
		T(disk_for_overlays_is_a_limit),
		T(what_an_overlay_has_written_is_not_counted_twice),
		T(a_refusal_says_when_the_next_session_ends),
		T(a_user_is_told_how_long_to_wait),
		T(a_refusal_leaves_nothing_behind),
		T(a_record_that_cannot_be_written_leaves_nothing_behind),
		T(a_damaged_record_does_not_keep_others_out),
		T(tokens_are_random_and_no_part_of_the_name),
	};

	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
