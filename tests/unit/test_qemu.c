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

/* Long words of JSON stand in several literals, and in the arrays below.
 * NOLINTBEGIN(bugprone-suspicious-missing-comma) */

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
	"-device", video, "-chardev",                                          \
		"qemu-vdagent,id=vdagent0,name=vdagent,clipboard=on",          \
		"-device", "virtio-balloon-pci,free-page-reporting=on",        \
		"-device", "virtio-rng-pci", "-device", "qemu-xhci",           \
		"-device", "usb-tablet", "-device", "usb-kbd", "-device",      \
		"virtio-serial-pci", "-device",                                \
		"virtserialport,chardev=vdagent0,name=com.redhat.spice.0"
#define NETWORK                                                                \
	"-netdev", "user,id=net0,ipv6=off", "-device",                         \
		"virtio-net-pci,netdev=net0,romfile="
#define TAIL                                                                   \
	"-display", "none", "-vnc", "unix:/vm/vnc,share=force-shared",         \
		"-chardev", "socket,id=qmp0,fd=9", "-mon",                     \
		"chardev=qmp0,mode=control", "-S"

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
		HEAD, TCG, SIZE, DISK, DEVICES("virtio-vga"), TAIL, NULL
	};
	struct session s = disk_session();
	struct qemu_place p = place();

	(void)state;
	check(&s, &p, expected);
}

static void an_iso_is_a_cd_beside_an_empty_disk(void **state)
{
	static const char *const expected[] = {
		HEAD, TCG, SIZE, ISO, DEVICES("virtio-vga"), TAIL, NULL
	};
	struct session s = disk_session();
	struct qemu_place p = place();

	(void)state;
	s.iso = true;
	snprintf(s.format, sizeof(s.format), "raw");
	check(&s, &p, expected);
}

static void a_seed_is_one_more_disk_by_its_descriptor(void **state)
{
	static const char *const expected[] = {
		HEAD, TCG, SIZE, DISK,
		"-add-fd", "fd=12,set=1",
		"-blockdev",
		"{\"node-name\":\"seed\",\"driver\":\"raw\",\"read-only\":true,"
		"\"discard\":\"unmap\",\"file\":{\"driver\":\"file\","
		"\"filename\":\"/dev/fdset/1\",\"read-only\":true}}",
		"-device", "virtio-blk-pci,drive=seed",
		DEVICES("virtio-vga"), TAIL, NULL
	};
	struct session s = disk_session();
	struct qemu_place p = place();

	(void)state;
	p.seed = 12;
	check(&s, &p, expected);
}

static void with_kvm_the_guest_gets_the_hosts_processor(void **state)
{
	static const char *const expected[] = {
		HEAD, KVM, SIZE, DISK, DEVICES("virtio-vga"), TAIL, NULL
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
		HEAD, TCG, SIZE, DISK, DEVICES("virtio-vga"), NETWORK, TAIL, NULL
	};
	static const char *const without[] = {
		HEAD, TCG, SIZE, DISK, DEVICES("virtio-vga"), TAIL, NULL
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
		SIZE,  DISK,	   DEVICES("VGA"),  TAIL, NULL
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
						 DEVICES(table[i][1]), TAIL,
						 NULL };

		set("qemu_video", table[i][0]);
		check(&s, &p, expected);
	}
}

static void without_an_overlay_the_image_is_written_to(void **state)
{
	static const char *const expected[] = {
		HEAD, TCG, SIZE,
		"-blockdev",
		"{\"node-name\":\"disk\",\"driver\":\"vdi\","
		"\"read-only\":false,\"discard\":\"unmap\",\"file\":{"
		"\"driver\":\"file\",\"filename\":\"/image\","
		"\"read-only\":false}}",
		VIRTIO_DISK, DEVICES("virtio-vga"), TAIL, NULL,
	};
	struct session s = disk_session();
	struct qemu_place p = place();

	(void)state;
	s.master = true;
	snprintf(s.format, sizeof(s.format), "vdi");
	check(&s, &p, expected);
}

/* ---- Firmware, TPM, other processors ---- */

#define FLASH(node, path, ro)                                                  \
	"-blockdev",                                                           \
		"{\"node-name\":\"" node "\",\"driver\":\"raw\","               \
		"\"read-only\":" ro ",\"discard\":\"unmap\",\"file\":{"           \
		"\"driver\":\"file\",\"filename\":\"" path "\","               \
		"\"read-only\":" ro "}}"
#define UEFI                                                                   \
	FLASH("firmware", "/usr/code.fd", "true"),                             \
		FLASH("vars", "/vm/vars", "false"), "-machine",                \
		"pflash0=firmware,pflash1=vars"
