/* src/vm/qemu and src/vm/overlay: command lines, compared word for word. */
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "vm/overlay.h"
#include "vm/qemu.h"

#define SANDBOX                                                                \
	"-sandbox",                                                            \
		"on,obsolete=deny,elevateprivileges=deny,spawn=deny,"          \
		"resourcecontrol=deny"
#define HEAD                                                                   \
	"/usr/bin/qemu-system-x86_64", "-name", "guest=svc-a",                 \
		"-no-user-config", "-nodefaults", SANDBOX
#define TCG                                                                    \
	"-machine", "pc,vmport=off,hpet=off", "-accel", "tcg,thread=multi",    \
		"-cpu", "qemu64,+ssse3,+sse4.1,+sse4.2,+popcnt"
#define KVM                                                                    \
	"-machine", "pc,vmport=off,hpet=off", "-accel", "kvm", "-cpu", "host"
#define SIZE "-smp", "2", "-m", "768M", "-boot", "menu=off"
#define DISK                                                                   \
	"-blockdev",                                                           \
		"{\"node-name\":\"image\",\"driver\":\"qcow2\","               \
		"\"read-only\":true,\"discard\":\"unmap\",\"file\":{"          \
		"\"driver\":\"file\",\"filename\":\"/image\","                 \
		"\"read-only\":true}}",                                        \
		"-blockdev",                                                   \
		"{\"node-name\":\"disk\",\"driver\":\"qcow2\","                \
		"\"read-only\":false,\"discard\":\"unmap\",\"file\":{"         \
		"\"driver\":\"file\",\"filename\":\"/overlay\","               \
		"\"read-only\":false},\"backing\":\"image\"}",                 \
		VIRTIO_DISK
#define ISO                                                                    \
	"-blockdev",                                                           \
		"{\"node-name\":\"image\",\"driver\":\"raw\","                 \
		"\"read-only\":true,\"discard\":\"unmap\",\"file\":{"          \
		"\"driver\":\"file\",\"filename\":\"/image\","                 \
		"\"read-only\":true}}",                                        \
		"-blockdev",                                                   \
		"{\"node-name\":\"disk\",\"driver\":\"qcow2\","                \
		"\"read-only\":false,\"discard\":\"unmap\",\"file\":{"         \
		"\"driver\":\"file\",\"filename\":\"/overlay\","               \
		"\"read-only\":false}}",                                       \
		"-device", "ide-cd,drive=image,bus=ide.1,bootindex=0",         \
		VIRTIO_DISK
#define VIRTIO_DISK                                                            \
	"-device",                                                             \
		"virtio-blk-pci,drive=disk,bootindex=1,werror=stop,"           \
		"rerror=stop"
#define DEVICES(video)                                                         \
	"-device", video, "-device", "virtio-balloon-pci", "-device",          \
		"virtio-rng-pci", "-device", "qemu-xhci", "-device",           \
		"usb-tablet", "-device", "usb-kbd"
#define NETWORK                                                                \
	"-netdev", "user,id=net0,ipv6=off", "-device",                         \
		"virtio-net-pci,netdev=net0,romfile="
#define TAIL                                                                   \
	"-display", "none", "-vnc", "unix:/vm/vnc,share=force-shared",         \
		"-chardev", "socket,id=qmp0,fd=9", "-mon",                     \
		"chardev=qmp0,mode=control", "-S", NULL

static struct config config;

static int init(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	return config_init(&config, &e);
}

static int release(void **state)
{
	(void)state;
	config_release(&config);
	return 0;
}

static void set(const char *name, const char *value)
{
	struct err e = ERR_INIT;

	if (config_set(&config, name, value, &e) < 0)
		fail_msg("%s", e.msg);
}

static struct session disk_session(void)
{
	return (struct session){ .name = "svc-a", .format = "qcow2", .cpu = 2,
				 .memory_mb = 768 };
}

static struct qemu_place place(void)
{
	return (struct qemu_place){ .program = "/usr/bin/qemu-system-x86_64",
				    .image = "/image", .overlay = "/overlay",
				    .vnc = "/vm/vnc", .qmp = 9 };
}

static void compare(const struct argv *a, const char *const *expected)
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

