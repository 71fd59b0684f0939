/* src/sys/pci, pci_gpu, session/gpu_lease and ctl/gpu_host: graphics cards, on
 * a made-up sysfs and a copy of /etc. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "ctl/gpu_host.h"
#include "scratch.h"
#include "session/gpu_lease.h"
#include "sys/file.h"
#include "sys/pci_gpu.h"
#include "vm/qemu.h"
#include "vm/sandbox.h"

static char root[300];

static void make_device(const char *address)
{
	AUTO_FREE char *path = NULL;
	struct err e = ERR_INIT;

	assert_true(asprintf(&path, "%s/bus/pci/devices/%s", root, address) >
		    0);
	assert_int_equal(file_make_dirs(path, 0755, &e), 0);
}

static void put(const char *address, const char *name, const char *text)
{
	char path[200];

	snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/%s", address,
		 name);
	scratch_puts(path, text);
}

static void put_link(const char *address, const char *name, const char *target)
{
	char path[200];

	snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/%s", address,
		 name);
	unlinkat(scratch_fd, path, 0);
	if (target)
		assert_int_equal(symlinkat(target, scratch_fd, path), 0);
}

static void device(const char *address, const char *vendor, const char *id,
		   const char *class, const char *driver, const char *group)
{
	char target[100];

	make_device(address);
	put(address, "vendor", vendor);
	put(address, "device", id);
	put(address, "class", class);
	snprintf(target, sizeof(target), "../../../bus/pci/drivers/%s",
		 driver ? driver : "");
	put_link(address, "driver", driver ? target : NULL);
	snprintf(target, sizeof(target), "../../../kernel/iommu_groups/%s",
		 group ? group : "");
	put_link(address, "iommu_group", group ? target : NULL);
}

/* Two GT 1030 with their sound, the console's own card, and their bridge. */
static int make_tree(void **state)
{
	if (scratch_make(state) < 0)
		return -1;
	snprintf(root, sizeof(root), "%s/sys", scratch_path);
	device("0000:00:01.0", "0x1022\n", "0x1453\n", "0x060400\n",
	       "pcieport", "11");
	device("0000:4c:00.0", "0x10de\n", "0x1d01\n", "0x030000\n",
	       "vfio-pci", "11");
	device("0000:4c:00.1", "0x10de\n", "0x0fb8\n", "0x040300\n",
	       "vfio-pci", "11");
	device("0000:4d:00.0", "0x10de\n", "0x1d01\n", "0x030200\n",
	       "vfio-pci", "12");
	device("0000:4d:00.1", "0x10de\n", "0x0fb8\n", "0x040300\n",
	       "vfio-pci", "12");
	device("0000:05:00.0", "0x1a03\n", "0x2000\n", "0x030000\n", "ast",
	       "3");
	return 0;
}

static struct gpu_list scan(const char *blacklist)
{
	struct gpu_list l;
	struct err e = ERR_INIT;

	if (gpu_scan(root, blacklist, &l, &e) < 0)
		fail_msg("%s", e.msg);
	return l;
}

static const char *problem(const char *address)
{
	static struct gpu_list l;
	const struct gpu *gpu;

	l = scan("");
	gpu = gpu_find(&l, address);
	assert_non_null(gpu);
	return gpu->problem;
}

static void cards_are_found_with_all_their_functions(void **state)
{
	struct gpu_list l = scan("");
	const struct gpu *gpu = gpu_find(&l, "0000:4c:00.0");

	(void)state;
	assert_int_equal(l.count, 3);
	assert_int_equal(gpu_count_usable(&l), 2);
	assert_non_null(gpu);
	assert_string_equal(gpu->group, "11");
	assert_string_equal(gpu->problem, "");
	assert_int_equal(gpu->function_count, 2);
	assert_string_equal(gpu->functions[0], "0000:4c:00.0");
	assert_string_equal(gpu->functions[1], "0000:4c:00.1");
	assert_null(gpu_find(&l, "0000:4c:00.1"));
	assert_non_null(strstr(problem("0000:05:00.0"),
			       "is used by ast, not bound to vfio-pci; run "
			       "qwdctl gpu 1a03:2000"));
}

