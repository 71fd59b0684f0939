/* src/session/history: what is told of sessions that have ended. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/text.h"
#include "scratch.h"
#include "session/history.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/json.h"

static struct config config;
static char path[4200];
static int serial;

static void set(const char *name, const char *value)
{
	struct err e = ERR_INIT;

	if (config_set(&config, name, value, &e) < 0)
		fail_msg("%s", e.msg);
}

static int set_up(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	if (config_init(&config, &e) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/history%d", scratch_path, serial++);
	set("dir_history", path);
	set("history_size", "1");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	config_release(&config);
	return 0;
}

static struct session ended(const char *name)
{
	struct session s = {
		.user = "J\303\274rg",
		.machine = "debian 12.qcow2",
		.token = "abcdefghijklmnopqrstuvwxyz234567",
		.email = "secret@lab.example",
		.cpu = 2,
		.memory_mb = 4096,
		.state = SESSION_ENDED,
		.step = STEP_GUEST,
		.reason = "Stopped by \"ann\" \\ now.",
		.started = 1795449775,
		.started_boot_ms = 5000,
		.ended = 1795449776, /* the clock was set back meanwhile */
		.ended_boot_ms = 3605999,
	};

	snprintf(s.name, sizeof(s.name), "%s", name);
	return s;
}

static void append(const char *name)
{
	struct session s = ended(name);
	struct err e = ERR_INIT;

	if (history_append(&config, &s, &e) < 0)
		fail_msg("%s", e.msg);
}

static void put(const char *file, const char *text, size_t len)
{
	AUTO_FREE char *place = file_join(path, file);
	AUTO_CLOSE int fd = open(place, O_WRONLY | O_CREAT | O_APPEND, 0600);

	assert_true(fd >= 0);
	assert_int_equal(file_write_all(fd, text, len), 0);
}

static off_t size_of(const char *file)
{
	AUTO_FREE char *place = file_join(path, file);
	struct stat st;

	return lstat(place, &st) < 0 ? -1 : st.st_size;
}

/* All that was read. */
struct found {
	struct history_line lines[200];
	size_t count;
	size_t damaged;
};

static int keep(const struct history_line *line, void *arg, struct err *e)
{
	struct found *f = arg;

	if (f->count == ARRAY_LEN(f->lines))
		return err_set(e, ERR_SYSTEM, "too many");
	f->lines[f->count++] = *line;
	return 0;
}

static struct found *read_all(void)
{
	static struct found f;
	struct err e = ERR_INIT;

	memset(&f, 0, sizeof(f));
	if (history_read(&config, keep, &f, &f.damaged, &e) < 0)
		fail_msg("%s", e.msg);
	return &f;
}

