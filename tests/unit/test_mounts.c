/* src/conf/mounts: which directories guests may mount. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/macros.h"
#include "conf/mounts.h"

static void a_list_gives_paths_and_tags(void **state)
{
	struct mounts m;
	struct err e = ERR_INIT;

	(void)state;
	if (mounts_parse(" /srv/data, /media/big disk:ro ,/srv/homes/@USER@:rw,"
			 "/srv/@USER@/x-y.z:rw",
			 "ann.b@lab", &m, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(m.count, 4);
	assert_string_equal(m.list[0].path, "/srv/data");
	assert_string_equal(m.list[0].tag, "host_data");
	assert_false(m.list[0].writable);
	assert_int_equal(m.list[0].fixed, 0);
	assert_string_equal(m.list[1].path, "/media/big disk");
	assert_string_equal(m.list[1].tag, "host_big disk");
	assert_false(m.list[1].writable);
	assert_string_equal(m.list[2].path, "/srv/homes/ann.b@lab");
	assert_string_equal(m.list[2].tag, "host_homes");
	assert_true(m.list[2].writable);
	assert_int_equal(m.list[2].fixed, strlen("/srv/homes/"));
	assert_string_equal(m.list[3].path, "/srv/ann.b@lab/x-y.z");
	assert_string_equal(m.list[3].tag, "host_x-y.z");
	assert_int_equal(mounts_parse("", "ann", &m, &e), 0);
	assert_int_equal(m.count, 0);
}

/* P21, SR27: nothing beside the directory, and no option of QEMU's. */
static void what_could_lead_elsewhere_is_refused(void **state)
{
	static const char *const table[][2] = {
		{ "srv", "is not a list of absolute paths" },
		{ "/", "is not a list of absolute paths" },
		{ "/srv/", "is not a list of absolute paths" },
		{ "//srv", "is not a list of absolute paths" },
		{ "/srv/../etc", "is not a list of absolute paths" },
		{ "/srv/./x", "is not a list of absolute paths" },
		{ "/..", "is not a list of absolute paths" },
		{ "/srv/a'b", "is not a list of absolute paths" },
		{ "/srv/\303\251", "is not a list of absolute paths" },
		{ "/srv/a\\b", "is not a list of absolute paths" },
		{ "/srv,", "ends with a comma" },
		{ "/srv,,/x", "is not a list of absolute paths" },
		{ "/srv,security_model=none", "is not a list of absolute" },
		{ "/srv:rx", "holds ':' with neither ro nor rw" },
		{ "/srv:rw:x", "holds ':' with neither ro nor rw" },
		{ "/a:b:rw", "is not a list of absolute paths" },
		{ "/srv:", "holds ':' with neither ro nor rw" },
		{ "/@USER@", "whose tag would hold the user's name" },
		{ "/x@USER@", "whose tag would hold the user's name" },
		{ "/a/@USER@/@USER@", "names @USER@ twice" },
		{ "/srv/a,/mnt/a", "two directories with the same last word" },
		{ "/srv/abcdefghijklmnopqrstuvwxyza", "more than 26 bytes" },
		{ "/1,/2,/3,/4,/5,/6,/7,/8,/9", "names more than 8" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		const char *problem = mounts_problem(table[i][0]);
		struct mounts m = { .count = 77 };
		struct err e = ERR_INIT;

		if (!problem || !strstr(problem, table[i][1]))
			fail_msg("'%s': %s", table[i][0],
				 problem ? problem : "accepted");
		assert_int_equal(mounts_parse(table[i][0], "ann", &m, &e), -1);
		assert_int_equal(e.code, ERR_CONFIG);
		assert_int_equal(m.count, 77);
	}
	assert_null(mounts_problem("/1,/2,/3,/4,/5,/6,/7,/8"));
	assert_null(mounts_problem("/srv/abcdefghijklmnopqrstuvwxyz"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_gives_paths_and_tags),
		cmocka_unit_test(what_could_lead_elsewhere_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