static void check(const struct session *s, const struct qemu_place *p,
		  const char *const *expected)
{
	AUTO_ARGV struct argv a = { 0 };

	qemu_command(&config, s, p, &a);
	compare(&a, expected);
}

static void a_disk_image_is_the_backing_of_the_overlay(void **state)
{
	static const char *const expected[] = {
		HEAD, TCG, SIZE, DISK, DEVICES("virtio-vga"), TAIL
	};
	struct session s = disk_session();
	struct qemu_place p = place();

	(void)state;
	check(&s, &p, expected);
}

static void an_iso_is_a_cd_beside_an_empty_disk(void **state)
{
	static const char *const expected[] = {
		HEAD, TCG, SIZE, ISO, DEVICES("virtio-vga"), TAIL
	};
	struct session s = disk_session();
	struct qemu_place p = place();

	(void)state;
	s.iso = true;
	snprintf(s.format, sizeof(s.format), "raw");
	check(&s, &p, expected);
}

static void with_kvm_the_guest_gets_the_hosts_processor(void **state)
{
	static const char *const expected[] = {
		HEAD, KVM, SIZE, DISK, DEVICES("virtio-vga"), TAIL
	};
	struct session s = disk_session();
	struct qemu_place p = place();

	(void)state;
	p.kvm = true;
	check(&s, &p, expected);
}

static void with_a_network_there_is_a_card(void **state)
{
	static const char *const expected[] = {
		HEAD, TCG, SIZE, DISK, DEVICES("virtio-vga"), NETWORK, TAIL
	};
	static const char *const without[] = {
		HEAD, TCG, SIZE, DISK, DEVICES("virtio-vga"), TAIL
	};
	struct session s = disk_session();
	struct qemu_place p = place();

	(void)state;
	p.netdev = "user,id=net0,ipv6=off";
	check(&s, &p, expected);
	p.card = "";
	check(&s, &p, expected);
	/* Without, there is none: not even QEMU's own. */
	p.netdev = "";
	check(&s, &p, without);
}

static void the_sites_own_options_replace_machine_and_processor(void **state)
{
	static const char *const expected[] = {
		HEAD,  "-machine", "q35,accel=kvm", "-cpu", "host,+vmx",
		SIZE,  DISK,	   DEVICES("VGA"),  TAIL
	};
	struct session s = disk_session();
	struct qemu_place p = place();

	(void)state;
	set("qemu_exec_options", " -machine q35,accel=kvm   -cpu host,+vmx ");
	set("qemu_video", "std");
	p.kvm = true;
	check(&s, &p, expected);
}

static void each_kind_of_video_is_a_device(void **state)
{
	static const char *const table[][2] = {
		{ "auto", "virtio-vga" },    { "virtio", "virtio-vga" },
		{ "std", "VGA" },	     { "qxl", "qxl-vga" },
		{ "vmware", "vmware-svga" }, { "cirrus", "cirrus-vga" },
	};
	struct session s = disk_session();
	struct qemu_place p = place();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		const char *const expected[] = { HEAD, TCG, SIZE, DISK,
						 DEVICES(table[i][1]), TAIL };

		set("qemu_video", table[i][0]);
		check(&s, &p, expected);
	}
}

/* ---- Hostile paths ---- */

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

static void no_path_can_add_an_option(void **state)
{
	struct session s = disk_session();
	struct qemu_place plain = place();
	AUTO_ARGV struct argv model = { 0 };

	(void)state;
	qemu_command(&config, &s, &plain, &model);
	for (size_t i = 0; i < ARRAY_LEN(hostile); i++) {
		struct qemu_place p = place();
		AUTO_ARGV struct argv a = { 0 };
		char vnc[256];
		char path[256];
		const char *rest;

		p.image = p.overlay = p.vnc = hostile[i];
		qemu_command(&config, &s, &p, &a);
		assert_false(a.failed);
		assert_int_equal(a.count, model.count);
		/* All but the three that hold a path are the same words. */
		for (size_t j = 0; j < a.count; j++) {
			bool holds = j && (strcmp(a.list[j - 1], "-blockdev") ==
						   0 ||
					   strcmp(a.list[j - 1], "-vnc") == 0);

			if (!holds)
				assert_string_equal(a.list[j], model.list[j]);
		}
		check_filename(value_of(&a, "-blockdev", 0), hostile[i]);
		check_filename(value_of(&a, "-blockdev", 1), hostile[i]);
		rest = read_option(value_of(&a, "-vnc", 0), vnc, sizeof(vnc));
		snprintf(path, sizeof(path), "unix:%s", hostile[i]);
		assert_string_equal(vnc, path);
		assert_string_equal(rest, "share=force-shared");
	}
}

