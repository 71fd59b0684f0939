/* src/session/admission: who gets a place, and that nobody else does. */
#include <dirent.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/text.h"
#include "scratch.h"
#include "session/admission.h"
#include "session/port.h"
#include "sys/clock.h"
#include "sys/file.h"

static struct config config;
static struct store st = STORE_INIT;
static int serial;

static void set(const char *name, const char *value)
{
	struct err e = ERR_INIT;

	if (config_set(&config, name, value, &e) < 0)
		fail_msg("%s", e.msg);
}

/* A store in which nothing but what a test says is a limit. */
static int open_store(void **state)
{
	char path[4200];
	struct err e = ERR_INIT;

	(void)state;
	if (config_init(&config, &e) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/store%d", scratch_path, serial++);
	set("dir_cfg", path);
	set("service", "svc");
	set("service_max_load", "1000");
	set("service_max_instance_nb", "100000");
	set("service_max_session_nb_per_user", "100000");
	set("service_max_cpu_fraction_nb_per_user", "100");
	set("service_max_mem_fraction_nb_per_user", "1");
	set("snapshot_reserve_disk", "0");
	set("dir_snapshots", scratch_path);
	return store_open(&config, &st, &e);
}

static int close_store(void **state)
{
	(void)state;
	store_release(&st);
	config_release(&config);
	return 0;
}

static struct session wish_of(const char *user)
{
	struct session s = { .machine = "tiny.iso", .format = "raw",
			     .cpu = 1, .memory_mb = 1 };

	snprintf(s.user, sizeof(s.user), "%s", user);
	return s;
}

static int reserve(struct session *s, long long lifetime_s)
{
	struct err e = ERR_INIT;
	int lock = admission_reserve(&st, s, lifetime_s, &e);

	if (lock < 0)
		fail_msg("%s", e.msg);
	return lock;
}

static void check_busy(const struct session *wish, const char *message)
{
	struct session s = *wish;
	struct err e = ERR_INIT;

	assert_int_equal(admission_reserve(&st, &s, 0, &e), -1);
	assert_int_equal(e.code, ERR_BUSY);
	assert_true(e.retry_after >= 60 && e.retry_after <= 86400);
	if (!strstr(e.msg, message))
		fail_msg("'%s' does not say '%s'", e.msg, message);
}

/* How many entries a directory has, "." and ".." not counted. */
static size_t entries(int dirfd)
{
	DIR *dir = fdopendir(openat(dirfd, ".", O_RDONLY | O_CLOEXEC));
	size_t n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2;
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

		set("snapshot_alloc_cpu", table[i].cpu);
		set("snapshot_alloc_mem", table[i].memory);
		set("service_max_cpu_fraction_nb_per_user", table[i].cpu_share);
		set("service_max_mem_fraction_nb_per_user",
		    table[i].memory_share);
		limits_of(&config, &host, &l);
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
	struct session s = wish_of("ann");
	struct session back;
	struct err e = ERR_INIT;
	char boot_id[CLOCK_BOOT_ID_SIZE];
	long long wall = clock_wall();
	long long boot = clock_boot_ms();
	int lock = reserve(&s, 3600);

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
	assert_true(store_is_alive(&st, s.name));
	assert_int_equal(store_read_true(&st, s.name, &back, &e), 0);
	assert_int_equal(back.state, SESSION_STARTING);
	assert_string_equal(back.token, s.token);
	assert_string_equal(back.user, "ann");
	close(lock);
	assert_false(store_is_alive(&st, s.name));
}

static void a_session_may_have_no_end(void **state)
{
	struct session s = wish_of("ann");

	(void)state;
	s.ends = s.ends_boot_ms = 7;
	close(reserve(&s, 0));
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
		struct session s = wish_of("ann");

		close(reserve(&s, 0));
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
	set("service_max_instance_nb", "3");
	for (int i = 0; i < 3; i++) {
		s[i] = wish_of(i ? "ann" : "bob");
		locks[i] = reserve(&s[i], 0);
	}
	s[2] = wish_of("carl");
	check_busy(&s[2], "All 3 places on this server are taken.");
	/* A place that becomes free is given again: no owner, no session. */
	close(locks[1]);
	locks[1] = reserve(&s[2], 0);
	check_busy(&s[2], "All 3 places on this server are taken.");
	for (int i = 0; i < 3; i++)
		close(locks[i]);
}

static void an_ended_session_takes_no_place(void **state)
{
	struct session s = wish_of("ann");
	struct err e = ERR_INIT;
	int lock;
	int more;

	(void)state;
	set("service_max_instance_nb", "1");
	lock = reserve(&s, 0);
	s.state = SESSION_STOPPING;
	assert_int_equal(store_write(&st, &s, &e), 0);
	check_busy(&s, "All 1 places");
	s.state = SESSION_ENDED;
	assert_int_equal(store_write(&st, &s, &e), 0);
	/* although its owner has not gone yet */
	more = reserve(&s, 0);
	close(more);
	close(lock);
}

static void sessions_of_one_user_are_a_limit(void **state)
{
	static const char *const others[] = { "an", "anna", "Ann", "a.n" };
	struct session s = wish_of("ann");
	int locks[2 + ARRAY_LEN(others)];
	size_t n = 0;

	(void)state;
	set("service_max_session_nb_per_user", "2");
	locks[n++] = reserve(&s, 0);
	locks[n++] = reserve(&s, 0);
	check_busy(&s, "You have 2 of at most 2 sessions. Stop one that you no "
		       "longer need.");
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		struct session other = wish_of(others[i]);

		locks[n++] = reserve(&other, 0);
	}
	for (size_t i = 0; i < n; i++)
		close(locks[i]);
}

