/* src/web/form: what is accepted, and which refusal names what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "web/form.h"

#define MULTIPART "multipart/form-data; boundary=B"
#define PART(name, value)                                                      \
	"--B\r\nContent-Disposition: form-data; name=\"" name                  \
	"\"\r\n\r\n" value "\r\n"

struct accepted {
	const char *type;
	const char *body;
	const char *fields; /* "name=value|" of each, in order */
};

struct refused {
	const char *type;
	const char *body;
	enum err_code code;
	const char *field;
	const char *message; /* a part of it */
};

static void check_accepted(const struct accepted *table, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		AUTO_FORM struct form form = FORM_INIT;
		AUTO_BUF struct buf fields = BUF_INIT(1 << 20);
		struct err e = ERR_INIT;

		if (form_parse(&form, table[i].type, table[i].body,
			       strlen(table[i].body), &e) < 0)
			fail_msg("%s: %s", table[i].body, e.msg);
		for (size_t j = 0; j < form.count; j++) {
			const struct form_field *f = &form.fields[j];

			buf_printf(&fields, "%s=%s|", f->name, f->value);
			assert_ptr_equal(form_get(&form, f->name), f->value);
		}
		assert_string_equal(buf_str(&fields), table[i].fields);
	}
}

static void check_refused_bytes(const char *type, const char *body, size_t len,
				const struct refused *due)
{
	struct form form = FORM_INIT;
	struct err e = ERR_INIT;

	if (form_parse(&form, type, body, len, &e) == 0)
		fail_msg("%.200s: accepted", body);
	if (e.code != due->code || strcmp(e.field, due->field) != 0 ||
	    !strstr(e.msg, due->message))
		fail_msg("%.200s: %s '%s' '%s' instead of %s '%s' '%s'", body,
			 err_name(e.code), e.field, e.msg, err_name(due->code),
			 due->field, due->message);
	assert_int_equal(form.count, 0);
	assert_null(form.memory);
}

static void check_refused(const struct refused *table, size_t count)
{
	for (size_t i = 0; i < count; i++)
		check_refused_bytes(table[i].type, table[i].body,
				    strlen(table[i].body), &table[i]);
}

static void urlencoded_fields_come_decoded_and_in_order(void **state)
{
	static const struct accepted table[] = {
		{ FORM_URLENCODED, "", "" },
		{ FORM_URLENCODED, "a=1", "a=1|" },
		{ FORM_URLENCODED, "b=2&a=1", "b=2|a=1|" },
		{ FORM_URLENCODED, "a=&b", "a=|b=|" },
		{ FORM_URLENCODED, "&&a=1&&", "a=1|" },
		{ FORM_URLENCODED, "a=b=c", "a=b=c|" },
		{ FORM_URLENCODED, "a=x+y%2B%20%26%3d", "a=x y+ &=|" },
		{ FORM_URLENCODED, "a=%c3%A9", "a=\303\251|" },
		{ FORM_URLENCODED, "a=\303\251", "a=\303\251|" },
		{ FORM_URLENCODED, "a=%0D%0A%01", "a=\r\n\001|" },
		{ FORM_URLENCODED, "%61_B9=1", "a_B9=1|" },
		{ FORM_URLENCODED, "a=1&A=2", "a=1|A=2|" },
		{ FORM_URLENCODED, "a=1;b=2", "a=1;b=2|" },
		{ "Application/X-WWW-Form-URLEncoded; charset=x", "a=1",
		  "a=1|" },
	};

	(void)state;
	check_accepted(table, ARRAY_LEN(table));
}

static void a_field_twice_is_refused_naming_it(void **state)
{
	static const struct refused table[] = {
		{ FORM_URLENCODED, "user=1&user=1", ERR_INPUT, "user",
		  "user is given twice" },
		{ FORM_URLENCODED, "user=1&b=2&use%72", ERR_INPUT, "user",
		  "user is given twice" },
		{ MULTIPART, PART("a", "1") PART("a", "") "--B--", ERR_INPUT,
		  "a", "a is given twice" },
	};

	(void)state;
	check_refused(table, ARRAY_LEN(table));
}

