/* The request role: Create, up to the reservation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "scratch.h"
#include "site.h"
#include "web/web.h"

static void a_wrong_field_is_named_and_nothing_starts(void **state)
{
#define GOOD "create=1&user=ann&machine=good.img"
	static const struct {
		const char *body;
		const char *field;
	} table[] = {
		{ "create=1", "user" },
		{ "create=1&user=", "user" },
		{ "create=1&user=a%2fb&machine=none", "user" },
		{ "create=1&user=ann%0a&machine=good.img", "user" },
		{ "create=1&user=-ann&machine=good.img", "user" },
		{ "create=1&user=ann*&machine=good.img", "user" },
		{ "create=1&user=ann", "machine" },
		{ "create=1&user=ann&machine=", "machine" },
		{ "create=1&user=ann&machine=none", "machine" },
		{ "create=1&user=ann&machine=gone.img", "machine" },
		{ "create=1&user=ann&machine=bad.qcow2", "machine" },
		{ "create=1&user=ann&machine=GOOD.img", "machine" },
		{ "create=1&user=ann&machine=good.img%20", "machine" },
		{ "create=1&user=ann&machine=../machines/good.img", "machine" },
		{ "create=1&user=ann&machine=none&cpu=x", "machine" },
		{ GOOD "&cpu=0", "cpu" },
		{ GOOD "&cpu=-1", "cpu" },
		{ GOOD "&cpu=99999", "cpu" },
		{ GOOD "&cpu=1.5", "cpu" },
		{ GOOD "&cpu=1%20", "cpu" },
		{ GOOD "&cpu=1;reboot", "cpu" },
		{ GOOD "&cpu=x&memory=x", "cpu" },
		{ GOOD "&memory=0", "memory" },
		{ GOOD "&memory=0.06", "memory" },
		{ GOOD "&memory=1e3", "memory" },
		{ GOOD "&memory=999999999999", "memory" },
		{ GOOD "&memory=-1", "memory" },
		{ GOOD "&memory=x&snapshot_lifetime=x", "memory" },
		{ GOOD "&snapshot_lifetime=", "snapshot_lifetime" },
		{ GOOD "&snapshot_lifetime=59", "snapshot_lifetime" },
		{ GOOD "&snapshot_lifetime=86401", "snapshot_lifetime" },
		{ GOOD "&snapshot_lifetime=1h", "snapshot_lifetime" },
		{ GOOD "&snapshot_lifetime=x&gpu=1", "snapshot_lifetime" },
		{ GOOD "&gpu=1", "gpu" },
		{ GOOD "&gpu=01:00.0", "gpu" },
		{ GOOD "&config_script=exec:reboot", "config_script" },
		{ GOOD "&oneshot=perhaps", "oneshot" },
		{ GOOD "&partition=day", "partition" },
		{ GOOD "&account=physics", "account" },
		{ GOOD "&qos=high", "qos" },
		{ GOOD "&cpu=1&cpu=2", "cpu" },
		{ GOOD "&user=bob", "user" },
		{ GOOD "&machine_url=x", "machine_url" },
		{ GOOD "&cpu=%zz", "cpu" },
		{ GOOD "&manage=1", "create" },
		{ GOOD "&service_purge=1", "create" },
		{ "user=ann&machine=good.img", "create" },
		{ "user=ann&machine=good.img&create=no", "create" },
		{ "session_stop=a&now=perhaps&user=ann", "now" },
		{ "session_extend=a&snapshot_lifetime=-1", "snapshot_"
							   "lifetime" },
		{ "session_extend=a&snapshot_lifetime=1e9", "snapshot_"
							    "lifetime" },
		{ "session_extend=a&snapshot_lifetime=99999999999999999999",
		  "snapshot_lifetime" },
		{ "session_extend=a&session_stop=a", "session_extend" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		AUTO_ANSWER struct answer a;

		site_visit(&(struct ask){ .method = "POST",
					  .body = table[i].body },
			   &a);
		if (!json_object_get(a.json, "error"))
			fail_msg("%s", table[i].body);
		answer_check_error(&a, 400, "bad-field", table[i].field);
		assert_null(answer_header(&a, "Set-Cookie"));
	}
	assert_int_equal(store_count_alive(&site_store), 0);
}

static void an_image_that_was_replaced_is_looked_into_again(void **state)
{
	char bytes[4096] = "QFI\373";

	(void)state;
	/* It says that it is a qcow2 image, and is none. */
	scratch_write("machines/good.img", bytes, sizeof(bytes));
	site_expect_error(&(struct ask){ .method = "POST", .body = GOOD }, 400,
			  "bad-field", "machine");
	site_make_machines();
	assert_int_equal(unlinkat(scratch_fd, "machines/gone.img", 0), 0);
	site_expect_error(&(struct ask){ .method = "POST",
					 .body = GOOD "&cpu=x" },
			  400, "bad-field", "cpu");
}