static void what_a_user_has_on_other_hosts_counts_as_well(void **state)
{
	static const struct elsewhere more = { .sessions = 2 };
	struct session s = wish_of("ann");
	struct err e = ERR_INIT;

	(void)state;
	set("service_max_session_nb_per_user", "2");
	assert_int_equal(admission_reserve_with(&st, &s, 0, &more, &e), -1);
	assert_int_equal(e.code, ERR_BUSY);
	assert_non_null(strstr(e.msg, "You have 2 of at most 2 sessions"));
	assert_false(e.elsewhere);
	close(reserve(&s, 0));
}

static void what_this_host_has_no_room_for_another_may_have(void **state)
{
	struct session s = wish_of("ann");
	struct session other = wish_of("bob");
	struct err e = ERR_INIT;
	struct room room;
	int lock;

	(void)state;
	set("service_max_instance_nb", "1");
	assert_int_equal(admission_check(&st, &s, &e), 0);
	assert_int_equal(admission_room(&st, "ann", &room, &e), 0);
	assert_int_equal(room.sessions, 1);
	assert_int_equal(room.user.sessions, 0);
	lock = reserve(&s, 0);
	assert_int_equal(admission_check(&st, &other, &e), -1);
	assert_int_equal(e.code, ERR_BUSY);
	assert_true(e.elsewhere);
	assert_int_equal(admission_room(&st, "ann", &room, &e), 0);
	assert_int_equal(room.sessions, 0);
	assert_int_equal(room.user.sessions, 1);
	assert_int_equal(room.user.cpu, 1);
	assert_int_equal(room.user.memory_mb, 1);
	close(lock);
}

static void cores_of_one_user_are_a_limit(void **state)
{
	struct session s = wish_of("ann");
	struct session other = wish_of("bob");
	int lock;

	(void)state;
	set("service_max_cpu_fraction_nb_per_user", "0.001");
	set("snapshot_alloc_cpu", "1");
	s.cpu = 2;
	check_busy(&s, "Your sessions use 0 of at most 1 cores. Ask for fewer, "
		       "or stop a session.");
	s.cpu = 1;
	lock = reserve(&s, 0);
	check_busy(&s, "Your sessions use 1 of at most 1 cores.");
	close(reserve(&other, 0));
	close(lock);
}