static void wrong_encoding_is_refused_naming_the_field(void **state)
{
	static const struct refused table[] = {
		{ FORM_URLENCODED, "a=%", ERR_INPUT, "a", "wrongly encoded" },
		{ FORM_URLENCODED, "a=%4", ERR_INPUT, "a", "wrongly encoded" },
		{ FORM_URLENCODED, "a=%4&b=11", ERR_INPUT, "a", "wrongly" },
		{ FORM_URLENCODED, "b=1&a=%4g", ERR_INPUT, "a", "wrongly" },
		{ FORM_URLENCODED, "a=%g4", ERR_INPUT, "a", "wrongly encoded" },
		{ FORM_URLENCODED, "a=%+4", ERR_INPUT, "a", "wrongly encoded" },
		{ FORM_URLENCODED, "a=x%00y", ERR_INPUT, "a", "no valid text" },
		{ FORM_URLENCODED, "a=%ff", ERR_INPUT, "a", "no valid text" },
		{ FORM_URLENCODED, "a=%c3", ERR_INPUT, "a", "no valid text" },
		{ FORM_URLENCODED, "a=\xed\xa0\x80", ERR_INPUT, "a",
		  "no valid text" },
		{ FORM_URLENCODED, "%4=1", ERR_INPUT, "", "wrongly encoded" },
		{ MULTIPART, PART("a", "\xc0\x80") "--B--", ERR_INPUT, "a",
		  "a is no valid text" },
	};

	(void)state;
	check_refused(table, ARRAY_LEN(table));
	check_refused_bytes(FORM_URLENCODED, "a=\0", 3,
			    &(struct refused){ .code = ERR_INPUT,
					       .field = "a",
					       .message = "no valid text" });
	check_refused_bytes(FORM_URLENCODED, "a\0=1", 4,
			    &(struct refused){ .code = ERR_INPUT,
					       .field = "",
					       .message = "wrong name" });
}

static void wrong_names_are_refused(void **state)
{
	static const struct refused table[] = {
		{ FORM_URLENCODED, "=1", ERR_INPUT, "", "wrong name" },
		{ FORM_URLENCODED, "=", ERR_INPUT, "", "wrong name" },
		{ FORM_URLENCODED, "a-b=1", ERR_INPUT, "", "wrong name" },
		{ FORM_URLENCODED, "a+b=1", ERR_INPUT, "", "wrong name" },
		{ FORM_URLENCODED, "%00=1", ERR_INPUT, "", "wrong name" },
		{ FORM_URLENCODED, "%3c=1", ERR_INPUT, "", "wrong name" },
		{ FORM_URLENCODED, "\303\251=1", ERR_INPUT, "", "wrong name" },
		{ FORM_URLENCODED, "{}", ERR_INPUT, "", "wrong name" },
		{ MULTIPART, PART("", "1") "--B--", ERR_INPUT, "",
		  "wrong name" },
		{ MULTIPART, PART("a b", "1") "--B--", ERR_INPUT, "",
		  "wrong name" },
		{ MULTIPART, PART("a\\\"b", "1") "--B--", ERR_INPUT, "",
		  "wrong name" },
	};

	(void)state;
	check_refused(table, ARRAY_LEN(table));
}

static void a_name_has_64_bytes_at_most(void **state)
{
	AUTO_FORM struct form form = FORM_INIT;
	struct err e = ERR_INIT;
	char body[80];

	(void)state;
	memset(body, 'n', 64);
	snprintf(body + 64, sizeof(body) - 64, "=1");
	assert_int_equal(form_parse(&form, FORM_URLENCODED, body, 66, &e), 0);
	assert_int_equal(strlen(form.fields[0].name), 64);
	snprintf(body + 64, sizeof(body) - 64, "n=1");
	check_refused_bytes(FORM_URLENCODED, body, 67,
			    &(struct refused){ .code = ERR_INPUT,
					       .field = "",
					       .message = "wrong name" });
}

static void
a_long_name_is_cut_in_the_field_and_whole_in_the_message(void **state)
{
	static const struct refused row = {
		FORM_URLENCODED,
		"abcdefghijklmnopqrstuvwxyz0123456789=%",
		ERR_INPUT,
		"abcdefghijklmnopqrstuvwxyz01234",
		"abcdefghijklmnopqrstuvwxyz0123456789 is wrongly encoded",
	};

	(void)state;
	check_refused(&row, 1);
}

static void a_value_has_65535_bytes_at_most(void **state)
{
	AUTO_FORM struct form form = FORM_INIT;
	AUTO_FREE char *body = malloc(70000);
	struct err e = ERR_INIT;

	(void)state;
	assert_non_null(body);
	memset(body, 'v', 70000);
	body[0] = 'a';
	body[1] = '=';
	assert_int_equal(form_parse(&form, FORM_URLENCODED, body, 65537, &e),
			 0);
	assert_int_equal(strlen(form_get(&form, "a")), 65535);
	check_refused_bytes(FORM_URLENCODED, body, 65538,
			    &(struct refused){ .code = ERR_INPUT,
					       .field = "a",
					       .message = "longer than 65535" });
}

