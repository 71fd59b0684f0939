/* src/auth/login */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "aged.h"
#include "auth/login.h"
#include "scratch.h"
#include "shelf.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/json.h"

static int start(const char *user, char ret_cookie[LOGIN_COOKIE_SIZE],
		 struct err *e)
{
	struct identity who = { .method = "ldap", .mail = "ann@lab.example" };

	snprintf(who.user, sizeof(who.user), "%s", user);
	access_add_group(&who, "staff");
	access_add_group(&who, "beam line 7");
	return login_start(&shelf, &who, ret_cookie, e);
}

/* Path of the one login there is, below scratch_path. */
static void only_login(char *ret, size_t size)
{
	DIR *dir;
	const struct dirent *entry;
	char path[4200];
	int count = 0;

	snprintf(path, sizeof(path), "%s/" SHELF_STORE "/logins", scratch_path);
	dir = opendir(path);
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(ret, size, SHELF_STORE "/logins/%s", entry->d_name);
		count++;
	}
	closedir(dir);
	assert_int_equal(count, 1);
}

static void check_unknown(const char *cookie)
{
	struct identity who = { .user = "untouched" };
	struct err e = ERR_INIT;

	assert_int_equal(login_find(&shelf, cookie, &who, &e), -1);
	assert_int_equal(e.code, ERR_LOGIN);
	assert_string_equal(who.user, "untouched");
}

static void a_login_is_found_by_its_cookie_until_it_ends(void **state)
{
	char cookie[LOGIN_COOKIE_SIZE];
	struct identity who;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(start("ann@lab.example", cookie, &e), 0);
	assert_int_equal(strlen(cookie), LOGIN_COOKIE_SIZE - 1);
	assert_int_equal(login_find(&shelf, cookie, &who, &e), 0);
	assert_string_equal(who.user, "ann@lab.example");
	assert_string_equal(who.mail, "ann@lab.example");
	assert_string_equal(who.method, "ldap");
	assert_string_equal(who.groups, "staff\nbeam line 7\n");
	assert_false(who.admin);
	assert_int_equal(login_end(&shelf, cookie, &e), 0);
	check_unknown(cookie);
	assert_int_equal(login_end(&shelf, cookie, &e), 0);
}

static void two_logins_have_two_cookies(void **state)
{
	char one[LOGIN_COOKIE_SIZE];
	char two[LOGIN_COOKIE_SIZE];
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(start("ann", one, &e), 0);
	assert_int_equal(start("ann", two, &e), 0);
	assert_string_not_equal(one, two);
	assert_int_equal(login_end(&shelf, one, &e), 0);
	check_unknown(one);
	assert_int_equal(login_end(&shelf, two, &e), 0);
}

