/* src/session/store: where sessions are kept, whatever lies there. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "scratch.h"
#include "session/store.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/json.h"

#define A "svc-aaaaaaaaaaaaaaaaaaaa"
#define B "svc-bbbbbbbbbbbbbbbbbbbb"

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

/* The store of one test, in a directory of its own; dir is below scratch. */
static struct config config;
static struct store st = STORE_INIT;
static int serial;

static int open_store(void **state)
{
	char below[80];
	struct err e = ERR_INIT;

	(void)state;
	snprintf(below, sizeof(below), "/store%d", serial++);
	configure(&config, below);
	return store_open(&config, &st, &e);
}

static int close_store(void **state)
{
	(void)state;
	store_release(&st);
	config_release(&config);
	return 0;
}

static struct session session_named(const char *name)
{
	struct session s = { .user = "ann", .machine = "tiny.iso",
			     .format = "raw", .cpu = 1, .memory_mb = 256,
			     .state = SESSION_RUNNING, .started = 1000 };

	snprintf(s.name, sizeof(s.name), "%s", name);
	clock_boot_id(s.boot_id);
	return s;
}

static void write_record(const struct session *s)
{
	struct err e = ERR_INIT;

	if (store_write(&st, s, &e) < 0)
		fail_msg("%s", e.msg);
}

