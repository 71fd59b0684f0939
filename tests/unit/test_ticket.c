/* src/auth/ticket */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "auth/ticket.h"
#include "auth/ticket_file.h"
#include "base/text.h"
#include "scratch.h"
#include "shelf.h"
#include "sys/clock.h"
#include "sys/file.h"

enum { LIFETIME_S = 900, CONSUMERS = 50 };

/* Each test begins without tickets. */
static int no_tickets(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	return file_remove_tree(shelf.dir, "tickets", &e);
}

static void make(const char *user, const char *remote, char *token)
{
	struct ticket t = { .purpose = TICKET_CREATE,
			    .order = (char[]){ "machine=a.img&cpu=2" } };
	struct err e = ERR_INIT;

	snprintf(t.user, sizeof(t.user), "%s", user);
	if (ticket_make(&shelf, &t, remote, LIFETIME_S, token, &e) < 0)
		fail_msg("%s", e.msg);
}

static void check_limit(const char *user, const char *remote,
			enum err_code code)
{
	struct ticket t = { .purpose = TICKET_MANAGE };
	char token[TICKET_TOKEN_SIZE] = "untouched";
	struct err e = ERR_INIT;

	snprintf(t.user, sizeof(t.user), "%s", user);
	assert_int_equal(ticket_make(&shelf, &t, remote, LIFETIME_S, token, &e),
			 -1);
	assert_int_equal(e.code, code);
	assert_true(e.retry_after > 0);
	assert_string_equal(token, "untouched");
}