static void memory_of_one_user_is_a_limit(void **state)
{
	struct session s = wish_of("ann");
	struct hostload host;
	struct limits l;
	struct err e = ERR_INIT;
	char message[128];
	int lock;

	(void)state;
	/* A small share, so that the host has that much in any case. */
	set("service_max_mem_fraction_nb_per_user", "0.001");
	set("snapshot_alloc_mem", "0.1");
	assert_int_equal(hostload_read(&host, &e), 0);
	limits_of(&config, &host, &l);
	s.memory_mb = l.user_memory_mb - 22;
	lock = reserve(&s, 0);
	s.memory_mb = 22;
	close(reserve(&s, 0));
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
	struct session ann = wish_of("ann");
	struct session bob = wish_of("bob");
	struct hostload host;
	struct err e = ERR_INIT;
	int lock;

	(void)state;
	assert_int_equal(hostload_read(&host, &e), 0);
	/* What is promised to a session that does not run yet counts. */
	ann.memory_mb = bob.memory_mb = host.memory_available_mb * 6 / 10;
	lock = reserve(&ann, 0);
	check_busy(&bob, "MB of memory left, and the machine needs");
	/* Also to one that runs and has not touched it. */
	ann.state = SESSION_RUNNING;
	ann.touched_mb = ann.memory_mb / 10;
	assert_int_equal(store_write(&st, &ann, &e), 0);
	check_busy(&bob, "MB of memory left, and the machine needs");
	/* What it uses has been taken from the host already. */
	ann.touched_mb = ann.memory_mb;
	assert_int_equal(store_write(&st, &ann, &e), 0);
	close(reserve(&bob, 0));
	/* QEMU's own memory gives nothing back to others. */
	ann.touched_mb = ann.memory_mb * 3;
	assert_int_equal(store_write(&st, &ann, &e), 0);
	close(reserve(&bob, 0));
	close(lock);
	bob.memory_mb = host.memory_mb;
	check_busy(&bob, "This server has ");
}

static void the_hosts_load_is_a_limit(void **state)
{
	struct session s = wish_of("ann");
	struct hostload host;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(hostload_read(&host, &e), 0);
	if (host.load_milli < 10)
		skip(); /* an idle host */
	set("service_max_load", "0");
	check_busy(&s, "This server is busy: its load is");
}

static void cores_of_sessions_younger_than_the_load_are_a_limit(void **state)
{
	struct session ann = wish_of("ann");
	struct session bob = wish_of("bob");
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
	set("service_max_load", load);
	ann.cpu = each * host.cpus + 1;
	check_busy(&ann, "cores are free, and the machine needs");
	ann.cpu = 1;
	lock = reserve(&ann, 0);
	ann.cpu = each * host.cpus; /* promised a moment ago */
	assert_int_equal(store_write(&st, &ann, &e), 0);
	check_busy(&bob, "This server is busy: 0 of its");
	/* After a minute the load average has it. */
	ann.started_boot_ms -= 60000;
	assert_int_equal(store_write(&st, &ann, &e), 0);
	close(reserve(&bob, 0));
	close(lock);
}

static void disk_for_overlays_is_a_limit(void **state)
{
	struct session ann = wish_of("ann");
	struct session bob = wish_of("bob");
	struct err e = ERR_INIT;
	long long free_mb;
	char gb[32];
	int lock;

	(void)state;
	assert_int_equal(hostload_disk_free_mb(scratch_path, &free_mb, &e), 0);
	/* Six tenths of what is free: enough for one, not for two. */
	snprintf(gb, sizeof(gb), "%.3f", (double)free_mb * 0.6 / 1024);
	set("snapshot_reserve_disk", gb);
	lock = reserve(&ann, 0);
	check_busy(&bob, "MB of disk left for machines, and");
	/* An empty disk beside an ISO cannot grow past its size. */
	bob.iso = true;
	bob.disk_mb = 1;
	close(reserve(&bob, 0));
	close(lock);
	snprintf(gb, sizeof(gb), "%.3f", (double)free_mb * 2 / 1024);
	set("snapshot_reserve_disk", gb);
	bob.iso = false;
	check_busy(&bob, "This server has ");
	set("snapshot_reserve_disk", "0");
	close(reserve(&bob, 0));
}

static void what_an_overlay_has_written_is_not_counted_twice(void **state)
{
	struct session ann = wish_of("ann");
	struct session bob = wish_of("bob");
	struct err e = ERR_INIT;
	char path[4200];
	long long free_mb;
	char gb[32];
	int lock;
	int fd;

	(void)state;
	assert_int_equal(hostload_disk_free_mb(scratch_path, &free_mb, &e), 0);
	snprintf(gb, sizeof(gb), "%.3f", ((double)free_mb - 32) / 2048);
	set("snapshot_reserve_disk", gb);
	lock = reserve(&ann, 0);
	snprintf(path, sizeof(path), "%s/%s.qcow2", scratch_path, ann.name);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
	/* What is written is gone from the free space, and from the claim. */
	assert_int_equal(posix_fallocate(fd, 0, 64 << 20), 0);
	close(reserve(&bob, 0));
	close(fd);
	unlink(path);
	close(lock);
}

