/* The request role: its pages, who may, and what is broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "scratch.h"
#include "site.h"
#include "web/web.h"

/* ---- Pages ---- */

static void the_form_is_shown_for_whatever_else_is_asked(void **state)
{
	static const char *const queries[] = {
		"", "--config=/x+-h", "--x+y", "unknown=1", "a=%zz",
		"session=a&session=b", "%00", "machine=good.img&user=a",
	};
	AUTO_ANSWER struct answer plain;

	(void)state;
	site_visit(&(struct ask){ .html = true }, &plain);
	assert_int_equal(plain.status, 200);
	assert_non_null(strstr(plain.body, "name=\"create\""));
	assert_non_null(strstr(plain.body, "The &lt;Title&gt;"));
	assert_non_null(strstr(plain.body, "A &lt;good&gt; machine"));
	assert_null(strstr(plain.body, "bad.qcow2"));
	for (size_t i = 0; i < ARRAY_LEN(queries); i++) {
		AUTO_ANSWER struct answer a;

		site_visit(&(struct ask){ .query = queries[i], .html = true },
			   &a);
		assert_string_equal(buf_str(&a.output),
				    buf_str(&plain.output));
	}
}

static void each_page_says_that_no_login_is_checked(void **state)
{
	static const struct {
		const char *query;
		int status;
	} pages[] = { { "", 200 }, { "terms=1", 200 }, { "manage=1", 401 },
		      { "session=x", 401 }, { "create=1", 405 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
		AUTO_ANSWER struct answer a;

		site_visit(&(struct ask){ .query = pages[i].query,
					  .html = true },
			   &a);
		assert_int_equal(a.status, pages[i].status);
		assert_non_null(strstr(a.body, "No login is configured."));
	}
}

static void head_is_get_without_the_body(void **state)
{
	AUTO_ANSWER struct answer get;
	AUTO_ANSWER struct answer head;

	(void)state;
	site_visit(&(struct ask){ .query = "terms=1", .html = true }, &get);
	site_visit(&(struct ask){ .method = "HEAD",
				  .query = "terms=1",
				  .html = true },
		   &head);
	assert_int_equal(head.status, 200);
	assert_string_equal(head.body, "");
	assert_int_equal(strncmp(buf_str(&head.output), buf_str(&get.output),
				 head.output.len),
			 0);
}

static void the_style_has_the_colours(void **state)
{
	AUTO_ANSWER struct answer a;

	(void)state;
	site_visit(&(struct ask){ .query = "style=1", .html = true }, &a);
	assert_int_equal(a.status, 200);
	assert_string_equal(answer_header(&a, "Content-Type"), "text/css; "
							       "charset=utf-8");
	assert_non_null(strstr(a.body, "#0b5cad"));
}

static void every_reply_has_the_security_headers(void **state)
{
	static const char *const headers[] = {
		"Content-Security-Policy", "X-Content-Type-Options",
		"X-Frame-Options",	   "Referrer-Policy",
		"Cache-Control",	   "Cross-Origin-Opener-Policy",
		"Vary",			   "Content-Length",
	};
	static const struct ask asks[] = {
		{ .query = "" },
		{ .query = "style=1" },
		{ .query = "session=x" },
		{ .method = "DELETE" },
		{ .method = "POST", .body = "create=1" },
		{ .method = "POST", .body = "manage=1&user=a", .html = true },
		{ .env = { "REMOTE_ADDR=192.0.2.1" } },
		{ .env = { "QWD_CONFIG=relative" } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(asks); i++) {
		AUTO_ANSWER struct answer a;

		site_visit(&asks[i], &a);
		for (size_t k = 0; k < ARRAY_LEN(headers); k++)
			if (!answer_header(&a, headers[k]))
				fail_msg("request %zu: no %s", i, headers[k]);
		assert_null(answer_header(&a, "Strict-Transport-Security"));
	}
}

static void over_https_the_cookie_is_bound_to_host_and_https(void **state)
{
	AUTO_ANSWER struct answer a;

	(void)state;
	site_visit(&(struct ask){ .method = "POST",
				  .body = "manage=1&user=ann",
				  .env = { "HTTPS=on" } },
		   &a);
	assert_int_equal(a.status, 200);
	assert_true(text_starts(answer_header(&a, "Set-Cookie"), "__Host-"
								 "qwd="));
	assert_true(text_ends(answer_header(&a, "Set-Cookie"), "; Secure"));
	assert_non_null(answer_header(&a, "Strict-Transport-Security"));
}

/* ---- Who may ---- */

static void a_refused_peer_gets_nothing(void **state)
{
	static const char *const env[] = {
		"REMOTE_ADDR=192.0.2.1", "HTTP_X_FORWARDED_FOR=127.0.0.1",
		"HTTP_FORWARDED=for=127.0.0.1", "HTTP_VIA=1.1 proxy",
		"HTTP_HOST=evil.example",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(env); i++) {
		site_expect_error(&(struct ask){ .env = { env[i] } }, 403,
				  "forbidden", NULL);
		site_expect_error(&(struct ask){ .method = "POST",
						 .body = "manage=1&user=ann",
						 .env = { env[i] } },
				  403, "forbidden", NULL);
	}
}

static void everybody_is_served_where_the_site_says_so(void **state)
{
	AUTO_ANSWER struct answer a;

	(void)state;
	site_configure("allow_anonymous = yes\n");
	site_visit(&(struct ask){ .html = true,
				  .env = { "REMOTE_ADDR=192.0.2.1", "HTTP_HOST="
								    "evil."
								    "exampl"
								    "e" } },
		   &a);
	site_configure("");
	assert_int_equal(a.status, 200);
	assert_non_null(strstr(a.body, "Everybody who reaches this page"));
	assert_null(strstr(buf_str(&a.output), "evil"));
}

static void a_post_from_elsewhere_changes_nothing(void **state)
{
	static const char *const env[] = {
		"HTTP_ORIGIN=http://evil.example", "HTTP_ORIGIN=null",
		"HTTP_SEC_FETCH_SITE=cross-site",
		"HTTP_ORIGIN=http://localhost:6080",
	};
	struct session s;
	int lock =
		site_make_session(&s, "qwd-elsewhere", "ann", SESSION_RUNNING);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(env); i++) {
		AUTO_ANSWER struct answer a;

		site_visit(&(struct ask){ .method = "POST",
					  .body = "manage=1&user=ann",
					  .env = { env[i] } },
			   &a);
		answer_check_error(&a, 403, "forbidden", NULL);
		assert_null(answer_header(&a, "Set-Cookie"));
		site_expect_error(&(struct ask){ .method = "POST",
						 .body = "session_stop=qwd-"
							 "elsewhere"
							 "&user=ann",
						 .env = { env[i] } },
				  403, "forbidden", NULL);
	}
	site_forget_session(&s, lock);
}

static void other_methods_are_refused(void **state)
{
	static const char *const methods[] = { "PUT", "DELETE", "OPTIONS",
					       "TRACE", "get", "" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
		AUTO_ANSWER struct answer a;

		site_visit(&(struct ask){ .method = methods[i] }, &a);
		answer_check_error(&a, 405, "method-not-allowed", NULL);
		assert_string_equal(answer_header(&a, "Allow"), "GET, HEAD, "
								"POST");
	}
}

static void a_link_never_acts(void **state)
{
	static const char *const queries[] = {
		"create=1&user=ann&machine=good.img",
		"session_stop=qwd-a&user=ann",
		"service_purge=1&user=ann",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(queries); i++) {
		AUTO_ANSWER struct answer a;

		site_visit(&(struct ask){ .query = queries[i] }, &a);
		answer_check_error(&a, 405, "method-not-allowed", NULL);
		assert_string_equal(answer_header(&a, "Allow"), "POST");
	}
}

/* ---- What is broken ---- */

static void a_wrong_configuration_is_for_the_log(void **state)
{
	AUTO_ANSWER struct answer a;

	(void)state;
	site_configure("no_such_option = 1\n");
	site_visit(&(struct ask){ .query = "" }, &a);
	site_configure("");
	answer_check_error(&a, 500, "configuration", NULL);
	assert_null(strstr(a.body, "no_such_option"));
	assert_non_null(strstr(buf_str(&a.log), "no_such_option"));
}

static void without_templates_there_is_still_an_answer(void **state)
{
	AUTO_ANSWER struct answer a;

	(void)state;
	site_configure("");
	scratch_puts("other.conf", "dir_html = /nonexistent\n");
	{
		char env[4300];

		snprintf(env, sizeof(env), "QWD_CONFIG=%s/other.conf",
			 scratch_path);
		site_visit(&(struct ask){ .html = true,
					  .query = "terms=1",
					  .env = { env } },
			   &a);
	}
	assert_int_equal(a.status, 500);
	assert_string_equal(answer_header(&a, "Content-Type"), "text/plain; "
							       "charset=utf-8");
	assert_string_equal(a.body, "500 Internal Server Error\n");
	assert_non_null(strstr(buf_str(&a.log), "/nonexistent/desktop"));
}

static void untrusted_text_makes_one_line_of_the_log(void **state)
{
	AUTO_ANSWER struct answer a;

	(void)state;
	site_visit(&(struct ask){ .method = "POST",
				  .body = "session_stop=qwd-x&user=ann",
				  .env = { "REMOTE_ADDR=127.0.0.1", "UNIQUE_ID="
								    "a\nevent="
								    "fake" } },
		   &a);
	answer_check_error(&a, 404, "not-found", NULL);
	assert_null(strstr(buf_str(&a.log), "\nevent=fake"));
	assert_ptr_equal(strchr(buf_str(&a.log), '\n') + 1,
			 buf_str(&a.log) + a.log.len);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_form_is_shown_for_whatever_else_is_asked),
		cmocka_unit_test(each_page_says_that_no_login_is_checked),
		cmocka_unit_test(head_is_get_without_the_body),
		cmocka_unit_test(the_style_has_the_colours),
		cmocka_unit_test(every_reply_has_the_security_headers),
		cmocka_unit_test(
			over_https_the_cookie_is_bound_to_host_and_https),
		cmocka_unit_test(a_refused_peer_gets_nothing),
		cmocka_unit_test(everybody_is_served_where_the_site_says_so),
		cmocka_unit_test(a_post_from_elsewhere_changes_nothing),
		cmocka_unit_test(other_methods_are_refused),
		cmocka_unit_test(a_link_never_acts),
		cmocka_unit_test(a_wrong_configuration_is_for_the_log),
		cmocka_unit_test(without_templates_there_is_still_an_answer),
		cmocka_unit_test(untrusted_text_makes_one_line_of_the_log),
	};

	/* This program is its own CGI. */
	if (site_is_asked())
		return web_main();
	return cmocka_run_group_tests(tests, site_make, site_remove);
}
