/* src/conf/catalogue: what `qwdctl refresh` writes and a request reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "conf/catalogue.h"
#include "scratch.h"
#include "sys/file.h"
#include "sys/json.h"

enum { SECTOR = 512 };

struct damage {
	const char *text;
	const char *message; /* a part of it */
};

/* A configuration whose directories are in the scratch directory. */
static void site(struct config *c)
{
	AUTO_FREE char *machines = file_join(scratch_path, "machines.conf");
	struct err e = ERR_INIT;

	mkdirat(scratch_fd, "machines", 0700);
	assert_int_equal(config_init(c, &e), 0);
	assert_int_equal(config_set(c, "dir_service", scratch_path, &e), 0);
	assert_int_equal(config_set(c, "machines_conf", machines, &e), 0);
	assert_int_equal(config_finish(c, &e), 0);
}

/* A raw disk of zeros in dir_machines. */
static void put_disk(const char *name, size_t sectors)
{
	AUTO_FREE char *bytes = calloc(sectors, SECTOR);
	AUTO_FREE char *path = file_join("machines", name);

	scratch_write(path, bytes, sectors * SECTOR);
}

static void check_load_fails(enum err_code code, const char *message)
{
	AUTO_CONFIG struct config c = { .file = NULL };
	AUTO_CATALOGUE struct catalogue cat = { .list = NULL };
	struct err e = ERR_INIT;

	site(&c);
	assert_int_equal(catalogue_load(&c, &cat, &e), -1);
	assert_int_equal(e.code, code);
	if (!strstr(e.msg, message))
		fail_msg("'%s' does not say '%s'", e.msg, message);
	assert_null(cat.list);
}