static void a_body_has_131072_bytes_at_most(void **state)
{
	AUTO_FORM struct form form = FORM_INIT;
	AUTO_FREE char *body = malloc(131073);
	struct err e = ERR_INIT;

	(void)state;
	assert_non_null(body);
	memset(body, '&', 131073);
	assert_int_equal(form_parse(&form, FORM_URLENCODED, body, 131072, &e),
			 0);
	assert_int_equal(form.count, 0);
	check_refused_bytes(FORM_URLENCODED, body, 131073,
			    &(struct refused){ .code = ERR_TOO_LARGE,
					       .field = "",
					       .message = "131072 bytes" });
}

static void a_form_has_64_fields_at_most(void **state)
{
	AUTO_BUF struct buf body = BUF_INIT(4096);
	AUTO_FORM struct form form = FORM_INIT;
	struct err e = ERR_INIT;

	(void)state;
	for (int i = 0; i < 64; i++)
		buf_printf(&body, "f%d&", i);
	assert_int_equal(form_parse(&form, FORM_URLENCODED, body.data,
				    body.len, &e),
			 0);
	assert_int_equal(form.count, 64);
	assert_string_equal(form_get(&form, "f63"), "");
	assert_null(form_get(&form, "f64"));
	buf_puts(&body, "f64");
	check_refused_bytes(FORM_URLENCODED, body.data, body.len,
			    &(struct refused){ .code = ERR_INPUT,
					       .field = "",
					       .message = "64 fields" });
}

static void another_content_type_is_refused(void **state)
{
	static const struct refused table[] = {
		{ NULL, "a=1", ERR_INPUT, "", "not sent as a form" },
		{ "", "a=1", ERR_INPUT, "", "not sent as a form" },
		{ "text/plain", "a=1", ERR_INPUT, "", "not sent as a form" },
		{ "application/json", "{}", ERR_INPUT, "", "not sent as" },
		{ FORM_URLENCODED "x", "a=1", ERR_INPUT, "", "not sent as" },
		{ "multipart/form-dat", "", ERR_INPUT, "", "not sent as" },
		{ "multipart/mixed; boundary=B", "", ERR_INPUT, "", "not sent" },
		{ " " FORM_URLENCODED, "", ERR_INPUT, "", "not sent as" },
	};

	(void)state;
	check_refused(table, ARRAY_LEN(table));
}

static void multipart_fields_come_as_they_are_and_in_order(void **state)
{
	static const struct accepted table[] = {
		{ MULTIPART, "--B--", "" },
		{ MULTIPART, "--B--\r\n", "" },
		{ MULTIPART, PART("a", "1") "--B--\r\n", "a=1|" },
		{ MULTIPART, PART("b", "2") PART("a", "") "--B--\r\n",
		  "b=2|a=|" },
		{ MULTIPART, PART("a", "x%20+&=\r\n\r\n--C") "--B--",
		  "a=x%20+&=\r\n\r\n--C|" },
		{ MULTIPART, PART("a", "\r\n") "--B--", "a=\r\n|" },
		{ MULTIPART, PART("a", "x--B") "--B--", "a=x--B|" },
		{ MULTIPART, PART("a", "\n--B") "--B--", "a=\n--B|" },
		{ MULTIPART, "pre\r\namble\r\n" PART("a", "1") "--B--\r\nepi",
		  "a=1|" },
		{ MULTIPART, "\r\n" PART("a", "1") "--B--epilogue", "a=1|" },
		{ MULTIPART, PART("a", "1") "--B--\r\n" PART("b", "2"),
		  "a=1|" },
		{ MULTIPART,
		  "--B \t\r\ncontent-DISPOSITION:Form-Data ;\tNAME=a\r\n"
		  "Content-Type: text/plain; charset=x\r\n"
		  "Content-Transfer-Encoding: 8BIT\r\nX-Y:\r\n"
		  "\r\n1\r\n--B--",
		  "a=1|" },
		{ MULTIPART,
		  "--B\r\nContent-Disposition: form-data; x=\"\\\"; name=b\"; "
		  "name=\"a\"\r\n\r\n1\r\n--B--",
		  "a=1|" },
	};

	(void)state;
	check_accepted(table, ARRAY_LEN(table));
}