static void what_is_appended_is_read(void **state)
{
	const struct found *f;
	struct stat st;

	(void)state;
	append("svc-a");
	append("svc-b");
	f = read_all();
	assert_int_equal(f->count, 2);
	assert_int_equal(f->damaged, 0);
	assert_string_equal(f->lines[0].session, "svc-a");
	assert_string_equal(f->lines[1].session, "svc-b");
	assert_string_equal(f->lines[0].user, "J\303\274rg");
	assert_string_equal(f->lines[0].machine, "debian 12.qcow2");
	assert_string_equal(f->lines[0].state, "ended");
	assert_string_equal(f->lines[0].reason, "Stopped by \"ann\" \\ now.");
	assert_int_equal(f->lines[0].cpu, 2);
	assert_int_equal(f->lines[0].memory_mb, 4096);
	assert_int_equal(f->lines[0].started, 1795449775);
	assert_int_equal(f->lines[0].ended, 1795449776);
	/* by the boot clock, whatever the wall clock was made to show */
	assert_int_equal(f->lines[0].seconds, 3600);
	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

static void a_line_is_one_json_object_without_secrets(void **state)
{
	AUTO_BUF struct buf text = BUF_INIT(HISTORY_LINE_MAX);
	AUTO_JSON json_t *object = NULL;
	AUTO_FREE char *place = file_join(path, "history");
	struct err e = ERR_INIT;

	(void)state;
	append("svc-a");
	assert_int_equal(file_read(AT_FDCWD, place, false, &text, &e), 0);
	assert_int_equal(text.data[text.len - 1], '\n');
	assert_ptr_equal(strchr(text.data, '\n'), text.data + text.len - 1);
	assert_null(strstr(text.data, "abcdefghijklmnopqrstuvwxyz"));
	assert_null(strstr(text.data, "secret"));
	object = json_parse_object(text.data, text.len - 1, &e);
	assert_non_null(object);
	assert_int_equal(json_object_size(object), 14);
}

static void no_history_is_an_empty_one(void **state)
{
	(void)state;
	assert_int_equal(read_all()->count, 0);
	assert_int_equal(size_of("."), -1);
}

static void a_line_of_the_greatest_length_is_kept(void **state)
{
	struct session s = ended("n");
	const struct found *f;
	struct err e = ERR_INIT;

	(void)state;
	memset(s.name, 'n', sizeof(s.name) - 1);
	memset(s.user, '\001', sizeof(s.user) - 1); /* six bytes in JSON */
	memset(s.machine, 'm', sizeof(s.machine) - 1);
	memset(s.reason, '\001', sizeof(s.reason) - 1);
	s.job = 2147483647;
	memset(s.account, 'a', sizeof(s.account) - 1);
	memset(s.partition, 'p', sizeof(s.partition) - 1);
	memset(s.qos, 'q', sizeof(s.qos) - 1);
	assert_int_equal(history_append(&config, &s, &e), 0);
	f = read_all();
	assert_int_equal(f->count, 1);
	assert_int_equal(strlen(f->lines[0].reason), sizeof(s.reason) - 1);
}

static void of_two_lines_of_a_session_the_first_counts(void **state)
{
	struct session s = ended("svc-a");
	const struct found *f;
	struct err e = ERR_INIT;

	(void)state;
	append("svc-a");
	snprintf(s.reason, sizeof(s.reason), "The process has died.");
	assert_int_equal(history_append(&config, &s, &e), 0);
	append("svc-b");
	f = read_all();
	assert_int_equal(f->count, 2);
	assert_string_equal(f->lines[0].reason, "Stopped by \"ann\" \\ now.");
	assert_string_equal(f->lines[1].session, "svc-b");
}

static void after_a_restart_of_the_host_the_wall_clock_counts(void **state)
{
	struct session s = ended("svc-a");
	struct err e = ERR_INIT;

	(void)state;
	s.started_boot_ms = 0;
	s.ended = s.started + 77;
	assert_int_equal(history_append(&config, &s, &e), 0);
	s.ended = s.started - 77;
	snprintf(s.name, sizeof(s.name), "svc-b");
	assert_int_equal(history_append(&config, &s, &e), 0);
	assert_int_equal(read_all()->lines[0].seconds, 77);
	assert_int_equal(read_all()->lines[1].seconds, 0);
}

/* So that a facility can write bills. */
static void what_a_job_counts_for_is_told(void **state)
{
	struct session s = ended("svc-b");
	const struct found *f;
	struct err e = ERR_INIT;

	(void)state;
	append("svc-a");
	s.job = 4711;
	snprintf(s.account, sizeof(s.account), "beamline");
	snprintf(s.partition, sizeof(s.partition), "gpu-desktops");
	snprintf(s.qos, sizeof(s.qos), "high");
	assert_int_equal(history_append(&config, &s, &e), 0);
	f = read_all();
	assert_int_equal(f->count, 2);
	assert_int_equal(f->lines[0].job, 0);
	assert_string_equal(f->lines[0].account, "");
	assert_int_equal(f->lines[1].job, 4711);
	assert_string_equal(f->lines[1].account, "beamline");
	assert_string_equal(f->lines[1].partition, "gpu-desktops");
	assert_string_equal(f->lines[1].qos, "high");
}

static void a_line_from_before_there_were_accounts_is_read(void **state)
{
	static const char old[] =
		"{\"session\":\"svc-old\",\"user\":\"b\",\"machine\":\"c\","
		"\"cpu\":1,\"memory_mb\":1,\"started\":"
		"\"2026-11-25T00:00:00Z\",\"ended\":\"2026-11-25T00:00:09Z\","
		"\"seconds\":9,\"state\":\"ended\",\"reason\":\"\"}\n";
	const struct found *f;

	(void)state;
	append("svc-a");
	put("history", old, sizeof(old) - 1);
	f = read_all();
	assert_int_equal(f->damaged, 0);
	assert_int_equal(f->count, 2);
	assert_int_equal(f->lines[1].seconds, 9);
	assert_string_equal(f->lines[1].account, "");
}

/* It had no core for a second. */
static void what_only_waited_counts_no_time(void **state)
{
	struct session s = ended("svc-a");
	struct err e = ERR_INIT;

	(void)state;
	s.step = STEP_ACCEPTED;
	assert_int_equal(history_append(&config, &s, &e), 0);
	assert_int_equal(read_all()->count, 1);
	assert_int_equal(read_all()->lines[0].seconds, 0);
}

/* ---- Damage ---- */

static void a_line_that_was_cut_off_spoils_no_other(void **state)
{
	static const char cut[] = "{\"session\":\"svc-cut\",\"us";
	const struct found *f;

	(void)state;
	append("svc-a");
	put("history", cut, sizeof(cut) - 1);
	append("svc-b");
	f = read_all();
	assert_int_equal(f->count, 2);
	assert_int_equal(f->damaged, 1);
	assert_string_equal(f->lines[1].session, "svc-b");
}

static void lines_that_are_none_are_counted(void **state)
{
	static const char *const wrong[] = {
		"",
		"null",
		"[]",
		"{}",
		"{\"session\":1}",
		"\377\376",
		"{\"session\":\"a\",\"user\":\"b\",\"machine\":\"c\",\"cpu\":1,"
		"\"memory_mb\":1,\"started\":\"yesterday\",\"ended\":"
		"\"2026-11-25T00:00:00Z\",\"seconds\":1,\"state\":\"ended\","
		"\"reason\":\"\"}",
		"{\"session\":\"a\",\"user\":\"b\",\"machine\":\"c\",\"cpu\":-1,"
		"\"memory_mb\":1,\"started\":\"2026-11-25T00:00:00Z\","
		"\"ended\":\"2026-11-25T00:00:00Z\",\"seconds\":1,\"state\":"
		"\"ended\",\"reason\":\"\"}",
	};

	(void)state;
	append("svc-a");
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		put("history", wrong[i], strlen(wrong[i]));
		put("history", "\n", 1);
	}
	append("svc-b");
	assert_int_equal(read_all()->count, 2);
	assert_int_equal(read_all()->damaged, ARRAY_LEN(wrong));
}

