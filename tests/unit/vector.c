#include "vector.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

void vector_check(const struct argv *a, const char *const *expected)
{
	assert_false(a->failed);
	for (size_t i = 0; expected[i]; i++) {
		if (i >= a->count)
			fail_msg("'%s' is missing", expected[i]);
		assert_string_equal(a->list[i], expected[i]);
	}
	for (size_t i = 0; i < a->count; i++)
		if (!expected[i])
			fail_msg("'%s' is too much", a->list[i]);
}
