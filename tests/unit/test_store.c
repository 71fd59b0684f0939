/* src/session/store: records, what is forgotten, the log. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "scratch.h"
#include "session/store.h"
#include "shelf.h"

#define A SHELF_A
#define B SHELF_B

/* ---- Records ---- */

static void what_was_written_is_read(void **state)
{
	struct session s = shelf_session(A, SESSION_RUNNING);
	struct session back;
	struct err e = ERR_INIT;
	struct stat stat;

	(void)state;
	shelf_write(&s);
	assert_int_equal(store_read(&shelf, A, &back, &e), 0);
	assert_string_equal(back.name, A);
	assert_string_equal(back.user, "ann");
	assert_int_equal(back.state, SESSION_RUNNING);
	s.state = SESSION_STOPPING;
	shelf_write(&s);
	assert_int_equal(store_read(&shelf, A, &back, &e), 0);
	assert_int_equal(back.state, SESSION_STOPPING);
	assert_int_equal(fstatat(shelf.dir, A ".json", &stat, 0), 0);
	assert_int_equal(stat.st_mode & 07777, 0600);
	assert_false(shelf_has(shelf.dir, A ".json.tmp"));
}

static void a_left_over_temporary_is_in_nobodys_way(void **state)
{
	AUTO_CLOSE int fd = openat(shelf.dir, A ".json.tmp",
				   O_WRONLY | O_CREAT | O_CLOEXEC, 0400);
	struct session s = shelf_session(A, SESSION_RUNNING);

	(void)state;
	assert_true(fd >= 0);
	shelf_write(&s);
	assert_false(shelf_has(shelf.dir, A ".json.tmp"));
}

static void an_unknown_or_malformed_name_is_not_found(void **state)
{
	static const char *const names[] = {
		A,	       "",     "..",	"../svc-aaaaaaaaaaaaaaaaaaaa",
		"/etc/passwd", "lock", "locks", "svc.json"
	};
	struct session back;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct err e = ERR_INIT;

		assert_int_equal(store_read(&shelf, names[i], &back, &e), -1);
		assert_int_equal(e.code, ERR_NOT_FOUND);
		e = (struct err)ERR_INIT;
		assert_int_equal(store_read_true(&shelf, names[i], &back, &e),
				 -1);
		assert_int_equal(e.code, ERR_NOT_FOUND);
	}
}

static void the_list_is_ordered_and_can_be_one_users(void **state)
{
	static const struct {
		const char *name;
		const char *user;
		long long started;
	} made[] = {
		{ "svc-1", "ann", 100 },    { "svc-2", "joanna", 300 },
		{ "svc-3", "ann", 200 },    { "svc-4", "a.n", 400 },
		{ "svc-5", "ann", 200 },
	};
	static const char *const order[] = { "svc-4", "svc-2", "svc-3", "svc-5",
					     "svc-1" };
	static const char *const anns[] = { "svc-3", "svc-5", "svc-1" };
	AUTO_SESSION_LIST struct session_list all = { 0 };
	AUTO_SESSION_LIST struct session_list ann = { 0 };
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(made); i++) {
		struct session s = shelf_session(made[i].name, SESSION_RUNNING);

		snprintf(s.user, sizeof(s.user), "%s", made[i].user);
		s.started = made[i].started;
		shelf_write(&s);
	}
	assert_int_equal(store_list(&shelf, NULL, &all, &e), 0);
	assert_int_equal(all.count, ARRAY_LEN(order));
	for (size_t i = 0; i < all.count; i++)
		assert_string_equal(all.list[i].name, order[i]);
	assert_int_equal(store_list(&shelf, "ann", &ann, &e), 0);
	assert_int_equal(ann.count, ARRAY_LEN(anns));
	for (size_t i = 0; i < ann.count; i++)
		assert_string_equal(ann.list[i].name, anns[i]);
}

/* ---- Forgetting, and the log ---- */

