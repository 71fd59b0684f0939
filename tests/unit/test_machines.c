/* src/conf/machines: machines.conf, read strictly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "conf/machines.h"
#include "scratch.h"

#define SHA "E3B0C44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

struct refusal {
	const char *text;
	const char *message; /* whole */
};

static int parse(const char *text, struct machines *m, struct err *e)
{
	return machines_parse("machines.conf", text, strlen(text), m, e);
}

static void machines_come_in_the_order_of_the_file(void **state)
{
	AUTO_MACHINES struct machines m = { .list = NULL };
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(
		parse("# two machines\n"
		      "[slax.iso]\n"
		      "[ Debian 12,x@y+1=a-b_c.qcow2 ]\n"
		      "description = Debian <12> & \xc3\xa9\n"
		      "url=https://images.lab.example:8443/debian.qcow2?x=1\n"
		      "sha256 = " SHA "\n"
		      "users = ann, bob+x@lab.example\n"
		      "groups = beam line 7\n",
		      &m, &e),
		0);
	assert_int_equal(m.count, 2);
	assert_string_equal(m.list[0].name, "slax.iso");
	assert_string_equal(m.list[0].description, "slax.iso");
	assert_string_equal(m.list[0].url, "");
	assert_string_equal(m.list[0].sha256, "");
	assert_string_equal(m.list[0].users, "");
	assert_string_equal(m.list[0].groups, "");
	assert_string_equal(m.list[1].users, "ann, bob+x@lab.example");
	assert_string_equal(m.list[1].groups, "beam line 7");
	assert_string_equal(m.list[1].name, "Debian 12,x@y+1=a-b_c.qcow2");
	assert_string_equal(m.list[1].description, "Debian <12> & \xc3\xa9");
	assert_string_equal(m.list[1].url,
			    "https://images.lab.example:8443/debian.qcow2?x=1");
	assert_memory_equal(m.list[1].sha256, "e3b0c44298fc", 12);
	assert_ptr_equal(machines_find(&m, "slax.iso"), &m.list[0]);
	assert_null(machines_find(&m, "slax"));
}

static void a_file_may_have_several_addresses(void **state)
{
	static const char *const wanted[] = { "https://a.example/x?a,b",
					      "http://b.example/x",
					      "https://c.example/x" };
	AUTO_MACHINES struct machines m = { .list = NULL };
	char url[URL_MAX + 1] = "as before";
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(parse("[a.iso]\n[b.iso]\n"
			       "url =  https://a.example/x?a,b \t "
			       "http://b.example/x https://c.example/x\n",
			       &m, &e),
			 0);
	assert_false(machine_url(&m.list[0], 0, url));
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
		assert_true(machine_url(&m.list[1], i, url));
		assert_string_equal(url, wanted[i]);
	}
	assert_false(machine_url(&m.list[1], ARRAY_LEN(wanted), url));
	assert_string_equal(url, wanted[2]);
}

static void a_machine_says_what_it_wants(void **state)
{
	AUTO_MACHINES struct machines m = { .list = NULL };
	struct err e = ERR_INIT;

	(void)state;
	if (parse("[w.qcow2]\n"
		  "icon = /desktop/assets/windows.svg\n"
		  "cpu = 4 2-8\n"
		  "memory = 8 4-16.5\n"
		  "disk = 64-200\n"
		  "gpu = always\n"
		  "firmware = uefi-secure\n"
		  "tpm = yes\n"
		  "arch = x86_64\n"
		  "qemu_options = -device virtio-vga,xres=800\n"
		  "network = none\n"
		  "mounts = /srv/data, /srv/homes/@USER@:rw\n"
		  "[plain.iso]\n",
		  &m, &e) < 0)
		fail_msg("%s", e.msg);
	assert_string_equal(m.list[0].icon, "/desktop/assets/windows.svg");
	assert_string_equal(m.list[0].cpu, "4 2-8");
	assert_string_equal(m.list[0].memory, "8 4-16.5");
	assert_string_equal(m.list[0].disk, "64-200");
	assert_string_equal(m.list[0].gpu, "always");
	assert_string_equal(m.list[0].firmware, "uefi-secure");
	assert_string_equal(m.list[0].tpm, "yes");
	assert_string_equal(m.list[0].arch, "x86_64");
	assert_string_equal(m.list[0].qemu_options,
			    "-device virtio-vga,xres=800");
	assert_string_equal(m.list[0].network, "none");
	assert_string_equal(m.list[0].mounts,
			    "/srv/data, /srv/homes/@USER@:rw");
	assert_string_equal(m.list[1].cpu, "");
	assert_string_equal(m.list[1].firmware, "");
	assert_string_equal(m.list[1].mounts, "");
}

