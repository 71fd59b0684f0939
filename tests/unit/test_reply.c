/* src/web/reply */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "web/reply.h"

#define SECURITY                                                               \
	"Content-Security-Policy: default-src 'none'; script-src 'self'; "    \
	"style-src 'self'; img-src 'self' data:; connect-src 'self'; "        \
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'\r\n"     \
	"X-Content-Type-Options: nosniff\r\n"                                  \
	"X-Frame-Options: DENY\r\n"                                            \
	"Referrer-Policy: same-origin\r\n"                                     \
	"Cross-Origin-Opener-Policy: same-origin\r\n"                          \
	"Cache-Control: no-store\r\n"                                          \
	"Vary: Accept\r\n"
#define HSTS "Strict-Transport-Security: max-age=31536000\r\n"

/* Send it and compare what came. */
static void check_sent(const struct reply *r, bool https, bool head,
		       const char *expected)
{
	int fd = memfd_create("reply", MFD_CLOEXEC);
	struct err e = ERR_INIT;
	char sent[8192];
	ssize_t len;

	assert_true(fd >= 0);
	assert_int_equal(reply_send(r, https, head, fd, &e), 0);
	len = pread(fd, sent, sizeof(sent) - 1, 0);
	assert_true(len >= 0);
	sent[len] = '\0';
	close(fd);
	assert_string_equal(sent, expected);
}

static void a_reply_has_the_security_headers(void **state)
{
	struct reply r = REPLY_INIT;

	(void)state;
	reply_reset(&r, 200, REPLY_HTML);
	buf_puts(&r.body, "<p>");
	check_sent(&r, false, false,
		   "Status: 200 OK\r\n" SECURITY
		   "Content-Type: text/html; charset=utf-8\r\n"
		   "Content-Length: 3\r\n\r\n<p>");
	reply_release(&r);
}

static void a_form_may_lead_to_the_servers_of_the_farm(void **state)
{
	struct reply r = REPLY_INIT;
	int fd = memfd_create("reply", MFD_CLOEXEC);
	struct err e = ERR_INIT;
	char sent[4096] = "";

	(void)state;
	assert_true(fd >= 0);
	buf_puts(&r.forms, " https://desk2.example");
	reply_reset(&r, 200, REPLY_HTML);
	assert_int_equal(reply_send(&r, false, false, fd, &e), 0);
	assert_true(pread(fd, sent, sizeof(sent) - 1, 0) > 0);
	close(fd);
	assert_non_null(strstr(sent, "form-action 'self' https://desk2.example"
				     "; frame-ancestors 'none'"));
	reply_release(&r);
}

static void over_https_it_says_so_for_a_year(void **state)
{
	struct reply r = REPLY_INIT;

	(void)state;
	reply_reset(&r, 404, REPLY_TEXT);
	buf_puts(&r.body, "no");
	check_sent(&r, true, false,
		   "Status: 404 Not Found\r\n" SECURITY HSTS
		   "Content-Type: text/plain; charset=utf-8\r\n"
		   "Content-Length: 2\r\n\r\nno");
	reply_release(&r);
}

static void head_gets_all_but_the_body(void **state)
{
	struct reply r = REPLY_INIT;

	(void)state;
	reply_reset(&r, 200, REPLY_JSON);
	buf_puts(&r.body, "{}");
	check_sent(&r, false, true,
		   "Status: 200 OK\r\n" SECURITY
		   "Content-Type: application/json\r\n"
		   "Content-Length: 2\r\n\r\n");
	reply_release(&r);
}

static void the_last_reply_built_is_the_one_that_is_sent(void **state)
{
	struct reply r = REPLY_INIT;

	(void)state;
	reply_reset(&r, 200, REPLY_HTML);
	reply_header(&r, "Location", "/somewhere");
	buf_puts(&r.body, "half a page");
	reply_reset(&r, 500, NULL);
	check_sent(&r, false, false,
		   "Status: 500 Internal Server Error\r\n" SECURITY
		   "Content-Length: 0\r\n\r\n");
	reply_release(&r);
}

static void a_header_with_a_line_break_fails_the_reply(void **state)
{
	static const char *const values[] = {
		"a\r\nSet-Cookie: b=c", "a\nb", "a\rb", "a\tb", "\177",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		struct reply r = REPLY_INIT;

		reply_reset(&r, 200, REPLY_HTML);
		reply_header(&r, "Good", "yes");
		reply_header(&r, "Location", "%s", values[i]);
		buf_puts(&r.body, "body");
		check_sent(&r, false, false,
			   "Status: 500 Internal Server Error\r\n" SECURITY
			   "Content-Length: 0\r\n\r\n");
		reply_release(&r);
	}
}

