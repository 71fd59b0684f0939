/* src/session/offer: what a machine may be given. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "session/offer.h"

static const struct limits site = {
	.default_cpu = 2, .default_memory_mb = 4096, .session_cpu = 8,
	.user_cpu = 8, .user_memory_mb = 16384,
};

static struct offer make(const char *cpu, const char *memory, const char *disk,
			 bool iso, long long virtual_size)
{
	struct config c = { .snapshot_alloc_disk = 10000 };
	char none[] = "";
	struct catalogue_entry m = { .cpu = (char *)cpu,
				     .memory = (char *)memory,
				     .disk = (char *)disk, .gpu = none,
				     .iso = iso,
				     .virtual_size = virtual_size };
	struct offer offer;

	offer_of(&c, &site, &m, &offer);
	return offer;
}

static void check(const struct amount *a, long long standard, long long min,
		  long long max)
{
	assert_int_equal(a->standard, standard);
	assert_int_equal(a->min, min);
	assert_int_equal(a->max, max);
}

static void a_machine_without_wishes_gets_what_the_site_gives(void **state)
{
	struct offer o = make("", "", "", true, 0);
	struct err e = ERR_INIT;

	(void)state;
	check(&o.cpu, 2, 1, 8);
	check(&o.memory_mb, 4096, 64, 16384);
	check(&o.disk_mb, 10240, 10240, 10240);
	assert_int_equal(offer_disk(&o, 10240), 10240);
	assert_int_equal(offer_shortage(&o, &e), 0);
}

static void its_wishes_narrow_the_sites_limits(void **state)
{
	struct offer o = make("4 2-99", "6 0.5-8", "20 5-40", true, 0);

	(void)state;
	check(&o.cpu, 4, 2, 8);
	check(&o.memory_mb, 6144, 512, 8192);
	check(&o.disk_mb, 20480, 5120, 40960);
	o = make("3-4", "1-2", "30-40", true, 0);
	check(&o.cpu, 3, 3, 4);
	check(&o.memory_mb, 2048, 1024, 2048);
	check(&o.disk_mb, 30720, 30720, 40960);
	/* A default alone is no limit. */
	o = make("16", "64", "5", true, 0);
	check(&o.cpu, 8, 1, 8);
	check(&o.memory_mb, 16384, 64, 16384);
	check(&o.disk_mb, 5120, 5120, 5120);
}

static void no_disk_is_smaller_than_its_image(void **state)
{
	long long size = (8LL << 30) + 1;
	struct offer o = make("", "", "", false, size);

	(void)state;
	check(&o.disk_mb, 8193, 8193, 8193);
	assert_int_equal(offer_disk(&o, 8193), 0);
	o = make("", "", "20 5-40", false, size);
	check(&o.disk_mb, 20480, 8193, 40960);
	assert_int_equal(offer_disk(&o, 20480), 20480);
	o = make("", "", "1-2", false, size);
	check(&o.disk_mb, 8193, 8193, 8193);
}

static void an_image_that_is_written_to_keeps_its_size(void **state)
{
	struct config c = { .snapshot_use_master = true };
	char disk[] = "20 5-40";
	char none[] = "";
	struct catalogue_entry m = { .cpu = none, .memory = none,
				     .disk = disk, .gpu = none,
				     .virtual_size = 8LL << 30 };
	struct offer o;

	(void)state;
	offer_of(&c, &site, &m, &o);
	check(&o.disk_mb, 8192, 8192, 8192);
	assert_int_equal(offer_disk(&o, 8192), 0);
}

static void what_cannot_be_had_here_is_said(void **state)
{
	struct offer o = make("9-12", "", "", true, 0);
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(offer_shortage(&o, &e), -1);
	assert_int_equal(e.code, ERR_BUSY);
	assert_non_null(strstr(e.msg, "needs 9 processors, and a user may have "
				      "8"));
	o = make("", "32-64", "", true, 0);
	assert_int_equal(offer_shortage(&o, &e), -1);
	assert_int_equal(e.code, ERR_BUSY);
	assert_non_null(strstr(e.msg, "needs 32768 MB of memory"));
}

static void the_smallest_memory_that_a_message_names_is_taken(void **state)
{
	static const long long rows[][2] = {
		{ 62, 64 }, /* 0.0625, as text_milli() reads it */
		{ 250, 256 }, { 500, 512 }, { 1000, 1024 }, { 2500, 2560 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(offer_mb(rows[i][0]), rows[i][1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_machine_without_wishes_gets_what_the_site_gives),
		cmocka_unit_test(its_wishes_narrow_the_sites_limits),
		cmocka_unit_test(no_disk_is_smaller_than_its_image),
		cmocka_unit_test(an_image_that_is_written_to_keeps_its_size),
		cmocka_unit_test(what_cannot_be_had_here_is_said),
		cmocka_unit_test(
			the_smallest_memory_that_a_message_names_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