static void a_boundary_is_read_from_the_content_type(void **state)
{
	static const struct accepted table[] = {
		{ "multipart/form-data; boundary=\"B\"", PART("a", "1") "--B--",
		  "a=1|" },
		{ "Multipart/Form-Data ;Boundary=B ; charset=utf-8",
		  PART("a", "1") "--B--", "a=1|" },
		{ "multipart/form-data; x=\";boundary=C\";boundary=B",
		  PART("a", "1") "--B--", "a=1|" },
		{ "multipart/form-data; boundary=\"-- a:'()+_,./=?b\"",
		  "---- a:'()+_,./=?b--", "" },
		{ "multipart/form-data; boundary="
		  "1234567890123456789012345678901234567890"
		  "123456789012345678901234567890",
		  "--1234567890123456789012345678901234567890"
		  "123456789012345678901234567890--",
		  "" },
	};
	static const struct refused refusals[] = {
		{ "multipart/form-data", "--B--", ERR_INPUT, "",
		  "no good boundary" },
		{ "multipart/form-data; charset=x", "--B--", ERR_INPUT, "",
		  "no good boundary" },
		{ "multipart/form-data; boundary=\"\"", "--B--", ERR_INPUT, "",
		  "no good boundary" },
		{ "multipart/form-data; boundary=\"B \"", "--B --", ERR_INPUT,
		  "", "no good boundary" },
		{ "multipart/form-data; boundary=\"B\\\"\"", "", ERR_INPUT, "",
		  "no good boundary" },
		{ "multipart/form-data; boundary=B!", "--B!--", ERR_INPUT, "",
		  "no good boundary" },
		{ "multipart/form-data; boundary="
		  "1234567890123456789012345678901234567890"
		  "1234567890123456789012345678901",
		  "", ERR_INPUT, "", "no good boundary" },
		{ "multipart/form-data; boundary=B; boundary=B", "--B--",
		  ERR_INPUT, "", "two boundaries" },
		{ "multipart/form-data; boundary=", "--B--", ERR_INPUT, "",
		  "its type is malformed" },
		{ "multipart/form-data; boundary=\"B", "--B--", ERR_INPUT, "",
		  "its type is malformed" },
		{ "multipart/form-data; boundary=\"B\\", "--B--", ERR_INPUT,
		  "", "its type is malformed" },
		{ "multipart/form-data; boundary=a/b", "--a/b--", ERR_INPUT,
		  "", "its type is malformed" },
		{ "multipart/form-data; boundary", "--B--", ERR_INPUT, "",
		  "its type is malformed" },
		{ "multipart/form-data; boundary=B;", "--B--", ERR_INPUT, "",
		  "its type is malformed" },
		{ "multipart/form-data boundary=B", "--B--", ERR_INPUT, "",
		  "its type is malformed" },
	};

	(void)state;
	check_accepted(table, ARRAY_LEN(table));
	check_refused(refusals, ARRAY_LEN(refusals));
}

#define HEADERS(text) "--B\r\n" text "\r\n\r\n1\r\n--B--"
#define NAMED "Content-Disposition: form-data; name=\"a\""