static void the_login_cookie_is_kept_from_scripts_and_other_sites(void **state)
{
	struct reply r = REPLY_INIT;

	(void)state;
	reply_reset(&r, 303, NULL);
	reply_login_cookie(&r, false, "value");
	assert_string_equal(buf_str(&r.headers),
			    "Set-Cookie: qwd=value; Path=/; HttpOnly; "
			    "SameSite=Strict\r\n");
	reply_reset(&r, 303, NULL);
	reply_login_cookie(&r, true, "value");
	assert_string_equal(buf_str(&r.headers),
			    "Set-Cookie: __Host-qwd=value; Path=/; HttpOnly; "
			    "SameSite=Strict; Secure\r\n");
	reply_release(&r);
}

static void each_error_has_its_status(void **state)
{
	static const struct {
		enum err_code code;
		int status;
		const char *reason;
	} table[] = {
		{ ERR_INPUT, 400, "Bad Request" },
		{ ERR_LOGIN, 401, "Unauthorized" },
		{ ERR_FORBIDDEN, 403, "Forbidden" },
		{ ERR_NOT_FOUND, 404, "Not Found" },
		{ ERR_METHOD, 405, "Method Not Allowed" },
		{ ERR_CONFLICT, 409, "Conflict" },
		{ ERR_TOO_LARGE, 413, "Content Too Large" },
		{ ERR_BUSY, 503, "Service Unavailable" },
		{ ERR_CONFIG, 500, "Internal Server Error" },
		{ ERR_DAMAGED, 500, "Internal Server Error" },
		{ ERR_TIMEOUT, 500, "Internal Server Error" },
		{ ERR_SYSTEM, 500, "Internal Server Error" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		assert_int_equal(reply_status_of(table[i].code),
				 table[i].status);
		assert_string_equal(reply_reason(table[i].status),
				    table[i].reason);
	}
}

/* RR7 */
static void a_host_that_is_short_of_something_is_busy_and_says_of_what(
	void **state)
{
	static const struct {
		int sys;
		const char *words;
	} table[] = {
		{ ENOSPC, "no room left on its disk" },
		{ EDQUOT, "no room left on its disk" },
		{ EMFILE, "too many files open" },
		{ ENFILE, "too many files open" },
		{ ENOMEM, "no memory left" },
	};
	static const int others[] = { 0, EACCES, EIO, EROFS, ENOENT };
	struct err shown;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct err why = ERR_INIT;

		errno = table[i].sys;
		err_sys(&why, "cannot write a-name");
		reply_shown_error(&why, &shown);
		assert_int_equal(reply_status_of(shown.code), 503);
		assert_non_null(strstr(shown.msg, table[i].words));
		assert_null(strstr(shown.msg, "a-name"));
		assert_in_range(shown.retry_after, 60, 600);
		/* What is not the kernel's word stays what it is. */
		why.code = ERR_DAMAGED;
		reply_shown_error(&why, &shown);
		assert_int_equal(shown.code, ERR_DAMAGED);
	}
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		struct err why = ERR_INIT;

		errno = others[i];
		err_sys(&why, "cannot write");
		reply_shown_error(&why, &shown);
		assert_int_equal(reply_status_of(shown.code), 500);
		assert_string_equal(shown.msg, why.msg);
	}
}

static void a_visitor_who_has_gone_is_an_error(void **state)
{
	struct reply r = REPLY_INIT;
	struct err e = ERR_INIT;
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	reply_reset(&r, 200, NULL);
	assert_int_equal(reply_send(&r, false, false, fd, &e), -1);
	assert_int_equal(e.code, ERR_SYSTEM);
	close(fd);
	reply_release(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reply_has_the_security_headers),
		cmocka_unit_test(a_form_may_lead_to_the_servers_of_the_farm),
		cmocka_unit_test(over_https_it_says_so_for_a_year),
		cmocka_unit_test(head_gets_all_but_the_body),
		cmocka_unit_test(the_last_reply_built_is_the_one_that_is_sent),
		cmocka_unit_test(a_header_with_a_line_break_fails_the_reply),
		cmocka_unit_test(
			the_login_cookie_is_kept_from_scripts_and_other_sites),
		cmocka_unit_test(each_error_has_its_status),
		cmocka_unit_test(
			a_host_that_is_short_of_something_is_busy_and_says_of_what),
		cmocka_unit_test(a_visitor_who_has_gone_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