static void a_host_without_pci_has_no_cards(void **state)
{
	struct gpu_list l;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(gpu_scan("/nonexistent", "", &l, &e), 0);
	assert_int_equal(l.count, 0);
}

static void a_blacklisted_card_is_not_there(void **state)
{
	static const char *const lists[] = {
		"0000:4c:00.0",	     "4c:00", "4c:00.1",
		" 05:00.0, 0000:4c:00.0",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		struct gpu_list l = scan(lists[i]);

		assert_true(gpu_blacklist_ok(lists[i]));
		assert_null(gpu_find(&l, "0000:4c:00.0"));
		assert_non_null(gpu_find(&l, "0000:4d:00.0"));
	}
	assert_true(gpu_blacklist_ok(""));
	assert_false(gpu_blacklist_ok("4c"));
	assert_false(gpu_blacklist_ok("0000:4c:00.0;reboot"));
	assert_false(gpu_blacklist_ok("0000:4c:00.0000000000000000"));
}

static void a_group_with_another_device_is_not_viable(void **state)
{
	(void)state;
	device("0000:4e:00.0", "0x8086\n", "0x1533\n", "0x020000\n", "igb",
	       "11");
	assert_non_null(strstr(problem("0000:4c:00.0"),
			       "its IOMMU group 11 is not viable: it has "
			       "0000:4e:00.0 (8086:1533), too; put the card "
			       "into another slot"));
	assert_string_equal(problem("0000:4d:00.0"), "");
	device("0000:4e:00.0", "0x8086\n", "0x1533\n", "0x020000\n",
	       "vfio-pci", "11");
	assert_string_equal(problem("0000:4c:00.0"), "");
}

static void a_function_that_the_host_has_keeps_the_card(void **state)
{
	(void)state;
	device("0000:4c:00.1", "0x10de\n", "0x0fb8\n", "0x040300\n",
	       "snd_hda_intel", "11");
	assert_non_null(strstr(problem("0000:4c:00.0"),
			       "its function 0000:4c:00.1 is used by "
			       "snd_hda_intel"));
	device("0000:4c:00.1", "0x10de\n", "0x0fb8\n", "0x040300\n",
	       "vfio-pci", "11");
	device("0000:4d:00.0", "0x10de\n", "0x1d01\n", "0x030200\n",
	       "vfio-pci", NULL);
	assert_non_null(strstr(problem("0000:4d:00.0"),
			       "the IOMMU is off; switch it on in the BIOS"));
	device("0000:4d:00.0", "0x10de\n", "0x1d01\n", "0x030200\n",
	       "vfio-pci", "12");
}

static void hostile_files_of_a_tree_are_no_text_of_ours(void **state)
{
	struct gpu_list l;

	(void)state;
	put("0000:4d:00.0", "vendor", "garbage\n");
	put_link("0000:4d:00.0", "driver", "../x/vfio-pci;reboot");
	put_link("0000:4d:00.0", "iommu_group", "../../etc/passwd,x=y");
	l = scan("");
	assert_string_equal(gpu_find(&l, "0000:4d:00.0")->driver, "");
	assert_string_equal(gpu_find(&l, "0000:4d:00.0")->group, "");
	device("0000:4d:00.0", "0x10de\n", "0x1d01\n", "0x030200\n",
	       "vfio-pci", "12");
}

static void a_card_has_its_name_from_the_list(void **state)
{
	static const struct pci_device known = { .vendor = 0x10de,
						 .device = 0x1d01 };
	static const struct pci_device unknown = { .vendor = 0xfff0,
						   .device = 1 };
	char name[PCI_NAME_SIZE];

	(void)state;
	pci_name(&unknown, name);
	assert_string_equal(name, "PCI device fff0:0001");
	pci_name(&known, name);
	if (access("/usr/share/misc/pci.ids", R_OK) < 0)
		assert_string_equal(name, "PCI device 10de:1d01");
	else
		assert_string_equal(name, "NVIDIA Corporation GP108 [GeForce "
					  "GT 1030]");
}

