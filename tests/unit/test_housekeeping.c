/* src/session/housekeeping: what is removed, and what is never touched. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/text.h"
#include "scratch.h"
#include "session/admission.h"
#include "session/history.h"
#include "session/housekeeping.h"
#include "sys/clock.h"
#include "vm/overlay.h"

#define A "svc-aaaaaaaaaaaaaaaaaaaa"
#define B "svc-bbbbbbbbbbbbbbbbbbbb"
#define C "svc-cccccccccccccccccccc"

/* The wall clock of this program, which can go before the host's. */
static long long later;

time_t time(time_t *ret)
{
	struct timespec now = { 0 };

	clock_gettime(CLOCK_REALTIME, &now);
	now.tv_sec += (time_t)later;
	if (ret)
		*ret = now.tv_sec;
	return now.tv_sec;
}

static struct config config;
static struct store st = STORE_INIT;
static int snapshots = -1;
static int serial;
static char base[4200];

static int open_store(void **state)
{
	char path[4300];
	struct err e = ERR_INIT;

	(void)state;
	snprintf(base, sizeof(base), "%s/test%d", scratch_path, serial++);
	if (mkdir(base, 0700) < 0 || config_init(&config, &e) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/snapshots", base);
	if (mkdir(path, 0700) < 0 ||
	    config_set(&config, "dir_snapshots", path, &e) < 0 ||
	    config_set(&config, "service", "svc", &e) < 0)
		return -1;
	snapshots = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(path, sizeof(path), "%s/store", base);
	if (config_set(&config, "dir_cfg", path, &e) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/history", base);
	if (config_set(&config, "dir_history", path, &e) < 0)
		return -1;
	return store_open(&config, &st, &e);
}

static int close_store(void **state)
{
	(void)state;
	close(snapshots);
	store_release(&st);
	config_release(&config);
	return 0;
}

static bool exists(int dirfd, const char *name)
{
	return faccessat(dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void touch(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
}

static int hold(const char *name)
{
	int fd = openat(st.locks, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	return fd;
}

static struct session session_named(const char *name, enum session_state state)
{
	struct session s = { .user = "ann", .machine = "tiny.iso",
			     .format = "raw", .cpu = 1, .memory_mb = 256,
			     .state = state };

	snprintf(s.name, sizeof(s.name), "%s", name);
	s.started = clock_wall();
	clock_boot_id(s.boot_id);
	return s;
}

/* Record, lock, sockets, overlay: all that a session has.  The lock is not
 * held. */
static void make_session(const struct session *s)
{
	char name[SESSION_NAME_SIZE + 16];
	struct err e = ERR_INIT;

	touch(st.locks, s->name);
	assert_int_equal(store_write(&st, s, &e), 0);
	assert_int_equal(mkdirat(st.run, s->name, 0700), 0);
	snprintf(name, sizeof(name), "%s/vnc", s->name);
	touch(st.run, name);
	snprintf(name, sizeof(name), "%s.qcow2", s->name);
	touch(snapshots, name);
}

static struct purge_result purge(void)
{
	struct purge_result result;
	struct err e = ERR_INIT;

	if (housekeeping_purge(&st, &result, &e) < 0)
		fail_msg("%s", e.msg);
	return result;
}

static void check_result(size_t failed, size_t removed, size_t overlays,
			 size_t files)
{
	struct purge_result r = purge();

	assert_int_equal(r.failed, failed);
	assert_int_equal(r.removed, removed);
	assert_int_equal(r.overlays, overlays);
	assert_int_equal(r.files, files);
}

static struct session read_back(const char *name)
{
	struct session s;
	struct err e = ERR_INIT;

	if (store_read(&st, name, &s, &e) < 0)
		fail_msg("%s", e.msg);
	return s;
}

static void check_gone(const char *name)
{
	char file[SESSION_NAME_SIZE + 16];

	snprintf(file, sizeof(file), "%s.json", name);
	assert_false(exists(st.dir, file));
	snprintf(file, sizeof(file), "%s.qcow2", name);
	assert_false(exists(snapshots, file));
	assert_false(exists(st.locks, name));
	assert_false(exists(st.run, name));
}

/* ---- The dead ---- */

static void a_session_without_owner_is_failed_and_its_things_go(void **state)
{
	(void)state;
	for (int i = SESSION_STARTING; i <= SESSION_STOPPING; i++) {
		struct session s = session_named(A, (enum session_state)i);

		make_session(&s);
		check_result(1, 0, 1, 0);
		s = read_back(A);
		assert_int_equal(s.state, SESSION_FAILED);
		assert_string_equal(s.reason, "The process that looked after "
					      "this machine has died.");
		assert_in_range(s.ended, clock_wall() - 60, clock_wall());
		assert_true(s.ended_boot_ms > 0);
		assert_false(exists(snapshots, A ".qcow2"));
		assert_false(exists(st.run, A));
		assert_true(exists(st.locks, A));
		/* Once is enough. */
		check_result(0, 0, 0, 0);
		assert_int_equal(unlinkat(st.locks, A, 0), 0);
		check_result(0, 0, 0, 1);
	}
}

static void a_session_of_another_boot_says_so(void **state)
{
	struct session s = session_named(A, SESSION_RUNNING);
	char boot_id[CLOCK_BOOT_ID_SIZE];

	(void)state;
	snprintf(s.boot_id, sizeof(s.boot_id), "another boot");
	make_session(&s);
	check_result(1, 0, 1, 0);
	s = read_back(A);
	assert_int_equal(s.state, SESSION_FAILED);
	assert_string_equal(s.reason, "The server was restarted.");
	clock_boot_id(boot_id);
	assert_string_equal(s.boot_id, boot_id);
	/* Shown for ten minutes from now on. */
	check_result(0, 0, 0, 0);
}

static int count_line(const struct history_line *line, void *arg,
		      struct err *e)
{
	(void)e;
	assert_string_equal(line->session, A);
	assert_string_equal(line->state, "failed");
	++*(size_t *)arg;
	return 0;
}

static void a_dead_session_is_in_the_history_once(void **state)
{
	struct session s = session_named(A, SESSION_RUNNING);
	struct err e = ERR_INIT;
	size_t damaged = 1;
	size_t count = 0;

	(void)state;
	make_session(&s);
	check_result(1, 0, 1, 0);
	check_result(0, 0, 0, 0);
	assert_int_equal(history_read(&config, count_line, &count, &damaged,
				      &e),
			 0);
	assert_int_equal(count, 1);
	assert_int_equal(damaged, 0);
}

static void a_history_that_cannot_be_written_keeps_nothing_alive(void **state)
{
	struct session s = session_named(A, SESSION_RUNNING);
	struct purge_result r;
	struct err e = ERR_INIT;
	int fd = open(config.dir_history, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	make_session(&s);
	assert_int_equal(housekeeping_purge(&st, &r, &e), -1);
	assert_true(text_starts(e.msg, "dir_history: "));
	assert_int_equal(r.failed, 1);
	assert_int_equal(read_back(A).state, SESSION_FAILED);
	assert_false(exists(snapshots, A ".qcow2"));
	check_result(0, 0, 0, 0); /* it is said once */
}

static void an_end_keeps_its_reason(void **state)
{
	struct session s = session_named(A, SESSION_ENDED);

	(void)state;
	snprintf(s.reason, sizeof(s.reason), "Stopped by its user.");
	make_session(&s);
	check_result(1, 0, 1, 0); /* final, but its end was not noted */
	s = read_back(A);
	assert_int_equal(s.state, SESSION_ENDED);
	assert_string_equal(s.reason, "Stopped by its user.");
	assert_true(s.ended > 0);
}

static void a_session_that_ended_long_ago_is_forgotten(void **state)
{
	long long now = clock_boot_ms();
	struct session s = session_named(A, SESSION_ENDED);

	(void)state;
	if (now < 700 * 1000)
		skip(); /* the host has booted just now */
	s.ended = clock_wall();
	s.ended_boot_ms = now - 599 * 1000;
	make_session(&s);
	check_result(0, 0, 1, 0);
	assert_string_equal(read_back(A).name, A);
	s.ended_boot_ms = now - 600 * 1000;
	make_session(&s);
	check_result(0, 1, 1, 0);
	check_gone(A);
}

/* The wall clock may be set: it says nothing within one boot. */
static void the_wall_clock_forgets_nobody(void **state)
{
	static const long long steps[] = { -86400LL * 400, 86400LL * 400 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		struct session s = session_named(A, SESSION_FAILED);

		s.ended = clock_wall() + steps[i];
		s.ended_boot_ms = clock_boot_ms();
		make_session(&s);
		check_result(0, 0, 1, 0);
		assert_string_equal(read_back(A).name, A);
	}
}

static void the_end_of_a_session_of_another_boot_is_told_by_the_wall_clock(
	void **state)
{
	static const struct {
		long long age_s;
		bool kept;
	} table[] = { { 590, true }, { 600, false }, { 86400, false },
		      { -100, false } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct session s = session_named(A, SESSION_ENDED);

		snprintf(s.boot_id, sizeof(s.boot_id), "another boot");
		s.ended = clock_wall() - table[i].age_s;
		s.ended_boot_ms = clock_boot_ms();
		make_session(&s);
		check_result(0, !table[i].kept, 1, 0);
		assert_int_equal(exists(st.dir, A ".json"), table[i].kept);
		assert_int_equal(exists(st.locks, A), table[i].kept);
	}
}

static void a_session_whose_record_is_damaged_is_forgotten(void **state)
{
	struct session s = session_named(A, SESSION_RUNNING);
	int fd;

	(void)state;
	make_session(&s);
	fd = openat(st.dir, A ".json", O_WRONLY | O_TRUNC | O_CLOEXEC);
	close(fd);
	check_result(0, 1, 1, 0);
	check_gone(A);
	assert_true(exists(st.dir, "damaged/" A ".json"));
}

static void a_lock_without_a_record_is_removed(void **state)
{
	(void)state;
	touch(st.locks, A);
	check_result(0, 1, 0, 0);
	check_gone(A);
}

/* ---- Strays ---- */

static void records_and_sockets_without_a_lock_are_removed(void **state)
{
	(void)state;
	touch(st.dir, A ".json");
	touch(st.dir, A ".json.tmp");
	assert_int_equal(mkdirat(st.run, B, 0700), 0);
	touch(st.run, B "/vnc");
	check_result(0, 0, 0, 3);
	assert_false(exists(st.dir, A ".json"));
	assert_false(exists(st.dir, A ".json.tmp"));
	assert_false(exists(st.run, B));
}

static void stray_overlays_of_ours_are_removed(void **state)
{
	(void)state;
	touch(snapshots, A ".qcow2");
	touch(snapshots, B ".qcow2");
	check_result(0, 0, 2, 0);
	assert_false(exists(snapshots, A ".qcow2"));
	assert_false(exists(snapshots, B ".qcow2"));
}

/* Of a service with records elsewhere that shares dir_snapshots. */
static void an_overlay_that_another_service_holds_stays(void **state)
{
	struct session s = session_named(A, SESSION_RUNNING);
	struct session same = session_named(A, SESSION_RUNNING);
	struct err e = ERR_INIT;
	int held = overlay_reserve(&st, &s, &e);

	(void)state;
	assert_true(held >= 0);
	assert_true(fcntl(held, F_GETFD) & FD_CLOEXEC);
	check_result(0, 0, 0, 0);
	assert_true(exists(snapshots, A ".qcow2"));
	/* Names are never used again. */
	assert_int_equal(overlay_reserve(&st, &same, &e), -1);
	assert_int_equal(e.sys, EEXIST);
	close(held);
	check_result(0, 0, 1, 0);
	assert_false(exists(snapshots, A ".qcow2"));
}

static void what_nobody_captures_any_more_is_removed(void **state)
{
	AUTO_CLOSE int held = -1;

	(void)state;
	touch(snapshots, A STORE_CAPTURE);
	touch(snapshots, B STORE_CAPTURE);
	held = openat(snapshots, B STORE_CAPTURE, O_RDWR | O_CLOEXEC);
	assert_int_equal(flock(held, LOCK_EX | LOCK_NB), 0);
	check_result(0, 0, 0, 1);
	assert_false(exists(snapshots, A STORE_CAPTURE));
	assert_true(exists(snapshots, B STORE_CAPTURE));
}

/* In /tmp anybody makes such a directory, and entries in it as fast as they
 * are removed: whoever purges would never end, an owner among them. */
static void a_directory_under_a_disks_name_is_not_entered(void **state)
{
	static const char *const names[] = { A STORE_CAPTURE, B ".qcow2" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		AUTO_CLOSE int dir = -1;

		assert_int_equal(mkdirat(snapshots, names[i], 0700), 0);
		dir = openat(snapshots, names[i],
			     O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		touch(dir, "inside");
	}
	check_result(0, 0, 0, 0);
	assert_true(exists(snapshots, A STORE_CAPTURE "/inside"));
	assert_true(exists(snapshots, B ".qcow2/inside"));
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
		touch(snapshots, in_snapshots[i]);
	assert_int_equal(mkdirat(snapshots, B ".qcow2", 0700), 0);
	assert_int_equal(mkfifoat(snapshots, C ".qcow2", 0600), 0);
	for (size_t i = 0; i < ARRAY_LEN(in_store); i++)
		touch(st.dir, in_store[i]);
	assert_int_equal(mkdirat(st.dir, "logins", 0700), 0);
	assert_int_equal(mkdirat(st.dir, "gateway", 0700), 0);
	touch(st.dir, "gateway/tokens");
	check_result(0, 0, 0, 0);
	for (size_t i = 0; i < ARRAY_LEN(in_snapshots); i++)
		assert_true(exists(snapshots, in_snapshots[i]));
	assert_true(exists(snapshots, B ".qcow2"));
	assert_true(exists(snapshots, C ".qcow2"));
	for (size_t i = 0; i < ARRAY_LEN(in_store); i++)
		assert_true(exists(st.dir, in_store[i]));
	assert_true(exists(st.dir, "gateway/tokens"));
}

static void a_linked_overlay_is_not_followed(void **state)
{
	struct purge_result result;
	struct err e = ERR_INIT;

	(void)state;
	touch(snapshots, "master.qcow2");
	assert_int_equal(symlinkat("master.qcow2", snapshots, A ".qcow2"), 0);
	touch(snapshots, B ".qcow2");
	assert_int_equal(housekeeping_purge(&st, &result, &e), -1);
	assert_int_equal(e.code, ERR_SYSTEM);
	assert_int_equal(e.sys, ELOOP);
	assert_non_null(strstr(e.msg, A ".qcow2"));
	assert_true(exists(snapshots, "master.qcow2"));
	/* One that fails does not keep the others from their turn. */
	assert_false(exists(snapshots, B ".qcow2"));
	assert_int_equal(result.overlays, 1);
}

static void links_in_a_dead_sessions_directory_are_not_followed(void **state)
{
	struct session s = session_named(A, SESSION_RUNNING);
	AUTO_CLOSE int victim = -1;

	(void)state;
	make_session(&s);
	assert_int_equal(mkdirat(st.dir, "victim", 0700), 0);
	touch(st.dir, "victim/file");
	assert_int_equal(symlinkat("../../victim", st.run, A "/link"), 0);
	assert_int_equal(mkdirat(st.run, A "/deep", 0700), 0);
	assert_int_equal(symlinkat("/", st.run, A "/deep/root"), 0);
	check_result(1, 0, 1, 0);
	assert_false(exists(st.run, A));
	assert_true(exists(st.dir, "victim/file"));
}

static void a_missing_dir_snapshots_is_nothing_to_do(void **state)
{
	(void)state;
	assert_int_equal(rmdir(config.dir_snapshots), 0);
	check_result(0, 0, 0, 0);
}

/* ---- The living ---- */

/* FNV-1a over every path, its metadata and its content. */
static uint64_t hash;

static void mix(const void *bytes, size_t len)
{
	const unsigned char *p = bytes;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ p[i]) * 1099511628211ULL;
}

static int visit(const char *path, const struct stat *stat, int type,
		 struct FTW *where)
{
	char content[4096];

	(void)where;
	mix(path, strlen(path));
	mix(&stat->st_ino, sizeof(stat->st_ino));
	mix(&stat->st_mode, sizeof(stat->st_mode));
	mix(&stat->st_size, sizeof(stat->st_size));
	mix(&stat->st_mtim, sizeof(stat->st_mtim));
	mix(&stat->st_ctim, sizeof(stat->st_ctim));
	if (type == FTW_F) {
		AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t got = read(fd, content, sizeof(content));

		if (got > 0)
			mix(content, (size_t)got);
	}
	return 0;
}

static uint64_t tree(void)
{
	hash = 14695981039346656037ULL;
	assert_int_equal(nftw(base, visit, 16, FTW_PHYS), 0);
	return hash;
}

static void the_living_are_not_touched(void **state)
{
	static const char *const names[] = { A, B, C };
	int locks[3];
	uint64_t before;

	(void)state;
	purge(); /* the store's lock is there from now on */
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct session s = session_named(
			names[i], i ? SESSION_RUNNING : SESSION_STARTING);

		if (i == 2) {
			/* whatever its record says */
			s.state = SESSION_ENDED;
			s.ended = 1;
			s.ended_boot_ms = 1;
			snprintf(s.boot_id, sizeof(s.boot_id), "another boot");
		}
		make_session(&s);
		locks[i] = hold(names[i]);
	}
	touch(st.dir, A ".json.tmp"); /* it is writing just now */
	before = tree();
	for (int i = 0; i < 3; i++) {
		check_result(0, 0, 0, 0);
		assert_true(tree() == before);
	}
	for (size_t i = 0; i < ARRAY_LEN(locks); i++)
		close(locks[i]);
	check_result(2, 1, 3, 0);
}

/* Purges one after the other, until the pipe closes. */
static void __attribute__((noreturn)) purge_on(int until)
{
	char byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (read(until, &byte, 1) < 0) {
		struct purge_result result;
		struct err e = ERR_INIT;

		if (housekeeping_purge(&st, &result, &e) < 0)
			_exit(1);
		if (result.failed || result.files || result.overlays)
			_exit(2);
	}
	_exit(0);
}

static void a_purge_harms_none_that_is_just_being_reserved(void **state)
{
	int pipes[2];
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(
		config_set(&config, "service_max_load", "1000", &(struct err){ 0 }),
		0);
	assert_int_equal(pipe2(pipes, O_CLOEXEC | O_NONBLOCK), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(pipes[1]);
		purge_on(pipes[0]);
	}
	close(pipes[0]);
	for (int i = 0; i < 200; i++) {
		struct session s = session_named("", SESSION_STARTING);
		struct session back;
		struct err e = ERR_INIT;
		int lock = admission_reserve(&st, &s, 60, &e);
		int overlay;

		if (lock < 0)
			fail_msg("%s", e.msg);
		overlay = overlay_reserve(&st, &s, &e);
		if (overlay < 0 || store_read(&st, s.name, &back, &e) < 0)
			fail_msg("%s", e.msg);
		assert_int_equal(back.state, SESSION_STARTING);
		/* Its good end: the overlay first, the record last. */
		assert_int_equal(overlay_remove(&st, &s, &e), 0);
		s.state = SESSION_ENDED;
		s.ended = clock_wall();
		s.ended_boot_ms = clock_boot_ms();
		assert_int_equal(store_write(&st, &s, &e), 0);
		close(overlay);
		close(lock);
	}
	close(pipes[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* ---- Several at once ---- */

enum { RACERS = 3, RACED = 60 };

struct score {
	size_t failed;
	size_t removed;
	size_t overlays;
};

static void __attribute__((noreturn)) race(int start, int answer)
{
	struct score score = { 0 };
	struct purge_result r;
	struct err e = ERR_INIT;
	char byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)!read(start, &byte, 1);
	if (housekeeping_purge(&st, &r, &e) < 0) {
		fprintf(stderr, "%s\n", e.msg);
		_exit(1);
	}
	score = (struct score){ r.failed, r.removed, r.overlays };
	_exit(write(answer, &score, sizeof(score)) == sizeof(score) ? 0 : 1);
}

/* RR15: timer, request and administrator purge the same sessions. */
static struct score run_race(void)
{
	struct score sum = { 0 };
	int start[2];
	int answer[2];
	pid_t pids[RACERS];

	assert_int_equal(pipe2(start, O_CLOEXEC), 0);
	assert_int_equal(pipe2(answer, O_CLOEXEC), 0);
	for (size_t i = 0; i < RACERS; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0) {
			close(start[1]);
			race(start[0], answer[1]);
		}
	}
	close(start[0]);
	close(start[1]); /* go */
	close(answer[1]);
	for (size_t i = 0; i < RACERS; i++) {
		struct score one;
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
		assert_int_equal(read(answer[0], &one, sizeof(one)),
				 sizeof(one));
		sum.failed += one.failed;
		sum.removed += one.removed;
		sum.overlays += one.overlays;
	}
	close(answer[0]);
	return sum;
}

static void three_purges_at_once_free_each_thing_once(void **state)
{
	int rounds = getenv("LONG") && *getenv("LONG") ? 200 : 10;

	(void)state;
	for (int round = 0; round < rounds; round++) {
		struct score sum;

		for (int i = 0; i < RACED; i++) {
			char name[SESSION_NAME_SIZE];
			struct session s;

			snprintf(name, sizeof(name), "svc-%020d", i);
			s = session_named(name, i % 2 ? SESSION_RUNNING :
							SESSION_ENDED);
			s.ended = i % 2 ? 0 : 1;
			s.ended_boot_ms = 1;
			/* As long ago as this boot is not old. */
			if (i % 2 == 0)
				snprintf(s.boot_id, sizeof(s.boot_id), "other");
			make_session(&s);
		}
		sum = run_race();
		assert_int_equal(sum.failed, RACED / 2);
		assert_int_equal(sum.removed, RACED / 2);
		assert_int_equal(sum.overlays, RACED);
		later = 2 * STORE_KEEP_ENDED_S; /* all are old now */
		for (int i = 1; i < RACED; i += 2) {
			char name[SESSION_NAME_SIZE];
			struct session s;
			struct err e = ERR_INIT;

			snprintf(name, sizeof(name), "svc-%020d", i);
			s = read_back(name);
			s.ended_boot_ms -= 2000LL * STORE_KEEP_ENDED_S;
			assert_int_equal(store_write(&st, &s, &e), 0);
		}
		sum = run_race();
		later = 0;
		assert_int_equal(sum.removed, RACED / 2);
		assert_int_equal(sum.failed + sum.overlays, 0);
	}
}

/* ---- What is in the way ---- */

/* P10, RR7: a record that cannot be replaced keeps nothing else from going. */
static void without_room_for_a_record_all_else_goes(void **state)
{
	struct session s = session_named(A, SESSION_RUNNING);
	struct purge_result r;
	struct err e = ERR_INIT;
	struct rlimit before;
	struct rlimit none;

	(void)state;
	make_session(&s);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	none = (struct rlimit){ 0, before.rlim_max };
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	assert_int_equal(housekeeping_purge(&st, &r, &e), -1);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(e.code, ERR_SYSTEM);
	assert_int_equal(r.overlays, 1);
	assert_false(exists(snapshots, A ".qcow2"));
	assert_false(exists(st.run, A));
	s = read_back(A); /* whole, as it was */
	assert_int_equal(s.state, SESSION_RUNNING);
	check_result(1, 0, 0, 0);
}

/* RR5: who cannot look does not take the living for dead. */
static void without_descriptors_nothing_is_thought_dead(void **state)
{
	struct session s = session_named(A, SESSION_RUNNING);
	struct session_list list;
	struct rlimit before;
	struct rlimit none;
	struct err e = ERR_INIT;
	int lock;

	(void)state;
	make_session(&s);
	lock = hold(A);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){ (rlim_t)lock + 1, before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_true(store_is_alive(&st, A));
	/* And who counts the living does not miss one: P18. */
	assert_int_equal(store_list_alive(&st, &list, &e), -1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(e.code, ERR_SYSTEM);
	close(lock);
}

static void records_that_were_set_aside_go_after_a_week(void **state)
{
	struct session s;
	struct err e = ERR_INIT;
	int fd;

	(void)state;
	fd = openat(st.dir, A ".json", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(store_read(&st, A, &s, &e), -1);
	assert_int_equal(e.code, ERR_DAMAGED);
	assert_true(exists(st.dir, "damaged/" A ".json"));
	assert_int_equal(mkdirat(st.dir, "damaged/" B ".json", 0700), 0);
	check_result(0, 0, 0, 0);
	later = STORE_KEEP_DAMAGED_S - 60;
	check_result(0, 0, 0, 0);
	later = STORE_KEEP_DAMAGED_S + 60;
	check_result(0, 0, 0, 2);
	later = 0;
	assert_false(exists(st.dir, "damaged/" A ".json"));
	assert_false(exists(st.dir, "damaged/" B ".json"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, open_store, close_store)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_session_without_owner_is_failed_and_its_things_go),
		T(a_session_of_another_boot_says_so),
		T(a_dead_session_is_in_the_history_once),
		T(a_history_that_cannot_be_written_keeps_nothing_alive),
		T(an_end_keeps_its_reason),
		T(a_session_that_ended_long_ago_is_forgotten),
		T(the_wall_clock_forgets_nobody),
		T(the_end_of_a_session_of_another_boot_is_told_by_the_wall_clock),
		T(a_session_whose_record_is_damaged_is_forgotten),
		T(a_lock_without_a_record_is_removed),
		T(records_and_sockets_without_a_lock_are_removed),
		T(stray_overlays_of_ours_are_removed),
		T(an_overlay_that_another_service_holds_stays),
		T(files_that_are_not_ours_stay),
		T(what_nobody_captures_any_more_is_removed),
		T(a_directory_under_a_disks_name_is_not_entered),
		T(a_linked_overlay_is_not_followed),
		T(links_in_a_dead_sessions_directory_are_not_followed),
		T(a_missing_dir_snapshots_is_nothing_to_do),
		T(the_living_are_not_touched),
		T(a_purge_harms_none_that_is_just_being_reserved),
		T(three_purges_at_once_free_each_thing_once),
		T(without_room_for_a_record_all_else_goes),
		T(without_descriptors_nothing_is_thought_dead),
		T(records_that_were_set_aside_go_after_a_week),
	};

	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