/* Make a session's lock and hold it: its descriptor. */
static int hold(const char *name)
{
	int fd = openat(st.locks, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	return fd;
}

static bool exists(int dirfd, const char *name)
{
	return faccessat(dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* ---- The directory ---- */

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
	assert_true(exists(s.dir, "locks"));
	assert_true(exists(s.dir, "run"));
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

/* ---- Records ---- */

static void what_was_written_is_read(void **state)
{
	struct session s = session_named(A);
	struct session back;
	struct err e = ERR_INIT;
	struct stat stat;

	(void)state;
	write_record(&s);
	assert_int_equal(store_read(&st, A, &back, &e), 0);
	assert_string_equal(back.name, A);
	assert_string_equal(back.user, "ann");
	assert_int_equal(back.state, SESSION_RUNNING);
	s.state = SESSION_STOPPING;
	write_record(&s);
	assert_int_equal(store_read(&st, A, &back, &e), 0);
	assert_int_equal(back.state, SESSION_STOPPING);
	assert_int_equal(fstatat(st.dir, A ".json", &stat, 0), 0);
	assert_int_equal(stat.st_mode & 07777, 0600);
	assert_false(exists(st.dir, A ".json.tmp"));
}

static void a_left_over_temporary_is_in_nobodys_way(void **state)
{
	AUTO_CLOSE int fd = openat(st.dir, A ".json.tmp",
				   O_WRONLY | O_CREAT | O_CLOEXEC, 0400);
	struct session s = session_named(A);

	(void)state;
	assert_true(fd >= 0);
	write_record(&s);
	assert_false(exists(st.dir, A ".json.tmp"));
}

static void an_unknown_or_malformed_name_is_not_found(void **state)
{
	static const char *const names[] = { A, "", "..", "../" A, "/etc/passwd",
					     "lock", "locks", "svc.json" };
	struct session back;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct err e = ERR_INIT;

		assert_int_equal(store_read(&st, names[i], &back, &e), -1);
		assert_int_equal(e.code, ERR_NOT_FOUND);
		e = (struct err)ERR_INIT;
		assert_int_equal(store_read_true(&st, names[i], &back, &e), -1);
		assert_int_equal(e.code, ERR_NOT_FOUND);
	}
}

/* ---- Damage ---- */

static void put(const char *name, const void *bytes, size_t len)
{
	AUTO_CLOSE int fd = openat(st.dir, name,
				   O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
				   0600);

	assert_true(fd >= 0);
	assert_int_equal(file_write_all(fd, bytes, len), 0);
}

/* Only B is seen, and A's record lies in damaged/ or is gone. */
static void check_set_aside(const char *what)
{
	AUTO_SESSION_LIST struct session_list all = { 0 };
	struct session back;
	struct err e = ERR_INIT;

	if (store_list(&st, NULL, &all, &e) < 0)
		fail_msg("%s: %s", what, e.msg);
	if (all.count != 1 || strcmp(all.list[0].name, B) != 0)
		fail_msg("%s: %zu sessions", what, all.count);
	if (exists(st.dir, A ".json"))
		fail_msg("%s: it is still there", what);
	assert_int_equal(store_read(&st, A, &back, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
}

static void check_damaged(const char *message)
{
	struct session back;
	struct err e = ERR_INIT;

	assert_int_equal(store_read(&st, A, &back, &e), -1);
	assert_int_equal(e.code, ERR_DAMAGED);
	if (!strstr(e.msg, message))
		fail_msg("'%s' does not say '%s'", e.msg, message);
	assert_false(exists(st.dir, A ".json"));
}

static void add_good(void)
{
	struct session s = session_named(B);

	write_record(&s);
}

/* RR13: truncated at each byte. */
static void a_record_cut_at_any_byte_is_set_aside(void **state)
{
	struct session s = session_named(A);
	AUTO_JSON json_t *record = session_to_record(&s);
	AUTO_FREE char *text = json_dumps(record, JSON_INDENT(1));
	size_t len = strlen(text);

	(void)state;
	add_good();
	for (size_t cut = 0; cut < len; cut++) {
		char what[32];

		snprintf(what, sizeof(what), "cut at %zu", cut);
		put(A ".json", text, cut);
		check_set_aside(what);
	}
	assert_true(exists(st.dir, "damaged/" A ".json"));
}

/* RR13: bits that flip. */
static void a_record_with_a_byte_changed_breaks_nothing(void **state)
{
	struct session s = session_named(A);
	AUTO_JSON json_t *record = session_to_record(&s);
	AUTO_FREE char *text = json_dumps(record, JSON_COMPACT);
	size_t len = strlen(text);

	(void)state;
	add_good();
	for (size_t i = 0; i < len; i++) {
		AUTO_SESSION_LIST struct session_list all = { 0 };
		struct err e = ERR_INIT;
		char old = text[i];

		text[i] = (char)(old ^ (1 << i % 8));
		put(A ".json", text, len);
		text[i] = old;
		assert_int_equal(store_list(&st, NULL, &all, &e), 0);
		assert_true(all.count == 1 || all.count == 2);
	}
}

static void text_that_is_no_record_is_set_aside(void **state)
{
	static const struct {
		const char *text;
		const char *message;
	} table[] = {
		{ "", "JSON line 1" },
		{ "{}", "version: not an integer" },
		{ "[]", "not an object" },
		{ "null", "expected near 'null'" },
		{ "{\"version\":1,\"version\":1}", "duplicate" },
		{ "{\"version\":2}", "version: not an integer" },
		{ "{\"version\":1} junk", "end of file expected" },
		{ "{\"version\":1,\"name\":\"\\u0000\"}", "\\u0000" },
		{ "{\"version\":1,\"name\":\"\377\"}", "unable to decode" },
		{ "{\"version\":99999999999999999999}", "too big" },
	};

	(void)state;
	add_good();
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		put(A ".json", table[i].text, strlen(table[i].text));
		check_damaged(table[i].message);
		put(A ".json", table[i].text, strlen(table[i].text));
		check_set_aside(table[i].text);
	}
}

static void deep_nesting_is_set_aside(void **state)
{
	static char deep[60000];

	(void)state;
	add_good();
	memset(deep, '[', sizeof(deep));
	memcpy(deep, "{\"version\":", 11);
	put(A ".json", deep, sizeof(deep));
	check_damaged("maximum parsing depth");
	check_set_aside("deep nesting");
}

static void a_huge_record_is_set_aside(void **state)
{
	AUTO_CLOSE int fd = openat(st.dir, A ".json",
				   O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	(void)state;
	add_good();
	assert_int_equal(ftruncate(fd, 10 << 20), 0);
	check_damaged("is too large");
	assert_true(exists(st.dir, "damaged/" A ".json"));
	check_set_aside("10 MB");
}

static void a_record_of_another_name_is_set_aside(void **state)
{
	struct session s = session_named(A);

	(void)state;
	add_good();
	assert_int_equal(
		linkat(st.dir, B ".json", st.dir, A ".json", 0), 0);
	check_damaged("another name");
	check_set_aside("another name");
	/* Nor does A's own record come back as B's. */
	snprintf(s.name, sizeof(s.name), "%s", A);
	write_record(&s);
	assert_true(exists(st.dir, A ".json"));
}

static void a_fifo_is_set_aside_and_hangs_nobody(void **state)
{
	(void)state;
	add_good();
	assert_int_equal(mkfifoat(st.dir, A ".json", 0600), 0);
	check_damaged("no regular file");
	assert_int_equal(mkfifoat(st.dir, A ".json", 0600), 0);
	check_set_aside("fifo");
}

static void a_link_is_set_aside_and_not_followed(void **state)
{
	(void)state;
	add_good();
	put("target", "x", 1);
	assert_int_equal(symlinkat("target", st.dir, A ".json"), 0);
	check_damaged("symbolic link");
	assert_int_equal(symlinkat(B ".json", st.dir, A ".json"), 0);
	check_set_aside("link to a record");
	assert_true(exists(st.dir, "target"));
	assert_int_equal(symlinkat("nowhere", st.dir, A ".json"), 0);
	check_set_aside("dangling link");
}

static void a_directory_is_set_aside(void **state)
{
	(void)state;
	add_good();
	/* Twice: the second finds the name taken in damaged/. */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(mkdirat(st.dir, A ".json", 0700), 0);
		put(A ".json/file", "x", 1);
		check_damaged("no regular file");
	}
	assert_true(exists(st.dir, "damaged/" A ".json/file"));
	check_set_aside("directory");
}

static void a_socket_is_set_aside(void **state)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	add_good();
	snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/" A ".json",
		 st.dir);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	check_damaged("no regular file");
	check_set_aside("socket");
}

static void other_files_in_the_store_are_let_be(void **state)
{
	static const char *const names[] = {
		"log", ".json", "X.json", "a b.json", "README", A ".json.tmp",
		A, "..json", "-a.json",
	};
	AUTO_SESSION_LIST struct session_list all = { 0 };
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		put(names[i], "junk", 4);
	assert_int_equal(store_list(&st, NULL, &all, &e), 0);
	assert_int_equal(all.count, 0);
	assert_null(all.list);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		assert_true(exists(st.dir, names[i]));
	assert_false(exists(st.dir, "damaged"));
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
		struct session s = session_named(made[i].name);

		snprintf(s.user, sizeof(s.user), "%s", made[i].user);
		s.started = made[i].started;
		write_record(&s);
	}
	assert_int_equal(store_list(&st, NULL, &all, &e), 0);
	assert_int_equal(all.count, ARRAY_LEN(order));
	for (size_t i = 0; i < all.count; i++)
		assert_string_equal(all.list[i].name, order[i]);
	assert_int_equal(store_list(&st, "ann", &ann, &e), 0);
	assert_int_equal(ann.count, ARRAY_LEN(anns));
	for (size_t i = 0; i < ann.count; i++)
		assert_string_equal(ann.list[i].name, anns[i]);
}