static void a_card_has_one_lease(void **state)
{
	AUTO_CONFIG struct config c = { .file = NULL };
	AUTO_FREE char *path = file_join(scratch_path, "store");
	AUTO_STORE struct store st = STORE_INIT;
	struct err e = ERR_INIT;
	int lease;

	(void)state;
	assert_int_equal(config_init(&c, &e), 0);
	assert_int_equal(config_set(&c, "dir_cfg", path, &e), 0);
	if (store_open(&c, &st, &e) < 0)
		fail_msg("%s", e.msg);
	assert_false(gpu_lease_is_held(&st, "0000:4c:00.0"));
	lease = gpu_lease_take(&st, "0000:4c:00.0", &e);
	assert_true(lease >= 0);
	assert_true(gpu_lease_is_held(&st, "0000:4c:00.0"));
	assert_false(gpu_lease_is_held(&st, "0000:4d:00.0"));
	assert_int_equal(gpu_lease_take(&st, "0000:4c:00.0", &e), -1);
	assert_int_equal(e.code, ERR_BUSY);
	close(lease);
	assert_false(gpu_lease_is_held(&st, "0000:4c:00.0"));
}

/* ---- The vectors ---- */

static const char *find_word(const struct argv *a, const char *start)
{
	for (size_t i = 0; i < a->count; i++)
		if (strncmp(a->list[i], start, strlen(start)) == 0)
			return a->list[i];
	fail_msg("no %s", start);
	return NULL;
}

static void all_functions_are_in_one_slot_of_the_guest(void **state)
{
	AUTO_CONFIG struct config c = { .file = NULL };
	struct session s = { .name = "a", .format = "raw", .cpu = 1,
			     .memory_mb = 256 };
	struct gpu_list l = scan("");
	struct qemu_place p = { .program = "/q", .image = "/i",
				.overlay = "/o", .vnc = "/v",
				.gpu = gpu_find(&l, "0000:4c:00.0"),
				.gpu_dir = "/gpu" };
	struct sandbox box = { .bwrap = "/b", .image = "/i", .overlay = "/o",
			       .dir = "/d", .resolv = "/r", .gpu = p.gpu,
			       .sysfs = root };
	AUTO_ARGV struct argv a = { 0 };
	AUTO_ARGV struct argv b = { 0 };
	AUTO_FREE char *directory = NULL;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(config_init(&c, &e), 0);
	qemu_command(&c, &s, &p, &a);
	assert_string_equal(
		find_word(&a, "vfio-pci,sysfsdev=/gpu/0000:4c:00.0"),
		"vfio-pci,sysfsdev=/gpu/0000:4c:00.0,id=gpu0,addr=0x10.0x0,"
		"multifunction=on");
	assert_string_equal(
		find_word(&a, "vfio-pci,sysfsdev=/gpu/0000:4c:00.1"),
		"vfio-pci,sysfsdev=/gpu/0000:4c:00.1,id=gpu1,addr=0x10.0x1");
	sandbox_command(&box, &b);
	assert_true(asprintf(&directory, "%s/bus/pci/devices/0000:4c:00.1",
			     root) > 0);
	find_word(&b, directory);
	find_word(&b, "/gpu/0000:4c:00.1");
	find_word(&b, "/dev/vfio/vfio");
	find_word(&b, "/dev/vfio/11");
}

/* ---- The host ---- */

static char *content(const char *path)
{
	AUTO_BUF struct buf text = BUF_INIT(65536);
	struct err e = ERR_INIT;

	if (file_read(scratch_fd, path, false, &text, &e) < 0)
		return NULL;
	return strdup(buf_str(&text));
}

static void check_content(const char *path, const char *expected)
{
	AUTO_FREE char *text = content(path);

	if (!expected)
		assert_null(text);
	else if (!text)
		fail_msg("%s is not there", path);
	else
		assert_string_equal(text, expected);
}

static size_t apply(const char *ids, bool dry_run)
{
	struct gpu_host h = { .root = scratch_path, .ids = ids,
			      .user = "www-data", .dry_run = dry_run };
	struct err e = ERR_INIT;
	size_t changes;

	if (gpu_host_apply(&h, &changes, &e) < 0)
		fail_msg("%s", e.msg);
	return changes;
}

#define MADE "# Made by qwdctl gpu, removed by qwdctl gpu_unlock.\n"

