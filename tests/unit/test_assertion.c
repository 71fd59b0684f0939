/* What is said of a user in the name of a server, and that it is heard once
 * (farm/assertion.h, farm/heard.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/text.h"
#include "farm/assertion.h"
#include "farm/heard.h"
#include "scratch.h"
#include "shelf.h"
#include "sys/clock.h"
#include "sys/file.h"

static const struct secret secret = { .key = "thirty-one bytes, and one more" };

/* ---- Assertions ---- */

static struct assertion example(void)
{
	struct assertion a = {
		.verb = FARM_CREATE,
		.from = "https://one.example",
		.to = "https://two.example",
		.remote = "192.0.2.7",
		.who = { .user = "ann",
			 .mail = "ann@lab.example",
			 .method = "ldap",
			 .groups = "staff\nx-rays\n" },
	};
	struct err e = ERR_INIT;

	memset(a.id, 'a', FARM_ID_SIZE - 1);
	assert_int_equal(farm_digest("cpu=1", a.digest, &e), 0);
	return a;
}

static void sign(struct assertion *a, struct buf *out)
{
	struct err e = ERR_INIT;

	assert_int_equal(assertion_sign(a, &secret, out, &e), 0);
	assert_false(buf_failed(out));
}

static void what_was_signed_is_read(void **state)
{
	AUTO_BUF struct buf text = BUF_INIT(FARM_ASSERTION_MAX);
	struct assertion a = example();
	struct assertion b;
	struct err e = ERR_INIT;

	(void)state;
	sign(&a, &text);
	if (assertion_read(buf_str(&text), &secret, &b, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(b.verb, FARM_CREATE);
	assert_string_equal(b.from, a.from);
	assert_string_equal(b.to, a.to);
	assert_string_equal(b.id, a.id);
	assert_string_equal(b.who.user, "ann");
	assert_string_equal(b.who.mail, "ann@lab.example");
	assert_string_equal(b.who.method, "ldap");
	assert_string_equal(b.who.groups, "staff\nx-rays\n");
	assert_false(b.who.admin);
	assert_string_equal(b.remote, "192.0.2.7");
	assert_string_equal(b.digest, a.digest);
	assert_string_equal(b.nonce, a.nonce);
	assert_true(text_only(buf_str(&text), "-_."));
}

static void refused(const char *text, const char *why)
{
	struct assertion b = { .from = "untouched" };
	struct err e = ERR_INIT;

	assert_int_equal(assertion_read(text, &secret, &b, &e), -1);
	assert_int_equal(e.code, ERR_FORBIDDEN);
	if (!strstr(e.msg, why))
		fail_msg("'%s' does not say '%s'", e.msg, why);
}

static void no_byte_of_an_assertion_can_be_changed(void **state)
{
	AUTO_BUF struct buf text = BUF_INIT(FARM_ASSERTION_MAX);
	struct assertion a = example();
	static const struct secret other = { .key = "another" };
	struct assertion b;
	struct err e = ERR_INIT;

	(void)state;
	sign(&a, &text);
	for (size_t i = 0; i < text.len; i++) {
		char kept = text.data[i];

		text.data[i] = kept == 'A' ? 'B' : 'A';
		refused(buf_str(&text), kept == '.' ? "malformed" :
						      "not signed");
		text.data[i] = kept;
	}
	assert_int_equal(assertion_read(buf_str(&text), &other, &b, &e), -1);
	assert_int_equal(e.code, ERR_FORBIDDEN);
	text.data[text.len - 1] = '\0';
	refused(buf_str(&text), "malformed");
	refused("", "malformed");
	refused(".", "malformed");
}

/* A payload as it is, signed rightly. */
static void signed_text(const char *payload, struct buf *out)
{
	char mac[SECRET_MAC_SIZE];

	secret_mac(&secret, "farm", payload, mac);
	buf_printf(out, "%s.%s", payload, mac);
}

static void what_is_signed_is_still_read_strictly(void **state)
{
	static const struct {
		const char *payload;
		const char *why;
	} cases[] = {
		{ "e30", "v: not an integer" }, /* {} */
		{ "W10", "" },			/* [] */
		{ "e30=", "not base64url" },
		{ "e+0", "not base64url" },
		{ "", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_BUF struct buf text = BUF_INIT(1000);

		signed_text(cases[i].payload, &text);
		refused(buf_str(&text), cases[i].why);
	}
}

static void groups_that_do_not_fit_into_a_url_are_left_out(void **state)
{
	AUTO_BUF struct buf text = BUF_INIT(FARM_ASSERTION_MAX);
	struct assertion a = example();
	struct assertion b;
	struct err e = ERR_INIT;
	char group[32];

	(void)state;
	a.verb = FARM_ENTER;
	for (int i = 0; i < 500; i++) {
		snprintf(group, sizeof(group), "group-%d", i);
		access_add_group(&a.who, group);
	}
	sign(&a, &text);
	assert_true(text.len < 4096);
	assert_int_equal(assertion_read(buf_str(&text), &secret, &b, &e), 0);
	assert_true(text_starts(b.who.groups, "staff\nx-rays\ngroup-0\n"));
	assert_true(text_starts(a.who.groups, b.who.groups));
	assert_true(a.expires - clock_wall() > FARM_LIFE_S);
}

/* ---- Once ---- */

static void an_assertion_is_used_once(void **state)
{
	AUTO_BUF struct buf text = BUF_INIT(FARM_ASSERTION_MAX);
	struct assertion a = example();
	struct assertion b = example();
	struct err e = ERR_INIT;

	(void)state;
	sign(&a, &text);
	sign(&b, &text);
	assert_int_equal(heard_once(&shelf, &a, &e), 0);
	assert_int_equal(heard_once(&shelf, &b, &e), 0);
	assert_int_equal(heard_once(&shelf, &a, &e), -1);
	assert_int_equal(e.code, ERR_FORBIDDEN);
	assert_non_null(strstr(e.msg, "used before"));
}

static void old_assertions_are_forgotten_and_too_many_refused(void **state)
{
	struct assertion a = example();
	struct err e = ERR_INIT;
	long long window;
	AUTO_CLOSE int dir = -1;
	char path[64];

	(void)state;
	memset(a.nonce, 'n', FARM_NONCE_SIZE - 1);
	a.expires = clock_wall() - 600;
	assert_int_equal(heard_once(&shelf, &a, &e), 0);
	snprintf(path, sizeof(path), "farm/nonces/%lld", a.expires / 60);
	assert_int_equal(faccessat(shelf.dir, path, F_OK, 0), 0);
	a.expires = clock_wall() + 30;
	assert_int_equal(heard_once(&shelf, &a, &e), 0);
	assert_int_equal(faccessat(shelf.dir, path, F_OK, 0), -1);

	window = a.expires / 60;
	snprintf(path, sizeof(path), "farm/nonces/%lld", window);
	for (int i = 0; i < FARM_NONCES_MAX; i++) {
		char name[96];

		snprintf(name, sizeof(name), "%s/%d", path, i);
		assert_int_equal(mknodat(shelf.dir, name, S_IFREG | 0600, 0),
				 0);
	}
	a.nonce[0] = 'm';
	assert_int_equal(heard_once(&shelf, &a, &e), -1);
	assert_int_equal(e.code, ERR_BUSY);
}

/* ---- What became of an order ---- */

static void an_orders_id_is_read_as_it_was_written(void **state)
{
	static const char *const wrong[] = {
		"",
		".",
		"1.",
		"1.a",
		"x.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		"-1.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		".aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		"1.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		"1.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		"1.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/",
		"1.../aaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		"1111111111111111111111111111.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	};
	struct order_id one = { .expires = 1764115200 };
	char text[ORDER_ID_TEXT_SIZE];
	struct order_id other;
	struct err e = ERR_INIT;

	(void)state;
	memset(one.nonce, 'z', FARM_NONCE_SIZE - 1);
	order_id_text(&one, text);
	assert_int_equal(order_id_parse(text, &other, &e), 0);
	assert_int_equal(other.expires, one.expires);
	assert_string_equal(other.nonce, one.nonce);
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		assert_int_equal(order_id_parse(wrong[i], &other, &e), -1);
		assert_int_equal(e.code, ERR_INPUT);
		assert_string_equal(e.field, "order");
	}
}

/* An order that is signed, and its id. */
static struct assertion an_order(struct order_id *ret)
{
	AUTO_BUF struct buf text = BUF_INIT(FARM_ASSERTION_MAX);
	struct assertion a = example();

	sign(&a, &text);
	memcpy(ret->nonce, a.nonce, sizeof(ret->nonce));
	ret->expires = a.expires;
	return a;
}

static void nothing_comes_of(const struct order_id *o)
{
	char name[SESSION_NAME_SIZE] = "untouched";
	struct err e = ERR_INIT;

	assert_int_equal(heard_order_settle(&shelf, o, name, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_string_equal(name, "untouched");
}

static void an_order_that_has_a_session_keeps_it(void **state)
{
	struct order_id o;
	struct assertion a = an_order(&o);
	char name[SESSION_NAME_SIZE];
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(heard_once(&shelf, &a, &e), 0);
	assert_int_equal(heard_order_done(&shelf, &a, "svc-1", &e), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(heard_order_settle(&shelf, &o, name, &e), 0);
		assert_string_equal(name, "svc-1");
	}
	/* It is used all the same. */
	assert_int_equal(heard_once(&shelf, &a, &e), -1);
	assert_int_equal(e.code, ERR_FORBIDDEN);
}

static void an_order_that_was_asked_about_in_vain_gets_no_session(void **state)
{
	struct order_id o;
	struct assertion a = an_order(&o);
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(heard_once(&shelf, &a, &e), 0);
	nothing_comes_of(&o);
	assert_int_equal(heard_order_done(&shelf, &a, "svc-1", &e), -1);
	assert_int_equal(e.code, ERR_CONFLICT);
	nothing_comes_of(&o);
}

static void an_order_that_comes_after_the_question_is_refused(void **state)
{
	struct order_id o;
	struct assertion a = an_order(&o);
	struct err e = ERR_INIT;

	(void)state;
	nothing_comes_of(&o);
	assert_int_equal(heard_once(&shelf, &a, &e), -1);
	assert_int_equal(e.code, ERR_FORBIDDEN);
	assert_non_null(strstr(e.msg, "used before"));
}

static void an_order_can_be_asked_about_until_it_is_forgotten(void **state)
{
	struct order_id o;
	struct assertion a = an_order(&o);
	struct order_id other;
	struct assertion b = an_order(&other);
	char name[SESSION_NAME_SIZE];
	struct err e = ERR_INIT;

	(void)state;
	/* The other server's clock may be as far from ours as that. */
	a.expires = clock_wall() - FARM_SKEW_S - FARM_SETTLE_S + 20;
	o.expires = a.expires;
	assert_int_equal(heard_once(&shelf, &a, &e), 0);
	assert_int_equal(heard_order_done(&shelf, &a, "svc-1", &e), 0);
	b.expires = clock_wall() + 600; /* the old ones go */
	assert_int_equal(heard_once(&shelf, &b, &e), 0);
	assert_int_equal(heard_order_settle(&shelf, &o, name, &e), 0);
	assert_string_equal(name, "svc-1");
	/* Nobody can say anything of these, so nobody does. */
	o.expires = clock_wall() - FARM_SKEW_S - FARM_SETTLE_S - 5;
	assert_int_equal(heard_order_settle(&shelf, &o, name, &e), -1);
	assert_int_equal(e.code, ERR_FORBIDDEN);
	o.expires = clock_wall() + FARM_LIFE_S + FARM_SKEW_S + 600;
	assert_int_equal(heard_order_settle(&shelf, &o, name, &e), -1);
	assert_int_equal(e.code, ERR_FORBIDDEN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_signed_is_read),
		cmocka_unit_test(no_byte_of_an_assertion_can_be_changed),
		cmocka_unit_test(what_is_signed_is_still_read_strictly),
		cmocka_unit_test(groups_that_do_not_fit_into_a_url_are_left_out),
		SHELF_TEST(an_assertion_is_used_once),
		SHELF_TEST(old_assertions_are_forgotten_and_too_many_refused),
		cmocka_unit_test(an_orders_id_is_read_as_it_was_written),
		SHELF_TEST(an_order_that_has_a_session_keeps_it),
		SHELF_TEST(
			an_order_that_was_asked_about_in_vain_gets_no_session),
		SHELF_TEST(an_order_that_comes_after_the_question_is_refused),
		SHELF_TEST(an_order_can_be_asked_about_until_it_is_forgotten),
	};

	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