static void a_long_password_is_refused_and_shown_nowhere(void **state)
{
	char body[2048] = "create=1&user=ann&machine=good.img&password=";
	AUTO_ANSWER struct answer a;
	size_t len = strlen(body);

	(void)state;
	memset(body + len, 'p', 1025);
	body[len + 1025] = '\0';
	site_visit(
		&(struct ask){ .method = "POST", .body = body, .html = true },
		&a);
	assert_int_equal(a.status, 400);
	assert_non_null(strstr(a.body, "longer than 1024 bytes"));
	assert_null(strstr(buf_str(&a.output), "pppp"));
	assert_null(strstr(buf_str(&a.log), "pppp"));
}

static void the_form_comes_back_as_it_was_filled_in(void **state)
{
	AUTO_ANSWER struct answer a;

	(void)state;
	site_visit(&(struct ask){ .method = "POST",
				  .html = true,
				  .body = "create=1&user=ann&machine=good.img&"
					  "password=canary&cpu=0&memory=0.5&"
					  "snapshot_lifetime=7200" },
		   &a);
	assert_int_equal(a.status, 400);
	assert_non_null(strstr(a.body, "id=\"cpu-error\""));
	assert_null(strstr(a.body, "id=\"memory-error\""));
	assert_non_null(strstr(a.body, "value=\"ann\""));
	assert_non_null(
		strstr(a.body, "<option value=\"good.img\" selected data-"));
	assert_non_null(strstr(a.body, "<option value=\"0.5\" selected>"));
	assert_non_null(strstr(a.body, "<option value=\"7200\" selected>"));
	assert_null(strstr(buf_str(&a.output), "canary"));
	assert_null(strstr(buf_str(&a.log), "canary"));
}

static void a_field_is_text_wherever_it_is_shown(void **state)
{
	AUTO_ANSWER struct answer a;

	(void)state;
	site_visit(&(struct ask){ .method = "POST",
				  .html = true,
				  .body = "create=1&user=%22%3e%3cscript%"
					  "3ealert(1)"
					  "%3c/script%3e" },
		   &a);
	assert_int_equal(a.status, 400);
	assert_null(strstr(a.body, "<script>alert"));
	assert_non_null(strstr(a.body, "&quot;&gt;&lt;script&gt;alert(1)"));
}

static void a_body_that_is_too_large_is_not_read(void **state)
{
	(void)state;
	site_expect_error(&(struct ask){ .method = "POST",
					 .body = "create=1",
					 .env = { "CONTENT_LENGTH=131073" } },
			  413, "too-large", NULL);
	site_expect_error(&(struct ask){ .method = "POST",
					 .body = "create=1",
					 .env = { "CONTENT_LENGTH=9" } },
			  400, "bad-field", NULL);
	site_expect_error(&(struct ask){ .method = "POST",
					 .body = "create=1",
					 .env = { "CONTENT_TYPE=text/plain" } },
			  400, "bad-field", NULL);
}

static void a_full_service_says_once_when_to_come_back(void **state)
{
	AUTO_ANSWER struct answer a;
	AUTO_ANSWER struct answer page;
	AUTO_ANSWER struct answer endless;
	struct ask html = { .method = "POST", .body = GOOD, .html = true };
	struct err e = ERR_INIT;
	struct session s;
	int lock = site_make_session(&s, "qwd-full", "bob", SESSION_RUNNING);

	(void)state;
	site_configure("service_max_instance_nb = 1\n");
	site_visit(&(struct ask){ .method = "POST", .body = GOOD }, &a);
	site_visit(&html, &page);
	s.ends = s.ends_boot_ms = 0;
	assert_int_equal(store_write(&site_store, &s, &e), 0);
	site_visit(&html, &endless);
	site_configure("");
	site_forget_session(&s, lock);
	answer_check_error(&a, 503, "busy", NULL);
	assert_non_null(answer_header(&a, "Retry-After"));
	assert_null(answer_header(&a, "Set-Cookie"));
	assert_int_equal(page.status, 503);
	assert_non_null(strstr(page.body, "The next session ends in "));
	assert_null(strstr(page.body, "The next chance may come in"));
	assert_int_equal(endless.status, 503);
	assert_null(strstr(endless.body, "The next session ends in "));
	assert_non_null(strstr(endless.body,
			       "The next chance may come in 5 min."));
	assert_int_equal(store_count_alive(&site_store), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_wrong_field_is_named_and_nothing_starts),
		cmocka_unit_test(
			an_image_that_was_replaced_is_looked_into_again),
		cmocka_unit_test(a_long_password_is_refused_and_shown_nowhere),
		cmocka_unit_test(the_form_comes_back_as_it_was_filled_in),
		cmocka_unit_test(a_field_is_text_wherever_it_is_shown),
		cmocka_unit_test(a_body_that_is_too_large_is_not_read),
		cmocka_unit_test(a_full_service_says_once_when_to_come_back),
	};

	/* This program is its own CGI. */
	if (site_is_asked())
		return web_main();
	return cmocka_run_group_tests(tests, site_make, site_remove);
}