static void a_refusal_says_when_the_next_session_ends(void **state)
{
	struct session soon = wish_of("ann");
	struct session later = wish_of("bob");
	struct session wish = wish_of("bob");
	struct err e = ERR_INIT;
	int locks[2];

	(void)state;
	set("service_max_instance_nb", "2");
	locks[0] = reserve(&soon, 1830);
	locks[1] = reserve(&later, 7230);
	check_busy(&wish, "Try again later. The next session ends in 30 min.");
	assert_int_equal(admission_reserve(&st, &wish, 0, &e), -1);
	assert_in_range(e.retry_after, 1700, 1830);
	/* To a user who has too many, that is one of the user's own. */
	set("service_max_session_nb_per_user", "1");
	check_busy(&wish, "no longer need. Your session ends in 2 h 0 min.");
	assert_int_equal(admission_reserve(&st, &wish, 0, &e), -1);
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
	set("service_max_instance_nb", "1");
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct session s = wish_of("ann");
		struct session more = wish_of("bob");
		struct err e = ERR_INIT;
		int lock = reserve(&s, table[i].lifetime_s);

		assert_int_equal(admission_reserve(&st, &more, 0, &e), -1);
		assert_int_equal(e.code, ERR_BUSY);
		assert_in_range(e.retry_after, table[i].min, table[i].max);
		close(lock);
	}
}

static void a_refusal_leaves_nothing_behind(void **state)
{
	struct session s = wish_of("ann");
	struct session wish = wish_of("bob");
	int lock;
	size_t files;
	size_t locks;

	(void)state;
	set("service_max_instance_nb", "1");
	lock = reserve(&s, 0);
	files = entries(st.dir);
	locks = entries(st.locks);
	assert_int_equal(locks, 1);
	for (int i = 0; i < 20; i++)
		check_busy(&wish, "All 1 places");
	assert_int_equal(entries(st.dir), files);
	assert_int_equal(entries(st.locks), locks);
	assert_int_equal(entries(st.run), 0);
	close(lock);
}

static void a_record_that_cannot_be_written_leaves_nothing_behind(void **state)
{
	struct session s = wish_of("ann");
	struct err e = ERR_INIT;
	size_t files;

	(void)state;
	close(reserve(&s, 0));
	files = entries(st.dir);
	snprintf(s.title, sizeof(s.title), "\303"); /* no JSON can hold it */
	assert_int_equal(admission_reserve(&st, &s, 0, &e), -1);
	assert_int_equal(e.code, ERR_SYSTEM);
	assert_int_equal(entries(st.dir), files);
	assert_int_equal(entries(st.locks), 1);
}

static void a_damaged_record_does_not_keep_others_out(void **state)
{
	struct session s = wish_of("ann");
	int fd = openat(st.dir, "svc-damaged.json", O_WRONLY | O_CREAT, 0600);

	(void)state;
	close(fd);
	close(reserve(&s, 0));
}

/* ---- All at once ---- */

enum { CROWD = 50, CROWD_LONG = 500, CROWD_OF_CARDS = 12 };

static bool is_long(void)
{
	const char *text = getenv("LONG");

	return text && *text;
}

/* Those who ask at the same time, each a process. */
struct crowd {
	int start[2];
	int answer[2];
	int end[2];
	size_t count;
	pid_t pids[CROWD_LONG];
	size_t admitted; /* once they have asked */
	size_t refused;
};

/* One of the crowd: starts with the others, holds its place to the end. */
static void __attribute__((noreturn)) ask_in_crowd(const struct crowd *c,
						   const struct session *wish)
{
	struct session s = *wish;
	struct err e = ERR_INIT;
	char byte;
	int lock;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(c->start[1]);
	close(c->end[1]);
	(void)!read(c->start[0], &byte, 1);
	lock = admission_reserve(&st, &s, 0, &e);
	byte = lock >= 0 ? 'y' : e.code == ERR_BUSY ? 'n' : '?';
	if (write(c->answer[1], &byte, 1) != 1)
		_exit(1);
	(void)!read(c->end[0], &byte, 1);
	_exit(0);
}

static void crowd_open(struct crowd *c)
{
	*c = (struct crowd){ .count = 0 };
	assert_int_equal(pipe2(c->start, O_CLOEXEC), 0);
	assert_int_equal(pipe2(c->answer, O_CLOEXEC), 0);
	assert_int_equal(pipe2(c->end, O_CLOEXEC), 0);
}

