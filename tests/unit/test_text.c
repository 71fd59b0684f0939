/* src/base/text: every boundary of what is accepted, and the escapes. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"

enum { UNTOUCHED = -77 };

/* ---- numbers ---- */

struct number {
	const char *text;
	long long min;
	long long max;
	bool ok;
	long long value;
};

static void integers_are_read_whole_and_within_their_range(void **state)
{
	static const struct number table[] = {
		{ "0", 0, 0, true, 0 },
		{ "-0", 0, 0, true, 0 },
		{ "7", 0, 10, true, 7 },
		{ "007", 0, 10, true, 7 },
		{ "10", 0, 10, true, 10 },
		{ "11", 0, 10, false, 0 },
		{ "-1", 0, 10, false, 0 },
		{ "-1", -1, 10, true, -1 },
		{ "-2", -1, 10, false, 0 },
		{ "5", 6, 10, false, 0 },
		{ "9223372036854775807", LLONG_MIN, LLONG_MAX, true, LLONG_MAX },
		{ "9223372036854775808", LLONG_MIN, LLONG_MAX, false, 0 },
		{ "-9223372036854775808", LLONG_MIN, LLONG_MAX, true,
		  LLONG_MIN },
		{ "-9223372036854775809", LLONG_MIN, LLONG_MAX, false, 0 },
		{ "18446744073709551617", LLONG_MIN, LLONG_MAX, false, 0 },
		{ "99999999999999999999999", LLONG_MIN, LLONG_MAX, false, 0 },
		{ "", LLONG_MIN, LLONG_MAX, false, 0 },
		{ "-", LLONG_MIN, LLONG_MAX, false, 0 },
		{ "--1", LLONG_MIN, LLONG_MAX, false, 0 },
		{ "+1", LLONG_MIN, LLONG_MAX, false, 0 },
		{ " 1", LLONG_MIN, LLONG_MAX, false, 0 },
		{ "1 ", LLONG_MIN, LLONG_MAX, false, 0 },
		{ "1\n", LLONG_MIN, LLONG_MAX, false, 0 },
		{ "1x", LLONG_MIN, LLONG_MAX, false, 0 },
		{ "0x1", LLONG_MIN, LLONG_MAX, false, 0 },
		{ "1e3", LLONG_MIN, LLONG_MAX, false, 0 },
		{ "1.0", LLONG_MIN, LLONG_MAX, false, 0 },
		{ "1,000", LLONG_MIN, LLONG_MAX, false, 0 },
		{ "\331\241", LLONG_MIN, LLONG_MAX, false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		const struct number *n = &table[i];
		long long value = UNTOUCHED;

		if (text_long(n->text, n->min, n->max, &value) != n->ok)
			fail_msg("'%s' was%s read", n->text,
				 n->ok ? " not" : "");
		assert_true(value == (n->ok ? n->value : UNTOUCHED));
	}
}

static void fractions_are_read_in_thousandths_rounded_down(void **state)
{
	static const struct number table[] = {
		{ "0", 0, 0, true, 0 },
		{ "1", 0, LLONG_MAX, true, 1000 },
		{ "1.5", 0, LLONG_MAX, true, 1500 },
		{ "0.05", 0, LLONG_MAX, true, 50 },
		{ "0.001", 0, LLONG_MAX, true, 1 },
		{ "0.0009", 0, LLONG_MAX, true, 0 },
		{ "1.999999", 0, LLONG_MAX, true, 1999 },
		{ "1.9999999", 0, LLONG_MAX, false, 0 },
		{ "2", 0, 2000, true, 2000 },
		{ "2.001", 0, 2000, false, 0 },
		{ "2.0009", 0, 2000, true, 2000 },
		{ "0.999", 1000, 2000, false, 0 },
		{ "9223372036854774.999", 0, LLONG_MAX, true,
		  9223372036854774999 },
		{ "9223372036854775", 0, LLONG_MAX, false, 0 },
		{ "9223372036854775807", 0, LLONG_MAX, false, 0 },
		{ "9223372036854775808", 0, LLONG_MAX, false, 0 },
		{ "", 0, LLONG_MAX, false, 0 },
		{ ".", 0, LLONG_MAX, false, 0 },
		{ "1.", 0, LLONG_MAX, false, 0 },
		{ ".5", 0, LLONG_MAX, false, 0 },
		{ "1.2.3", 0, LLONG_MAX, false, 0 },
		{ "-1", LLONG_MIN, LLONG_MAX, false, 0 },
		{ "1.-5", 0, LLONG_MAX, false, 0 },
		{ "1,5", 0, LLONG_MAX, false, 0 },
		{ "1.5 ", 0, LLONG_MAX, false, 0 },
		{ "1.5x", 0, LLONG_MAX, false, 0 },
		{ "1e3", 0, LLONG_MAX, false, 0 },
		{ "nan", 0, LLONG_MAX, false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		const struct number *n = &table[i];
		long long value = UNTOUCHED;

		if (text_milli(n->text, n->min, n->max, &value) != n->ok)
			fail_msg("'%s' was%s read", n->text,
				 n->ok ? " not" : "");
		assert_true(value == (n->ok ? n->value : UNTOUCHED));
	}
}

static void booleans_are_eight_words_and_no_other(void **state)
{
	static const char *const yes[] = { "yes", "true", "on", "1" };
	static const char *const no[] = { "no", "false", "off", "0" };
	static const char *const neither[] = { "",   "Yes", "TRUE", "y",
					       "2",  "01",  "yes ", " on",
					       "-1", "t",   "none" };
	bool value;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
		value = false;
		assert_true(text_bool(yes[i], &value));
		assert_true(value);
	}
	for (size_t i = 0; i < ARRAY_LEN(no); i++) {
		value = true;
		assert_true(text_bool(no[i], &value));
		assert_false(value);
	}
	for (size_t i = 0; i < ARRAY_LEN(neither); i++) {
		value = true;
		assert_false(text_bool(neither[i], &value));
		assert_true(value);
	}
}

/* ---- classes ---- */

struct member {
	const char *text;
	bool in;
};

static void check_members(bool (*is_in)(const char *),
			  const struct member *table, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (is_in(table[i].text) != table[i].in)
			fail_msg("'%s' is%s in", table[i].text,
				 table[i].in ? " not" : "");
}

static void only_letters_digits_and_the_given_bytes_pass(void **state)
{
	(void)state;
	assert_true(text_only("azAZ09", ""));
	assert_true(text_only("a-b_c", "_-"));
	assert_false(text_only("", ""));
	assert_false(text_only("", "_"));
	assert_false(text_only("a b", "_-"));
	for (int c = 1; c < 256; c++) {
		const char text[] = { 'x', (char)c, '\0' };
		bool word = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
			    (c >= 'A' && c <= 'Z');

		assert_int_equal(text_only(text, ""), word);
		assert_int_equal(text_only(text, "/"), word || c == '/');
	}
}

struct bytes {
	const char *bytes;
	size_t len;
	bool ok;
};

static void utf8_is_as_rfc_3629_has_it_and_without_nul(void **state)
{
	static const struct bytes table[] = {
		{ "", 0, true },
		{ "a", 1, true },
		{ "\0", 1, false },
		{ "a\0b", 3, false },
		{ "\x01\x7f", 2, true },
		{ "\x80", 1, false },
		{ "\xbf", 1, false },
		{ "\xc0\x80", 2, false },
		{ "\xc1\xbf", 2, false },
		{ "\xc2\x80", 2, true },
		{ "\xc2", 1, false },
		{ "\xc2\x7f", 2, false },
		{ "\xc2\xc0", 2, false },
		{ "\xdf\xbf", 2, true },
		{ "\xe0\x9f\xbf", 3, false },
		{ "\xe0\xa0\x80", 3, true },
		{ "\xe0\xa0", 2, false },
		{ "\xe1\x80\xc0", 3, false },
		{ "\xed\x9f\xbf", 3, true },
		{ "\xed\xa0\x80", 3, false },
		{ "\xed\xbf\xbf", 3, false },
		{ "\xee\x80\x80", 3, true },
		{ "\xef\xbf\xbf", 3, true },
		{ "\xf0\x8f\xbf\xbf", 4, false },
		{ "\xf0\x90\x80\x80", 4, true },
		{ "\xf0\x90\x80", 3, false },
		{ "\xf4\x8f\xbf\xbf", 4, true },
		{ "\xf4\x90\x80\x80", 4, false },
		{ "\xf5\x80\x80\x80", 4, false },
		{ "\xff", 1, false },
		{ "\xc3\xa9x\xc3", 4, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		/* Of exactly that size, for the sanitizers. */
		AUTO_FREE char *copy = malloc(table[i].len + !table[i].len);

		assert_non_null(copy);
		memcpy(copy, table[i].bytes, table[i].len);
		if (text_is_utf8(copy, table[i].len) != table[i].ok)
			fail_msg("row %zu", i);
	}
}

static void control_bytes_are_those_below_a_blank_and_delete(void **state)
{
	(void)state;
	assert_false(text_has_control(""));
	for (int c = 1; c < 256; c++) {
		const char text[] = { 'x', (char)c, '\0' };

		assert_int_equal(text_has_control(text), c < 0x20 || c == 0x7f);
	}
	for (int c = 0x80; c < 0xc0; c++) {
		const char text[] = { 'x', '\xc2', (char)c, 'x', '\0' };

		assert_int_equal(text_has_control(text), c < 0xa0);
	}
	assert_false(text_has_control("J\303\274rg \342\202\254"));
}

static void what_a_terminal_would_obey_is_made_printable(void **state)
{
	static const struct {
		const char *text;
		const char *printable;
	} table[] = {
		{ "", "" },
		{ "as it is, J\303\274rg \342\202\254 \360\237\230\200",
		  "as it is, J\303\274rg \342\202\254 \360\237\230\200" },
		{ "\033]0;title\007", "?]0;title?" },
		{ "\033[2J\r\n\t\b\177", "?[2J?????" },
		/* C1: CSI as UTF-8, and as a byte of Latin-1 */
		{ "\302\23331m", "??31m" },
		{ "\23331m", "?31m" },
		{ "\302\240\302\237", "\302\240??" },
		/* Cut, too long for what it says, a surrogate, alone. */
		{ "a\342\202", "a??" },
		{ "\300\233x", "??x" },
		{ "\340\200\233x", "???x" },
		{ "\355\240\200", "???" },
		{ "\302a\377", "?a?" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		char *copy = strdup(table[i].text);

		assert_non_null(copy);
		text_make_printable(copy);
		assert_string_equal(copy, table[i].printable);
		free(copy);
	}
}

static void a_colour_is_a_hash_and_six_hexadecimal_digits(void **state)
{
	static const struct member table[] = {
		{ "#000000", true },   { "#aBcDeF", true },
		{ "#09afAF", true },   { "", false },
		{ "#", false },	       { "#fff", false },
		{ "#fffff", false },   { "#fffffff", false },
		{ "fffffff", false },  { "#ggffff", false },
		{ "#fffff;", false },  { "#fffff ", false },
		{ "#ff ff0", false },  { " #fffff", false },
	};

	(void)state;
	check_members(text_is_colour, table, ARRAY_LEN(table));
}

static void
a_file_name_cannot_leave_its_directory_or_look_like_an_option(void **state)
{
	static const struct member table[] = {
		{ "a", true },		{ "a.qcow2", true },
		{ "A b+c@d=e,f-g_h", true }, { "a..b", true },
		{ "", false },		{ ".", false },
		{ "..", false },	{ ".a", false },
		{ "-a", false },	{ "a/b", false },
		{ "/", false },		{ "a\\b", false },
		{ "a:b", false },	{ "a\n", false },
		{ "a%b", false },	{ "\303\251", false },
		{ "a'b", false },	{ "a$b", false },
	};
	char name[257];

	(void)state;
	check_members(text_is_file_name, table, ARRAY_LEN(table));
	memset(name, 'n', 256);
	name[256] = '\0';
	assert_false(text_is_file_name(name));
	name[255] = '\0';
	assert_true(text_is_file_name(name));
}

static void a_beginning_and_an_end_are_compared_exactly(void **state)
{
	(void)state;
	assert_true(text_starts("abc", ""));
	assert_true(text_starts("abc", "ab"));
	assert_true(text_starts("abc", "abc"));
	assert_false(text_starts("abc", "abcd"));
	assert_false(text_starts("abc", "bc"));
	assert_false(text_starts("", "a"));
	assert_true(text_ends("abc", ""));
	assert_true(text_ends("abc", "bc"));
	assert_true(text_ends("abc", "abc"));
	assert_false(text_ends("abc", "xabc"));
	assert_false(text_ends("abc", "ab"));
	assert_false(text_ends("", "a"));
}

static void secrets_are_the_same_only_if_every_byte_is(void **state)
{
	(void)state;
	assert_true(text_same_secret("", ""));
	assert_true(text_same_secret("abc\377", "abc\377"));
	assert_false(text_same_secret("abc", "abd"));
	assert_false(text_same_secret("xbc", "abc"));
	assert_false(text_same_secret("abc", "ab"));
	assert_false(text_same_secret("", "a"));
	assert_false(text_same_secret("a\001", "a\201"));
}

/* ---- escapes ---- */

struct escape {
	const char *text;
	const char *escaped;
};

static void check_escapes(void (*escape)(struct buf *, const char *),
			  const struct escape *table, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		AUTO_BUF struct buf out = BUF_INIT(4096);

		escape(&out, table[i].text);
		assert_string_equal(buf_str(&out), table[i].escaped);
	}
}

static void log_values_hold_no_byte_that_could_forge_a_line(void **state)
{
	static const struct escape table[] = {
		{ "plain", "plain" },
		{ "", "\"\"" },
		{ "two words", "\"two words\"" },
		{ " ", "\" \"" },
		{ "a\nevent=b", "a%0aevent=b" },
		{ "a\r\tb", "a%0d%09b" },
		{ "\001\037!~\177\200\377", "%01%1f!~%7f%80%ff" },
		{ "a\"b\\c%d", "a%22b%5cc%25d" },
		{ "say \"hi\"", "\"say %22hi%22\"" },
		{ "\303\251", "%c3%a9" },
	};

	(void)state;
	check_escapes(text_log_escape, table, ARRAY_LEN(table));
}

static void all_but_unreserved_bytes_are_percent_encoded(void **state)
{
	static const struct escape table[] = {
		{ "", "" },
		{ "azAZ09-._~", "azAZ09-._~" },
		{ " /?#&=+%", "%20%2F%3F%23%26%3D%2B%25" },
		{ "\303\251\n\177", "%C3%A9%0A%7F" },
		{ "!$'()*,:;@[]", "%21%24%27%28%29%2A%2C%3A%3B%40%5B%5D" },
	};

	(void)state;
	check_escapes(text_url_escape, table, ARRAY_LEN(table));
}

static void base64_is_as_rfc_4648_has_it(void **state)
{
	static const struct escape table[] = {
		{ "", "" },		{ "f", "Zg==" },
		{ "fo", "Zm8=" },	{ "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" },
		{ "foobar", "Zm9vYmFy" }, { "\373\377\276", "+/++" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		AUTO_BUF struct buf out = BUF_INIT(64);

		text_base64(&out, table[i].text, strlen(table[i].text));
		assert_string_equal(buf_str(&out), table[i].escaped);
	}
}

static void hexadecimal_is_in_lower_case(void **state)
{
	AUTO_BUF struct buf out = BUF_INIT(64);

	(void)state;
	text_hex(&out, "\000\001\177\200\253\377", 6);
	assert_string_equal(buf_str(&out), "00017f80abff");
	buf_reset(&out);
	text_hex(&out, "", 0);
	assert_string_equal(buf_str(&out), "");
}

static void blanks_are_trimmed_at_both_ends(void **state)
{
	static const struct escape table[] = {
		{ "", "" },	    { " ", "" },	{ "\r\n\t ", "" },
		{ "a", "a" },	    { " a b\t", "a b" }, { "a\r\n", "a" },
		{ "\n\na", "a" },   { "\va\v", "\va\v" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		char text[16];

		snprintf(text, sizeof(text), "%s", table[i].text);
		assert_string_equal(text_trim(text), table[i].escaped);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers_are_read_whole_and_within_their_range),
		cmocka_unit_test(fractions_are_read_in_thousandths_rounded_down),
		cmocka_unit_test(booleans_are_eight_words_and_no_other),
		cmocka_unit_test(only_letters_digits_and_the_given_bytes_pass),
		cmocka_unit_test(utf8_is_as_rfc_3629_has_it_and_without_nul),
		cmocka_unit_test(
			control_bytes_are_those_below_a_blank_and_delete),
		cmocka_unit_test(
			what_a_terminal_would_obey_is_made_printable),
		cmocka_unit_test(a_colour_is_a_hash_and_six_hexadecimal_digits),
		cmocka_unit_test(
			a_file_name_cannot_leave_its_directory_or_look_like_an_option),
		cmocka_unit_test(a_beginning_and_an_end_are_compared_exactly),
		cmocka_unit_test(secrets_are_the_same_only_if_every_byte_is),
		cmocka_unit_test(
			log_values_hold_no_byte_that_could_forge_a_line),
		cmocka_unit_test(all_but_unreserved_bytes_are_percent_encoded),
		cmocka_unit_test(base64_is_as_rfc_4648_has_it),
		cmocka_unit_test(hexadecimal_is_in_lower_case),
		cmocka_unit_test(blanks_are_trimmed_at_both_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
