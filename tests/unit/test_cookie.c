/* src/web/cookie */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/macros.h"
#include "web/cookie.h"

struct row {
	const char *header;
	const char *value; /* NULL: absent */
};

/* Of 128 bytes */
#define LONGEST                                                                \
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"     \
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void check(const struct row *table, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char value[COOKIE_VALUE_MAX + 1] = "untouched";
		bool found = cookie_get(table[i].header, "name", value);

		if (found != !!table[i].value)
			fail_msg("%s: %s", table[i].header,
				 found ? value : "absent");
		assert_string_equal(value,
				    found ? table[i].value : "untouched");
	}
}

static void the_cookie_of_that_name_is_found(void **state)
{
	static const struct row table[] = {
		{ "name=value", "value" },
		{ "name=v", "v" },
		{ "a=1; name=value; b=2", "value" },
		{ "a=1;name=value;b=2", "value" },
		{ "a=1;\t name=value \t; b=2", "value" },
		{ "; name=value;", "value" },
		{ ";;name=value;;", "value" },
		{ "name=aZ09_-", "aZ09_-" },
		{ "name=" LONGEST, LONGEST },
		{ "junk; a=\"x\"; =; b=%\001\377; name=value", "value" },
		{ "name; name=value", "value" },
	};

	(void)state;
	check(table, ARRAY_LEN(table));
}

static void a_cookie_of_another_name_is_not_it(void **state)
{
	static const struct row table[] = {
		{ NULL, NULL },
		{ "", NULL },
		{ "name", NULL },
		{ "nam=value", NULL },
		{ "names=value", NULL },
		{ "xname=value", NULL },
		{ "Name=value", NULL },
		{ "NAME=value", NULL },
		{ "name =value", NULL },
		{ "a=name=value", NULL },
		{ "a=1, name=value", NULL },
		{ "$name=value", NULL },
	};

	(void)state;
	check(table, ARRAY_LEN(table));
}

static void a_cookie_given_twice_is_absent(void **state)
{
	static const struct row table[] = {
		{ "name=a; name=b", NULL },
		{ "name=a; name=a", NULL },
		{ "name=a; b=c; name=", NULL },
		{ "name=!; name=a", NULL },
		{ "name=a; Name=b", "a" },
	};

	(void)state;
	check(table, ARRAY_LEN(table));
}

static void a_value_with_other_bytes_is_absent(void **state)
{
	static const struct row table[] = {
		{ "name=", NULL },
		{ "name= ", NULL },
		{ "name=;", NULL },
		{ "name=a b", NULL },
		{ "name=\"value\"", NULL },
		{ "name=a=b", NULL },
		{ "name=a.b", NULL },
		{ "name=a,b", NULL },
		{ "name=a%20", NULL },
		{ "name=\303\251", NULL },
		{ "name=a\n", NULL },
		{ "name=" LONGEST "0", NULL },
	};

	(void)state;
	check(table, ARRAY_LEN(table));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_cookie_of_that_name_is_found),
		cmocka_unit_test(a_cookie_of_another_name_is_not_it),
		cmocka_unit_test(a_cookie_given_twice_is_absent),
		cmocka_unit_test(a_value_with_other_bytes_is_absent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