static void the_host_is_prepared_and_put_back(void **state)
{
	static const char theirs[] = "# their own\nraid1"; /* no newline */
	struct err e = ERR_INIT;
	AUTO_FREE char *dir = NULL;

	(void)state;
	assert_true(asprintf(&dir, "%s/etc/initramfs-tools", scratch_path) > 0);
	assert_int_equal(file_make_dirs(dir, 0755, &e), 0);
	scratch_puts("etc/initramfs-tools/modules", theirs);

	/* A preview touches nothing. */
	assert_int_equal(apply("10de:1d01,10de:0fb8", true), 7);
	check_content("etc/initramfs-tools/modules", theirs);
	check_content("etc/modprobe.d/qemu-web-desktop.conf", NULL);

	assert_int_equal(apply("10de:1d01,10de:0fb8", false), 7);
	check_content("etc/default/grub.d/qemu-web-desktop.cfg",
		      MADE "GRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_"
			   "DEFAULT amd_iommu=on iommu=pt "
			   "vfio-pci.ids=10de:1d01,10de:0fb8\"\n");
	check_content("etc/initramfs-tools/modules",
		      "# their own\nraid1\n"
		      "# qemu-web-desktop: graphics cards, begin\n"
		      "vfio\nvfio_iommu_type1\nvfio_pci\n"
		      "# qemu-web-desktop: graphics cards, end\n");
	check_content("etc/initramfs-tools/modules.qwd-backup", theirs);
	check_content("etc/udev/rules.d/70-qemu-web-desktop.rules",
		      MADE "SUBSYSTEM==\"vfio\", KERNEL!=\"vfio\", "
			   "OWNER=\"www-data\", MODE=\"0600\"\n");
	check_content("etc/security/limits.d/qemu-web-desktop.conf",
		      MADE "www-data - memlock unlimited\n");
	check_content("etc/systemd/system/apache2.service.d/"
		      "qemu-web-desktop-memlock.conf",
		      MADE "[Service]\nLimitMEMLOCK=infinity\n");
	/* Again is nothing; another card is a change of two files. */
	assert_int_equal(apply("10de:1d01,10de:0fb8", false), 0);
	assert_int_equal(apply("1002:67df", false), 2);

	assert_int_equal(apply(NULL, true), 7);
	assert_int_equal(apply(NULL, false), 7);
	check_content("etc/default/grub.d/qemu-web-desktop.cfg", NULL);
	check_content("etc/modprobe.d/qemu-web-desktop.conf", NULL);
	check_content("etc/udev/rules.d/70-qemu-web-desktop.rules", NULL);
	check_content("etc/initramfs-tools/modules", "# their own\nraid1\n");
	assert_int_equal(apply(NULL, false), 0);
}

static void only_ids_become_kernel_parameters(void **state)
{
	static const char *const bad[] = {
		"", "10de", "10de:1d01,", "10DE:1d01", "10de:1d01 quiet",
		"10de:1d01\" init=/bin/sh", "10de:1d01,\n10de:1d02",
		"10de:1d011",
	};

	(void)state;
	assert_true(gpu_ids_ok("10de:1d01"));
	assert_true(gpu_ids_ok("10de:1d01,10de:0fb8"));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(gpu_ids_ok(bad[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cards_are_found_with_all_their_functions),
		cmocka_unit_test(a_host_without_pci_has_no_cards),
		cmocka_unit_test(a_blacklisted_card_is_not_there),
		cmocka_unit_test(a_group_with_another_device_is_not_viable),
		cmocka_unit_test(a_function_that_the_host_has_keeps_the_card),
		cmocka_unit_test(hostile_files_of_a_tree_are_no_text_of_ours),
		cmocka_unit_test(a_card_has_its_name_from_the_list),
		cmocka_unit_test(a_card_has_one_lease),
		cmocka_unit_test(all_functions_are_in_one_slot_of_the_guest),
		cmocka_unit_test(the_host_is_prepared_and_put_back),
		cmocka_unit_test(only_ids_become_kernel_parameters),
	};

	return cmocka_run_group_tests(tests, make_tree, scratch_remove);
}