static void a_forgotten_session_leaves_nothing(void **state)
{
	struct session s = shelf_session(A, SESSION_RUNNING);
	struct session other = shelf_session(B, SESSION_RUNNING);
	struct session back;
	struct err e = ERR_INIT;
	int lock = shelf_hold(A);
	AUTO_CLOSE int others = shelf_hold(B);

	(void)state;
	shelf_write(&s);
	shelf_write(&other);
	assert_int_equal(mkdirat(shelf.run, A, 0700), 0);
	assert_int_equal(mkdirat(shelf.run, B, 0700), 0);
	assert_int_equal(mkfifoat(shelf.run, A "/vnc", 0600), 0);
	assert_int_equal(symlinkat("../" B, shelf.run, A "/link"), 0);
	assert_int_equal(store_forget(&shelf, A, &e), 0);
	assert_false(shelf_has(shelf.dir, A ".json"));
	assert_false(shelf_has(shelf.locks, A));
	assert_false(shelf_has(shelf.run, A));
	close(lock);
	assert_int_equal(store_read_true(&shelf, A, &back, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	/* The other one is as it was. */
	assert_true(shelf_has(shelf.run, B));
	assert_int_equal(store_read_true(&shelf, B, &back, &e), 0);
	assert_int_equal(back.state, SESSION_RUNNING);
	/* Forgetting what is gone is fine. */
	assert_int_equal(store_forget(&shelf, A, &e), 0);
}

static void a_lock_of_two_names_is_none_of_ours(void **state)
{
	struct err e = ERR_INIT;
	int lock = shelf_hold(A);

	(void)state;
	assert_int_equal(linkat(shelf.locks, A, shelf.locks, B, 0), 0);
	close(lock);
	assert_int_equal(store_take_lock(&shelf, A, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
}

static long long log_size(const char *name)
{
	struct stat stat;

	return fstatat(shelf.dir, name, &stat, 0) < 0 ? -1 : stat.st_size;
}

static void the_log_is_kept_small(void **state)
{
	int fd = store_open_log(&shelf);

	(void)state;
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(fd, F_GETFL) & O_APPEND);
	assert_int_equal(ftruncate(fd, 1 << 20), 0);
	close(fd);
	close(store_open_log(&shelf));
	assert_int_equal(log_size("log"), 1 << 20);
	assert_int_equal(log_size("log.1"), -1);
	fd = store_open_log(&shelf);
	assert_int_equal(ftruncate(fd, (1 << 20) + 1), 0);
	close(fd);
	/* Who opens it now still writes into the old one, the next into a
	 * new one. */
	close(store_open_log(&shelf));
	assert_int_equal(log_size("log.1"), (1 << 20) + 1);
	fd = store_open_log(&shelf);
	assert_true(write(fd, "x", 1) == 1);
	close(fd);
	assert_int_equal(log_size("log"), 1);
	assert_int_equal(log_size("log.1"), (1 << 20) + 1);
}

/* As one that lives for weeks has it on its standard error. */
static void whose_log_has_gone_writes_to_the_next(void **state)
{
	int mine = store_open_log(&shelf);
	int fd;

	(void)state;
	assert_true(write(mine, "x", 1) == 1);
	store_follow_log(&shelf, mine);
	assert_true(write(mine, "x", 1) == 1);
	assert_int_equal(log_size("log"), 2);
	/* Moved aside it is read, and written to, still. */
	assert_int_equal(renameat(shelf.dir, "log", shelf.dir, "log.1"), 0);
	close(store_open_log(&shelf));
	store_follow_log(&shelf, mine);
	assert_true(write(mine, "x", 1) == 1);
	assert_int_equal(log_size("log.1"), 3);
	assert_int_equal(log_size("log"), 0);
	assert_int_equal(renameat(shelf.dir, "log", shelf.dir, "log.1"), 0);
	store_follow_log(&shelf, mine);
	assert_true(write(mine, "xy", 2) == 2);
	assert_int_equal(log_size("log.1"), 0);
	assert_int_equal(log_size("log"), 2);
	close(mine);
	/* What is no file of its own is left alone. */
	fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	store_follow_log(&shelf, fd);
	assert_true(write(fd, "x", 1) == 1);
	assert_int_equal(log_size("log"), 2);
	close(fd);
}

static void a_log_that_is_a_link_is_not_opened(void **state)
{
	(void)state;
	shelf_put("target", "", 0);
	assert_int_equal(symlinkat("target", shelf.dir, "log"), 0);
	assert_int_equal(store_open_log(&shelf), -1);
	assert_int_equal(errno, ELOOP);
}

static void a_log_that_is_a_fifo_hangs_nobody(void **state)
{
	AUTO_CLOSE int reader = -1;

	(void)state;
	assert_int_equal(mkfifoat(shelf.dir, "log", 0600), 0);
	assert_int_equal(store_open_log(&shelf), -1);
	/* Nor is it written to where somebody reads. */
	reader = openat(shelf.dir, "log", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(reader >= 0);
	assert_int_equal(store_open_log(&shelf), -1);
}

static void an_overlay_has_its_place_in_dir_snapshots(void **state)
{
	AUTO_FREE char *path = store_overlay_path(&shelf, A);
	char expected[4400];

	(void)state;
	snprintf(expected, sizeof(expected), "%s/" A ".qcow2",
		 shelf_config.dir_snapshots);
	assert_string_equal(path, expected);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SHELF_TEST(what_was_written_is_read),
		SHELF_TEST(a_left_over_temporary_is_in_nobodys_way),
		SHELF_TEST(an_unknown_or_malformed_name_is_not_found),
		SHELF_TEST(the_list_is_ordered_and_can_be_one_users),
		SHELF_TEST(a_forgotten_session_leaves_nothing),
		SHELF_TEST(a_lock_of_two_names_is_none_of_ours),
		SHELF_TEST(the_log_is_kept_small),
		SHELF_TEST(whose_log_has_gone_writes_to_the_next),
		SHELF_TEST(a_log_that_is_a_link_is_not_opened),
		SHELF_TEST(a_log_that_is_a_fifo_hangs_nobody),
		SHELF_TEST(an_overlay_has_its_place_in_dir_snapshots),
	};

	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