static void check_loads(size_t count)
{
	AUTO_CONFIG struct config c = { .file = NULL };
	AUTO_CATALOGUE struct catalogue cat = { .list = NULL };
	struct err e = ERR_INIT;

	site(&c);
	if (catalogue_load(&c, &cat, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(cat.count, count);
}

static void a_catalogue_that_was_never_made_is_told(void **state)
{
	(void)state;
	unlinkat(scratch_fd, "catalogue.json", 0);
	check_load_fails(ERR_NOT_FOUND, "/catalogue.json does not exist");
}

static void refresh_lists_what_is_there_in_the_sites_order(void **state)
{
	AUTO_CONFIG struct config c = { .file = NULL };
	AUTO_CATALOGUE struct catalogue made = { .list = NULL };
	AUTO_CATALOGUE struct catalogue cat = { .list = NULL };
	const struct catalogue_entry *z;
	struct err e = ERR_INIT;
	struct stat st;

	(void)state;
	site(&c);
	put_disk("z.raw", 4);
	put_disk("a.qcow2", 2);
	put_disk("unlisted.raw", 2);
	scratch_puts("machines.conf", "[z.raw]\n"
				      "description = \"<Z>\" \xc3\xa9\n"
				      "[missing.iso]\n"
				      "[a.qcow2]\n");
	if (catalogue_refresh(&c, &made, &e) < 0)
		fail_msg("%s", e.msg);
	if (catalogue_load(&c, &cat, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(made.count, 2);
	assert_int_equal(cat.count, 2);

	z = catalogue_find(&cat, "z.raw");
	assert_ptr_equal(z, &cat.list[0]);
	assert_string_equal(z->description, "\"<Z>\" \xc3\xa9");
	assert_string_equal(z->format, "raw");
	assert_int_equal(z->virtual_size, 4 * SECTOR);
	assert_int_equal(z->size, 4 * SECTOR);
	assert_true(z->usable);
	assert_false(z->iso);
	assert_string_equal(z->reason, "");
	assert_int_equal(fstatat(scratch_fd, "machines/z.raw", &st, 0), 0);
	assert_int_equal(z->mtime, st.st_mtime);

	assert_string_equal(cat.list[1].name, "a.qcow2");
	assert_string_equal(cat.list[1].description, "a.qcow2");
	assert_false(cat.list[1].usable);
	assert_string_equal(cat.list[1].format, "");
	assert_string_equal(cat.list[1].reason,
			    "is named .qcow2 but holds no known header");
	assert_null(catalogue_find(&cat, "missing.iso"));
	assert_null(catalogue_find(&cat, "z"));

	assert_int_equal(fstatat(scratch_fd, "catalogue.json", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
}

static void a_refresh_that_fails_leaves_the_old_catalogue(void **state)
{
	AUTO_CONFIG struct config c = { .file = NULL };
	AUTO_CATALOGUE struct catalogue made = { .list = NULL };
	AUTO_CATALOGUE struct catalogue cat = { .list = NULL };
	struct err e = ERR_INIT;

	(void)state;
	site(&c);
	scratch_puts("machines.conf", "[z.raw]\nmemoy = 3\n");
	assert_int_equal(catalogue_refresh(&c, &made, &e), -1);
	assert_int_equal(e.code, ERR_CONFIG);
	assert_non_null(strstr(e.msg, "machines.conf:2: memoy: there is no "));
	assert_int_equal(catalogue_load(&c, &cat, &e), 0);
	assert_int_equal(cat.count, 2);
	scratch_puts("machines.conf", "[z.raw]\n");
}

static void refresh_needs_its_directories(void **state)
{
	AUTO_CONFIG struct config c = { .file = NULL };
	AUTO_CATALOGUE struct catalogue cat = { .list = NULL };
	struct err e = ERR_INIT;

	(void)state;
	site(&c);
	assert_int_equal(config_set(&c, "dir_machines", "/nonexistent", &e), 0);
	assert_int_equal(catalogue_refresh(&c, &cat, &e), -1);
	assert_int_equal(e.code, ERR_SYSTEM);
	assert_string_equal(e.msg, "cannot open directory /nonexistent: "
				   "No such file or directory");
	assert_int_equal(config_set(&c, "dir_service", "/nonexistent", &e), 0);
	assert_int_equal(catalogue_refresh(&c, &cat, &e), -1);
	assert_string_equal(e.msg, "cannot lock directory /nonexistent: "
				   "No such file or directory");
}

static void examining_one_image_tells_what_it_is(void **state)
{
	AUTO_CONFIG struct config c = { .file = NULL };
	struct catalogue_entry entry;
	struct err e = ERR_INIT;

	(void)state;
	site(&c);
	put_disk("one.raw", 8);
	assert_int_equal(catalogue_examine(&c, "one.raw", &entry, &e), 0);
	assert_true(entry.usable);
	assert_string_equal(entry.description, "one.raw");
	catalogue_entry_release(&entry);

	assert_int_equal(mkdirat(scratch_fd, "machines/d.raw", 0700), 0);
	assert_int_equal(catalogue_examine(&c, "d.raw", &entry, &e), 0);
	assert_false(entry.usable);
	assert_string_equal(entry.reason, "is no regular file");
	catalogue_entry_release(&entry);

	assert_int_equal(catalogue_examine(&c, "none.raw", &entry, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
}

static void an_entry_is_stale_when_its_file_is_another(void **state)
{
	AUTO_CONFIG struct config c = { .file = NULL };
	struct catalogue_entry entry;
	struct err e = ERR_INIT;

	(void)state;
	site(&c);
	put_disk("s.raw", 8);
	assert_int_equal(catalogue_examine(&c, "s.raw", &entry, &e), 0);
	assert_false(catalogue_is_stale(&c, &entry));
	entry.mtime--;
	assert_true(catalogue_is_stale(&c, &entry));
	entry.mtime++;
	put_disk("s.raw", 9);
	assert_true(catalogue_is_stale(&c, &entry));
	assert_int_equal(unlinkat(scratch_fd, "machines/s.raw", 0), 0);
	assert_true(catalogue_is_stale(&c, &entry));
	catalogue_entry_release(&entry);
}

#define EMPTY(key) ", \"" #key "\": \"\""
#define ENTRY(name, usable)                                          \
	"\n{\"name\": " name ", \"description\": \"d\", "            \
	"\"format\": \"raw\", \"iso\": false, \"virtual_size\": 1, " \
	"\"size\": 1, \"mtime\": -1, \"usable\": " usable ", "       \
	"\"reason\": \"\"" MACHINE_SETTINGS(EMPTY) "}"
#define FILE_OF(entries) "{\"version\": 1, \"machines\": [" entries "\n]}\n"

static void the_file_is_json(void **state)
{
	AUTO_CONFIG struct config c = { .file = NULL };
	AUTO_CATALOGUE struct catalogue cat = { .list = NULL };
	AUTO_BUF struct buf text = BUF_INIT(65536);
	AUTO_JSON json_t *root = NULL;
	const json_t *machine;
	struct err e = ERR_INIT;

	(void)state;
	site(&c);
	put_disk("q.raw", 3);
	scratch_puts("machines.conf", "[q.raw]\n"
				      "description = \\\"q\\ </script>\n"
				      "users = ann, bob\n"
				      "groups = staff\n"
				      "cpu = 2 1-4\n"
				      "firmware = uefi\n"
				      "mounts = /srv/data:rw\n"
				      "[a.qcow2]\n");
	assert_int_equal(catalogue_refresh(&c, &cat, &e), 0);
	assert_int_equal(
		file_read(scratch_fd, "catalogue.json", false, &text, &e), 0);
	root = json_parse_object(buf_str(&text), text.len, &e);
	assert_non_null(root);
	machine = json_array_get(json_object_get(root, "machines"), 0);
	assert_string_equal(
		json_string_value(json_object_get(machine, "description")),
		"\\\"q\\ </script>");
	assert_int_equal(
		json_integer_value(json_object_get(machine, "virtual_size")),
		3 * SECTOR);
	catalogue_release(&cat);
	assert_int_equal(catalogue_load(&c, &cat, &e), 0);
	assert_string_equal(cat.list[0].description, "\\\"q\\ </script>");
	assert_string_equal(cat.list[0].users, "ann, bob");
	assert_string_equal(cat.list[0].groups, "staff");
	assert_string_equal(cat.list[0].cpu, "2 1-4");
	assert_string_equal(cat.list[0].firmware, "uefi");
	assert_string_equal(cat.list[0].mounts, "/srv/data:rw");
	assert_string_equal(cat.list[0].arch, "");
}

static void a_damaged_catalogue_is_refused_whole(void **state)
{
	static const struct damage table[] = {
		{ "", "damaged at machine 0; run qwdctl refresh" },
		{ "{}", "damaged at machine 0" },
		{ "{\"version\": 2, \"machines\": [\n]}\n",
		  "damaged at machine 0" },
		{ FILE_OF("") "x", "damaged at machine 0" },
		{ FILE_OF(ENTRY("7", "true")), "damaged at machine 1" },
		{ FILE_OF(ENTRY("\"a\"", "true") "," ENTRY("\"b\"", "1")),
		  "damaged at machine 2" },
		{ FILE_OF(ENTRY("\"a\"", "true") ENTRY("\"b\"", "true")),
		  "damaged at machine 1" },
		{ FILE_OF(ENTRY("\"a", "true")), "damaged at machine 1" },
		{ FILE_OF(ENTRY("\"a\\", "true")), "damaged at machine 1" },
		{ FILE_OF(ENTRY("\"\\n\"", "true")), "damaged at machine 1" },
		{ FILE_OF(ENTRY("\"a\nb\"", "true")), "damaged at machine 1" },
		{ FILE_OF(ENTRY("\"caf\xe9\"", "true")), "not a catalogue" },
		{ "{\"version\": 1, \"machines\": [\n{\"name\": \"",
		  "damaged at machine 1" },
	};

	(void)state;
	scratch_puts("catalogue.json", FILE_OF(ENTRY("\"a\"", "true")));
	check_loads(1);
	scratch_puts("catalogue.json", FILE_OF(""));
	check_loads(0);
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		scratch_puts("catalogue.json", table[i].text);
		check_load_fails(ERR_DAMAGED, table[i].message);
	}
}

static void a_catalogue_that_is_a_link_is_refused(void **state)
{
	(void)state;
	unlinkat(scratch_fd, "catalogue.json", 0);
	assert_int_equal(
		symlinkat("machines.conf", scratch_fd, "catalogue.json"), 0);
	check_load_fails(ERR_DAMAGED, "catalogue.json is a symbolic link");
	unlinkat(scratch_fd, "catalogue.json", 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_catalogue_that_was_never_made_is_told),
		cmocka_unit_test(
			refresh_lists_what_is_there_in_the_sites_order),
		cmocka_unit_test(a_refresh_that_fails_leaves_the_old_catalogue),
		cmocka_unit_test(refresh_needs_its_directories),
		cmocka_unit_test(examining_one_image_tells_what_it_is),
		cmocka_unit_test(an_entry_is_stale_when_its_file_is_another),
		cmocka_unit_test(the_file_is_json),
		cmocka_unit_test(a_damaged_catalogue_is_refused_whole),
		cmocka_unit_test(a_catalogue_that_is_a_link_is_refused),
	};

	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
