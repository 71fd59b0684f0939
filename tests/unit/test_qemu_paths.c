/* src/vm/qemu: what comes from a form or a file is no option of QEMU. */
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "guest.h"
#include "settings.h"
#include "vm/qemu.h"

static const char *const hostile[] = {
	"/a,b",
	"/a,file=/etc/shadow",
	"/a,share=ignore,to=99,websocket=on",
	"/a\",\"driver\":\"nbd\",\"x\":\"",
	"/a\\",
	"/a\n-drive\nfile=/etc/shadow",
	"/a -drive file=/etc/shadow",
	"/a'b",
	"json:{\"driver\":\"nbd\",\"host\":\"evil\"}",
	"nbd:evil:10809",
	"http://evil/",
	"fat:rw:/etc",
	"-drive",
	",,",
	"/\303\251\342\202\254",
	"/\001\033[31m",
};

/* The value of one string member, found by JSON's own rules. */
static void check_filename(const char *blockdev, const char *path)
{
	json_t *node = json_loads(blockdev, JSON_REJECT_DUPLICATES, NULL);
	const json_t *file = json_object_get(node, "file");

	assert_non_null(file);
	assert_string_equal(
		json_string_value(json_object_get(file, "driver")), "file");
	assert_string_equal(
		json_string_value(json_object_get(file, "filename")), path);
	assert_int_equal(json_object_size(file), 3);
	json_decref(node);
}

/* What follows `option` for the n-th time. */
static const char *value_of(const struct argv *a, const char *option, int n)
{
	for (size_t i = 0; i + 1 < a->count; i++)
		if (strcmp(a->list[i], option) == 0 && n-- == 0)
			return a->list[i + 1];
	fail_msg("no %s", option);
	return NULL;
}

/* Read one value as QEMU does: up to a comma that is not doubled.  Returns
 * what follows it. */
static const char *read_option(const char *from, char *ret, size_t size)
{
	size_t n = 0;

	for (; *from; from++) {
		if (*from == ',' && *++from != ',')
			break;
		assert_true(n + 1 < size);
		ret[n++] = *from;
	}
	ret[n] = '\0';
	return from;
}

/*
 * SR23, P4: what comes from a form or a file is the same number of options,
 * whatever is in it.  A session's name is made by us, and its format and the
 * like are words of ours: they cannot hold these.
 */
static void no_path_can_add_an_option(void **state)
{
	struct session s = guest_session();
	struct mounts mounts = { .list = { { .path = "/mount0",
					     .tag = "host_a" } },
				 .count = 1 };
	struct qemu_place plain = guest_uefi_place();
	AUTO_ARGV struct argv model = { 0 };

	(void)state;
	plain.mounts = &mounts;
	qemu_command(&settings, &s, &plain, &model);
	for (size_t i = 0; i < ARRAY_LEN(hostile); i++) {
		struct mounts evil = mounts;
		struct qemu_place p = plain;
		AUTO_ARGV struct argv a = { 0 };
		char vnc[256];
		char path[256];
		const char *rest;

		p.image = p.overlay = p.vnc = p.vars = p.firmware = hostile[i];
		snprintf(evil.list[0].path, sizeof(evil.list[0].path), "%s",
			 hostile[i]);
		p.mounts = &evil;
		/* The visitor's and the image's words, all of them. */
		snprintf(s.user, sizeof(s.user), "%s", hostile[i]);
		snprintf(s.title, sizeof(s.title), "%s", hostile[i]);
		snprintf(s.machine, sizeof(s.machine), "%s", hostile[i]);
		snprintf(s.origin, sizeof(s.origin), "%s", hostile[i]);
		snprintf(s.mounts, sizeof(s.mounts), "%s", hostile[i]);
		snprintf(s.network, sizeof(s.network), "%.15s", hostile[i]);
		qemu_command(&settings, &s, &p, &a);
		assert_false(a.failed);
		assert_int_equal(a.count, model.count);
		/* All but those that hold a path are the same words. */
		for (size_t j = 0; j < a.count; j++) {
			bool holds = j && (strcmp(a.list[j - 1], "-blockdev") ==
						   0 ||
					   strcmp(a.list[j - 1], "-vnc") == 0 ||
					   strcmp(a.list[j - 1], "-fsdev") ==
						   0);

			if (!holds)
				assert_string_equal(a.list[j], model.list[j]);
		}
		check_filename(value_of(&a, "-blockdev", 0), hostile[i]);
		for (int k = 1; k < 4; k++)
			check_filename(value_of(&a, "-blockdev", k),
				       hostile[i]);
		rest = strstr(value_of(&a, "-fsdev", 0), "path=");
		assert_non_null(rest);
		rest = read_option(rest + strlen("path="), vnc, sizeof(vnc));
		assert_string_equal(vnc, hostile[i]);
		assert_string_equal(rest, "");
		rest = read_option(value_of(&a, "-vnc", 0), vnc, sizeof(vnc));
		snprintf(path, sizeof(path), "unix:%s", hostile[i]);
		assert_string_equal(vnc, path);
		assert_string_equal(rest, "share=force-shared");
	}
}

static void a_path_that_is_no_text_fails_the_vector(void **state)
{
	struct session s = guest_session();
	struct qemu_place p = guest_place();
	AUTO_ARGV struct argv a = { 0 };

	(void)state;
	p.image = "/half a character \303";
	qemu_command(&settings, &s, &p, &a);
	assert_true(a.failed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SETTINGS_TEST(no_path_can_add_an_option),
		SETTINGS_TEST(a_path_that_is_no_text_fails_the_vector),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
