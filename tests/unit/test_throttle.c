/* src/auth/throttle, secret and attempt: guesses are counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "auth/attempt.h"
#include "auth/throttle.h"
#include "scratch.h"
#include "sys/clock.h"
#include "sys/file.h"

static struct config config;
static struct store store = STORE_INIT;
static struct secret secret;

#define SECRET_TEXT "0123456789abcdefghijklmnopqrstuvwxyz"

static void set(const char *name, const char *value)
{
	struct err e = ERR_INIT;

	if (config_set(&config, name, value, &e) < 0)
		fail_msg("%s", e.msg);
}

static void set_path(const char *name, const char *file)
{
	char path[4200];

	snprintf(path, sizeof(path), "%s/%s", scratch_path, file);
	set(name, path);
}

static int begin(void **state)
{
	struct err e = ERR_INIT;

	if (scratch_make(state) < 0 || config_init(&config, &e) < 0)
		return -1;
	set_path("dir_cfg", "cfg");
	set_path("service_secret", "secret");
	scratch_puts("secret", SECRET_TEXT);
	if (fchmodat(scratch_fd, "secret", 0600, 0) < 0)
		return -1;
	if (store_open(&config, &store, &e) < 0)
		return -1;
	return secret_read(&config, &secret, &e);
}

static int finish(void **state)
{
	store_release(&store);
	config_release(&config);
	return scratch_remove(state);
}

/* Every test begins with nothing counted. */
static int forget(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	set("login_failures_user", "5");
	set("login_failures_address", "30");
	set("login_failures_window", "900");
	set("check_user_custom", "");
	return file_remove_tree(store.dir, "throttle", &e);
}

static int reserve(const char *user, const char *address, struct err *e)
{
	struct throttle ignored;

	return throttle_reserve(&store, &secret, user, address, &ignored, e);
}

static void check_left(const char *user, const char *address, int places)
{
	for (int i = 0; i < places; i++) {
		struct err e = ERR_INIT;

		if (reserve(user, address, &e) < 0)
			fail_msg("%s from %s: %d places: %s", user, address, i,
				 e.msg);
	}
	for (int i = 0; i < 2; i++) {
		struct err e = ERR_INIT;

		assert_int_equal(reserve(user, address, &e), -1);
		assert_int_equal(e.code, ERR_THROTTLED);
		assert_in_range(e.retry_after, 1,
				config.login_failures_window);
	}
}

static void one_user_has_five_places_wherever_from(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(reserve("ann", "192.0.2.1", &e), 0);
	assert_int_equal(reserve("ann", "192.0.2.2", &e), 0);
	check_left("ann", "192.0.2.3", 3);
	check_left("bob", "192.0.2.3", 5);
}

static void names_that_servers_take_for_one_are_one(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(reserve("Ann Smith", "192.0.2.1", &e), 0);
	assert_int_equal(reserve("ANN  SMITH", "192.0.2.1", &e), 0);
	check_left("annsmith", "192.0.2.1", 3);
	check_left("ann.smith", "192.0.2.1", 5);
	assert_int_equal(reserve("bob@lab.example", "192.0.2.1", &e), 0);
	assert_int_equal(reserve("Bob@other.example", "192.0.2.1", &e), 0);
	check_left("bob", "192.0.2.1", 3);
}

static void one_address_has_its_places_whoever_it_tries(void **state)
{
	(void)state;
	set("login_failures_address", "3");
	for (int i = 0; i < 3; i++) {
		struct err e = ERR_INIT;
		char user[16];

		snprintf(user, sizeof(user), "user%d", i);
		assert_int_equal(reserve(user, "192.0.2.1", &e), 0);
	}
	check_left("another", "192.0.2.1", 0);
	check_left("another", "::ffff:192.0.2.1", 0);
	check_left("another", "192.0.2.2", 3);
}

