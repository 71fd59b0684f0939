/* src/session/admission: who is refused, and why. */
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
	check_busy(&s, "Your sessions use 0 of at most 1 core. Ask for fewer.");
	s.cpu = 1;
	lock = place_reserve(&s, 0);
	check_busy(&s, "Your sessions use 1 of at most 1 core. Stop one that "
		       "you no longer need.");
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		PLACE_TEST(the_number_of_places_is_a_limit),
		PLACE_TEST(an_ended_session_takes_no_place),
		PLACE_TEST(sessions_of_one_user_are_a_limit),
		PLACE_TEST(what_a_user_has_on_other_hosts_counts_as_well),
		PLACE_TEST(what_this_host_has_no_room_for_another_may_have),
		PLACE_TEST(cores_of_one_user_are_a_limit),
		PLACE_TEST(memory_of_one_user_is_a_limit),
		PLACE_TEST(the_hosts_memory_is_a_limit),
		PLACE_TEST(the_hosts_load_is_a_limit),
		PLACE_TEST(cores_of_sessions_younger_than_the_load_are_a_limit),
		PLACE_TEST(disk_for_overlays_is_a_limit),
		PLACE_TEST(what_an_overlay_has_written_is_not_counted_twice),
		PLACE_TEST(a_refusal_says_when_the_next_session_ends),
		PLACE_TEST(a_user_is_told_how_long_to_wait),
		PLACE_TEST(a_refusal_leaves_nothing_behind),
	};

	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
