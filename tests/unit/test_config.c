/* src/conf/options: files, fragments, what is derived, and printing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "conf/options.h"
#include "conf_text.h"
#include "scratch.h"

static void a_missing_main_file_is_fine_unless_it_must_exist(void **state)
{
	AUTO_FREE char *path = conf_text_path("nowhere.conf");
	AUTO_CONFIG struct config c = { .file = NULL };
	struct err e = ERR_INIT;

	(void)state;
	conf_text_init(&c);
	assert_int_equal(config_read(&c, path, false, &e), 0);
	assert_string_equal(c.file, "");
	assert_int_equal(config_read(&c, path, true, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_true(strstr(e.msg, "nowhere.conf does not exist") != NULL);
}

static void a_directory_as_main_file_is_refused(void **state)
{
	AUTO_CONFIG struct config c = { .file = NULL };
	struct err e = ERR_INIT;

	(void)state;
	conf_text_init(&c);
	assert_int_equal(config_read(&c, scratch_path, false, &e), -1);
	assert_int_equal(e.code, ERR_CONFIG);
	assert_true(strstr(e.msg, "is no regular file") != NULL);
}

static void fragments_are_read_in_byte_order_over_the_main_file(void **state)
{
	AUTO_FREE char *path = conf_text_path("config.conf");
	AUTO_CONFIG struct config c = { .file = NULL };
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(mkdirat(scratch_fd, "config.d", 0700), 0);
	scratch_puts("config.conf", "service_port = 1\nlayout_level = 2\n");
	scratch_puts("config.d/20-b.conf", "service_port = 3\n");
	scratch_puts("config.d/10-a.conf", "service_port = 2\noneshot = on\n");
	scratch_puts("config.d/30-c.conf~", "service_port = 4\n");
	scratch_puts("config.d/.hidden.conf", "service_port = 5\n");
	conf_text_init(&c);
	assert_int_equal(config_read(&c, path, true, &e), 0);
	assert_int_equal(c.service_port, 3);
	assert_int_equal(c.layout_level, 2);
	assert_true(c.oneshot);

	scratch_puts("config.d/20-b.conf", "\nport = 3\n");
	assert_int_equal(config_read(&c, path, true, &e), -1);
	conf_text_check(&e, "config.d/20-b.conf", ":2: port: there is no such");
	assert_int_equal(unlinkat(scratch_fd, "config.d/20-b.conf", 0), 0);
	assert_int_equal(unlinkat(scratch_fd, "config.d/10-a.conf", 0), 0);
}

static void finish_derives_what_is_empty(void **state)
{
	AUTO_CONFIG struct config c = { .file = NULL };
	AUTO_FREE char *machines = conf_text_path("machines.conf");
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(conf_text_read(&c,
					"dir_service = /srv/qwd\n"
					"dir_snapshots = /fast\n",
					&e),
			 0);
	assert_int_equal(config_finish(&c, &e), 0);
	assert_string_equal(c.dir_machines, "/srv/qwd/machines");
	assert_string_equal(c.dir_snapshots, "/fast");
	assert_string_equal(c.machines_conf, machines);
	assert_string_equal(c.dir_cfg, "");
}

static void finish_without_a_file_looks_beside_the_default_one(void **state)
{
	AUTO_CONFIG struct config c = { .file = NULL };
	struct err e = ERR_INIT;

	(void)state;
	conf_text_init(&c);
	assert_int_equal(config_finish(&c, &e), 0);
	assert_string_equal(c.machines_conf,
			    "/etc/qemu-web-desktop/machines.conf");
}

static void finish_refuses_directories_that_clash(void **state)
{
	static const struct refusal table[] = {
		{ "dir_machines = /a\ndir_snapshots = /a\n",
		  "dir_machines and dir_snapshots are both /a" },
		{ "dir_html = /srv/www\ndir_machines = /srv/www/machines\n",
		  "dir_machines: /srv/www/machines is below dir_html" },
		{ "dir_html = /srv/www\ndir_service = /srv/www\n",
		  "dir_service: /srv/www is below dir_html" },
		{ "dir_html = /srv/www\ndir_cfg = /srv/www/x\n",
		  "dir_cfg: /srv/www/x is below dir_html" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		AUTO_CONFIG struct config c = { .file = NULL };
		struct err e = ERR_INIT;

		assert_int_equal(conf_text_read(&c, table[i].text, &e), 0);
		assert_int_equal(config_finish(&c, &e), -1);
		assert_int_equal(e.code, ERR_CONFIG);
		assert_true(strstr(e.msg, table[i].message) != NULL);
	}
}

static void a_neighbour_of_dir_html_is_not_below_it(void **state)
{
	AUTO_CONFIG struct config c = { .file = NULL };
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(conf_text_read(&c,
					"dir_html = /srv/www\n"
					"dir_machines = /srv/www2\n",
					&e),
			 0);
	assert_int_equal(config_finish(&c, &e), 0);
}

/* What `print` writes; the caller frees. */
static char *printed(const struct config *c, bool defaults)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	config_print(c, defaults, out);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void what_is_printed_can_be_read_again(void **state)
{
	AUTO_CONFIG struct config c = { .file = NULL };
	AUTO_CONFIG struct config again = { .file = NULL };
	AUTO_FREE char *first = NULL;
	AUTO_FREE char *second = NULL;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(conf_text_read(&c,
					"snapshot_alloc_mem = 1.25\n"
					"service_max_load = 0.05\n"
					"layout_title = # = \"x\"\n"
					"user_admin = ann,bob\n",
					&e),
			 0);
	assert_int_equal(config_finish(&c, &e), 0);
	first = printed(&c, false);
	assert_non_null(strstr(first, "\nsnapshot_alloc_mem = 1.25\n"));
	assert_non_null(strstr(first, "\nservice_max_load = 0.05\n"));
	assert_non_null(strstr(first, "\nallow_anonymous = no\n"));
	assert_non_null(strstr(first, "\n# boot_delay has no effect: "));
	if (conf_text_read(&again, first, &e) < 0)
		fail_msg("%s", e.msg);
	second = printed(&again, false);
	assert_string_equal(first, second);
}

