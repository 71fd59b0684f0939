/* src/conf/options: each option and its values, read strictly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "conf/options.h"
#include "conf_text.h"
#include "scratch.h"

struct setting {
	const char *name;
	const char *value;
};

static void the_defaults_are_those_of_the_table(void **state)
{
	AUTO_CONFIG struct config c = { .file = NULL };

	(void)state;
	conf_text_init(&c);
	assert_string_equal(c.service, "qemu-web-desktop");
	assert_string_equal(c.dir_cfg, "");
	assert_int_equal(c.snapshot_lifetime, 86400);
	assert_int_equal(c.service_max_load, 800);
	assert_false(c.allow_anonymous);
	assert_string_equal(c.accel, "auto");
	assert_string_equal(c.layout_color_accent, "#0b5cad");
	assert_string_equal(c.file, "");
	for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++)
		assert_false(c.is_set[i]);
}

static void a_file_sets_each_kind_of_option(void **state)
{
	AUTO_CONFIG struct config c = { .file = NULL };
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(conf_text_read(&c,
					"# a comment\n"
					"  ; another\r\n"
					"\n"
					"layout_title=Desktops # of \"Ann\" = "
					"\xc3\xa9t\xc3\xa9\r\n"
					"\tservice_port  =  7080\t\n"
					"snapshot_alloc_mem = 1.5\n"
					"allow_anonymous = yes\n"
					"accel = tcg\n"
					"layout_color_accent = #12AB9f\n"
					"dir-machines = /srv/images//\n"
					"machine =\n"
					"user_admin = ann , "
					"bob.smith@lab.example",
					&e),
			 0);
	assert_string_equal(c.layout_title,
			    "Desktops # of \"Ann\" = \xc3\xa9t\xc3\xa9");
	assert_int_equal(c.service_port, 7080);
	assert_int_equal(c.snapshot_alloc_mem, 1500);
	assert_true(c.allow_anonymous);
	assert_string_equal(c.accel, "tcg");
	assert_string_equal(c.layout_color_accent, "#12AB9f");
	assert_string_equal(c.dir_machines, "/srv/images");
	assert_string_equal(c.machine, "");
	assert_string_equal(c.user_admin, "ann,bob.smith@lab.example");
	assert_true(c.is_set[CONFIG_accel]);
	assert_false(c.is_set[CONFIG_service]);
	assert_true(strstr(c.file, "/config.conf") != NULL);
}

static void a_line_that_is_wrong_is_refused_with_its_place(void **state)
{
	static const struct refusal table[] = {
		{ "acel = tcg\n", ":1: acel: there is no such option" },
		{ "\n\naccel = tgc\n",
		  ":3: accel: 'tgc' is not one of auto|kvm|tcg" },
		{ "accel =\n", ":1: accel: '' is not one of auto|kvm|tcg" },
		{ "accel = kvm|tcg\n", ":1: accel: 'kvm|tcg' is not one of" },
		{ "accel = TCG\n", ":1: accel: 'TCG' is not one of" },
		{ "qemu_video = none\n", ":1: qemu_video: 'none' is not one "
					 "of auto|std|qxl|virtio|vmware" },
		{ "service_port = 6080\nservice_port = 6080\n",
		  ":2: service_port: set already in line 1 of this file" },
		{ "service_max_session_nb = 3\nservice_max_instance_nb = 3\n",
		  ":2: service_max_instance_nb: set already in line 1" },
		{ "service_port = 6080 # the gateway's\n",
		  ":1: service_port: '6080 # the gateway's' is not a whole "
		  "number from 0 to 65535" },
		{ "service_port = 65536\n", "from 0 to 65535" },
		{ "service_port = -1\n", "from 0 to 65535" },
		{ "service_port = 0x50\n", "from 0 to 65535" },
		{ "service_port =\n", ":1: service_port: '' is not a whole" },
		{ "service_port = 99999999999999999999\n", "not a whole" },
		{ "snapshot_alloc_mem = 0.063\n",
		  "is not a number from 0.064 to 8192" },
		{ "snapshot_alloc_mem = 4,5\n", "'4,5' is not a number" },
		{ "service_max_mem_fraction_nb_per_user = 1.001\n",
		  "is not a number from 0.001 to 1" },
		{ "oneshot = maybe\n",
		  ":1: oneshot: 'maybe' is neither yes nor no" },
		{ "oneshot = Yes\n", "'Yes' is neither yes nor no" },
		{ "dir_html = html\n",
		  ":1: dir_html: 'html' is not an absolute path" },
		{ "dir_html =\n", ":1: dir_html: '' is not an absolute path" },
		{ "layout_color_accent = red\n", "'red' is not a colour" },
		{ "layout_color_accent = #12345g\n", "is not a colour" },
		{ "layout_title =\n", "layout_title: '' must not be empty" },
		{ "[main]\n", ":1: there are no sections here" },
		{ "[main\n", ":1: a section is written [name]" },
		{ "[main] x\n", ":1: a section is written [name]" },
		{ "[[a]]\n", ":1: a section is written [name]" },
		{ "accel\n", ":1: neither a comment nor `name = value'" },
		{ "= tcg\n", ":1: a name before '='" },
		{ "$config{accel} = 1;\n", ":1: a name before '='" },
		{ "layout_title = a\x01"
		  "b\n",
		  ":1: holds a control" },
		{ "layout_title = a\rb\n", ":1: holds a control" },
		{ "layout_title = caf\xe9\n",
		  ":1: holds NUL or invalid UTF-8" },
		{ "\xef\xbb\xbf"
		  "accel = tcg\n",
		  ":1: begins with a byte-" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		AUTO_CONFIG struct config c = { .file = NULL };
		struct err e = ERR_INIT;

		if (conf_text_read(&c, table[i].text, &e) == 0)
			fail_msg("accepted: %s", table[i].text);
		conf_text_check(&e, "config.conf", table[i].message);
	}
}

static void a_nul_and_an_endless_line_are_refused(void **state)
{
	AUTO_FREE char *path = conf_text_path("config.conf");
	AUTO_CONFIG struct config c = { .file = NULL };
	char line[9000];
	struct err e = ERR_INIT;

	(void)state;
	conf_text_init(&c);
	scratch_write("config.conf", "accel = tcg\nmachine = a\0b\n", 26);
	assert_int_equal(config_read(&c, path, true, &e), -1);
	conf_text_check(&e, "config.conf", ":2: holds NUL or invalid UTF-8");

	memset(line, 'a', sizeof(line));
	scratch_write("config.conf", line, sizeof(line));
	assert_int_equal(config_read(&c, path, true, &e), -1);
	conf_text_check(&e, "config.conf", ":1: longer than 8192 bytes");
}

static void a_value_with_a_form_of_its_own_is_checked(void **state)
{
	static const struct setting good[] = {
		{ "service", "lab-2" },
		{ "service_url", "" },
		{ "service_url", "https://desktop.lab.example" },
		{ "service_url", "http://[2001:db8::1]:8080" },
		{ "service_reverse_proxy", "" },
		{ "guest_network", "user" },
		{ "guest_network", "isolated" },
		{ "guest_network", "none" },
		{ "guest_network", "bridge=br0" },
		{ "guest_network", "bridge=fifteen.letters" },
		{ "service_reverse_proxy", ":6443" },
		{ "service_reverse_proxy", "/darts" },
		{ "service_reverse_proxy", "/a/b_c.d-e" },
		{ "layout_logo", "/logo/lab.svg" },
		{ "dir_websockify", "/opt/bin/websockify" },
		{ "qemu_exec", "qemu-system-aarch64" },
		{ "machine", "slax.iso" },
		{ "user_admin", "" },
		{ "user_admin", "LAB\\ann, bob+x" },
		{ "user_admin", "@staff, ann,@beam-7" },
		{ "ldap_server", "2001:db8::1" },
		{ "imap_server", "imap.lab.example" },
		{ "ldap_domain", "lab.example" },
		{ "ldap_filter", "(&(objectClass=person)(uid=%u))" },
		{ "ldap_port", "0" },
		{ "smtp_use_ssl", "ssl" },
		{ "smtp_use_ssl", "1" },
		{ "login_timeout", "9" },
		{ "service_proxy", "http://proxy.lab.example:3128" },
		{ "boot-delay", "anything" },
		{ "service_max_session_nb", "7" },
	};
	static const struct setting bad[] = {
		{ "service", "Lab" },
		{ "service", "-lab" },
		{ "service", "a/b" },
		{ "service", "" },
		{ "service_url", "desktop.lab.example" },
		{ "service_url", "ftp://desktop.lab.example" },
		{ "service_url", "HTTPS://desktop.lab.example" },
		{ "service_url", "https://" },
		{ "service_url", "https:///path" },
		{ "service_url", "https://ann@desktop.lab.example" },
		{ "service_url", "https://ann:pw@desktop.lab.example" },
		{ "service_url", "https://desktop.lab.example/desktop" },
		{ "service_url", "https://desktop.lab.example//" },
		{ "service_url", "https://desktop.lab.example?x" },
		{ "service_url", "https://desktop.lab.example#x" },
		{ "service_url", "https://desktop.lab.example:0" },
		{ "service_url", "https://desktop.lab.example:65536" },
		{ "service_url", "https://desktop.lab.example:8o" },
		{ "service_url", "https://desktop.lab.example:" },
		{ "service_url", "https://desk_top.lab.example" },
		{ "service_url", "https://[::1" },
		{ "service_url", "https://a b" },
		{ "service_url", "https://a\"b" },
		{ "service_url", "javascript:alert(1)" },
		{ "guest_network", "" },
		{ "guest_network", "users" },
		{ "guest_network", "bridge" },
		{ "guest_network", "bridge=" },
		{ "guest_network", "bridge=-r" },
		{ "guest_network", "bridge=.." },
		{ "guest_network", "bridge=a,id=b" },
		{ "guest_network", "bridge=a/b" },
		{ "guest_network", "bridge=sixteen.letters.." },
		{ "service_reverse_proxy", "/" },
		{ "service_reverse_proxy", "/darts/" },
		{ "service_reverse_proxy", "darts" },
		{ "service_reverse_proxy", "//evil.example" },
		{ "service_reverse_proxy", "/a/../b" },
		{ "service_reverse_proxy", "/a/." },
		{ "service_reverse_proxy", "/a?b" },
		{ "service_reverse_proxy", ":" },
		{ "service_reverse_proxy", ":0" },
		{ "service_reverse_proxy", ":80/x" },
		{ "layout_logo", "https://evil.example/x.svg" },
		{ "layout_logo", "//evil.example/x.svg" },
		{ "dir_websockify", "./websockify" },
		{ "qemu_exec", "-x" },
		{ "machine", "../etc/passwd" },
		{ "user_admin", "ann,,bob" },
		{ "user_admin", "ann," },
		{ "user_admin", "*" },
		{ "user_admin", "ann bob" },
		{ "ldap_server", "ldaps://ldap.lab.example" },
		{ "ldap_server", "-h" },
		{ "imap_server", "a b" },
		{ "imap_server", "ann@imap.lab.example" },
		{ "smtp_server", "mail.lab.example/x" },
		{ "ldap_domain", ".example" },
		{ "ldap_domain", "lab.example." },
		{ "ldap_domain", "lab..example" },
		{ "ldap_domain", "dc=lab,dc=example" },
		{ "ldap_attribute", "uid)(x" },
		{ "ldap_attribute", "" },
		{ "ldap_filter", "uid=%u" },
		{ "ldap_tls", "no" },
		{ "imap_tls", "none" },
		{ "smtp_use_ssl", "0" },
		{ "login_timeout", "10" },
		{ "login_failures_user", "0" },
		{ "check_user_custom", "program" },
		{ "check_user_with_ldap", "1 # yes" },
		{ "service_proxy", "socks5://proxy" },
		{ "layout_title", "a\nb" },
		{ "layout_title", "\xff" },
	};
	AUTO_CONFIG struct config c = { .file = NULL };
	struct err e = ERR_INIT;

	(void)state;
	conf_text_init(&c);
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		if (config_set(&c, good[i].name, good[i].value, &e) < 0)
			fail_msg("%s", e.msg);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		e = (struct err)ERR_INIT;
		if (config_set(&c, bad[i].name, bad[i].value, &e) == 0)
			fail_msg("%s accepted '%s'", bad[i].name, bad[i].value);
		assert_int_equal(e.code, ERR_CONFIG);
		assert_memory_equal(e.msg, bad[i].name, strlen(bad[i].name));
		assert_true(strstr(e.msg, bad[i].value) != NULL);
	}
	assert_string_equal(c.service, "lab-2");
	assert_string_equal(c.service_url, "http://[2001:db8::1]:8080");
	assert_int_equal(c.service_max_instance_nb, 7);
}

static void the_last_slash_of_the_service_url_is_dropped(void **state)
{
	AUTO_CONFIG struct config c = { .file = NULL };
	struct err e = ERR_INIT;

	(void)state;
	conf_text_init(&c);
	assert_int_equal(config_set(&c, "service_url",
				    "https://desktop.lab.example:8443/", &e),
			 0);
	assert_string_equal(c.service_url, "https://desktop.lab.example:8443");
}

static void the_base_of_the_directory_comes_from_its_domain(void **state)
{
	static const struct {
		const char *domain;
		const char *base;
		const char *result;
	} table[] = {
		{ "", "", "" },
		{ "lab.example", "", "dc=lab,dc=example" },
		{ "a.b-c.d1", "", "dc=a,dc=b-c,dc=d1" },
		{ "EXP", "", "dc=EXP" },
		{ "lab.example", "ou=people,o=Lab", "ou=people,o=Lab" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		AUTO_CONFIG struct config c = { .file = NULL };
		struct err e = ERR_INIT;

		conf_text_init(&c);
		assert_int_equal(config_set(&c, "ldap_domain", table[i].domain,
					    &e),
				 0);
		assert_int_equal(config_set(&c, "ldap_base", table[i].base, &e),
				 0);
		assert_int_equal(config_finish(&c, &e), 0);
		assert_string_equal(c.ldap_base, table[i].result);
		assert_string_equal(c.service_secret,
				    "/var/lib/qemu-web-desktop/secret");
	}
}

static void a_way_to_log_in_needs_its_server(void **state)
{
	static const struct {
		struct setting on;
		const char *needs;
	} table[] = {
		{ { "check_user_with_imap", "yes" }, "imap_server" },
		{ { "check_user_with_smtp", "yes" }, "smtp_server" },
		{ { "check_user_with_ldap", "yes" }, "ldap_server" },
		{ { "ldap_groups", "search" }, "ldap_group_base" },
		{ { "ldap_groups", "memberof" }, "ldap_group_base" },
		{ { "ldap_bind_dn", "cn=x" }, "ldap_bind_password_file" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		AUTO_CONFIG struct config c = { .file = NULL };
		struct err e = ERR_INIT;

		conf_text_init(&c);
		assert_int_equal(config_set(&c, table[i].on.name,
					    table[i].on.value, &e),
				 0);
		assert_int_equal(config_finish(&c, &e), -1);
		assert_int_equal(e.code, ERR_CONFIG);
		assert_non_null(strstr(e.msg, table[i].on.name));
		assert_non_null(strstr(e.msg, table[i].needs));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_defaults_are_those_of_the_table),
		cmocka_unit_test(a_file_sets_each_kind_of_option),
		cmocka_unit_test(
			a_line_that_is_wrong_is_refused_with_its_place),
		cmocka_unit_test(a_nul_and_an_endless_line_are_refused),
		cmocka_unit_test(a_value_with_a_form_of_its_own_is_checked),
		cmocka_unit_test(the_last_slash_of_the_service_url_is_dropped),
		cmocka_unit_test(
			the_base_of_the_directory_comes_from_its_domain),
		cmocka_unit_test(a_way_to_log_in_needs_its_server),
	};

	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
