/* src/base: buffers, errors and log lines. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/text.h"
#include "scratch.h"

/* ---- buf ---- */

static void
a_buffer_grows_up_to_its_ceiling_and_then_fails_for_good(void **state)
{
	AUTO_BUF struct buf b = BUF_INIT(1000);

	(void)state;
	assert_string_equal(buf_str(&b), "");
	for (int i = 0; i < 1000; i++) {
		buf_putc(&b, 'x');
		assert_int_equal(b.len, i + 1);
		assert_int_equal(b.data[b.len], '\0');
	}
	assert_false(buf_failed(&b));
	buf_add(&b, "", 0);
	assert_false(buf_failed(&b));
	buf_putc(&b, 'x');
	assert_true(buf_failed(&b));
	assert_int_equal(b.len, 1000);
	assert_int_equal(b.data[1000], '\0');
}

static void a_buffer_that_failed_takes_nothing_until_it_is_reset(void **state)
{
	AUTO_BUF struct buf b = BUF_INIT(4);

	(void)state;
	buf_puts(&b, "abc");
	buf_puts(&b, "de");
	assert_true(buf_failed(&b));
	buf_putc(&b, 'd');
	buf_printf(&b, "%d", 1);
	buf_printf(&b, "%s", "");
	assert_string_equal(buf_str(&b), "abc");
	buf_reset(&b);
	assert_false(buf_failed(&b));
	assert_string_equal(buf_str(&b), "");
	buf_puts(&b, "abcd");
	assert_false(buf_failed(&b));
	assert_string_equal(buf_str(&b), "abcd");
}

static void a_buffer_with_ceiling_zero_holds_the_empty_text(void **state)
{
	AUTO_BUF struct buf b = BUF_INIT(0);

	(void)state;
	buf_puts(&b, "");
	buf_printf(&b, "%s", "");
	assert_false(buf_failed(&b));
	assert_string_equal(buf_str(&b), "");
	buf_putc(&b, 'x');
	assert_true(buf_failed(&b));
	assert_string_equal(buf_str(&b), "");
}

static void formatted_text_fits_exactly_or_not_at_all(void **state)
{
	AUTO_BUF struct buf b = BUF_INIT(10);

	(void)state;
	buf_printf(&b, "%05d", 42);
	buf_printf(&b, "%s-%c", "abc", 'd');
	assert_false(buf_failed(&b));
	assert_string_equal(buf_str(&b), "00042abc-d");
	buf_reset(&b);
	buf_printf(&b, "%s", "01234567890");
	assert_true(buf_failed(&b));
	assert_string_equal(buf_str(&b), "");
}

static void an_addition_past_every_address_fails(void **state)
{
	AUTO_BUF struct buf b = BUF_INIT(SIZE_MAX / 2);

	(void)state;
	buf_puts(&b, "x");
	buf_add(&b, "", SIZE_MAX - 1);
	assert_true(buf_failed(&b));
	assert_string_equal(buf_str(&b), "x");
}

static void bytes_may_be_nul(void **state)
{
	AUTO_BUF struct buf b = BUF_INIT(10);

	(void)state;
	buf_add(&b, "a\0b", 3);
	buf_putc(&b, '\0');
	assert_int_equal(b.len, 4);
	assert_memory_equal(b.data, "a\0b\0", 5);
}

static void taken_content_leaves_an_empty_buffer(void **state)
{
	AUTO_BUF struct buf b = BUF_INIT(10);
	AUTO_FREE char *first = NULL;
	AUTO_FREE char *second = NULL;

	(void)state;
	buf_puts(&b, "abc");
	first = buf_take(&b);
	assert_string_equal(first, "abc");
	assert_string_equal(buf_str(&b), "");
	second = buf_take(&b);
	assert_non_null(second);
	assert_string_equal(second, "");
	buf_puts(&b, "01234567890");
	assert_null(buf_take(&b));
}

/* ---- err ---- */

static void an_error_has_code_field_and_message(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(e.code, ERR_NONE);
	assert_int_equal(err_set(&e, ERR_BUSY, "%d of %s", 3, "four"), -1);
	assert_int_equal(e.code, ERR_BUSY);
	assert_int_equal(e.sys, 0);
	assert_int_equal(e.retry_after, 0);
	assert_string_equal(e.field, "");
	assert_string_equal(e.msg, "3 of four");
	assert_int_equal(err_field(&e, "user", "no %s", "user"), -1);
	assert_int_equal(e.code, ERR_INPUT);
	assert_string_equal(e.field, "user");
	assert_string_equal(e.msg, "no user");
	errno = ENOENT;
	assert_int_equal(err_sys(&e, "cannot open %s", "x"), -1);
	assert_int_equal(e.code, ERR_SYSTEM);
	assert_int_equal(e.sys, ENOENT);
	assert_string_equal(e.field, "");
	assert_string_equal(e.msg, "cannot open x: No such file or directory");
	e.code = ERR_DAMAGED;
	assert_int_equal(err_prefix(&e, "%s %d", "line", 3), -1);
	assert_int_equal(e.code, ERR_DAMAGED);
	assert_int_equal(e.sys, ENOENT);
	assert_string_equal(
		e.msg, "line 3: cannot open x: No such file or directory");
}