static void crowd_add(struct crowd *c, const struct session *wish)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		ask_in_crowd(c, wish);
	assert_true(c->count < ARRAY_LEN(c->pids));
	c->pids[c->count++] = pid;
}

/* All ask, and *all is what the store holds then. */
static void crowd_ask(struct crowd *c, struct session_list *all)
{
	struct err e = ERR_INIT;

	close(c->start[1]); /* go */
	close(c->answer[1]);
	for (size_t i = 0; i < c->count; i++) {
		char byte = 0;

		assert_int_equal(read(c->answer[0], &byte, 1), 1);
		c->admitted += byte == 'y';
		c->refused += byte == 'n';
	}
	assert_int_equal(store_list(&st, NULL, all, &e), 0);
	close(c->end[1]);
	for (size_t i = 0; i < c->count; i++)
		assert_int_equal(waitpid(c->pids[i], NULL, 0), c->pids[i]);
	close(c->start[0]);
	close(c->answer[0]);
	close(c->end[0]);
}

static void check_crowd(size_t size, size_t limit)
{
	AUTO_SESSION_LIST struct session_list all = { 0 };
	static struct crowd c;
	char text[32];

	snprintf(text, sizeof(text), "%zu", limit);
	set("service_max_instance_nb", text);
	crowd_open(&c);
	for (size_t i = 0; i < size; i++) {
		struct session wish;

		/* Each of them without a limit of its own. */
		snprintf(text, sizeof(text), "user%zu", i);
		wish = wish_of(text);
		crowd_add(&c, &wish);
	}
	crowd_ask(&c, &all);
	assert_int_equal(c.admitted, limit);
	assert_int_equal(c.refused, size - limit);
	assert_int_equal(all.count, limit);
	for (size_t i = 0; i < all.count; i++)
		assert_int_equal(all.list[i].state, SESSION_STARTING);
	assert_int_equal(entries(st.locks), limit);
}

/* RR1, P18 */
static void a_crowd_gets_no_place_more_than_there_are(void **state)
{
	static const size_t limits[] = { 1, 10, 49, 50 };

	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		check_crowd(CROWD, limits[i]);
		/* from an empty store again */
		close_store(state);
		assert_int_equal(open_store(state), 0);
	}
}

/* RR1, P18: five hundred, three times for each limit. */
static void a_great_crowd_gets_no_place_more_than_there_are(void **state)
{
	static const size_t limits[] = { 10, 50, 499, 500 };

	if (!is_long())
		skip();
	for (size_t i = 0; i < 3 * ARRAY_LEN(limits); i++) {
		check_crowd(CROWD_LONG, limits[i % ARRAY_LEN(limits)]);
		close_store(state);
		assert_int_equal(open_store(state), 0);
	}
}

/* Each of five users, all at once, gets as many as one may have. */
static void check_users(size_t size)
{
	AUTO_SESSION_LIST struct session_list all = { 0 };
	size_t count[5] = { 0 };
	static struct crowd c;

	set("service_max_instance_nb", "50");
	set("service_max_session_nb_per_user", "3");
	crowd_open(&c);
	for (size_t i = 0; i < size; i++) {
		char user[8];
		struct session wish;

		snprintf(user, sizeof(user), "user%zu", i % 5);
		wish = wish_of(user);
		crowd_add(&c, &wish);
	}
	crowd_ask(&c, &all);
	assert_int_equal(c.admitted, 3 * ARRAY_LEN(count));
	assert_int_equal(c.admitted + c.refused, size);
	for (size_t i = 0; i < all.count; i++)
		count[all.list[i].user[4] - '0']++;
	for (size_t i = 0; i < ARRAY_LEN(count); i++)
		assert_int_equal(count[i], 3);
}

/* RR1 */
static void a_crowd_gets_no_place_more_than_each_may_have(void **state)
{
	int rounds = is_long() ? 5 : 1;

	for (int i = 0; i < rounds; i++) {
		check_users(is_long() ? CROWD_LONG : CROWD);
		close_store(state);
		assert_int_equal(open_store(state), 0);
	}
}

/* ---- Graphics cards ---- */

static void make_link(const char *address, const char *name,
		      const char *target)
{
	char path[200];

	snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/%s", address,
		 name);
	assert_int_equal(symlinkat(target, scratch_fd, path), 0);
}

