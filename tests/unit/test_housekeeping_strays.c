/* src/session/housekeeping: what belongs to no session. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "house.h"
#include "scratch.h"
#include "vm/overlay.h"

#define A SHELF_A
#define B SHELF_B
#define C SHELF_C

static void records_and_sockets_without_a_lock_are_removed(void **state)
{
	(void)state;
	house_touch(shelf.dir, A ".json");
	house_touch(shelf.dir, A ".json.tmp");
	assert_int_equal(mkdirat(shelf.run, B, 0700), 0);
	house_touch(shelf.run, B "/vnc");
	house_check(0, 0, 0, 3);
	assert_false(shelf_has(shelf.dir, A ".json"));
	assert_false(shelf_has(shelf.dir, A ".json.tmp"));
	assert_false(shelf_has(shelf.run, B));
}

static void stray_overlays_of_ours_are_removed(void **state)
{
	(void)state;
	house_touch(house_snapshots, A ".qcow2");
	house_touch(house_snapshots, B ".qcow2");
	house_check(0, 0, 2, 0);
	assert_false(shelf_has(house_snapshots, A ".qcow2"));
	assert_false(shelf_has(house_snapshots, B ".qcow2"));
}

/* Of a service with records elsewhere that shares dir_snapshots. */
static void an_overlay_that_another_service_holds_stays(void **state)
{
	struct session s = shelf_session(A, SESSION_RUNNING);
	struct session same = shelf_session(A, SESSION_RUNNING);
	struct err e = ERR_INIT;
	int held = overlay_reserve(&shelf, &s, &e);

	(void)state;
	assert_true(held >= 0);
	assert_true(fcntl(held, F_GETFD) & FD_CLOEXEC);
	house_check(0, 0, 0, 0);
	assert_true(shelf_has(house_snapshots, A ".qcow2"));
	/* Names are never used again. */
	assert_int_equal(overlay_reserve(&shelf, &same, &e), -1);
	assert_int_equal(e.sys, EEXIST);
	close(held);
	house_check(0, 0, 1, 0);
	assert_false(shelf_has(house_snapshots, A ".qcow2"));
}

static void what_nobody_captures_any_more_is_removed(void **state)
{
	AUTO_CLOSE int held = -1;

	(void)state;
	house_touch(house_snapshots, A STORE_CAPTURE);
	house_touch(house_snapshots, B STORE_CAPTURE);
	held = openat(house_snapshots, B STORE_CAPTURE, O_RDWR | O_CLOEXEC);
	assert_int_equal(flock(held, LOCK_EX | LOCK_NB), 0);
	house_check(0, 0, 0, 1);
	assert_false(shelf_has(house_snapshots, A STORE_CAPTURE));
	assert_true(shelf_has(house_snapshots, B STORE_CAPTURE));
}

/* In /tmp anybody makes such a directory, and entries in it as fast as they
 * are removed: whoever purges would never end, an owner among them. */