static void a_long_message_is_cut_and_ends(void **state)
{
	struct err e = ERR_INIT;
	char text[700];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	err_set(&e, ERR_CONFIG, "%s", text);
	assert_int_equal(strlen(e.msg), sizeof(e.msg) - 1);
	err_prefix(&e, "where");
	assert_int_equal(strlen(e.msg), sizeof(e.msg) - 1);
	assert_true(text_starts(e.msg, "where: xxx"));
	err_prefix(&e, "%s", text);
	assert_int_equal(strlen(e.msg), sizeof(e.msg) - 1);
	assert_true(text_starts(e.msg, "xxx"));
	errno = EACCES;
	err_sys(&e, "%s", text);
	assert_int_equal(strlen(e.msg), sizeof(e.msg) - 1);
	assert_int_equal(e.sys, EACCES);
	err_field(&e, text, "short");
	assert_int_equal(strlen(e.field), sizeof(e.field) - 1);
	assert_string_equal(e.msg, "short");
}

static void every_code_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (int a = ERR_NONE; a <= ERR_SYSTEM; a++) {
		assert_non_null(err_name((enum err_code)a));
		assert_true(text_only(err_name((enum err_code)a), "-"));
		for (int b = ERR_NONE; b < a; b++)
			assert_string_not_equal(err_name((enum err_code)a),
						err_name((enum err_code)b));
	}
	assert_string_equal(err_name(ERR_INPUT), "bad-field");
	assert_string_equal(err_name((enum err_code)99), "internal");
}

/* ---- log ---- */

/* Standard error goes to a file until the log is read back. */
static int log_begin(void)
{
	int saved = dup(STDERR_FILENO);
	int fd = openat(scratch_fd, "log", O_RDWR | O_CREAT | O_TRUNC, 0600);

	assert_true(saved >= 0 && fd >= 0);
	assert_true(dup2(fd, STDERR_FILENO) >= 0);
	close(fd);
	return saved;
}

static void log_end(int saved, struct buf *log)
{
	char piece[16384];
	ssize_t got = pread(STDERR_FILENO, piece, sizeof(piece), 0);

	dup2(saved, STDERR_FILENO);
	close(saved);
	assert_true(got >= 0);
	buf_add(log, piece, (size_t)got);
}

static void an_event_is_one_line_of_escaped_values(void **state)
{
	AUTO_BUF struct buf log = BUF_INIT(65536);
	int saved = log_begin();

	(void)state;
	log_event("login", "user", "a\nb", "none", NULL, "why", "no way", NULL);
	log_event("bare", NULL);
	log_end(saved, &log);
	assert_string_equal(
		buf_str(&log),
		"qemu-web-desktop: event=login user=a%0ab why=\"no way\"\n"
		"qemu-web-desktop: event=bare\n");
}

static void an_error_is_logged_with_its_name(void **state)
{
	AUTO_BUF struct buf log = BUF_INIT(65536);
	struct err e = ERR_INIT;
	int saved = log_begin();

	(void)state;
	err_field(&e, "cpu", "too many");
	log_error("create", &e);
	err_set(&e, ERR_BUSY, "later");
	log_error("create", &e);
	log_end(saved, &log);
	assert_string_equal(buf_str(&log),
			    "qemu-web-desktop: event=create error=bad-field "
			    "field=cpu message=\"too many\"\n"
			    "qemu-web-desktop: event=create error=busy "
			    "message=later\n");
}

static void a_line_that_is_too_long_is_cut_and_is_still_one_line(void **state)
{
	AUTO_FREE char *text = malloc(20001);
	AUTO_BUF struct buf log = BUF_INIT(65536);
	int saved;

	(void)state;
	assert_non_null(text);
	memset(text, 'x', 20000);
	text[20000] = '\0';
	saved = log_begin();
	log_event("long", "text", text, NULL);
	log_event("next", NULL);
	log_end(saved, &log);
	assert_true(text_ends(buf_str(&log),
			      "xxx\nqemu-web-desktop: event=next\n"));
	assert_true(log.len < 8300);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_buffer_grows_up_to_its_ceiling_and_then_fails_for_good),
		cmocka_unit_test(
			a_buffer_that_failed_takes_nothing_until_it_is_reset),
		cmocka_unit_test(
			a_buffer_with_ceiling_zero_holds_the_empty_text),
		cmocka_unit_test(formatted_text_fits_exactly_or_not_at_all),
		cmocka_unit_test(an_addition_past_every_address_fails),
		cmocka_unit_test(bytes_may_be_nul),
		cmocka_unit_test(taken_content_leaves_an_empty_buffer),
		cmocka_unit_test(an_error_has_code_field_and_message),
		cmocka_unit_test(a_long_message_is_cut_and_ends),
		cmocka_unit_test(every_code_has_a_name_of_its_own),
		cmocka_unit_test(an_event_is_one_line_of_escaped_values),
		cmocka_unit_test(an_error_is_logged_with_its_name),
		cmocka_unit_test(
			a_line_that_is_too_long_is_cut_and_is_still_one_line),
	};

	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