static void what_is_no_cookie_of_ours_is_not_looked_for(void **state)
{
	static const char *const cookies[] = {
		"",
		"short",
		"../../../../../../../../etc/pass",
		"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
		"abcdefghijklmnopqrstuvwxyz2345670",
		"abcdefghijklmnopqrstuvwxyz23456\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cookies); i++)
		check_unknown(cookies[i]);
}

static void the_store_keeps_no_cookie_and_nobody_else_reads_it(void **state)
{
	AUTO_BUF struct buf text = BUF_INIT(4096);
	char cookie[LOGIN_COOKIE_SIZE];
	struct err e = ERR_INIT;
	struct stat st;
	char file[512];

	(void)state;
	assert_int_equal(start("ann", cookie, &e), 0);
	only_login(file, sizeof(file));
	assert_null(strstr(file, cookie));
	assert_int_equal(fstatat(scratch_fd, file, &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(file_read(scratch_fd, file, false, &text, &e), 0);
	assert_non_null(strstr(buf_str(&text), "\"ann\""));
	assert_null(strstr(buf_str(&text), cookie));
	assert_int_equal(login_end(&shelf, cookie, &e), 0);
}

#define WHO(version, user)                                             \
	"{\"version\":" version ",\"user\":" user ",\"mail\":\"\","       \
	"\"method\":\"\",\"groups\":\"\",\"created\":1,"
#define ENDS(when, boot) \
	"\"expires_boot_ms\":" when ",\"boot_id\":\"" boot "\"}"

/* NOW and BOOT in a text stand for a good time and this boot. */
static void fill_in(const char *text, char *ret, size_t size)
{
	char boot_id[CLOCK_BOOT_ID_SIZE];
	char now[32];
	size_t used = 0;

	clock_boot_id(boot_id);
	snprintf(now, sizeof(now), "%lld", clock_boot_ms() + 60000);
	ret[0] = '\0';
	while (*text) {
		const char *word = strncmp(text, "NOW", 3) == 0 ? now :
				   strncmp(text, "BOOT", 4) == 0 ? boot_id :
								   NULL;

		assert_true(used + CLOCK_BOOT_ID_SIZE < size);
		used += (size_t)snprintf(ret + used, size - used, "%.*s",
					 word ? CLOCK_BOOT_ID_SIZE : 1,
					 word ? word : text);
		text += word == now ? 3 : word ? 4 : 1;
	}
}

/* Logins whose files say what they should not. */
static void a_damaged_or_expired_login_is_none_and_is_purged(void **state)
{
	static const char *const texts[] = {
		"",
		"{}",
		"no JSON",
		WHO("2", "\"ann\"") ENDS("NOW", "BOOT"),
		WHO("1", "\"../ann\"") ENDS("NOW", "BOOT"),
		WHO("1", "7") ENDS("NOW", "BOOT"),
		WHO("1", "\"ann\"") ENDS("1", "BOOT"),
		WHO("1", "\"ann\"") ENDS("\"NOW\"", "BOOT"),
		WHO("1", "\"ann\"") ENDS("999999999999999", "BOOT"),
		WHO("1", "\"ann\"") ENDS("NOW", "another boot's"),
		WHO("1", "\"ann\"") "\"expires_boot_ms\":NOW}",
		/* What an older version has made. */
		WHO("1", "\"ann\"") "\"expires\":9999999999}",
	};
	char good[512];

	fill_in(WHO("1", "\"ann\"") ENDS("NOW", "BOOT"), good, sizeof(good));
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		char cookie[LOGIN_COOKIE_SIZE];
		struct err e = ERR_INIT;
		struct identity who;
		char text[512];
		char file[512];
		size_t removed;

		assert_int_equal(start("ann", cookie, &e), 0);
		only_login(file, sizeof(file));
		scratch_puts(file, good);
		assert_int_equal(login_find(&shelf, cookie, &who, &e), 0);
		fill_in(texts[i], text, sizeof(text));
		scratch_puts(file, text);
		check_unknown(cookie);
		assert_int_equal(login_purge(&shelf, &removed, &e), 0);
		assert_int_equal(removed, 1);
		assert_int_not_equal(faccessat(scratch_fd, file, F_OK, 0), 0);
	}
}

static void a_valid_login_survives_the_purge(void **state)
{
	char cookie[LOGIN_COOKIE_SIZE];
	struct err e = ERR_INIT;
	struct identity who;
	size_t removed;

	(void)state;
	assert_int_equal(start("ann", cookie, &e), 0);
	/* Somebody writes a login at this moment. */
	scratch_puts(SHELF_STORE "/logins/new.tmp", "{");
	assert_int_equal(login_purge(&shelf, &removed, &e), 0);
	assert_int_equal(removed, 0);
	assert_int_equal(login_find(&shelf, cookie, &who, &e), 0);
	assert_int_equal(login_end(&shelf, cookie, &e), 0);
	assert_int_equal(unlinkat(scratch_fd, SHELF_STORE "/logins/new.tmp", 0),
			 0);
}

static void set(const char *name, const char *value)
{
	struct err e = ERR_INIT;

	if (config_set(&shelf_config, name, value, &e) < 0)
		fail_msg("%s", e.msg);
}

/* What the one login's file says of `key`. */
static long long told(const char *key)
{
	AUTO_BUF struct buf text = BUF_INIT(4096);
	AUTO_JSON json_t *login = NULL;
	struct err e = ERR_INIT;
	long long value = -1;
	char file[512];

	only_login(file, sizeof(file));
	assert_int_equal(file_read(scratch_fd, file, false, &text, &e), 0);
	login = json_parse_object(buf_str(&text), text.len, &e);
	assert_int_equal(json_get_int(login, key, 1, 1LL << 60, &value, &e), 0);
	return value;
}

static void a_login_has_the_lifetime_that_the_site_gives(void **state)
{
	char cookie[LOGIN_COOKIE_SIZE];
	struct err e = ERR_INIT;
	long long before = clock_boot_ms();

	(void)state;
	set("login_lifetime", "60");
	assert_int_equal(start("ann", cookie, &e), 0);
	set("login_lifetime", "43200");
	assert_in_range(told("expires_boot_ms"), before + 60000,
			clock_boot_ms() + 60000);
	assert_int_equal(login_end(&shelf, cookie, &e), 0);
}

static void a_login_that_was_not_checked_is_none_once_logins_are(void **state)
{
	struct identity said = { .user = "root" };
	struct identity who;
	char checked[LOGIN_COOKIE_SIZE];
	char unchecked[LOGIN_COOKIE_SIZE];
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(login_start(&shelf, &said, unchecked, &e), 0);
	assert_int_equal(start("ann", checked, &e), 0);
	assert_int_equal(login_find(&shelf, unchecked, &who, &e), 0);
	set("check_user_remote", "yes");
	set("user_admin", "root,@staff");
	check_unknown(unchecked);
	assert_int_equal(login_find(&shelf, checked, &who, &e), 0);
	assert_true(who.admin);
	set("login_lifetime", "60");
	check_unknown(checked); /* it would be good for longer */
	set("login_lifetime", "43200");
	set("check_user_remote", "no");
	assert_int_equal(login_end(&shelf, checked, &e), 0);
	assert_int_equal(login_end(&shelf, unchecked, &e), 0);
}

static long long boot_s(void)
{
	return clock_boot_ms() / 1000;
}

/* The login's last use was `age` seconds ago, as far as its file tells. */
static void make_older(const char *file, long long age)
{
	struct timespec times[2] = {
		{ .tv_sec = boot_s() - age },
		{ .tv_sec = boot_s() - age },
	};

	assert_int_equal(utimensat(scratch_fd, file, times, 0), 0);
}

static struct timespec last_use(const char *file)
{
	struct stat st;

	assert_int_equal(fstatat(scratch_fd, file, &st, 0), 0);
	return st.st_mtim;
}

/* SR6 */
static void a_login_that_is_not_used_ends_and_use_seldom_writes(void **state)
{
	char cookie[LOGIN_COOKIE_SIZE];
	struct err e = ERR_INIT;
	struct timespec before;
	struct timespec after;
	struct identity who;
	char file[512];
	size_t removed;

	(void)state;
	assert_int_equal(start("ann", cookie, &e), 0);
	only_login(file, sizeof(file));
	assert_in_range(last_use(file).tv_sec, boot_s() - 60, boot_s());
	/* Used a moment ago: nothing is written. */
	before = last_use(file);
	assert_int_equal(login_use(&shelf, cookie, &e), 0);
	after = last_use(file);
	assert_memory_equal(&before, &after, sizeof(before));
	/* Looking is no use; a use counts from now on. */
	make_older(file, 1790);
	assert_int_equal(login_find(&shelf, cookie, &who, &e), 0);
	assert_true(boot_s() - last_use(file).tv_sec >= 1790);
	assert_int_equal(login_use(&shelf, cookie, &e), 0);
	assert_true(boot_s() - last_use(file).tv_sec < 1790);
	/* It has only just been made, and bears the wall's time. */
	make_older(file, boot_s() - clock_wall());
	assert_int_equal(login_find(&shelf, cookie, &who, &e), 0);
	assert_int_equal(login_use(&shelf, cookie, &e), 0);
	assert_true(last_use(file).tv_sec <= boot_s());
	set("login_idle", "100");
	make_older(file, 30);
	assert_int_equal(login_use(&shelf, cookie, &e), 0);
	assert_true(boot_s() - last_use(file).tv_sec < 30);
	make_older(file, 100);
	check_unknown(cookie);
	set("login_idle", "1800");
	make_older(file, 1800);
	check_unknown(cookie);
	assert_int_equal(login_purge(&shelf, &removed, &e), 0);
	assert_int_equal(removed, 1);
	assert_int_equal(login_use(&shelf, cookie, &e), 0); /* it has ended */
}

static size_t count_logins(void)
{
	return scratch_count(scratch_fd, SHELF_STORE "/logins");
}

static void is_in(const char *cookie, const char *user)
{
	struct err e = ERR_INIT;
	struct identity who;

	assert_int_equal(login_find(&shelf, cookie, &who, &e), 0);
	assert_string_equal(who.user, user);
}

/* One who logs in again and again keeps nobody out, and logs nobody out. */
static void who_logs_in_too_often_loses_logins_of_their_own(void **state)
{
	char ann[LOGIN_COOKIE_SIZE];
	char eve[LOGIN_COOKIE_SIZE];
	char bob[LOGIN_COOKIE_SIZE];
	struct err e = ERR_INIT;
	char file[512];
	char path[64];

	(void)state;
	assert_int_equal(file_remove_tree(scratch_fd, SHELF_STORE "/logins",
					  &e),
			 0);
	assert_int_equal(start("eve", eve, &e), 0);
	only_login(file, sizeof(file));
	for (int i = 0; i < LOGIN_MAX - 2; i++) {
		snprintf(path, sizeof(path), SHELF_STORE "/logins/%d", i);
		assert_int_equal(linkat(scratch_fd, file, scratch_fd, path, 0),
				 0);
	}
	assert_int_equal(start("ann", ann, &e), 0);
	assert_int_equal(count_logins(), LOGIN_MAX);
	assert_int_equal(start("bob", bob, &e), 0);
	is_in(ann, "ann");
	is_in(bob, "bob");
	assert_int_equal(count_logins(), LOGIN_MAX / 2 + 1);
}

/* Whoever may be anybody would fill the disk with logins. */
static void there_is_a_limit_of_logins(void **state)
{
	char cookie[LOGIN_COOKIE_SIZE];
	struct err e = ERR_INIT;
	size_t removed = 0;
	char path[64];

	(void)state;
	assert_int_equal(login_purge(&shelf, &removed, &e), 0);
	for (int i = 0; i < LOGIN_MAX; i++) {
		int fd;

		snprintf(path, sizeof(path), SHELF_STORE "/logins/%d", i);
		fd = openat(scratch_fd, path, O_WRONLY | O_CREAT | O_EXCL, 0600);
		assert_true(fd >= 0);
		assert_true(dprintf(fd, "{\"user\":\"user%d\"}", i) > 0);
		close(fd);
		if (i < 100)
			make_older(path, 100 + i);
	}
	if (start("ann", cookie, &e) < 0)
		fail_msg("%s", e.msg);
	is_in(cookie, "ann");
	/* Those that were not used for longest. */
	assert_int_equal(count_logins(), LOGIN_MAX - LOGIN_MAX / 20 + 1);
	for (int i = 0; i < 100; i++) {
		snprintf(path, sizeof(path), SHELF_STORE "/logins/%d", i);
		assert_int_equal(faccessat(scratch_fd, path, F_OK, 0), -1);
	}
}

static void a_folder_of_logins_that_others_may_enter_is_refused(void **state)
{
	static const char cookie[] = "abcdefghijklmnopqrstuvwxyz234567";
	struct err e = ERR_INIT;
	struct identity who;

	(void)state;
	assert_int_equal(fchmodat(scratch_fd, SHELF_STORE "/logins", 0755, 0),
			 0);
	assert_int_equal(login_find(&shelf, cookie, &who, &e), -1);
	assert_int_equal(e.code, ERR_DAMAGED);
	assert_int_equal(fchmodat(scratch_fd, SHELF_STORE "/logins", 0700, 0),
			 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_login_is_found_by_its_cookie_until_it_ends),
		cmocka_unit_test(two_logins_have_two_cookies),
		cmocka_unit_test(what_is_no_cookie_of_ours_is_not_looked_for),
		cmocka_unit_test(
			the_store_keeps_no_cookie_and_nobody_else_reads_it),
		cmocka_unit_test(
			a_damaged_or_expired_login_is_none_and_is_purged),
		cmocka_unit_test(a_valid_login_survives_the_purge),
		cmocka_unit_test(a_login_has_the_lifetime_that_the_site_gives),
		cmocka_unit_test(
			a_login_that_was_not_checked_is_none_once_logins_are),
		cmocka_unit_test(
			a_login_that_is_not_used_ends_and_use_seldom_writes),
		cmocka_unit_test(there_is_a_limit_of_logins),
		cmocka_unit_test(
			who_logs_in_too_often_loses_logins_of_their_own),
		cmocka_unit_test(
			a_folder_of_logins_that_others_may_enter_is_refused),
	};

	aged_s = 86400;
	return cmocka_run_group_tests(tests, shelf_make, shelf_remove);
}