static void an_ipv6_address_counts_as_its_network(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	set("login_failures_address", "2");
	assert_int_equal(reserve("a", "2001:db8:1:2::1", &e), 0);
	assert_int_equal(reserve("b", "2001:db8:1:2:ffff::9", &e), 0);
	check_left("c", "2001:db8:1:2:3:4:5:6", 0);
	check_left("c", "2001:db8:1:3::1", 2);
}

static void a_place_that_is_given_back_is_free_again(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	set("login_failures_address", "5");
	for (int i = 0; i < 50; i++) {
		struct throttle t;

		assert_int_equal(throttle_reserve(&store, &secret, "ann",
						  "192.0.2.1", &t, &e),
				 0);
		assert_int_equal(throttle_return(&store, &t, &e), 0);
	}
	check_left("ann", "192.0.2.1", 5);
}

static void a_refused_user_costs_the_address_nothing(void **state)
{
	(void)state;
	set("login_failures_address", "6");
	check_left("ann", "192.0.2.1", 5);
	check_left("bob", "192.0.2.1", 1);
}

/* The one file with an entry, whose time is moved by `ms`. */
static void move_times(long long ms)
{
	AUTO_CLOSE int fd = openat(store.dir, "throttle", O_RDONLY);
	DIR *dir = fdopendir(dup(fd));
	const struct dirent *entry;

	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		AUTO_BUF struct buf old = BUF_INIT(65536);
		AUTO_BUF struct buf new = BUF_INIT(65536);
		struct err e = ERR_INIT;
		char *rest;
		char *line;

		if (entry->d_name[0] == '.')
			continue;
		assert_int_equal(file_read(fd, entry->d_name, false, &old, &e),
				 0);
		rest = old.data;
		while ((line = strsep(&rest, "\n")) != NULL && *line) {
			char *space = strchr(line, ' ');

			if (space)
				buf_printf(&new, "%.16s %lld\n", line,
					   strtoll(space, NULL, 10) + ms);
			else
				buf_printf(&new, "%s\n", line);
		}
		assert_int_equal(file_replace(fd, entry->d_name, buf_str(&new),
					      new.len, 0600, false, &e),
				 0);
	}
	closedir(dir);
}

static size_t files(void)
{
	return scratch_count(store.dir, "throttle");
}

static void what_is_older_than_the_window_is_forgotten(void **state)
{
	struct err e = ERR_INIT;
	size_t removed;

	(void)state;
	/* Less than the time since the start of any host that runs this. */
	set("login_failures_window", "30");
	check_left("ann", "192.0.2.1", 5);
	move_times(-29000);
	assert_int_equal(reserve("ann", "192.0.2.1", &e), -1);
	assert_in_range(e.retry_after, 1, 2);
	assert_int_equal(throttle_purge(&store, &removed, &e), 0);
	assert_int_equal(removed, 0);
	move_times(-2000);
	assert_int_equal(throttle_purge(&store, &removed, &e), 0);
	assert_int_equal(removed, 2);
	assert_int_equal(files(), 0);
	check_left("ann", "192.0.2.1", 5);
}

static void a_time_from_the_future_does_not_count(void **state)
{
	(void)state;
	check_left("ann", "192.0.2.1", 5);
	move_times(3600000);
	check_left("ann", "192.0.2.1", 5);
}

/* Put `text` into all files there are. */
static void spoil(const char *text, size_t len)
{
	AUTO_CLOSE int fd = openat(store.dir, "throttle", O_RDONLY);
	DIR *dir = fdopendir(dup(fd));
	const struct dirent *entry;

	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		struct err e = ERR_INIT;

		if (entry->d_name[0] != '.')
			assert_int_equal(file_replace(fd, entry->d_name, text,
						      len, 0600, false, &e),
					 0);
	}
	closedir(dir);
}