static void a_path_that_is_no_text_fails_the_vector(void **state)
{
	struct session s = disk_session();
	struct qemu_place p = place();
	AUTO_ARGV struct argv a = { 0 };

	(void)state;
	p.image = "/half a character \303";
	qemu_command(&config, &s, &p, &a);
	assert_true(a.failed);
}

static void the_program_is_the_hosts_or_the_sites(void **state)
{
	struct err e = ERR_INIT;
	char *program;

	(void)state;
	set("qemu_exec", "/bin/sh");
	program = qemu_program(&config, &e);
	assert_string_equal(program, "/bin/sh");
	free(program);
	set("qemu_exec", "no-such-qemu");
	assert_null(qemu_program(&config, &e));
	assert_int_equal(e.code, ERR_CONFIG);
	assert_string_equal(e.msg,
			    "the program no-such-qemu is not installed");
	set("qemu_exec", "auto");
	program = qemu_program(&config, &e);
	if (program)
		assert_non_null(strstr(program, "/qemu-system-"));
	else /* it is not installed here */
		assert_non_null(strstr(e.msg, "qemu-system-"));
	free(program);
}

/* ---- The overlay ---- */

static void the_backing_format_is_always_said(void **state)
{
	static const char *const disk[] = {
		"/usr/bin/qemu-img", "create", "-q", "-f", "qcow2", "-u", "-F",
		"vmdk", "-b", "/images/a,b.vmdk", "/s/svc-a.qcow2",
		"10737418240", NULL,
	};
	static const char *const iso[] = {
		"/usr/bin/qemu-img", "create", "-q", "-f", "qcow2",
		"/s/svc-a.qcow2", "4096M", NULL,
	};
	struct session s = disk_session();
	AUTO_ARGV struct argv a = { 0 };
	AUTO_ARGV struct argv b = { 0 };

	(void)state;
	s.virtual_size = 10737418240;
	s.disk_mb = 4096;
	snprintf(s.format, sizeof(s.format), "vmdk");
	overlay_command("/usr/bin/qemu-img", &s, "/images/a,b.vmdk",
			"/s/svc-a.qcow2", &a);
	compare(&a, disk);
	s.iso = true;
	overlay_command("/usr/bin/qemu-img", &s, "/images/cd.iso",
			"/s/svc-a.qcow2", &b);
	compare(&b, iso);
}

static void an_overlay_may_grow_as_far_as_its_disk(void **state)
{
	static const struct {
		bool iso;
		long long size; /* virtual_size, or disk_mb */
		unsigned long long max;
	} table[] = {
		{ false, 0, 64ULL << 20 },
		{ false, 1LL << 30, (1ULL << 30) + (1 << 20) + (64 << 20) },
		{ true, 1024, (1ULL << 30) + (1 << 20) + (64 << 20) },
		{ false, 1LL << 62, (1ULL << 62) + (1ULL << 52) + (64 << 20) },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct session s = { .iso = table[i].iso,
				     .virtual_size = table[i].size,
				     .disk_mb = table[i].size };

		assert_true(overlay_max_bytes(&s) == table[i].max);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, init, release)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_disk_image_is_the_backing_of_the_overlay),
		T(an_iso_is_a_cd_beside_an_empty_disk),
		T(with_kvm_the_guest_gets_the_hosts_processor),
		T(with_a_network_there_is_a_card),
		T(the_sites_own_options_replace_machine_and_processor),
		T(each_kind_of_video_is_a_device),
		T(no_path_can_add_an_option),
		T(a_path_that_is_no_text_fails_the_vector),
		T(the_program_is_the_hosts_or_the_sites),
		T(the_backing_format_is_always_said),
		T(an_overlay_may_grow_as_far_as_its_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