/* A card that is ready for guests, in a group of its own. */
static void make_card(const char *address, int group)
{
	static const struct {
		const char *file;
		const char *text;
	} files[] = { { "vendor", "0x10de\n" },
		      { "device", "0x1d01\n" },
		      { "class", "0x030000\n" } };
	struct err e = ERR_INIT;
	char path[4400];

	snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/%s",
		 scratch_path, address);
	assert_int_equal(file_make_dirs(path, 0755, &e), 0);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/%s",
			 address, files[i].file);
		scratch_puts(path, files[i].text);
	}
	make_link(address, "driver", "../../../bus/pci/drivers/vfio-pci");
	snprintf(path, sizeof(path), "../../../kernel/iommu_groups/%d", group);
	make_link(address, "iommu_group", path);
}

/* A crowd of which each wants a card: as many get one as there are, and no
 * two the same. */
static void check_cards(size_t cards)
{
	AUTO_SESSION_LIST struct session_list all = { 0 };
	struct session wish = wish_of("ann");
	static struct crowd c;

	snprintf(wish.gpu, sizeof(wish.gpu), "any");
	crowd_open(&c);
	for (size_t i = 0; i < CROWD_OF_CARDS; i++)
		crowd_add(&c, &wish);
	crowd_ask(&c, &all);
	assert_int_equal(c.admitted, cards);
	assert_int_equal(c.refused, CROWD_OF_CARDS - cards);
	assert_int_equal(all.count, cards);
	for (size_t i = 0; i < all.count; i++) {
		assert_string_not_equal(all.list[i].gpu, "any");
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(all.list[i].gpu,
						all.list[j].gpu);
	}
}

/* RR2 */
static void each_card_goes_to_exactly_one_of_a_crowd(void **state)
{
	char path[4200];

	snprintf(path, sizeof(path), "%s/sys", scratch_path);
	for (int cards = 1; cards <= 3; cards++) {
		char address[32];

		snprintf(address, sizeof(address), "0000:4%d:00.0", cards);
		make_card(address, cards);
		set("dir_sysfs", path);
		check_cards((size_t)cards);
		close_store(state);
		assert_int_equal(open_store(state), 0);
	}
}

/* ---- Ports ---- */

/* The first of some free ports in a row, as text. */
static void free_ports(char ret[16])
{
	for (int port = 20000 + getpid() % 10000; port < 60000; port += 16) {
		struct session s = { .oneshot = true };
		const struct session_list none = { .count = 0 };
		struct err e = ERR_INIT;

		snprintf(ret, 16, "%d", port);
		set("service_port", ret);
		if (port_reserve(&config, &none, &s, &e) == 0 &&
		    s.port == port)
			return;
	}
	fail_msg("no free ports");
}

static void a_port_is_part_of_the_reservation(void **state)
{
	struct session s[4];
	int locks[3];
	char first[16];
	long long port;

	(void)state;
	set("service_port_multiple", "yes");
	set("service_max_instance_nb", "100000");
	free_ports(first);
	port = config.service_port;
	for (int i = 0; i < 3; i++) {
		s[i] = wish_of("ann");
		locks[i] = reserve(&s[i], 60);
		assert_true(s[i].own_port);
		assert_true(s[i].port >= port && s[i].port <= port + 8);
		assert_int_equal(strlen(s[i].password),
				 SESSION_PASSWORD_SIZE - 1);
		for (int j = 0; j < i; j++) {
			assert_true(s[i].port != s[j].port);
			assert_string_not_equal(s[i].password, s[j].password);
		}
	}
	/* What has ended gives its port back. */
	close(locks[1]);
	s[3] = wish_of("ann");
	locks[1] = reserve(&s[3], 60);
	assert_int_equal(s[3].port, s[1].port);
	for (int i = 0; i < 3; i++)
		close(locks[i]);
}

static void a_port_of_another_program_is_passed_over(void **state)
{
	const struct session_list none = { .count = 0 };
	struct session s = { .oneshot = true };
	struct sockaddr_in a = { .sin_family = AF_INET };
	struct err e = ERR_INIT;
	char first[16];
	AUTO_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	set("service_port_multiple", "yes");
	free_ports(first);
	a.sin_port = htons((uint16_t)config.service_port);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(port_reserve(&config, &none, &s, &e), 0);
	assert_true(s.port > config.service_port);
	config.service_max_instance_nb = 0;
	assert_int_equal(port_reserve(&config, &none, &s, &e), -1);
	assert_int_equal(e.code, ERR_BUSY);
	assert_non_null(strstr(e.msg, "All ports for displays"));
}