static void a_damaged_file_counts_nothing_and_is_mended(void **state)
{
	static const char junk[40000] = { 'x', '\n' };
	char boot_id[CLOCK_BOOT_ID_SIZE];
	char text[200];

	(void)state;
	clock_boot_id(boot_id);
	check_left("ann", "192.0.2.1", 5);
	spoil(junk, sizeof(junk));
	check_left("ann", "192.0.2.1", 5);
	spoil("", 0);
	check_left("ann", "192.0.2.1", 5);
	snprintf(text, sizeof(text),
		 "%s\nno entry\n0123456789abcdef x\n0123456789abcdeF 1\n\n",
		 boot_id);
	spoil(text, strlen(text));
	check_left("ann", "192.0.2.1", 5);
}

static void the_files_tell_no_name_and_are_private(void **state)
{
	AUTO_CLOSE int fd = -1;
	AUTO_BUF struct buf all = BUF_INIT(1 << 20);
	DIR *dir;
	const struct dirent *entry;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(reserve("canary-user", "192.0.2.77", &e), 0);
	fd = openat(store.dir, "throttle", O_RDONLY);
	dir = fdopendir(dup(fd));
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		struct stat st;

		if (entry->d_name[0] == '.')
			continue;
		assert_int_equal(strlen(entry->d_name), 3);
		assert_int_equal(fstatat(fd, entry->d_name, &st, 0), 0);
		assert_int_equal(st.st_mode & 07777, 0600);
		assert_int_equal(file_read(fd, entry->d_name, false, &all, &e),
				 0);
	}
	closedir(dir);
	assert_true(all.len > 0);
	assert_null(strstr(buf_str(&all), "canary"));
	assert_null(strstr(buf_str(&all), "192"));
}

/* However many names are tried, files and bytes have a bound. */
static void names_do_not_fill_the_disk(void **state)
{
	AUTO_CLOSE int fd = -1;
	DIR *dir;
	const struct dirent *entry;
	off_t largest = 0;

	(void)state;
	set("login_failures_address", "500");
	for (int i = 0; i < 3000; i++) {
		struct err e = ERR_INIT;
		char user[32];
		char address[32];

		snprintf(user, sizeof(user), "user%d", i);
		snprintf(address, sizeof(address), "10.0.%d.1", i / 400);
		assert_int_equal(reserve(user, address, &e), 0);
	}
	assert_true(files() <= 4096);
	fd = openat(store.dir, "throttle", O_RDONLY);
	dir = fdopendir(dup(fd));
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		struct stat st;

		assert_int_equal(fstatat(fd, entry->d_name, &st, 0), 0);
		if (S_ISREG(st.st_mode) && st.st_size > largest)
			largest = st.st_size;
	}
	closedir(dir);
	assert_true(largest <= 32768);
}

/* ---- The secret ---- */

static void check_secret(const char *text, unsigned mode, const char *message)
{
	struct err e = ERR_INIT;
	struct secret ignored;

	scratch_puts("secret", text);
	assert_int_equal(fchmodat(scratch_fd, "secret", mode, 0), 0);
	if (!message) {
		assert_int_equal(secret_read(&config, &ignored, &e), 0);
		return;
	}
	assert_int_equal(secret_read(&config, &ignored, &e), -1);
	assert_int_equal(e.code, ERR_CONFIG);
	if (!strstr(e.msg, message))
		fail_msg("'%s' does not say '%s'", e.msg, message);
}

static void a_missing_or_weak_secret_is_refused(void **state)
{
	struct err e = ERR_INIT;
	struct secret ignored;

	(void)state;
	check_secret(SECRET_TEXT, 0600, NULL);
	check_secret(SECRET_TEXT, 0400, NULL);
	check_secret(SECRET_TEXT, 0640, "others may read");
	check_secret(SECRET_TEXT, 0604, "others may read");
	check_secret("0123456789abcdefghijklmnopqrstu", 0600, "32 to 4096");
	check_secret("", 0600, "32 to 4096");
	check_secret("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 0600,
		     "can be guessed");
	assert_int_equal(unlinkat(scratch_fd, "secret", 0), 0);
	assert_int_equal(secret_read(&config, &ignored, &e), -1);
	assert_int_equal(e.code, ERR_CONFIG);
	assert_non_null(strstr(e.msg, "qwdctl secret"));
	assert_int_equal(symlinkat("/etc/hostname", scratch_fd, "secret"), 0);
	assert_int_equal(secret_read(&config, &ignored, &e), -1);
	assert_int_equal(unlinkat(scratch_fd, "secret", 0), 0);
	check_secret(SECRET_TEXT, 0600, NULL);
}