static void check_none(const char *token)
{
	AUTO_TICKET struct ticket t = TICKET_INIT;
	struct err e = ERR_INIT;

	assert_int_equal(ticket_look(&shelf, token, &t, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	e = (struct err)ERR_INIT;
	assert_int_equal(ticket_use(&shelf, token, &t, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_null(t.order);
}

static size_t count_files(void)
{
	char path[4200];
	const struct dirent *entry;
	size_t count = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/" SHELF_STORE "/tickets",
		 scratch_path);
	dir = opendir(path);
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL)
		count += entry->d_name[0] != '.' &&
			 strcmp(entry->d_name, "lock") != 0;
	closedir(dir);
	return count;
}

/* Change the file of a ticket. */
static void change(const char *token, void (*how)(struct ticket_file *f))
{
	AUTO_CLOSE int dir = -1;
	AUTO_TICKET_FILE struct ticket_file f = { .ticket = TICKET_INIT };
	struct ticket_name name;
	struct err e = ERR_INIT;

	dir = ticket_folder(&shelf, &e);
	assert_true(dir >= 0);
	assert_true(ticket_name_of(token, &name));
	assert_int_equal(ticket_file_read(dir, name.text, &f, &e), 0);
	how(&f);
	assert_int_equal(ticket_file_write(dir, name.text, &f, &e), 0);
}

static void a_ticket_is_used_once_and_looked_at_any_number_of_times(void **state)
{
	char token[TICKET_TOKEN_SIZE];
	struct err e = ERR_INIT;

	(void)state;
	make("ann@lab.example", "192.0.2.1", token);
	assert_int_equal(strlen(token), TICKET_TOKEN_SIZE - 1);
	for (int i = 0; i < 6; i++) {
		AUTO_TICKET struct ticket t = TICKET_INIT;
		int (*read)(const struct store *, const char *, struct ticket *,
			    struct err *) = i < 5 ? ticket_look : ticket_use;

		assert_int_equal(read(&shelf, token, &t, &e), 0);
		assert_string_equal(t.user, "ann@lab.example");
		assert_string_equal(t.order, "machine=a.img&cpu=2");
		assert_int_equal(t.purpose, TICKET_CREATE);
		assert_true(t.expires - clock_wall() > LIFETIME_S - 60);
	}
	check_none(token);
}

static void a_used_ticket_says_so_and_an_unknown_one_does_not(void **state)
{
	AUTO_TICKET struct ticket t = TICKET_INIT;
	AUTO_TICKET struct ticket again = TICKET_INIT;
	char token[TICKET_TOKEN_SIZE];
	struct err e = ERR_INIT;

	(void)state;
	make("ann@lab.example", "192.0.2.1", token);
	assert_int_equal(ticket_use(&shelf, token, &t, &e), 0);
	assert_int_equal(ticket_look(&shelf, token, &again, &e), -1);
	assert_non_null(strstr(e.msg, "used already"));
	assert_null(strstr(e.msg, token));
	assert_int_equal(ticket_look(&shelf, "abcdefghijklmnopqrstuvwxyz234567",
				     &again, &e),
			 -1);
	assert_non_null(strstr(e.msg, "does not work any more"));
}

static void *consume(void *token)
{
	AUTO_TICKET struct ticket t = TICKET_INIT;
	struct err e = ERR_INIT;

	if (ticket_use(&shelf, token, &t, &e) == 0)
		return token;
	return e.code == ERR_NOT_FOUND ? NULL : &shelf;
}

static void of_fifty_at_the_same_time_one_gets_it(void **state)
{
	(void)state;
	for (int round = 0; round < 20; round++) {
		pthread_t threads[CONSUMERS];
		char token[TICKET_TOKEN_SIZE];
		int won = 0;

		assert_int_equal(no_tickets(state), 0);
		make("ann@lab.example", "192.0.2.1", token);
		for (size_t i = 0; i < CONSUMERS; i++)
			assert_int_equal(pthread_create(&threads[i], NULL,
							consume, token),
					 0);
		for (size_t i = 0; i < CONSUMERS; i++) {
			void *result;

			assert_int_equal(pthread_join(threads[i], &result), 0);
			assert_ptr_not_equal(result, &shelf);
			won += result != NULL;
		}
		assert_int_equal(won, 1);
	}
}

static void what_is_no_token_of_ours_is_not_looked_for(void **state)
{
	static const char *const tokens[] = {
		"",
		"short",
		"../../../../../../../../etc/pass",
		"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
		"abcdefghijklmnopqrstuvwxyz2345670",
		"abcdefghijklmnopqrstuvwxyz23456\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(tokens); i++)
		check_none(tokens[i]);
}

static void the_store_keeps_no_token_and_nobody_else_reads_it(void **state)
{
	AUTO_BUF struct buf text = BUF_INIT(8192);
	char token[TICKET_TOKEN_SIZE];
	struct ticket_name name;
	struct err e = ERR_INIT;
	struct stat st;
	char path[300];

	(void)state;
	make("ann@lab.example", "192.0.2.1", token);
	assert_true(ticket_name_of(token, &name));
	assert_null(strstr(name.text, token));
	snprintf(path, sizeof(path), SHELF_STORE "/tickets/%s", name.text);
	assert_int_equal(fstatat(scratch_fd, path, &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(file_read(scratch_fd, path, false, &text, &e), 0);
	assert_non_null(strstr(buf_str(&text), "ann@lab.example"));
	assert_null(strstr(buf_str(&text), token));
}

static void expire(struct ticket_file *f)
{
	f->created_boot_ms -= LIFETIME_S * 1000;
	f->expires_boot_ms = clock_boot_ms() - 1;
}

static void boot_again(struct ticket_file *f)
{
	snprintf(f->boot_id, sizeof(f->boot_id),
		 "00000000-0000-4000-8000-000000000000");
}

static void be_made_later(struct ticket_file *f)
{
	f->created_boot_ms = clock_boot_ms() + 60000;
}

static void set_the_clock_back(struct ticket_file *f)
{
	f->ticket.expires = 1;
	f->ticket.created = 1;
}

static void a_ticket_ends_by_this_boots_clock(void **state)
{
	static void (*const ends[])(struct ticket_file *) = {
		expire, boot_again, be_made_later
	};
	AUTO_TICKET struct ticket t = TICKET_INIT;
	char token[TICKET_TOKEN_SIZE];
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		make("ann@lab.example", "192.0.2.1", token);
		change(token, ends[i]);
		check_none(token);
	}
	assert_int_equal(no_tickets(state), 0);
	make("ann@lab.example", "192.0.2.1", token);
	change(token, set_the_clock_back);
	assert_int_equal(ticket_use(&shelf, token, &t, &e), 0);
	/* People are told what is left of it. */
	assert_in_range(t.expires, clock_wall() + LIFETIME_S - 60,
			clock_wall() + LIFETIME_S);
}

static void an_address_has_three_at_a_time(void **state)
{
	AUTO_TICKET struct ticket t = TICKET_INIT;
	char token[TICKET_TOKEN_SIZE];
	struct err e = ERR_INIT;

	(void)state;
	for (int i = 0; i < TICKET_USER_MAX; i++)
		make("ann@lab.example", "192.0.2.1", token);
	check_limit("ann@lab.example", "192.0.2.2", ERR_THROTTLED);
	make("ann@lab.exampl", "192.0.2.2", token);
	/* A used one makes room, and so do a dropped and an expired one. */
	assert_int_equal(no_tickets(state), 0);
	for (int i = 0; i < TICKET_USER_MAX; i++)
		make("ann@lab.example", "192.0.2.1", token);
	assert_int_equal(ticket_use(&shelf, token, &t, &e), 0);
	make("ann@lab.example", "192.0.2.1", token);
	check_limit("ann@lab.example", "192.0.2.2", ERR_THROTTLED);
	assert_int_equal(ticket_drop(&shelf, token, &e), 0);
	assert_int_equal(ticket_drop(&shelf, token, &e), 0);
	make("ann@lab.example", "192.0.2.1", token);
	check_limit("ann@lab.example", "192.0.2.2", ERR_THROTTLED);
	change(token, expire);
	make("ann@lab.example", "192.0.2.1", token);
}

static void be_old(struct ticket_file *f)
{
	f->created_boot_ms -= TICKET_WINDOW_S * 1000LL;
}

/* Also those that were used count. */
static void one_who_asks_gets_twenty_in_a_quarter_of_an_hour(void **state)
{
	char token[TICKET_TOKEN_SIZE];
	struct err e = ERR_INIT;

	(void)state;
	for (int i = 0; i < TICKET_REMOTE_MAX; i++) {
		AUTO_TICKET struct ticket t = TICKET_INIT;
		char user[64];

		snprintf(user, sizeof(user), "user%d@lab.example", i);
		make(user, "192.0.2.1", token);
		if (i % 2)
			assert_int_equal(ticket_use(&shelf, token, &t, &e), 0);
	}
	check_limit("ann@lab.example", "192.0.2.1", ERR_THROTTLED);
	make("ann@lab.example", "192.0.2.10", token);
	make("user0@lab.example", "192.0.2.2", token);
}

/* As for failed logins: whoever has one IPv6 address has 2^64. */
static void an_ipv6_address_counts_as_its_network(void **state)
{
	char token[TICKET_TOKEN_SIZE];

	(void)state;
	for (int i = 0; i < TICKET_REMOTE_MAX; i++) {
		char user[64];
		char remote[64];

		snprintf(user, sizeof(user), "user%d@lab.example", i);
		snprintf(remote, sizeof(remote), "2001:db8:1:2::%x", i + 1);
		make(user, remote, token);
	}
	check_limit("ann@lab.example", "2001:db8:1:2:3:4:5:6", ERR_THROTTLED);
	make("ann@lab.example", "2001:db8:1:3::1", token);
}

static void one_that_is_old_does_not_count_any_more(void **state)
{
	char token[TICKET_TOKEN_SIZE];

	(void)state;
	for (int i = 0; i < TICKET_REMOTE_MAX; i++) {
		char user[64];

		snprintf(user, sizeof(user), "user%d@lab.example", i);
		make(user, "192.0.2.1", token);
	}
	check_limit("ann@lab.example", "192.0.2.1", ERR_THROTTLED);
	change(token, be_old);
	make("ann@lab.example", "192.0.2.1", token);
}

static void there_is_a_limit_for_all(void **state)
{
	char token[TICKET_TOKEN_SIZE];

	(void)state;
	make("ann@lab.example", "192.0.2.1", token);
	for (int i = 1; i < TICKET_MAX; i++) {
		char file[64];

		snprintf(file, sizeof(file), SHELF_STORE "/tickets/%d", i);
		scratch_puts(file, "damaged");
	}
	check_limit("ann@lab.example", "192.0.2.1", ERR_BUSY);
}

static void an_order_has_a_limit(void **state)
{
	AUTO_TICKET struct ticket t = { .user = "ann@lab.example" };
	AUTO_TICKET struct ticket got = TICKET_INIT;
	char token[TICKET_TOKEN_SIZE];
	struct err e = ERR_INIT;

	(void)state;
	t.order = malloc(TICKET_ORDER_MAX + 2);
	assert_non_null(t.order);
	memset(t.order, '\x01', TICKET_ORDER_MAX + 1);
	t.order[TICKET_ORDER_MAX + 1] = '\0';
	assert_int_equal(ticket_make(&shelf, &t, "192.0.2.1", LIFETIME_S, token,
				     &e),
			 -1);
	assert_int_equal(e.code, ERR_TOO_LARGE);
	t.order[TICKET_ORDER_MAX] = '\0';
	assert_int_equal(
		ticket_make(&shelf, &t, "192.0.2.1", LIFETIME_S, token, &e), 0);
	assert_int_equal(ticket_use(&shelf, token, &got, &e), 0);
	assert_string_equal(got.order, t.order);
}

#define WHOLE(user, purpose, order, version)                                   \
	"{\"version\":" version ",\"user\":" user ",\"purpose\":" purpose      \
	",\"order\":" order ",\"remote\":\"x\",\"created\":1,\"expires\":1,"   \
	"\"created_boot_ms\":1,\"expires_boot_ms\":999999999999,"              \
	"\"boot_id\":\"%s\"}"

static void a_damaged_file_is_no_ticket_and_is_purged(void **state)
{
	static const char *const texts[] = {
		"",
		"{}",
		"no JSON",
		WHOLE("\"ann\"", "\"create\"", "\"\"", "2"),
		WHOLE("\"../ann\"", "\"create\"", "\"\"", "1"),
		WHOLE("\"\"", "\"create\"", "\"\"", "1"),
		WHOLE("7", "\"create\"", "\"\"", "1"),
		WHOLE("\"ann\"", "\"destroy\"", "\"\"", "1"),
		WHOLE("\"ann\"", "\"create\"", "null", "1"),
	};
	char token[TICKET_TOKEN_SIZE];
	char boot_id[CLOCK_BOOT_ID_SIZE];
	struct ticket_name name;
	struct err e = ERR_INIT;

	(void)state;
	clock_boot_id(boot_id);
	make("ann@lab.example", "192.0.2.1", token);
	assert_true(ticket_name_of(token, &name));
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		const char *hole = strstr(texts[i], "%s");
		char text[512];
		char file[200];
		size_t removed;

		snprintf(text, sizeof(text), "%.*s%s%s",
			 hole ? (int)(hole - texts[i]) : 400, texts[i],
			 hole ? boot_id : "", hole ? hole + 2 : "");
		snprintf(file, sizeof(file), SHELF_STORE "/tickets/%s",
			 name.text);
		scratch_puts(file, text);
		check_none(token);
		assert_int_equal(ticket_purge(&shelf, &removed, &e), 0);
		assert_int_equal(removed, 1);
		assert_int_equal(count_files(), 0);
	}
}

static void the_purge_takes_what_neither_works_nor_counts(void **state)
{
	AUTO_TICKET struct ticket t = TICKET_INIT;
	char good[TICKET_TOKEN_SIZE];
	char used[TICKET_TOKEN_SIZE];
	char old[TICKET_TOKEN_SIZE];
	struct err e = ERR_INIT;
	size_t removed;

	(void)state;
	make("ann@lab.example", "192.0.2.1", good);
	make("bob@lab.example", "192.0.2.1", used);
	assert_int_equal(ticket_use(&shelf, used, &t, &e), 0);
	make("eve@lab.example", "192.0.2.1", old);
	change(old, expire);
	/* Somebody writes one at this moment. */
	scratch_puts(SHELF_STORE "/tickets/new.tmp", "{");
	assert_int_equal(ticket_purge(&shelf, &removed, &e), 0);
	assert_int_equal(removed, 1);
	check_none(old);
	assert_int_equal(count_files(), 3);
	ticket_release(&t);
	assert_int_equal(ticket_use(&shelf, good, &t, &e), 0);
}

static void a_folder_that_others_may_enter_is_refused(void **state)
{
	AUTO_TICKET struct ticket t = TICKET_INIT;
	char token[TICKET_TOKEN_SIZE];
	struct err e = ERR_INIT;

	(void)state;
	make("ann@lab.example", "192.0.2.1", token);
	assert_int_equal(fchmodat(scratch_fd, SHELF_STORE "/tickets", 0755, 0),
			 0);
	assert_int_equal(ticket_use(&shelf, token, &t, &e), -1);
	assert_int_equal(e.code, ERR_DAMAGED);
	assert_int_equal(fchmodat(scratch_fd, SHELF_STORE "/tickets", 0700, 0),
			 0);
}

#define TEST(name) cmocka_unit_test_setup(name, no_tickets)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_ticket_is_used_once_and_looked_at_any_number_of_times),
		TEST(a_used_ticket_says_so_and_an_unknown_one_does_not),
		TEST(of_fifty_at_the_same_time_one_gets_it),
		TEST(what_is_no_token_of_ours_is_not_looked_for),
		TEST(the_store_keeps_no_token_and_nobody_else_reads_it),
		TEST(a_ticket_ends_by_this_boots_clock),
		TEST(an_address_has_three_at_a_time),
		TEST(one_who_asks_gets_twenty_in_a_quarter_of_an_hour),
		TEST(an_ipv6_address_counts_as_its_network),
		TEST(one_that_is_old_does_not_count_any_more),
		TEST(there_is_a_limit_for_all),
		TEST(an_order_has_a_limit),
		TEST(a_damaged_file_is_no_ticket_and_is_purged),
		TEST(the_purge_takes_what_neither_works_nor_counts),
		TEST(a_folder_that_others_may_enter_is_refused),
	};

	return cmocka_run_group_tests(tests, shelf_make, shelf_remove);
}
