/* src/sys/json */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/macros.h"
#include "sys/json.h"

static void check_failed(int result, const struct err *e, enum err_code code,
			 const char *message)
{
	if (result != -1 || e->code != code || !strstr(e->msg, message))
		fail_msg("%d, %s '%s' instead of -1, %s '%s'", result,
			 err_name(e->code), e->msg, err_name(code), message);
}

static json_t *parse(const char *text, struct err *e)
{
	return json_parse_object(text, strlen(text), e);
}

static void only_a_whole_object_is_parsed(void **state)
{
	static const char *const bad[] = {
		"",	     " ",	   "[]",	"\"a\"",
		"1",	     "{",	   "{}}",	"{} x",
		"{\"a\":}",  "{'a': 1}",   "{\"a\": 1,}", "{\"a\": 01}",
		"{\"a\": NaN}", "{\"a\": 1, \"a\": 2}", "{\"a\": \"\\u0000\"}",
		"{\"\\u0000\": 1}", "{\"a\": \"\377\"}", "{\"a\": \"\\ud800\"}",
		"{\"a\": 9223372036854775808}", "{\"a\": \"\n\"}",
	};
	static const char *const good[] = {
		"{}",
		" {\"a\": [1, {\"a\": null}]}\n",
		"{\"a\": 1, \"A\": 2}",
	};
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		AUTO_JSON json_t *object = parse(good[i], &e);

		if (!object)
			fail_msg("%s: %s", good[i], e.msg);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		AUTO_JSON json_t *object = parse(bad[i], &e);

		if (object)
			fail_msg("%s: parsed", bad[i]);
		assert_int_equal(e.code, ERR_DAMAGED);
		assert_non_null(strstr(e.msg, "JSON"));
		e = (struct err)ERR_INIT;
	}
	assert_null(json_parse_object("{}\0", 3, &e));
	assert_int_equal(e.code, ERR_DAMAGED);
	assert_null(parse("{\n\"a\":\n}", &e));
	assert_non_null(strstr(e.msg, "JSON line 3"));
}

static void strings_are_got_within_their_length(void **state)
{
	struct err e = ERR_INIT;
	AUTO_JSON json_t *object =
		parse("{\"s\": \"abc\", \"n\": null, \"i\": 1}", &e);
	const char *text = "untouched";

	(void)state;
	assert_non_null(object);
	assert_int_equal(json_get_string(object, "s", 3, &text, &e), 0);
	assert_string_equal(text, "abc");
	text = "untouched";
	check_failed(json_get_string(object, "s", 2, &text, &e), &e,
		     ERR_DAMAGED, "s: not a string of at most 2 bytes");
	check_failed(json_get_string(object, "n", 9, &text, &e), &e,
		     ERR_DAMAGED, "n: not a string");
	check_failed(json_get_string(object, "i", 9, &text, &e), &e,
		     ERR_DAMAGED, "i: not a string");
	check_failed(json_get_string(object, "none", 9, &text, &e), &e,
		     ERR_DAMAGED, "none: not a string");
	check_failed(json_get_string_or_null(object, "none", 9, &text, &e), &e,
		     ERR_DAMAGED, "none: not a string");
	check_failed(json_get_string_or_null(object, "i", 9, &text, &e), &e,
		     ERR_DAMAGED, "i: not a string");
	assert_string_equal(text, "untouched");
	assert_int_equal(json_get_string_or_null(object, "s", 3, &text, &e),
			 0);
	assert_string_equal(text, "abc");
	assert_int_equal(json_get_string_or_null(object, "n", 3, &text, &e),
			 0);
	assert_null(text);
}

static void integers_are_got_within_their_range(void **state)
{
	struct err e = ERR_INIT;
	AUTO_JSON json_t *object =
		parse("{\"i\": -5, \"r\": 1.0, \"s\": \"1\", \"b\": true}",
		      &e);
	long long value = 77;

	(void)state;
	assert_non_null(object);
	assert_int_equal(json_get_int(object, "i", -5, -5, &value, &e), 0);
	assert_int_equal(value, -5);
	value = 77;
	check_failed(json_get_int(object, "i", -4, 9, &value, &e), &e,
		     ERR_DAMAGED, "i: not an integer within -4 and 9");
	check_failed(json_get_int(object, "i", -9, -6, &value, &e), &e,
		     ERR_DAMAGED, "i: not an integer within -9 and -6");
	check_failed(json_get_int(object, "r", 0, 9, &value, &e), &e,
		     ERR_DAMAGED, "r: not an integer");
	check_failed(json_get_int(object, "s", 0, 9, &value, &e), &e,
		     ERR_DAMAGED, "s: not an integer");
	check_failed(json_get_int(object, "b", 0, 9, &value, &e), &e,
		     ERR_DAMAGED, "b: not an integer");
	check_failed(json_get_int(object, "none", 0, 9, &value, &e), &e,
		     ERR_DAMAGED, "none: not an integer");
	assert_int_equal(value, 77);
}

static void booleans_are_true_and_false_alone(void **state)
{
	struct err e = ERR_INIT;
	AUTO_JSON json_t *object =
		parse("{\"t\": true, \"f\": false, \"i\": 1, \"n\": null}",
		      &e);
	bool value = false;

	(void)state;
	assert_non_null(object);
	assert_int_equal(json_get_bool(object, "t", &value, &e), 0);
	assert_true(value);
	check_failed(json_get_bool(object, "i", &value, &e), &e, ERR_DAMAGED,
		     "i: not true or false");
	check_failed(json_get_bool(object, "n", &value, &e), &e, ERR_DAMAGED,
		     "n: not true or false");
	check_failed(json_get_bool(object, "none", &value, &e), &e, ERR_DAMAGED,
		     "none: not true or false");
	assert_true(value);
	assert_int_equal(json_get_bool(object, "f", &value, &e), 0);
	assert_false(value);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_a_whole_object_is_parsed),
		cmocka_unit_test(strings_are_got_within_their_length),
		cmocka_unit_test(integers_are_got_within_their_range),
		cmocka_unit_test(booleans_are_true_and_false_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