static void a_range_is_a_default_with_limits(void **state)
{
	static const struct {
		const char *text;
		bool milli;
		long long standard, min, max; /* standard < 0: refused */
	} table[] = {
		{ "", false, 0, 0, 0 },
		{ "4", false, 4, 0, 0 },
		{ "4 1-8", false, 4, 1, 8 },
		{ "4 \t 4-4", false, 4, 4, 4 },
		{ "1-8", false, 0, 1, 8 },
		{ "0.5 0.25-16", true, 500, 250, 16000 },
		{ "65536", true, 65536000, 0, 0 },
		{ "65536.001", true, -1, 0, 0 },
		{ "513", false, -1, 0, 0 },
		{ "0", false, -1, 0, 0 },
		{ "-4", false, -1, 0, 0 },
		{ "4-", false, -1, 0, 0 },
		{ "4 8", false, -1, 0, 0 },
		{ "4 8-1", false, -1, 0, 0 },
		{ "9 1-8", false, -1, 0, 0 },
		{ "1-8 4", false, -1, 0, 0 },
		{ "1-8-9", false, -1, 0, 0 },
		{ "4 1-8 ", false, -1, 0, 0 },
		{ " 4", false, -1, 0, 0 },
		{ "1.5", false, -1, 0, 0 },
		{ "99999999999999999999999999", false, -1, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct machine_range r = { 7, 7, 7 };
		bool good = machine_range(table[i].text, table[i].milli,
					  table[i].milli ? MACHINE_GB_MAX :
							   MACHINE_CPU_MAX,
					  &r);

		if (good != (table[i].standard >= 0))
			fail_msg("'%s': %d", table[i].text, good);
		if (!good)
			continue;
		assert_int_equal(r.standard, table[i].standard);
		assert_int_equal(r.min, table[i].min);
		assert_int_equal(r.max, table[i].max);
	}
}

static void a_machine_has_scripts_of_its_own(void **state)
{
	AUTO_MACHINES struct machines m = { .list = NULL };
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(parse("[a.iso]\n[b.qcow2]\nos = cloud-init\n"
			       "config_script = exec: a\n"
			       "config_script = /b\n",
			       &m, &e),
			 0);
	assert_string_equal(m.list[0].os, "");
	assert_int_equal(m.list[0].scripts.count, 0);
	assert_string_equal(m.list[1].os, "cloud-init");
	assert_int_equal(m.list[1].scripts.count, 2);
	assert_string_equal(m.list[1].scripts.items[0].text, "exec: a");
	assert_string_equal(m.list[1].scripts.items[1].where,
			    "machines.conf:5");
}

static void an_empty_file_has_no_machines(void **state)
{
	AUTO_MACHINES struct machines m = { .list = NULL };
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(parse("", &m, &e), 0);
	assert_int_equal(m.count, 0);
}

static void what_is_wrong_is_refused_with_its_place(void **state)
{
	static const struct refusal table[] = {
		{ "url = http://a/b\n",
		  "machines.conf:1: url: stands before the first [machine]" },
		{ "[a.iso]\nos = windows\n",
		  "machines.conf:2: os: 'windows' is no kind of guest that is "
		  "known; there is cloud-init" },
		{ "[a.iso]\nos = cloud-init\nos = cloud-init\n",
		  "machines.conf:3: os: set twice for [a.iso]" },
		{ "[a.iso]\nconfig_script =\n",
		  "machines.conf:2: config_script: is empty" },
		{ "[a.iso]\nurk = http://a/b\n",
		  "machines.conf:2: urk: there is no such key; there are "
		  "description, url, sha256, os, users, groups, icon, cpu, "
		  "memory, disk, gpu, firmware, tpm, arch, qemu_options, "
		  "network, mounts, config_script" },
		{ "[a.iso]\n\n[b.iso]\n[a.iso]\n",
		  "machines.conf:4: [a.iso] is there twice" },
		{ "[a.iso]\nurl = http://a/b\nurl = http://a/c\n",
		  "machines.conf:3: url: set twice for [a.iso]" },
		{ "[../etc/passwd]\n",
		  "machines.conf:1: [../etc/passwd] is not a file name of "
		  "letters, digits and ._+@=,- of at most 200 bytes" },
		{ "[.hidden]\n",
		  "machines.conf:1: [.hidden] is not a file name of letters, "
		  "digits and ._+@=,- of at most 200 bytes" },
		{ "[json:{}]\n",
		  "machines.conf:1: [json:{}] is not a file name of letters, "
		  "digits and ._+@=,- of at most 200 bytes" },
		{ "[]\n", "machines.conf:1: a section is written [name]" },
		{ "[a.iso\n", "machines.conf:1: a section is written [name]" },
		{ "[a.iso]\nurl = file:///etc/passwd\n",
		  "machines.conf:2: url: 'file:///etc/passwd' must begin with "
		  "https:// or http://" },
		{ "[a.iso]\nurl = /srv/a.iso\n",
		  "machines.conf:2: url: '/srv/a.iso' must begin with https:// "
		  "or http://" },
		{ "[a.iso]\nurl = http://a/\"b\n",
		  "machines.conf:2: url: 'http://a/\"b' holds a character that "
		  "must be written as %XX" },
		{ "[a.iso]\nurl = http://a/b, http://c/d\n",
		  "machines.conf:2: url: 'http://a/b, http://c/d' has a comma "
		  "where mirrors have a blank between" },
		{ "[a.iso]\nurl = http://a b/\n",
		  "machines.conf:2: url: 'http://a b/' must begin with https:// "
		  "or http://" },
		{ "[a.iso]\nurl =\n", "machines.conf:2: url: '' is empty" },
		{ "[a.iso]\nurl = http://a http://a http://a http://a http://a "
		  "http://a http://a http://a http://a\n",
		  "machines.conf:2: url: 'http://a http://a http://a http://a "
		  "http://a http://a http://a http://a http://a' names more than "
		  "eight mirrors" },
		{ "[a.iso]\nurl = https://ann:pw@a/b\n",
		  "machines.conf:2: url: 'https://ann:pw@a/b' must not hold a "
		  "user name or a password" },
		{ "[a.iso]\nurl = https://a:b/c\n",
		  "machines.conf:2: url: 'https://a:b/c' has no port number "
		  "after the host's ':'" },
		{ "[a.iso]\nsha256 = 1234\n",
		  "machines.conf:2: sha256: '1234' is not 64 hexadecimal "
		  "digits" },
		{ "[a.iso]\ndescription =\n",
		  "machines.conf:2: description: '' is empty" },
		{ "[a.iso]\nusers =\n", "machines.conf:2: users: '' is not a "
					"list of names separated by commas" },
		{ "[a.iso]\ngroups = a,,b\n",
		  "machines.conf:2: groups: 'a,,b' is not a list of names "
		  "separated by commas" },
		{ "[a.iso]\nusers = a,\n",
		  "machines.conf:2: users: 'a,' is not a list of names "
		  "separated by commas" },
		{ "[a.iso]\nusers = a\nusers = b\n",
		  "machines.conf:3: users: set twice for [a.iso]" },
		{ "[a.iso]\nicon = http://evil/x.png\n",
		  "machines.conf:2: icon: 'http://evil/x.png' is not a path "
		  "on this server, as /desktop/assets/debian.svg" },
		{ "[a.iso]\ncpu = 2 4-1\n",
		  "machines.conf:2: cpu: '2 4-1' is not a number of cores "
		  "with limits, as '2 1-8', '2' or '1-8'" },
		{ "[a.iso]\nmemory = lots\n",
		  "machines.conf:2: memory: 'lots' is not a number of GB with "
		  "limits, as '4 2-16', '4' or '2-16'" },
		{ "[a.iso]\ndisk = 0\n",
		  "machines.conf:2: disk: '0' is not a number of GB with "
		  "limits, as '4 2-16', '4' or '2-16'" },
		{ "[a.iso]\ngpu = 4c:00.0\n", "machines.conf:2: gpu: '4c:00.0' "
					      "is none of no, yes and "
					      "always" },
		{ "[a.iso]\nfirmware = /etc/shadow\n",
		  "machines.conf:2: firmware: '/etc/shadow' is none of bios, "
		  "uefi and uefi-secure" },
		{ "[a.iso]\ntpm = 2\n",
		  "machines.conf:2: tpm: '2' is neither yes nor no" },
		{ "[a.iso]\narch = ../x\n",
		  "machines.conf:2: arch: '../x' is neither x86_64 nor "
		  "aarch64" },
		{ "[a.iso]\nqemu_options =\n",
		  "machines.conf:2: qemu_options: '' is empty" },
		{ "[a.iso]\nnetwork = host\n",
		  "machines.conf:2: network: 'host' is no value of the option "
		  "guest_network" },
		{ "[a.iso]\nmounts = /srv/../etc\n",
		  "machines.conf:2: mounts: '/srv/../etc' is not a list of "
		  "absolute paths, as /srv/data:ro, with commas between" },
		{ "[a.iso]\narch = aarch64\nfirmware = bios\n",
		  "machines.conf: [a.iso] wants firmware = bios, which aarch64 "
		  "does not have" },
		{ "[a.iso]\narch = aarch64\nfirmware = uefi-secure\n",
		  "machines.conf: [a.iso] wants firmware = uefi-secure, which "
		  "there is for x86_64 only" },
		{ "[a.iso]\nqemu\n", "machines.conf:2: neither a comment nor "
				     "`name = value'" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		AUTO_MACHINES struct machines m = { .list = NULL };
		struct err e = ERR_INIT;

		if (parse(table[i].text, &m, &e) == 0)
			fail_msg("accepted: %s", table[i].text);
		assert_int_equal(e.code, ERR_CONFIG);
		assert_string_equal(e.msg, table[i].message);
		assert_int_equal(m.count, 0);
	}
}

static void a_name_of_201_bytes_is_refused(void **state)
{
	AUTO_MACHINES struct machines m = { .list = NULL };
	struct err e = ERR_INIT;
	char text[300];

	(void)state;
	memset(text, 'a', sizeof(text));
	text[0] = '[';
	text[202] = ']';
	assert_int_equal(machines_parse("m", text, 203, &m, &e), -1);
	assert_int_equal(e.code, ERR_CONFIG);
	assert_non_null(strstr(e.msg, "of at most 200 bytes"));
	text[201] = ']';
	assert_int_equal(machines_parse("m", text, 202, &m, &e), 0);
	assert_int_equal(m.count, 1);
}

static void more_than_2000_machines_are_refused(void **state)
{
	AUTO_BUF struct buf text = BUF_INIT(1 << 20);
	AUTO_MACHINES struct machines m = { .list = NULL };
	struct err e = ERR_INIT;

	(void)state;
	for (int i = 0; i < 2001; i++)
		buf_printf(&text, "[m%d.iso]\n", i);
	assert_int_equal(parse(buf_str(&text), &m, &e), -1);
	assert_int_equal(e.code, ERR_CONFIG);
	assert_string_equal(e.msg,
			    "machines.conf:2001: more than 2000 machines");
}

static void a_missing_file_is_told_from_a_wrong_one(void **state)
{
	AUTO_MACHINES struct machines m = { .list = NULL };
	AUTO_FREE char *path = NULL;
	struct err e = ERR_INIT;

	(void)state;
	assert_true(asprintf(&path, "%s/machines.conf", scratch_path) > 0);
	assert_int_equal(machines_read(path, &m, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);

	scratch_puts("machines.conf", "[a.iso]\n\nxyz\n");
	assert_int_equal(machines_read(path, &m, &e), -1);
	assert_int_equal(e.code, ERR_CONFIG);
	assert_non_null(strstr(e.msg, "/machines.conf:3: neither"));

	scratch_puts("machines.conf", "[a.iso]\n");
	assert_int_equal(machines_read(path, &m, &e), 0);
	assert_int_equal(m.count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(machines_come_in_the_order_of_the_file),
		cmocka_unit_test(a_file_may_have_several_addresses),
		cmocka_unit_test(a_machine_says_what_it_wants),
		cmocka_unit_test(a_range_is_a_default_with_limits),
		cmocka_unit_test(a_machine_has_scripts_of_its_own),
		cmocka_unit_test(an_empty_file_has_no_machines),
		cmocka_unit_test(what_is_wrong_is_refused_with_its_place),
		cmocka_unit_test(a_name_of_201_bytes_is_refused),
		cmocka_unit_test(more_than_2000_machines_are_refused),
		cmocka_unit_test(a_missing_file_is_told_from_a_wrong_one),
	};

	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