#define CPU "-cpu", "qemu64,+ssse3,+sse4.1,+sse4.2,+popcnt"

static struct qemu_place uefi_place(void)
{
	struct qemu_place p = place();

	p.firmware = "/usr/code.fd";
	p.vars = "/vm/vars";
	return p;
}

static void uefi_is_two_flash_chips_of_a_q35(void **state)
{
	static const char *const expected[] = {
		HEAD, "-machine", "q35,vmport=off,hpet=off", "-accel",
		"tcg,thread=multi", CPU, UEFI, SIZE, DISK,
		DEVICES("virtio-vga"), TAIL, NULL,
	};
	struct session s = disk_session();
	struct qemu_place p = uefi_place();

	(void)state;
	snprintf(s.firmware, sizeof(s.firmware), "uefi");
	check(&s, &p, expected);
}

static void with_secure_boot_only_smm_writes_the_variables(void **state)
{
	static const char *const expected[] = {
		HEAD, "-machine", "q35,vmport=off,hpet=off,smm=on", "-accel",
		"tcg,thread=multi", CPU, UEFI, "-global",
		"driver=cfi.pflash01,property=secure,value=on", "-global",
		"ICH9-LPC.disable_s3=1", SIZE, DISK, DEVICES("virtio-vga"),
		"-chardev", "socket,id=tpm0,fd=11", "-tpmdev",
		"emulator,id=tpm,chardev=tpm0", "-device",
		"tpm-crb,tpmdev=tpm", TAIL, NULL,
	};
	struct session s = disk_session();
	struct qemu_place p = uefi_place();

	(void)state;
	snprintf(s.firmware, sizeof(s.firmware), "uefi-secure");
	s.tpm = true;
	p.tpm = 11;
	check(&s, &p, expected);
}

static void an_aarch64_machine_has_its_own_devices(void **state)
{
	static const char *const expected[] = {
		HEAD, "-machine", "virt,gic-version=max", "-accel",
		"tcg,thread=multi", "-cpu", "cortex-a72", UEFI, SIZE,
		FLASH("image", "/image", "true"),
		"-blockdev",
		"{\"node-name\":\"disk\",\"driver\":\"qcow2\","
		"\"read-only\":false,\"discard\":\"unmap\",\"file\":{"
		"\"driver\":\"file\",\"filename\":\"/overlay\","
		"\"read-only\":false}}",
		"-device", "virtio-scsi-pci,id=scsi0", "-device",
		"scsi-cd,drive=image,bus=scsi0.0,bootindex=0", VIRTIO_DISK,
		DEVICES("virtio-gpu-pci"), "-chardev", "socket,id=tpm0,fd=11",
		"-tpmdev", "emulator,id=tpm,chardev=tpm0", "-device",
		"tpm-tis-device,tpmdev=tpm", TAIL, NULL,
	};
	struct session s = disk_session();
	struct qemu_place p = uefi_place();

	(void)state;
	/* What the site says of its own architecture is not for this one. */
	set("qemu_exec_options", "-machine q35 -cpu host");
	set("qemu_video", "qxl");
	snprintf(s.arch, sizeof(s.arch), "aarch64");
	snprintf(s.format, sizeof(s.format), "raw");
	s.iso = true;
	s.tpm = true;
	p.tpm = 11;
	check(&s, &p, expected);
}

static void a_machines_own_options_come_last(void **state)
{
	static const char *const expected[] = {
		HEAD, TCG, SIZE, DISK, DEVICES("virtio-vga"), TAIL,
		"-device", "usb-host,vendorid=1", "-rtc", "base=localtime",
		NULL,
	};
	struct session s = disk_session();
	struct qemu_place p = place();

	(void)state;
	snprintf(s.qemu_options, sizeof(s.qemu_options),
		 " -device  usb-host,vendorid=1 -rtc base=localtime");
	check(&s, &p, expected);
}

/* ---- Volumes ---- */