/* The value is that of `openssl dgst -sha256 -mac HMAC`, of the 32 bytes of
 * the key. */
static void the_mac_is_hmac_of_purpose_and_text(void **state)
{
	struct secret key = { .key = "Jefe" };
	char one[SECRET_MAC_SIZE];
	char two[SECRET_MAC_SIZE];

	(void)state;
	secret_mac(&key, "what do ya want ", " for nothing?", one);
	assert_int_equal(strlen(one), SECRET_MAC_SIZE - 1);
	assert_string_equal(one, "94e19fe7500752c4ce6682d067dea94d"
				 "6c315758d98cfb9364e3661c52847c99");
	secret_mac(&key, "another purpose", " for nothing?", two);
	assert_string_not_equal(one, two);
}

/* ---- Attempts ---- */

/* A program that says no and leaves a line for each time it is asked. */
static void put_program(const char *answer)
{
	char text[9000];

	snprintf(text, sizeof(text),
		 "#!/bin/sh\necho asked >>%s/asked\necho '%s'\n", scratch_path,
		 answer);
	scratch_puts("program", text);
	assert_int_equal(fchmodat(scratch_fd, "program", 0755, 0), 0);
	(void)unlinkat(scratch_fd, "asked", 0);
	set_path("check_user_custom", "program");
}

static int asked(void)
{
	AUTO_BUF struct buf text = BUF_INIT(1 << 20);
	struct err e = ERR_INIT;
	int count = 0;

	if (file_read(scratch_fd, "asked", false, &text, &e) < 0)
		return 0;
	for (size_t i = 0; i < text.len; i++)
		count += text.data[i] == '\n';
	return count;
}

static enum err_code attempt(const char *user, const char *password)
{
	struct auth_request r = {
		.config = &config,
		.user = user,
		.password = password,
		.rhost = "192.0.2.1",
	};
	struct auth_result result;
	struct err e = ERR_INIT;

	return attempt_login(&store, &r, &result, &e) == 0 ? ERR_NONE : e.code;
}

/* Codes of `count` attempts at once, counted into `ret`, by code. */
static void attempt_at_once(int count, int ret[ERR_SYSTEM + 1])
{
	int go[2];
	pid_t *pids = calloc((size_t)count, sizeof(*pids));

	assert_non_null(pids);
	assert_int_equal(pipe(go), 0);
	for (int i = 0; i < count; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			char byte;

			close(go[1]);
			(void)!read(go[0], &byte, 1);
			_exit(attempt("ann", "guess"));
		}
		assert_true(pids[i] > 0);
	}
	close(go[0]);
	close(go[1]); /* now */
	for (int i = 0; i < count; i++) {
		int status = 0;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_true(WIFEXITED(status));
		assert_in_range(WEXITSTATUS(status), 0, ERR_SYSTEM);
		ret[WEXITSTATUS(status)]++;
	}
	free(pids);
}

static void of_a_thousand_guesses_at_once_five_are_asked(void **state)
{
	int codes[ERR_SYSTEM + 1] = { 0 };
	int unanswered;

	(void)state;
	set("login_failures_address", "500");
	/* Beside a thousand others a program may need its time. */
	set("login_timeout", "9");
	put_program("FAILED no");
	attempt_at_once(1000, codes);
	/* On a host that is too busy the program may miss its deadline: then
	 * nobody was answered, and that place is another's. */
	unanswered = codes[ERR_BUSY];
	assert_in_range(codes[ERR_LOGIN], unanswered < 5 ? 5 - unanswered : 0,
			5);
	assert_in_range(asked(), codes[ERR_LOGIN],
			codes[ERR_LOGIN] + unanswered);
	assert_int_equal(codes[ERR_THROTTLED],
			 1000 - codes[ERR_LOGIN] - unanswered);
}