static void where_there_is_no_room_nothing_of_the_line_is_left(void **state)
{
	off_t before;
	int status = -1;
	pid_t pid;

	(void)state;
	append("svc-a");
	before = size_of("history");
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct rlimit limit = { (rlim_t)before + 50,
					(rlim_t)before + 50 };
		struct session s = ended("svc-b");
		struct err e = ERR_INIT;

		(void)signal(SIGXFSZ, SIG_IGN);
		if (setrlimit(RLIMIT_FSIZE, &limit) < 0 ||
		    history_append(&config, &s, &e) == 0)
			_exit(1);
		_exit(e.code == ERR_SYSTEM && e.sys == EFBIG ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(size_of("history"), before);
	append("svc-c");
	assert_int_equal(read_all()->count, 2);
	assert_int_equal(read_all()->damaged, 0);
}

static void a_directory_that_others_may_enter_is_refused(void **state)
{
	struct session s = ended("svc-a");
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(history_append(&config, &s, &e), -1);
	assert_int_equal(e.code, ERR_DAMAGED);
	assert_true(text_starts(e.msg, "dir_history: "));
	assert_int_equal(size_of("history"), -1);
}

static void a_link_in_the_historys_place_is_not_followed(void **state)
{
	AUTO_FREE char *target = file_join(scratch_path, "target");
	AUTO_FREE char *place = file_join(path, "history");
	struct session s = ended("svc-a");
	struct err e = ERR_INIT;

	(void)state;
	append("svc-a");
	assert_int_equal(unlink(place), 0);
	assert_int_equal(symlink(target, place), 0);
	assert_int_equal(history_append(&config, &s, &e), -1);
	assert_int_equal(e.code, ERR_DAMAGED);
	assert_int_equal(access(target, F_OK), -1);
}

static void a_fifo_in_the_historys_place_hangs_nobody(void **state)
{
	AUTO_FREE char *place = file_join(path, "history");
	struct session s = ended("svc-a");
	struct err e = ERR_INIT;
	size_t damaged;

	(void)state;
	append("svc-a");
	assert_int_equal(unlink(place), 0);
	assert_int_equal(mkfifo(place, 0600), 0);
	assert_int_equal(history_append(&config, &s, &e), -1);
	assert_int_equal(e.code, ERR_DAMAGED);
	assert_string_equal(e.msg,
			    "dir_history: history is no regular file");
	e = (struct err)ERR_INIT;
	assert_int_equal(history_read(&config, keep, NULL, &damaged, &e), -1);
	assert_int_equal(e.code, ERR_DAMAGED);
	assert_string_equal(e.msg,
			    "dir_history: history is no regular file");
}

/* ---- Size ---- */

static void at_its_size_it_is_kept_once_more(void **state)
{
	AUTO_FREE char *old = file_join(path, "history.1");
	enum { MB = 1 << 20 };
	AUTO_FREE char *filling = calloc(1, MB);
	const struct found *f;
	off_t line;

	(void)state;
	append("svc-a");
	line = size_of("history");
	memset(filling, '\n', MB);
	/* One line more fits exactly. */
	put("history", filling, (size_t)(MB - 2 * line));
	append("svc-b");
	assert_int_equal(size_of("history"), MB);
	assert_int_equal(size_of("history.1"), -1);
	append("svc-c");
	assert_int_equal(size_of("history.1"), MB);
	assert_int_equal(size_of("history"), line);
	f = read_all();
	assert_int_equal(f->count, 3);
	assert_string_equal(f->lines[0].session, "svc-a");
	assert_string_equal(f->lines[2].session, "svc-c");
	/* What is older than that is forgotten. */
	put("history", filling, MB);
	append("svc-d");
	f = read_all();
	assert_int_equal(f->count, 2);
	assert_string_equal(f->lines[0].session, "svc-c");
	assert_int_equal(access(old, F_OK), 0);
}

static void many_at_once_lose_and_mix_no_line(void **state)
{
	enum { WRITERS = 8, EACH = 20 };
	pid_t pids[WRITERS];

	(void)state;
	append("svc-first");
	for (int w = 0; w < WRITERS; w++) {
		pids[w] = fork();
		assert_true(pids[w] >= 0);
		if (pids[w] != 0)
			continue;
		for (int i = 0; i < EACH; i++) {
			char name[32];
			struct session s;
			struct err e = ERR_INIT;

			snprintf(name, sizeof(name), "svc-%d-%d", w, i);
			s = ended(name);
			if (history_append(&config, &s, &e) < 0)
				_exit(1);
		}
		_exit(0);
	}
	for (int w = 0; w < WRITERS; w++) {
		int status = -1;

		assert_int_equal(waitpid(pids[w], &status, 0), pids[w]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(read_all()->count, 1 + WRITERS * EACH);
	assert_int_equal(read_all()->damaged, 0);
}

static int hold_lock(void)
{
	AUTO_FREE char *place = file_join(path, "lock");
	int fd = open(place, O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	return fd;
}

static void a_lock_that_stays_anothers_is_given_up(void **state)
{
	struct session s = ended("svc-b");
	struct err e = ERR_INIT;
	off_t before;
	int lock;

	(void)state;
	append("svc-a");
	before = size_of("history");
	lock = hold_lock();
	assert_int_equal(history_append(&config, &s, &e), -1);
	assert_int_equal(e.code, ERR_TIMEOUT);
	assert_string_equal(e.msg, "dir_history: another process holds its "
				   "lock");
	assert_int_equal(size_of("history"), before);
	close(lock);
	append("svc-c");
	assert_int_equal(read_all()->count, 2);
}

static void a_lock_that_becomes_free_is_waited_for(void **state)
{
	int lock;
	pid_t pid;
	int status = -1;

	(void)state;
	append("svc-a");
	lock = hold_lock();
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) { /* it holds the lock as well, and then only it */
		(void)!poll(NULL, 0, 100);
		_exit(0);
	}
	close(lock);
	append("svc-b");
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(read_all()->count, 2);
}

/* As when hundreds of sessions end at once, and the disk is slow. */
static void who_waits_while_others_write_has_his_turn(void **state)
{
	long long end = clock_boot_ms() + HISTORY_WAIT_MS + 500;
	AUTO_CLOSE int fd = -1;
	char place[sizeof(path) + 16];
	int status = -1;
	int lock;
	pid_t pid;

	(void)state;
	append("svc-a");
	/* Nothing that the child would have to release. */
	snprintf(place, sizeof(place), "%s/history", path);
	fd = open(place, O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_true(fd >= 0);
	lock = hold_lock();
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		while (clock_boot_ms() < end) {
			if (write(fd, "\n", 1) != 1)
				_exit(1);
			(void)!poll(NULL, 0, 50);
		}
		_exit(0);
	}
	close(lock);
	append("svc-b");
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(read_all()->count, 2);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_is_appended_is_read),
		T(a_line_is_one_json_object_without_secrets),
		T(no_history_is_an_empty_one),
		T(a_line_of_the_greatest_length_is_kept),
		T(of_two_lines_of_a_session_the_first_counts),
		T(after_a_restart_of_the_host_the_wall_clock_counts),
		T(what_a_job_counts_for_is_told),
		T(a_line_from_before_there_were_accounts_is_read),
		T(what_only_waited_counts_no_time),
		T(a_line_that_was_cut_off_spoils_no_other),
		T(lines_that_are_none_are_counted),
		T(where_there_is_no_room_nothing_of_the_line_is_left),
		T(a_directory_that_others_may_enter_is_refused),
		T(a_link_in_the_historys_place_is_not_followed),
		T(a_fifo_in_the_historys_place_hangs_nobody),
		T(at_its_size_it_is_kept_once_more),
		T(many_at_once_lose_and_mix_no_line),
		T(a_lock_that_stays_anothers_is_given_up),
		T(a_lock_that_becomes_free_is_waited_for),
		T(who_waits_while_others_write_has_his_turn),
	};

	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
