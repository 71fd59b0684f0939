/* src/sys/clock: deadlines, and times for people and programs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/macros.h"
#include "sys/clock.h"

typedef void format_fn(long long value, char *ret, size_t size);

struct row {
	long long value;
	const char *text;
};

static void check(format_fn *format, const struct row *table, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char text[32];

		format(table[i].value, text, sizeof(text));
		assert_string_equal(text, table[i].text);
	}
}

static void programs_get_rfc_3339_in_utc(void **state)
{
	static const struct row table[] = {
		{ 0, "1970-01-01T00:00:00Z" },
		{ 1, "1970-01-01T00:00:01Z" },
		{ 951782400, "2000-02-29T00:00:00Z" },
		{ 1795449775, "2026-11-23T16:02:55Z" },
		{ 4102444799, "2099-12-31T23:59:59Z" },
		{ 253402300799, "9999-12-31T23:59:59Z" },
	};

	(void)state;
	check(clock_rfc3339, table, ARRAY_LEN(table));
}

static void people_get_a_date_that_they_can_read(void **state)
{
	static const struct row table[] = {
		{ 0, "1 Jan 1970 00:00 UTC" },
		{ 1795449775, "23 Nov 2026 16:02 UTC" },
		{ 1772706840, "5 Mar 2026 10:34 UTC" },
	};

	(void)state;
	check(clock_human, table, ARRAY_LEN(table));
}

static void the_time_zone_does_not_matter(void **state)
{
	setenv("TZ", "Pacific/Kiritimati", 1);
	tzset();
	programs_get_rfc_3339_in_utc(state);
	people_get_a_date_that_they_can_read(state);
	unsetenv("TZ");
	tzset();
}

static void a_time_that_no_calendar_has_is_unknown(void **state)
{
	static const struct row table[] = {
		{ INT64_MAX, "unknown" },
		{ INT64_MIN, "unknown" },
		{ 1LL << 60, "unknown" },
	};

	(void)state;
	check(clock_rfc3339, table, ARRAY_LEN(table));
	check(clock_human, table, ARRAY_LEN(table));
}

static void durations_are_told_in_two_units(void **state)
{
	static const struct row table[] = {
		{ -1, "0 s" },
		{ INT64_MIN, "0 s" },
		{ 0, "0 s" },
		{ 59, "59 s" },
		{ 60, "1 min" },
		{ 3599, "59 min" },
		{ 3600, "1 h 0 min" },
		{ 14399, "3 h 59 min" },
		{ 86399, "23 h 59 min" },
		{ 86400, "1 day" },
		{ 89999, "1 day" },
		{ 90000, "1 day 1 h" },
		{ 172799, "1 day 23 h" },
		{ 172800, "2 days" },
		{ 183600, "2 days 3 h" },
		{ 31536000, "365 days" },
	};

	(void)state;
	check(clock_duration, table, ARRAY_LEN(table));
}

static void the_clock_of_deadlines_goes_forward(void **state)
{
	long long before = clock_boot_ms();

	(void)state;
	assert_true(before > 0);
	nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
	assert_true(clock_boot_ms() >= before + 20);
}

static void the_wall_clock_is_the_systems(void **state)
{
	long long now = (long long)time(NULL);

	(void)state;
	assert_in_range(clock_wall(), now, now + 10);
}

static void a_boot_has_one_identity(void **state)
{
	char id[CLOCK_BOOT_ID_SIZE];
	char again[CLOCK_BOOT_ID_SIZE];

	(void)state;
	clock_boot_id(id);
	clock_boot_id(again);
	assert_string_equal(id, again);
	assert_int_equal(strlen(id), 36);
	assert_int_equal(strspn(id, "0123456789abcdef-"), 36);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(programs_get_rfc_3339_in_utc),
		cmocka_unit_test(people_get_a_date_that_they_can_read),
		cmocka_unit_test(the_time_zone_does_not_matter),
		cmocka_unit_test(a_time_that_no_calendar_has_is_unknown),
		cmocka_unit_test(durations_are_told_in_two_units),
		cmocka_unit_test(the_clock_of_deadlines_goes_forward),
		cmocka_unit_test(the_wall_clock_is_the_systems),
		cmocka_unit_test(a_boot_has_one_identity),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