static void who_has_a_port_of_its_own(void **state)
{
	static const struct {
		const char *proxy, *multiple, *form;
		bool oneshot, own;
	} table[] = {
		{ "", "no", "no", false, false },
		{ "", "no", "no", true, false },
		{ "", "no", "yes", true, true },
		{ "", "no", "yes", false, false },
		{ "", "yes", "no", false, true },
		{ "", "yes", "no", true, true },
		/* one port only leads to it */
		{ "/display", "no", "yes", true, false },
		{ ":7000", "no", "yes", true, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		set("service_reverse_proxy", table[i].proxy);
		set("service_port_multiple", table[i].multiple);
		set("form_oneshot", table[i].form);
		assert_int_equal(port_is_own(&config, table[i].oneshot),
				 table[i].own);
	}
	/* by hand */
	set("service_reverse_proxy", "");
	set("service_port_multiple", "no");
	set("form_oneshot", "no");
	set("oneshot", "yes");
	assert_true(port_is_own(&config, true));
}

static void a_session_of_the_gateway_has_neither_port_nor_password(void **state)
{
	struct session s = wish_of("ann");
	int lock = reserve(&s, 60);

	(void)state;
	assert_false(s.own_port);
	assert_int_equal(s.port, 0);
	assert_string_equal(s.password, "");
	close(lock);
}

/* P6: from getrandom(2), and nothing public tells of it. */
static void tokens_are_random_and_no_part_of_the_name(void **state)
{
	enum { MANY = 200 };
	static struct session all[MANY];
	size_t letters[128] = { 0 };

	(void)state;
	for (int i = 0; i < MANY; i++) {
		all[i] = wish_of("ann");
		close(reserve(&all[i], 60));
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
	struct session s = wish_of("ann");
	struct err e = ERR_INIT;
	struct hostload host;
	struct limits l;

	(void)state;
	set("launcher", "slurm");
	set("slurm_max_cpu", "200");
	set("slurm_max_memory", "8000");
	set("service_max_session_nb_per_user", "2");
	set("service_max_load", "0");
	assert_int_equal(hostload_read(&host, &e), 0);
	limits_of(&config, &host, &l);
	assert_true(l.cluster);
	assert_int_equal(l.session_cpu, 200);
	assert_int_equal(l.user_memory_mb, 8000LL * 1024);
	s.cpu = 200;
	s.memory_mb = l.user_memory_mb;
	snprintf(s.gpu, sizeof(s.gpu), "any");
	for (int i = 0; i < 2; i++) {
		struct session one = s;
		/* The lock stays held, as by an owner. */
		if (admission_reserve(&st, &one, 60, &e) < 0)
			fail_msg("%s", e.msg);
		assert_string_equal(one.gpu, "any");
	}
	assert_int_equal(admission_reserve(&st, &s, 60, &e), -1);
	assert_int_equal(e.code, ERR_BUSY);
	assert_non_null(strstr(e.msg, "2 of at most 2 sessions"));
}

static void a_session_from_another_host_keeps_its_name(void **state)
{
	struct session s = wish_of("ann");
	struct err e = ERR_INIT;
	int lock;

	(void)state;
	snprintf(s.name, sizeof(s.name), "svc-aaaaaaaaaaaaaaaaaaaa");
	lock = admission_adopt(&st, &s, 60, &e);
	if (lock < 0)
		fail_msg("%s", e.msg);
	assert_true(store_is_alive(&st, "svc-aaaaaaaaaaaaaaaaaaaa"));
	assert_true(s.ends_boot_ms > clock_boot_ms());
	assert_int_equal(admission_adopt(&st, &s, 60, &e), -1);
	assert_int_equal(e.code, ERR_SYSTEM);
	close(lock);
}

#define T(name) cmocka_unit_test_setup_teardown(name, open_store, close_store)

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
		T(a_crowd_gets_no_place_more_than_there_are),
		T(a_great_crowd_gets_no_place_more_than_there_are),
		T(a_crowd_gets_no_place_more_than_each_may_have),
		T(each_card_goes_to_exactly_one_of_a_crowd),
		T(a_port_is_part_of_the_reservation),
		T(a_port_of_another_program_is_passed_over),
		T(who_has_a_port_of_its_own),
		T(a_session_of_the_gateway_has_neither_port_nor_password),
		T(tokens_are_random_and_no_part_of_the_name),
	};

	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
