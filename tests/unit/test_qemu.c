/* src/vm/qemu: arguments of QEMU's command. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "guest.h"
#include "settings.h"
#include "vector.h"
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

static void check(const struct session *s, const struct qemu_place *p,
		  const char *const *expected)
{
	AUTO_ARGV struct argv a = { 0 };

	qemu_command(&settings, s, p, &a);
	vector_check(&a, expected);
}

static void a_disk_image_is_the_backing_of_the_overlay(void **state)
{
	static const char *const expected[] = {
		HEAD, TCG, SIZE, DISK, DEVICES("virtio-vga"), TAIL, NULL
	};
	struct session s = guest_session();
	struct qemu_place p = guest_place();

	(void)state;
	check(&s, &p, expected);
}

static void an_iso_is_a_cd_beside_an_empty_disk(void **state)
{
	static const char *const expected[] = {
		HEAD, TCG, SIZE, ISO, DEVICES("virtio-vga"), TAIL, NULL
	};
	struct session s = guest_session();
	struct qemu_place p = guest_place();

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
	struct session s = guest_session();
	struct qemu_place p = guest_place();

	(void)state;
	p.seed = 12;
	check(&s, &p, expected);
}

static void with_kvm_the_guest_gets_the_hosts_processor(void **state)
{
	static const char *const expected[] = {
		HEAD, KVM, SIZE, DISK, DEVICES("virtio-vga"), TAIL, NULL
	};
	struct session s = guest_session();
	struct qemu_place p = guest_place();

	(void)state;
	p.kvm = true;
	check(&s, &p, expected);
}

static void with_a_network_there_is_a_card(void **state)
{
	static const char *const expected[] = {
		HEAD,	 TCG,  SIZE, DISK, DEVICES("virtio-vga"),
		NETWORK, TAIL, NULL
	};
	static const char *const without[] = {
		HEAD, TCG, SIZE, DISK, DEVICES("virtio-vga"), TAIL, NULL
	};
	struct session s = guest_session();
	struct qemu_place p = guest_place();

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
	struct session s = guest_session();
	struct qemu_place p = guest_place();

	(void)state;
	settings_set("qemu_exec_options", " -machine q35,accel=kvm   -cpu "
					  "host,+vmx ");
	settings_set("qemu_video", "std");
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
	struct session s = guest_session();
	struct qemu_place p = guest_place();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		const char *const expected[] = { HEAD, TCG, SIZE, DISK,
						 DEVICES(table[i][1]), TAIL,
						 NULL };

		settings_set("qemu_video", table[i][0]);
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
	struct session s = guest_session();
	struct qemu_place p = guest_place();

	(void)state;
	s.master = true;
	snprintf(s.format, sizeof(s.format), "vdi");
	check(&s, &p, expected);
}

/* ---- Firmware, TPM, other processors ---- */

#define FLASH(node, path, ro)                                                  \
	"-blockdev", "{\"node-name\":\"" node "\",\"driver\":\"raw\","         \
		     "\"read-only\":" ro ",\"discard\":\"unmap\",\"file\":{"   \
		     "\"driver\":\"file\",\"filename\":\"" path "\","          \
		     "\"read-only\":" ro "}}"
#define UEFI                                                                   \
	FLASH("firmware", "/usr/code.fd", "true"),                             \
		FLASH("vars", "/vm/vars", "false"), "-machine",                \
		"pflash0=firmware,pflash1=vars"
#define CPU "-cpu", "qemu64,+ssse3,+sse4.1,+sse4.2,+popcnt"

static void uefi_is_two_flash_chips_of_a_q35(void **state)
{
	static const char *const expected[] = {
		HEAD, "-machine", "q35,vmport=off,hpet=off", "-accel",
		"tcg,thread=multi", CPU, UEFI, SIZE, DISK,
		DEVICES("virtio-vga"), TAIL, NULL,
	};
	struct session s = guest_session();
	struct qemu_place p = guest_uefi_place();

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
	struct session s = guest_session();
	struct qemu_place p = guest_uefi_place();

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
	struct session s = guest_session();
	struct qemu_place p = guest_uefi_place();

	(void)state;
	/* What the site says of its own architecture is not for this one. */
	settings_set("qemu_exec_options", "-machine q35 -cpu host");
	settings_set("qemu_video", "qxl");
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
	struct session s = guest_session();
	struct qemu_place p = guest_place();

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
	struct session s = guest_session();
	struct qemu_place p = guest_place();

	(void)state;
	p.mounts = &mounts;
	check(&s, &p, expected);
}

static void the_program_is_the_hosts_or_the_sites(void **state)
{
	struct err e = ERR_INIT;
	char *program;

	(void)state;
	settings_set("qemu_exec", "/bin/sh");
	program = qemu_program(&settings, "", &e);
	assert_string_equal(program, "/bin/sh");
	free(program);
	settings_set("qemu_exec", "no-such-qemu");
	assert_null(qemu_program(&settings, "", &e));
	assert_int_equal(e.code, ERR_CONFIG);
	assert_string_equal(e.msg,
			    "the program no-such-qemu is not installed");
	settings_set("qemu_exec", "auto");
	program = qemu_program(&settings, "", &e);
	if (program)
		assert_non_null(strstr(program, "/qemu-system-"));
	else /* it is not installed here */
		assert_non_null(strstr(e.msg, "qemu-system-"));
	free(program);
}

/* NOLINTEND(bugprone-suspicious-missing-comma) */

int main(void)
{
	const struct CMUnitTest tests[] = {
		SETTINGS_TEST(a_disk_image_is_the_backing_of_the_overlay),
		SETTINGS_TEST(an_iso_is_a_cd_beside_an_empty_disk),
		SETTINGS_TEST(a_seed_is_one_more_disk_by_its_descriptor),
		SETTINGS_TEST(with_kvm_the_guest_gets_the_hosts_processor),
		SETTINGS_TEST(with_a_network_there_is_a_card),
		SETTINGS_TEST(
			the_sites_own_options_replace_machine_and_processor),
		SETTINGS_TEST(each_kind_of_video_is_a_device),
		SETTINGS_TEST(without_an_overlay_the_image_is_written_to),
		SETTINGS_TEST(uefi_is_two_flash_chips_of_a_q35),
		SETTINGS_TEST(with_secure_boot_only_smm_writes_the_variables),
		SETTINGS_TEST(an_aarch64_machine_has_its_own_devices),
		SETTINGS_TEST(a_machines_own_options_come_last),
		SETTINGS_TEST(a_volume_is_a_9p_device_with_mapped_attributes),
		SETTINGS_TEST(the_program_is_the_hosts_or_the_sites),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