/* P21, SR27: mapped attributes, read-only unless it is said. */
static void a_volume_is_a_9p_device_with_mapped_attributes(void **state)
{
	static const char *const expected[] = {
		HEAD, TCG, SIZE, DISK, DEVICES("virtio-vga"), "-fsdev",
		"local,id=mount0,security_model=mapped-xattr,multidevs=remap,"
		"readonly=on,path=/mount0",
		"-device", "virtio-9p-pci,fsdev=mount0,mount_tag=host_data",
		"-fsdev",
		"local,id=mount1,security_model=mapped-xattr,multidevs=remap,"
		"readonly=off,path=/a,,b",
		"-device", "virtio-9p-pci,fsdev=mount1,mount_tag=host_homes",
		TAIL, NULL,
	};
	static const struct mounts mounts = {
		.list = { { .path = "/mount0", .tag = "host_data" },
			  { .path = "/a,b", .tag = "host_homes",
			    .writable = true } },
		.count = 2,
	};
	struct session s = disk_session();
	struct qemu_place p = place();

	(void)state;
	p.mounts = &mounts;
	check(&s, &p, expected);
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

/*
 * SR23, P4: what comes from a form or a file is the same number of options,
 * whatever is in it.  A session's name is made by us, and its format and the
 * like are words of ours: they cannot hold these.
 */
static void no_path_can_add_an_option(void **state)
{
	struct session s = disk_session();
	struct mounts mounts = { .list = { { .path = "/mount0",
					     .tag = "host_a" } },
				 .count = 1 };
	struct qemu_place plain = uefi_place();
	AUTO_ARGV struct argv model = { 0 };

	(void)state;
	plain.mounts = &mounts;
	qemu_command(&config, &s, &plain, &model);
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
		qemu_command(&config, &s, &p, &a);
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
	program = qemu_program(&config, "", &e);
	assert_string_equal(program, "/bin/sh");
	free(program);
	set("qemu_exec", "no-such-qemu");
	assert_null(qemu_program(&config, "", &e));
	assert_int_equal(e.code, ERR_CONFIG);
	assert_string_equal(e.msg,
			    "the program no-such-qemu is not installed");
	set("qemu_exec", "auto");
	program = qemu_program(&config, "", &e);
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
	static const char *const larger[] = {
		"/usr/bin/qemu-img", "create", "-q", "-f", "qcow2", "-u", "-F",
		"vmdk", "-b", "/images/a,b.vmdk", "/s/svc-a.qcow2", "20480M",
		NULL,
	};
	static const char *const iso[] = {
		"/usr/bin/qemu-img", "create", "-q", "-f", "qcow2",
		"/s/svc-a.qcow2", "4096M", NULL,
	};
	struct session s = disk_session();
	AUTO_ARGV struct argv a = { 0 };
	AUTO_ARGV struct argv b = { 0 };
	AUTO_ARGV struct argv c = { 0 };

	(void)state;
	s.virtual_size = 10737418240;
	snprintf(s.format, sizeof(s.format), "vmdk");
	overlay_command("/usr/bin/qemu-img", &s, "/images/a,b.vmdk",
			"/s/svc-a.qcow2", &a);
	compare(&a, disk);
	s.disk_mb = 20480;
	overlay_command("/usr/bin/qemu-img", &s, "/images/a,b.vmdk",
			"/s/svc-a.qcow2", &c);
	compare(&c, larger);
	s.iso = true;
	s.disk_mb = 4096;
	overlay_command("/usr/bin/qemu-img", &s, "/images/cd.iso",
			"/s/svc-a.qcow2", &b);
	compare(&b, iso);
}

static void an_overlay_may_grow_as_far_as_its_disk(void **state)
{
	static const struct {
		long long image; /* virtual_size */
		long long disk_mb;
		unsigned long long max;
	} table[] = {
		{ 0, 0, 64ULL << 20 },
		{ 1LL << 30, 0, (1ULL << 30) + (1 << 20) + (64 << 20) },
		{ 7, 1024, (1ULL << 30) + (1 << 20) + (64 << 20) },
		{ 1LL << 62, 0, (1ULL << 62) + (1ULL << 52) + (64 << 20) },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct session s = { .virtual_size = table[i].image,
				     .disk_mb = table[i].disk_mb };

		assert_true(overlay_max_bytes(&s) == table[i].max);
	}
}

/* NOLINTEND(bugprone-suspicious-missing-comma) */

#define T(name) cmocka_unit_test_setup_teardown(name, init, release)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_disk_image_is_the_backing_of_the_overlay),
		T(an_iso_is_a_cd_beside_an_empty_disk),
		T(a_seed_is_one_more_disk_by_its_descriptor),
		T(with_kvm_the_guest_gets_the_hosts_processor),
		T(with_a_network_there_is_a_card),
		T(the_sites_own_options_replace_machine_and_processor),
		T(each_kind_of_video_is_a_device),
		T(without_an_overlay_the_image_is_written_to),
		T(uefi_is_two_flash_chips_of_a_q35),
		T(with_secure_boot_only_smm_writes_the_variables),
		T(an_aarch64_machine_has_its_own_devices),
		T(a_machines_own_options_come_last),
		T(a_volume_is_a_9p_device_with_mapped_attributes),
		T(no_path_can_add_an_option),
		T(a_path_that_is_no_text_fails_the_vector),
		T(the_program_is_the_hosts_or_the_sites),
		T(the_backing_format_is_always_said),
		T(an_overlay_may_grow_as_far_as_its_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