/* ---- Liveness ---- */

static void a_session_lives_as_long_as_its_lock_is_held(void **state)
{
	struct session s = session_named(A);
	struct err e = ERR_INIT;
	int lock;

	(void)state;
	write_record(&s);
	assert_false(store_is_alive(&st, A)); /* no lock at all */
	assert_int_equal(store_count_alive(&st), 0);
	lock = hold(A);
	assert_true(store_is_alive(&st, A));
	assert_int_equal(store_count_alive(&st), 1);
	assert_int_equal(store_take_lock(&st, A, &e), -1);
	assert_int_equal(e.code, ERR_CONFLICT);
	close(lock);
	assert_false(store_is_alive(&st, A));
	lock = store_take_lock(&st, A, &e);
	assert_true(lock >= 0);
	assert_true(fcntl(lock, F_GETFD) & FD_CLOEXEC);
	assert_true(store_is_alive(&st, A));
	close(lock);
}

static void two_who_look_do_not_see_each_other(void **state)
{
	/* As another process that is looking at this moment holds it. */
	AUTO_CLOSE int other = openat(st.locks, A,
				      O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	(void)state;
	assert_int_equal(flock(other, LOCK_SH | LOCK_NB), 0);
	assert_false(store_is_alive(&st, A));
	assert_int_equal(store_count_alive(&st), 0);
}

static void many_who_look_never_see_life(void **state)
{
	pid_t pids[4];
	int status;
	int fd = hold(A);

	(void)state;
	close(fd);
	for (size_t i = 0; i < ARRAY_LEN(pids); i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0) {
			for (int n = 0; n < 3000; n++)
				if (store_is_alive(&st, A))
					_exit(1);
			_exit(0);
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(pids); i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
}

static void a_lock_that_is_unlinked_is_not_found(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(store_take_lock(&st, A, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_int_equal(symlinkat("../lock", st.locks, A), 0);
	e = (struct err)ERR_INIT;
	assert_int_equal(store_take_lock(&st, A, &e), -1);
	assert_int_equal(e.code, ERR_SYSTEM);
	assert_int_equal(e.sys, ELOOP);
	assert_false(store_is_alive(&st, A));
}

static void the_lock_survives_in_who_inherits_it(void **state)
{
	int lock = hold(A);
	int pipes[2];
	pid_t pid;
	int status;
	char byte;

	(void)state;
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(pipes[1]);
		/* Until the test closes its end. */
		_exit(read(pipes[0], &byte, 1) == 0 ? 0 : 1);
	}
	close(lock); /* the request has gone, its owner lives */
	assert_true(store_is_alive(&st, A));
	close(pipes[0]);
	close(pipes[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_false(store_is_alive(&st, A));
}

static void a_session_without_owner_is_shown_as_failed(void **state)
{
	struct session s = session_named(A);
	struct session back;
	struct err e = ERR_INIT;
	int lock = hold(A);

	(void)state;
	for (int i = SESSION_STARTING; i <= SESSION_STOPPING; i++) {
		s.state = (enum session_state)i;
		write_record(&s);
		assert_int_equal(store_read_true(&st, A, &back, &e), 0);
		assert_int_equal(back.state, i);
		assert_string_equal(back.reason, "");
	}
	close(lock);
	for (int i = SESSION_STARTING; i <= SESSION_STOPPING; i++) {
		s.state = (enum session_state)i;
		write_record(&s);
		assert_int_equal(store_read_true(&st, A, &back, &e), 0);
		assert_int_equal(back.state, SESSION_FAILED);
		assert_string_equal(back.reason, "The process that looked "
						 "after this machine has "
						 "died.");
		/* Looking changes nothing. */
		assert_int_equal(store_read(&st, A, &back, &e), 0);
		assert_int_equal(back.state, i);
	}
	snprintf(s.boot_id, sizeof(s.boot_id), "another boot");
	write_record(&s);
	assert_int_equal(store_read_true(&st, A, &back, &e), 0);
	assert_int_equal(back.state, SESSION_FAILED);
	assert_string_equal(back.reason, "The server was restarted.");
}

static void an_end_is_shown_as_it_was(void **state)
{
	struct session s = session_named(A);
	struct session back;
	struct err e = ERR_INIT;

	(void)state;
	s.state = SESSION_ENDED;
	snprintf(s.reason, sizeof(s.reason), "Stopped by its user.");
	write_record(&s);
	assert_int_equal(store_read_true(&st, A, &back, &e), 0);
	assert_int_equal(back.state, SESSION_ENDED);
	assert_string_equal(back.reason, "Stopped by its user.");
}

/* Reads A, at least so many times, and 200 times after the last write, which
 * the end of `writer` tells; says on `done` when it has read enough. */
static void __attribute__((noreturn)) read_on(long least, int writer, int done)
{
	int left = 200;

	for (long reads = 1; left > 0; reads++) {
		struct session back;
		struct err e = ERR_INIT;
		char byte;

		if (store_read_true(&st, A, &back, &e) < 0)
			_exit(1);
		if (back.state == SESSION_FAILED)
			_exit(2);
		if (left == 1 && back.state != SESSION_ENDED)
			_exit(3);
		if (reads == least)
			close(done);
		if (reads >= least && read(writer, &byte, 1) == 0)
			left--;
	}
	_exit(0);
}

static bool is_closed(int fd)
{
	char byte;

	return read(fd, &byte, 1) == 0;
}

/* RR3, P10: a reader never sees a half-written record, nor a session that has
 * ended in good order as failed. */
static void a_reader_sees_whole_records_while_they_are_written(void **state)
{
	const char *text = getenv("LONG");
	long least = text && *text ? 1000000 : 2000;
	struct session s = session_named(A);
	AUTO_CLOSE int lock = hold(A);
	int writer[2];
	int done[2];
	int status;
	pid_t pid;

	(void)state;
	write_record(&s);
	assert_int_equal(pipe2(writer, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(pipe2(done, O_CLOEXEC | O_NONBLOCK), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(writer[1]);
		close(done[0]);
		close(lock);
		read_on(least, writer[0], done[1]);
	}
	close(writer[0]);
	close(done[1]);
	for (int i = 0; i < 2000 || !is_closed(done[0]); i++) {
		memset(s.reason, 'a' + i % 26, (size_t)(i % 300));
		s.reason[i % 300] = '\0';
		write_record(&s);
	}
	close(done[0]);
	s.state = SESSION_ENDED;
	write_record(&s);
	flock(lock, LOCK_UN);
	close(writer[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* ---- Forgetting, and the log ---- */

static void a_forgotten_session_leaves_nothing(void **state)
{
	struct session s = session_named(A);
	struct session other = session_named(B);
	struct session back;
	struct err e = ERR_INIT;
	int lock = hold(A);
	AUTO_CLOSE int others = hold(B);

	(void)state;
	write_record(&s);
	write_record(&other);
	assert_int_equal(mkdirat(st.run, A, 0700), 0);
	assert_int_equal(mkdirat(st.run, B, 0700), 0);
	assert_int_equal(mkfifoat(st.run, A "/vnc", 0600), 0);
	assert_int_equal(symlinkat("../" B, st.run, A "/link"), 0);
	assert_int_equal(store_forget(&st, A, &e), 0);
	assert_false(exists(st.dir, A ".json"));
	assert_false(exists(st.locks, A));
	assert_false(exists(st.run, A));
	close(lock);
	assert_int_equal(store_read_true(&st, A, &back, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	/* The other one is as it was. */
	assert_true(exists(st.run, B));
	assert_int_equal(store_read_true(&st, B, &back, &e), 0);
	assert_int_equal(back.state, SESSION_RUNNING);
	/* Forgetting what is gone is fine. */
	assert_int_equal(store_forget(&st, A, &e), 0);
}

static void a_lock_of_two_names_is_none_of_ours(void **state)
{
	struct err e = ERR_INIT;
	int lock = hold(A);

	(void)state;
	assert_int_equal(linkat(st.locks, A, st.locks, B, 0), 0);
	close(lock);
	assert_int_equal(store_take_lock(&st, A, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
}

static long long log_size(const char *name)
{
	struct stat stat;

	return fstatat(st.dir, name, &stat, 0) < 0 ? -1 : stat.st_size;
}

static void the_log_is_kept_small(void **state)
{
	int fd = store_open_log(&st);

	(void)state;
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(fd, F_GETFL) & O_APPEND);
	assert_int_equal(ftruncate(fd, 1 << 20), 0);
	close(fd);
	close(store_open_log(&st));
	assert_int_equal(log_size("log"), 1 << 20);
	assert_int_equal(log_size("log.1"), -1);
	fd = store_open_log(&st);
	assert_int_equal(ftruncate(fd, (1 << 20) + 1), 0);
	close(fd);
	/* Who opens it now still writes into the old one, the next into a
	 * new one. */
	close(store_open_log(&st));
	assert_int_equal(log_size("log.1"), (1 << 20) + 1);
	fd = store_open_log(&st);
	assert_true(write(fd, "x", 1) == 1);
	close(fd);
	assert_int_equal(log_size("log"), 1);
	assert_int_equal(log_size("log.1"), (1 << 20) + 1);
}

static void a_log_that_is_a_link_is_not_opened(void **state)
{
	(void)state;
	put("target", "", 0);
	assert_int_equal(symlinkat("target", st.dir, "log"), 0);
	assert_int_equal(store_open_log(&st), -1);
	assert_int_equal(errno, ELOOP);
}

static void a_log_that_is_a_fifo_hangs_nobody(void **state)
{
	AUTO_CLOSE int reader = -1;

	(void)state;
	assert_int_equal(mkfifoat(st.dir, "log", 0600), 0);
	assert_int_equal(store_open_log(&st), -1);
	/* Nor is it written to where somebody reads. */
	reader = openat(st.dir, "log", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(reader >= 0);
	assert_int_equal(store_open_log(&st), -1);
}

static void an_overlay_has_its_place_in_dir_snapshots(void **state)
{
	AUTO_FREE char *path = store_overlay_path(&st, A);
	char expected[4400];

	(void)state;
	snprintf(expected, sizeof(expected), "%s/" A ".qcow2",
		 config.dir_snapshots);
	assert_string_equal(path, expected);
}

#define T(name) cmocka_unit_test_setup_teardown(name, open_store, close_store)

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
		T(what_was_written_is_read),
		T(a_left_over_temporary_is_in_nobodys_way),
		T(an_unknown_or_malformed_name_is_not_found),
		T(a_record_cut_at_any_byte_is_set_aside),
		T(a_record_with_a_byte_changed_breaks_nothing),
		T(text_that_is_no_record_is_set_aside),
		T(deep_nesting_is_set_aside),
		T(a_huge_record_is_set_aside),
		T(a_record_of_another_name_is_set_aside),
		T(a_fifo_is_set_aside_and_hangs_nobody),
		T(a_link_is_set_aside_and_not_followed),
		T(a_directory_is_set_aside),
		T(a_socket_is_set_aside),
		T(other_files_in_the_store_are_let_be),
		T(the_list_is_ordered_and_can_be_one_users),
		T(a_session_lives_as_long_as_its_lock_is_held),
		T(two_who_look_do_not_see_each_other),
		T(many_who_look_never_see_life),
		T(a_lock_that_is_unlinked_is_not_found),
		T(the_lock_survives_in_who_inherits_it),
		T(a_session_without_owner_is_shown_as_failed),
		T(an_end_is_shown_as_it_was),
		T(a_reader_sees_whole_records_while_they_are_written),
		T(a_forgotten_session_leaves_nothing),
		T(a_lock_of_two_names_is_none_of_ours),
		T(the_log_is_kept_small),
		T(a_log_that_is_a_link_is_not_opened),
		T(a_log_that_is_a_fifo_hangs_nobody),
		T(an_overlay_has_its_place_in_dir_snapshots),
	};

	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
