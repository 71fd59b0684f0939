/* src/web/choices: what the form offers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "web/choices.h"

static struct offer offer_of_memory(long long min, long long max)
{
	return (struct offer){
		.cpu = { .standard = 1, .min = 1, .max = 1 },
		.memory_mb = { .standard = min, .min = min, .max = max },
	};
}

static void a_range_is_told_in_numbers_that_are_easy_to_read(void **state)
{
	static const struct {
		long long min;
		long long max;
		const char *text;
	} table[] = {
		{ 64, 19284, "0.07 to 18.8" },
		{ 512, 768, "0.5 to 0.75" },
		{ 256, 1024, "0.25 to 1" },
		{ 1024, 16384, "1 to 16" },
		{ 1536, 1900, "1.5 to 1.8" },
		{ 300, 300, "0.292" },
		{ 4096, 4096, "4" },
		{ 1500, 1530, "1.465 to 1.494" },
		{ 65, 67, "0.064 to 0.065" },
		{ 64, 1048576, "0.07 to 1024" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		AUTO_BUF struct buf out = BUF_INIT(200);
		struct offer o = offer_of_memory(table[i].min, table[i].max);
		char expected[100];

		snprintf(expected, sizeof(expected),
			 "1 processor, %s GB of memory", table[i].text);
		choices_sentence(&o, &out);
		assert_string_equal(buf_str(&out), expected);
	}
}

/* The MB that the form keeps of a number that was read off the page. */
static long long taken(const char *text, size_t len)
{
	char number[32];
	long long milli;

	snprintf(number, sizeof(number), "%.*s", (int)len, text);
	assert_true(text_milli(number, 0, 1LL << 40, &milli));
	return offer_mb(milli);
}

static void both_ends_of_a_range_are_accepted(void **state)
{
	(void)state;
	for (long long min = 64; min < 3000; min += 7) {
		for (long long max = min + 3; max < 40000;
		     max += 1 + (max - min) / 3) {
			AUTO_BUF struct buf out = BUF_INIT(200);
			struct offer o = offer_of_memory(min, max);
			const char *from;
			const char *to;
			long long mb;

			choices_sentence(&o, &out);
			from = strchr(buf_str(&out), ',') + 2;
			to = strstr(from, " to ") + 4;
			mb = taken(from, strcspn(from, " "));
			assert_in_range(mb, min, max);
			mb = taken(to, strcspn(to, " "));
			assert_in_range(mb, min, max);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_range_is_told_in_numbers_that_are_easy_to_read),
		cmocka_unit_test(both_ends_of_a_range_are_accepted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