static void a_right_password_and_an_outage_cost_no_place(void **state)
{
	(void)state;
	put_program("SUCCESS");
	for (int i = 0; i < 8; i++)
		assert_int_equal(attempt("ann", "right"), ERR_NONE);
	put_program("what?");
	for (int i = 0; i < 8; i++)
		assert_int_equal(attempt("ann", "right"), ERR_BUSY);
	put_program("SUCCESS");
	assert_int_equal(attempt("ann", "right"), ERR_NONE);
}

static void what_is_no_password_is_refused_before_anybody_is_asked(void **state)
{
	char long_one[AUTH_PASSWORD_MAX + 2];
	const char *const passwords[] = { "", "a\nb", "a\177", "\xff",
					  long_one };

	(void)state;
	memset(long_one, 'x', sizeof(long_one) - 1);
	long_one[sizeof(long_one) - 1] = '\0';
	put_program("SUCCESS");
	for (size_t i = 0; i < ARRAY_LEN(passwords); i++)
		assert_int_equal(attempt("ann", passwords[i]), ERR_LOGIN);
	assert_int_equal(asked(), 0);
	long_one[AUTH_PASSWORD_MAX] = '\0';
	assert_int_equal(attempt("ann", long_one), ERR_NONE);
}

static void without_a_secret_nobody_is_asked(void **state)
{
	(void)state;
	put_program("SUCCESS");
	assert_int_equal(fchmodat(scratch_fd, "secret", 0644, 0), 0);
	assert_int_equal(attempt("ann", "right"), ERR_CONFIG);
	assert_int_equal(fchmodat(scratch_fd, "secret", 0600, 0), 0);
	assert_int_equal(asked(), 0);
	assert_int_equal(attempt("ann", "right"), ERR_NONE);
}

static void a_refusal_takes_whole_steps_of_time(void **state)
{
	long long start = clock_boot_ms();

	(void)state;
	put_program("FAILED no");
	assert_int_equal(attempt("ann", "guess"), ERR_LOGIN);
	assert_true(clock_boot_ms() - start >= ATTEMPT_STEP_MS);
	start = clock_boot_ms();
	assert_int_equal(attempt("ann", ""), ERR_LOGIN);
	assert_true(clock_boot_ms() - start >= ATTEMPT_STEP_MS);
}

#define TEST(name) cmocka_unit_test_setup(name, forget)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_user_has_five_places_wherever_from),
		TEST(names_that_servers_take_for_one_are_one),
		TEST(one_address_has_its_places_whoever_it_tries),
		TEST(an_ipv6_address_counts_as_its_network),
		TEST(a_place_that_is_given_back_is_free_again),
		TEST(a_refused_user_costs_the_address_nothing),
		TEST(what_is_older_than_the_window_is_forgotten),
		TEST(a_time_from_the_future_does_not_count),
		TEST(a_damaged_file_counts_nothing_and_is_mended),
		TEST(the_files_tell_no_name_and_are_private),
		TEST(names_do_not_fill_the_disk),
		TEST(a_missing_or_weak_secret_is_refused),
		TEST(the_mac_is_hmac_of_purpose_and_text),
		TEST(of_a_thousand_guesses_at_once_five_are_asked),
		TEST(a_right_password_and_an_outage_cost_no_place),
		TEST(what_is_no_password_is_refused_before_anybody_is_asked),
		TEST(without_a_secret_nobody_is_asked),
		TEST(a_refusal_takes_whole_steps_of_time),
	};

	return cmocka_run_group_tests(tests, begin, finish);
}