static void a_malformed_multipart_is_refused(void **state)
{
	static const struct refused table[] = {
		{ MULTIPART, "", ERR_INPUT, "", "no parts" },
		{ MULTIPART, "--C--", ERR_INPUT, "", "no parts" },
		{ MULTIPART, "x--B--", ERR_INPUT, "", "no parts" },
		{ MULTIPART, "x\n--B--", ERR_INPUT, "", "no parts" },
		{ MULTIPART, "--B", ERR_INPUT, "", "cut short" },
		{ MULTIPART, "--B-", ERR_INPUT, "", "cut short" },
		{ MULTIPART, "--B\r\n", ERR_INPUT, "", "cut short" },
		{ MULTIPART, "--B\r\n" NAMED "\r\n", ERR_INPUT, "", "cut short" },
		{ MULTIPART, "--B\r\n" NAMED "\r\n\r\n1", ERR_INPUT, "",
		  "cut short" },
		{ MULTIPART, "--B\r\n" NAMED "\r\n\r\n1--B--", ERR_INPUT, "",
		  "cut short" },
		{ MULTIPART, "--B\r\n" NAMED "\r\n\r\n1\n--B--", ERR_INPUT, "",
		  "cut short" },
		{ MULTIPART, PART("a", "1") "--B", ERR_INPUT, "", "cut short" },
		{ MULTIPART, "--B\n" NAMED "\n\n1\n--B--", ERR_INPUT, "",
		  "followed by something" },
		{ MULTIPART, "--Bx\r\n" NAMED "\r\n\r\n1\r\n--Bx--", ERR_INPUT,
		  "", "followed by something" },
		{ MULTIPART, PART("a", "1\r\n--Bx") "--B--", ERR_INPUT, "",
		  "followed by something" },
		{ MULTIPART, "--B\r\n" NAMED "\r\n\r\n--B--", ERR_INPUT, "",
		  "a part has no value" },
		{ MULTIPART, "--B\r\n\r\n1\r\n--B--", ERR_INPUT, "",
		  "a part has no name" },
		{ MULTIPART, HEADERS("A: b"), ERR_INPUT, "", "has no name" },
		{ MULTIPART, HEADERS("Content-Disposition: form-data"),
		  ERR_INPUT, "", "has no name" },
		{ MULTIPART, HEADERS("Content-Disposition: form-data; name*=a"),
		  ERR_INPUT, "", "has no name" },
		{ MULTIPART, HEADERS("Content-Disposition: attachment; name=a"),
		  ERR_INPUT, "", "no form-data" },
		{ MULTIPART, HEADERS(NAMED "\r\n" NAMED), ERR_INPUT, "",
		  "two names" },
		{ MULTIPART, HEADERS(NAMED "; name=b"), ERR_INPUT, "",
		  "two names" },
		{ MULTIPART, HEADERS(NAMED "; x"), ERR_INPUT, "",
		  "header is malformed" },
		{ MULTIPART, HEADERS(NAMED "x"), ERR_INPUT, "",
		  "header is malformed" },
		{ MULTIPART, HEADERS(NAMED "\r\n folded: x"), ERR_INPUT, "",
		  "header is malformed" },
		{ MULTIPART, HEADERS("nothing"), ERR_INPUT, "",
		  "header is malformed" },
		{ MULTIPART, HEADERS("X : y"), ERR_INPUT, "",
		  "header is malformed" },
		{ MULTIPART, HEADERS("X: y\nZ: z"), ERR_INPUT, "",
		  "header is malformed" },
		{ MULTIPART, HEADERS("X: y\rZ: z"), ERR_INPUT, "",
		  "header is malformed" },
		{ MULTIPART,
		  HEADERS(NAMED "\r\nContent-Transfer-Encoding: base64"),
		  ERR_INPUT, "", "a part is encoded" },
	};

	(void)state;
	check_refused(table, ARRAY_LEN(table));
}

static void a_file_is_refused_naming_its_field(void **state)
{
	static const struct refused table[] = {
		{ MULTIPART, HEADERS(NAMED "; filename=\"x\""), ERR_INPUT, "a",
		  "a cannot be a file" },
		{ MULTIPART, HEADERS(NAMED "; FileName=\"\""), ERR_INPUT, "a",
		  "a cannot be a file" },
		{ MULTIPART, HEADERS(NAMED "; filename*=utf-8''x"), ERR_INPUT,
		  "a", "a cannot be a file" },
	};

	(void)state;
	check_refused(table, ARRAY_LEN(table));
}

static void a_released_form_is_empty_and_can_be_released_again(void **state)
{
	struct form form = FORM_INIT;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(form_parse(&form, FORM_URLENCODED, "a=1", 3, &e), 0);
	assert_string_equal(form_get(&form, "a"), "1");
	assert_null(form_get(&form, "b"));
	form_release(&form);
	assert_int_equal(form.count, 0);
	assert_null(form_get(&form, "a"));
	form_release(&form);
}

static void a_body_of_no_bytes_may_be_null(void **state)
{
	AUTO_FORM struct form form = FORM_INIT;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(form_parse(&form, FORM_URLENCODED, NULL, 0, &e), 0);
	assert_int_equal(form.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urlencoded_fields_come_decoded_and_in_order),
		cmocka_unit_test(a_field_twice_is_refused_naming_it),
		cmocka_unit_test(wrong_encoding_is_refused_naming_the_field),
		cmocka_unit_test(wrong_names_are_refused),
		cmocka_unit_test(a_name_has_64_bytes_at_most),
		cmocka_unit_test(
			a_long_name_is_cut_in_the_field_and_whole_in_the_message),
		cmocka_unit_test(a_value_has_65535_bytes_at_most),
		cmocka_unit_test(a_body_has_131072_bytes_at_most),
		cmocka_unit_test(a_form_has_64_fields_at_most),
		cmocka_unit_test(another_content_type_is_refused),
		cmocka_unit_test(multipart_fields_come_as_they_are_and_in_order),
		cmocka_unit_test(a_boundary_is_read_from_the_content_type),
		cmocka_unit_test(a_malformed_multipart_is_refused),
		cmocka_unit_test(a_file_is_refused_naming_its_field),
		cmocka_unit_test(
			a_released_form_is_empty_and_can_be_released_again),
		cmocka_unit_test(a_body_of_no_bytes_may_be_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