static void printed_defaults_are_not_the_values(void **state)
{
	AUTO_CONFIG struct config c = { .file = NULL };
	AUTO_FREE char *text = NULL;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(conf_text_read(&c, "service_port = 7\n", &e), 0);
	text = printed(&c, true);
	assert_non_null(strstr(text, "\nservice_port = 6080\n"));
	assert_non_null(strstr(text, "\ndir_cfg =\n"));
	for (const char *line = text; line; line = strchr(line + 1, '\n'))
		assert_true(strcspn(line + 1, "\n") < 80);
}

/* "WHERE TEXT|WHERE TEXT|...", of scratch files without their directory. */
static void check_scripts(const struct config *c, const char *expected)
{
	AUTO_BUF struct buf got = BUF_INIT(4096);

	for (size_t i = 0; i < c->config_script.count; i++) {
		const char *where = c->config_script.items[i].where;
		const char *slash = strrchr(where, '/');

		buf_printf(&got, "%s%s %s", i ? "|" : "",
			   slash ? slash + 1 : where,
			   c->config_script.items[i].text);
	}
	assert_string_equal(buf_str(&got), expected);
}

static void a_list_has_any_number_of_lines_with_their_places(void **state)
{
	AUTO_CONFIG struct config c = { .file = NULL };
	AUTO_CONFIG struct config again = { .file = NULL };
	AUTO_FREE char *text = NULL;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(conf_text_read(&c,
					"config_script = exec: a = 1; b # c\n"
					"# x\n"
					"config-script = /etc/b\n",
					&e),
			 0);
	check_scripts(&c, "config.conf:1 exec: a = 1; b # c|"
			  "config.conf:3 /etc/b");
	text = printed(&c, false);
	assert_non_null(strstr(text, "\nconfig_script = exec: a = 1; b # c\n"
				     "config_script = /etc/b\n"));
	assert_int_equal(conf_text_read(&again, text, &e), 0);
	assert_int_equal(again.config_script.count, 2);
	assert_string_equal(again.config_script.items[1].text, "/etc/b");
}

