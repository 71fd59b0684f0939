/* src/session/store: what is no record, and stands where one should be. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cmocka.h>

#include "scratch.h"
#include "session/store.h"
#include "shelf.h"
#include "sys/file.h"
#include "sys/json.h"

#define A SHELF_A
#define B SHELF_B

/* Only B is seen, and A's record lies in damaged/ or is gone. */
static void check_set_aside(const char *what)
{
	AUTO_SESSION_LIST struct session_list all = { 0 };
	struct session back;
	struct err e = ERR_INIT;

	if (store_list(&shelf, NULL, &all, &e) < 0)
		fail_msg("%s: %s", what, e.msg);
	if (all.count != 1 || strcmp(all.list[0].name, B) != 0)
		fail_msg("%s: %zu sessions", what, all.count);
	if (shelf_has(shelf.dir, A ".json"))
		fail_msg("%s: it is still there", what);
	assert_int_equal(store_read(&shelf, A, &back, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
}

static void check_damaged(const char *message)
{
	struct session back;
	struct err e = ERR_INIT;

	assert_int_equal(store_read(&shelf, A, &back, &e), -1);
	assert_int_equal(e.code, ERR_DAMAGED);
	if (!strstr(e.msg, message))
		fail_msg("'%s' does not say '%s'", e.msg, message);
	assert_false(shelf_has(shelf.dir, A ".json"));
}

static void add_good(void)
{
	struct session s = shelf_session(B, SESSION_RUNNING);

	shelf_write(&s);
}

/* RR13: truncated at each byte. */
static void a_record_cut_at_any_byte_is_set_aside(void **state)
{
	struct session s = shelf_session(A, SESSION_RUNNING);
	AUTO_JSON json_t *record = session_to_record(&s);
	AUTO_FREE char *text = json_dumps(record, JSON_INDENT(1));
	size_t len = strlen(text);

	(void)state;
	add_good();
	for (size_t cut = 0; cut < len; cut++) {
		char what[32];

		snprintf(what, sizeof(what), "cut at %zu", cut);
		shelf_put(A ".json", text, cut);
		check_set_aside(what);
	}
	assert_true(shelf_has(shelf.dir, "damaged/" A ".json"));
}

/* RR13: bits that flip. */
static void a_record_with_a_byte_changed_breaks_nothing(void **state)
{
	struct session s = shelf_session(A, SESSION_RUNNING);
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
		shelf_put(A ".json", text, len);
		text[i] = old;
		assert_int_equal(store_list(&shelf, NULL, &all, &e), 0);
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
		shelf_put(A ".json", table[i].text, strlen(table[i].text));
		check_damaged(table[i].message);
		shelf_put(A ".json", table[i].text, strlen(table[i].text));
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
	shelf_put(A ".json", deep, sizeof(deep));
	check_damaged("maximum parsing depth");
	check_set_aside("deep nesting");
}

static void a_huge_record_is_set_aside(void **state)
{
	AUTO_CLOSE int fd = openat(shelf.dir, A ".json",
				   O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	(void)state;
	add_good();
	assert_int_equal(ftruncate(fd, 10 << 20), 0);
	check_damaged("is too large");
	assert_true(shelf_has(shelf.dir, "damaged/" A ".json"));
	check_set_aside("10 MB");
}

static void a_record_of_another_name_is_set_aside(void **state)
{
	struct session s = shelf_session(A, SESSION_RUNNING);

	(void)state;
	add_good();
	assert_int_equal(
		linkat(shelf.dir, B ".json", shelf.dir, A ".json", 0), 0);
	check_damaged("another name");
	check_set_aside("another name");
	/* Nor does A's own record come back as B's. */
	snprintf(s.name, sizeof(s.name), "%s", A);
	shelf_write(&s);
	assert_true(shelf_has(shelf.dir, A ".json"));
}

static void a_fifo_is_set_aside_and_hangs_nobody(void **state)
{
	(void)state;
	add_good();
	assert_int_equal(mkfifoat(shelf.dir, A ".json", 0600), 0);
	check_damaged("no regular file");
	assert_int_equal(mkfifoat(shelf.dir, A ".json", 0600), 0);
	check_set_aside("fifo");
}

static void a_link_is_set_aside_and_not_followed(void **state)
{
	(void)state;
	add_good();
	shelf_put("target", "x", 1);
	assert_int_equal(symlinkat("target", shelf.dir, A ".json"), 0);
	check_damaged("symbolic link");
	assert_int_equal(symlinkat(B ".json", shelf.dir, A ".json"), 0);
	check_set_aside("link to a record");
	assert_true(shelf_has(shelf.dir, "target"));
	assert_int_equal(symlinkat("nowhere", shelf.dir, A ".json"), 0);
	check_set_aside("dangling link");
}

static void a_directory_is_set_aside(void **state)
{
	(void)state;
	add_good();
	/* Twice: the second finds the name taken in damaged/. */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(mkdirat(shelf.dir, A ".json", 0700), 0);
		shelf_put(A ".json/file", "x", 1);
		check_damaged("no regular file");
	}
	assert_true(shelf_has(shelf.dir, "damaged/" A ".json/file"));
	check_set_aside("directory");
}

static void a_socket_is_set_aside(void **state)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	add_good();
	snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/" A ".json",
		 shelf.dir);
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
		shelf_put(names[i], "junk", 4);
	assert_int_equal(store_list(&shelf, NULL, &all, &e), 0);
	assert_int_equal(all.count, 0);
	assert_null(all.list);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		assert_true(shelf_has(shelf.dir, names[i]));
	assert_false(shelf_has(shelf.dir, "damaged"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SHELF_TEST(a_record_cut_at_any_byte_is_set_aside),
		SHELF_TEST(a_record_with_a_byte_changed_breaks_nothing),
		SHELF_TEST(text_that_is_no_record_is_set_aside),
		SHELF_TEST(deep_nesting_is_set_aside),
		SHELF_TEST(a_huge_record_is_set_aside),
		SHELF_TEST(a_record_of_another_name_is_set_aside),
		SHELF_TEST(a_fifo_is_set_aside_and_hangs_nobody),
		SHELF_TEST(a_link_is_set_aside_and_not_followed),
		SHELF_TEST(a_directory_is_set_aside),
		SHELF_TEST(a_socket_is_set_aside),
		SHELF_TEST(other_files_in_the_store_are_let_be),
	};

	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