static void a_directory_under_a_disks_name_is_not_entered(void **state)
{
	static const char *const names[] = { A STORE_CAPTURE, B ".qcow2" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		AUTO_CLOSE int dir = -1;

		assert_int_equal(mkdirat(house_snapshots, names[i], 0700), 0);
		dir = openat(house_snapshots, names[i],
			     O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		house_touch(dir, "inside");
	}
	house_check(0, 0, 0, 0);
	assert_true(shelf_has(house_snapshots, A STORE_CAPTURE "/inside"));
	assert_true(shelf_has(house_snapshots, B ".qcow2/inside"));
}

static void files_that_are_not_ours_stay(void **state)
{
	static const char *const in_snapshots[] = {
		"debian.qcow2",	 "svc-short.qcow2", A ".qcow2.bak",
		A,		 A ".raw",	    ".qcow2",
		"SVC-aaaaaaaaaaaaaaaaaaaa.qcow2",
		"svc2-aaaaaaaaaaaaaaaaaaaa.qcow2",
		"other-aaaaaaaaaaaaaaaaaaaa.qcow2",
		"svc-aaaaaaaaaaaaaaaaaaaaa.qcow2",
		"svc_aaaaaaaaaaaaaaaaaaaa.qcow2",
		"svc-aaaaaaaaaaaaaaaaaaa.qcow2",
	};
	static const char *const in_store[] = {
		"log", "log.1", "kvm-broken", ".json", "X Y.json", "notes.txt",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(in_snapshots); i++)
		house_touch(house_snapshots, in_snapshots[i]);
	assert_int_equal(mkdirat(house_snapshots, B ".qcow2", 0700), 0);
	assert_int_equal(mkfifoat(house_snapshots, C ".qcow2", 0600), 0);
	for (size_t i = 0; i < ARRAY_LEN(in_store); i++)
		house_touch(shelf.dir, in_store[i]);
	assert_int_equal(mkdirat(shelf.dir, "logins", 0700), 0);
	assert_int_equal(mkdirat(shelf.dir, "gateway", 0700), 0);
	house_touch(shelf.dir, "gateway/tokens");
	house_check(0, 0, 0, 0);
	for (size_t i = 0; i < ARRAY_LEN(in_snapshots); i++)
		assert_true(shelf_has(house_snapshots, in_snapshots[i]));
	assert_true(shelf_has(house_snapshots, B ".qcow2"));
	assert_true(shelf_has(house_snapshots, C ".qcow2"));
	for (size_t i = 0; i < ARRAY_LEN(in_store); i++)
		assert_true(shelf_has(shelf.dir, in_store[i]));
	assert_true(shelf_has(shelf.dir, "gateway/tokens"));
}

static void a_linked_overlay_is_not_followed(void **state)
{
	struct purge_result result;
	struct err e = ERR_INIT;

	(void)state;
	house_touch(house_snapshots, "master.qcow2");
	assert_int_equal(symlinkat("master.qcow2", house_snapshots, A ".qcow2"),
			 0);
	house_touch(house_snapshots, B ".qcow2");
	assert_int_equal(housekeeping_purge(&shelf, &result, &e), -1);
	assert_int_equal(e.code, ERR_SYSTEM);
	assert_int_equal(e.sys, ELOOP);
	assert_non_null(strstr(e.msg, A ".qcow2"));
	assert_true(shelf_has(house_snapshots, "master.qcow2"));
	/* One that fails does not keep the others from their turn. */
	assert_false(shelf_has(house_snapshots, B ".qcow2"));
	assert_int_equal(result.overlays, 1);
}

static void links_in_a_dead_sessions_directory_are_not_followed(void **state)
{
	struct session s = shelf_session(A, SESSION_RUNNING);
	AUTO_CLOSE int victim = -1;

	(void)state;
	house_put(&s);
	assert_int_equal(mkdirat(shelf.dir, "victim", 0700), 0);
	house_touch(shelf.dir, "victim/file");
	assert_int_equal(symlinkat("../../victim", shelf.run, A "/link"), 0);
	assert_int_equal(mkdirat(shelf.run, A "/deep", 0700), 0);
	assert_int_equal(symlinkat("/", shelf.run, A "/deep/root"), 0);
	house_check(1, 0, 1, 0);
	assert_false(shelf_has(shelf.run, A));
	assert_true(shelf_has(shelf.dir, "victim/file"));
}

static void a_missing_dir_snapshots_is_nothing_to_do(void **state)
{
	(void)state;
	assert_int_equal(rmdir(shelf_config.dir_snapshots), 0);
	house_check(0, 0, 0, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HOUSE_TEST(records_and_sockets_without_a_lock_are_removed),
		HOUSE_TEST(stray_overlays_of_ours_are_removed),
		HOUSE_TEST(an_overlay_that_another_service_holds_stays),
		HOUSE_TEST(files_that_are_not_ours_stay),
		HOUSE_TEST(what_nobody_captures_any_more_is_removed),
		HOUSE_TEST(a_directory_under_a_disks_name_is_not_entered),
		HOUSE_TEST(a_linked_overlay_is_not_followed),
		HOUSE_TEST(links_in_a_dead_sessions_directory_are_not_followed),
		HOUSE_TEST(a_missing_dir_snapshots_is_nothing_to_do),
	};

	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