static void a_later_source_replaces_a_list(void **state)
{
	AUTO_CONFIG struct config c = { .file = NULL };
	AUTO_FREE char *dir = conf_text_path("config.d");
	struct err e = ERR_INIT;

	(void)state;
	assert_true(mkdir(dir, 0755) == 0 || errno == EEXIST);
	scratch_puts("config.d/1.conf",
		     "config_script = /c\nconfig_script = /d\n");
	scratch_puts("config.d/2.conf", "service_port = 1\n");
	assert_int_equal(conf_text_read(&c, "config_script = /a\n", &e), 0);
	check_scripts(&c, "1.conf:1 /c|1.conf:2 /d");
	assert_int_equal(config_set(&c, "config_script", "/e", &e), 0);
	assert_int_equal(config_set(&c, "config_script", "/f", &e), 0);
	check_scripts(&c, "--config_script /e|--config_script /f");
	config_release(&c);
	scratch_puts("config.d/1.conf", "config_script =\n");
	assert_int_equal(conf_text_read(&c, "config_script = /a\n", &e), 0);
	check_scripts(&c, "");
	assert_int_equal(config_set(&c, "config_script", "a\tb", &e), -1);
	assert_int_equal(e.code, ERR_CONFIG);
	assert_int_equal(unlinkat(scratch_fd, "config.d/1.conf", 0), 0);
	assert_int_equal(unlinkat(scratch_fd, "config.d/2.conf", 0), 0);
}

static void a_list_of_more_than_100_is_refused(void **state)
{
	AUTO_CONFIG struct config c = { .file = NULL };
	struct err e = ERR_INIT;

	(void)state;
	conf_text_init(&c);
	for (int i = 0; i < TEXT_LIST_MAX; i++)
		assert_int_equal(config_set(&c, "config_script", "/a", &e), 0);
	assert_int_equal(config_set(&c, "config_script", "/a", &e), -1);
	assert_int_equal(e.code, ERR_CONFIG);
	assert_string_equal(e.msg, "config_script: there are more than 100 of "
				   "them");
}

static void an_option_without_effect_is_noted_only_if_set(void **state)
{
	AUTO_CONFIG struct config c = { .file = NULL };
	AUTO_FREE char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(conf_text_read(&c, "boot_delay = 5\n", &e), 0);
	config_notes(&c, out);
	assert_int_equal(fclose(out), 0);
	assert_string_equal(text, "boot_delay has no effect: the answer comes "
				  "at once and readiness is observed, not "
				  "awaited\n");
}

static void help_has_a_line_for_each_option(void **state)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	config_help(out);
	assert_int_equal(fclose(out), 0);
	assert_non_null(strstr(text, "  --service_port=VALUE\n"));
	assert_non_null(strstr(text, "  --service_proxy=VALUE\n"));
	assert_null(strstr(text, "--boot_delay"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_missing_main_file_is_fine_unless_it_must_exist),
		cmocka_unit_test(a_directory_as_main_file_is_refused),
		cmocka_unit_test(
			fragments_are_read_in_byte_order_over_the_main_file),
		cmocka_unit_test(finish_derives_what_is_empty),
		cmocka_unit_test(
			finish_without_a_file_looks_beside_the_default_one),
		cmocka_unit_test(finish_refuses_directories_that_clash),
		cmocka_unit_test(a_neighbour_of_dir_html_is_not_below_it),
		cmocka_unit_test(what_is_printed_can_be_read_again),
		cmocka_unit_test(printed_defaults_are_not_the_values),
		cmocka_unit_test(
			a_list_has_any_number_of_lines_with_their_places),
		cmocka_unit_test(a_later_source_replaces_a_list),
		cmocka_unit_test(a_list_of_more_than_100_is_refused),
		cmocka_unit_test(an_option_without_effect_is_noted_only_if_set),
		cmocka_unit_test(help_has_a_line_for_each_option),
	};

	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
