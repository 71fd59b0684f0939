/*
 * src/conf/image: images made by qemu-img are accepted with the size that
 * qemu-img tells; names that lie and files that are no disks are refused.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "image_corpus.h"
#include "scratch.h"
#include "sys/json.h"

static long long size_by_qemu(const struct made *made)
{
	const char *const arguments[] = { "info",	"--output=json", "-f",
					  made->driver, made->name,	 NULL };
	AUTO_BUF struct buf output = BUF_INIT(65536);
	AUTO_JSON json_t *info = NULL;
	struct err e = ERR_INIT;
	long long size;

	corpus_qemu_img(&output, arguments);
	info = json_parse_object(buf_str(&output), output.len, &e);
	assert_non_null(info);
	assert_int_equal(
		json_get_int(info, "virtual-size", 1, INT64_MAX, &size, &e), 0);
	return size;
}

static void good_images_have_the_size_that_qemu_tells(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(corpus); i++) {
		struct image image;
		struct err e = ERR_INIT;

		if (corpus_identify(corpus[i].name, &image, &e) < 0)
			fail_msg("%s: %s", corpus[i].name, e.msg);
		assert_string_equal(image.format, corpus[i].driver);
		assert_false(image.iso);
		assert_int_equal(image.virtual_size, size_by_qemu(&corpus[i]));
	}
}

static void a_compressed_qcow2_is_accepted(void **state)
{
	const char *const arguments[] = { "convert",	"-f",
					  "raw",	"-O",
					  "qcow2",	"-c",
					  "source.raw", "compressed.qcow2",
					  NULL };
	struct image image;
	struct err e = ERR_INIT;

	(void)state;
	corpus_qemu_img(NULL, arguments);
	if (corpus_identify("compressed.qcow2", &image, &e) < 0)
		fail_msg("%s", e.msg);
	corpus_resize("compressed.qcow2", 300000);
	corpus_check_refused("compressed.qcow2", "is truncated: ");
}

static void the_same_bytes_are_a_cd_or_a_disk_by_their_name(void **state)
{
	struct image image;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(corpus_identify("cd.iso", &image, &e), 0);
	assert_string_equal(image.format, "raw");
	assert_true(image.iso);
	assert_int_equal(image.virtual_size, ISO_BYTES);
	assert_int_equal(corpus_identify("isohybrid.img", &image, &e), 0);
	assert_string_equal(image.format, "raw");
	assert_false(image.iso);
	corpus_copy("cd.iso", "cd.qcow2");
	corpus_check_refused("cd.qcow2",
			     "is named .qcow2 but holds an ISO 9660 volume");
}

static void a_truncated_or_wrong_iso_is_refused(void **state)
{
	(void)state;
	corpus_iso("cut.iso", 9, ISO_BYTES); /* says it has 4.5 MiB */
	corpus_check_refused("cut.iso",
			     "is truncated: its 1048576 bytes end before "
			     "the CD's end");
	corpus_iso("head.iso", 2, 33000);
	corpus_check_refused("head.iso",
			     "is truncated: it has 33000 bytes and should "
			     "have at least 34816");
	corpus_copy("cd.iso", "volume.iso");
	corpus_patch("volume.iso", 32768, "\2", 1);
	corpus_check_refused("volume.iso",
			     "its ISO 9660 volume descriptor is wrong");
	corpus_copy("source.raw", "disk.iso");
	corpus_check_refused("disk.iso",
			     "is named .iso but holds no known header");
}

static void a_name_that_lies_about_its_content_is_refused(void **state)
{
	static const struct hostile table[] = {
		{ "v3.qcow2", "a.raw", 0, NULL, 0, 0,
		  "is named .raw but holds a qcow2 header" },
		{ "v3.qcow2", "a.iso", 0, NULL, 0, 0,
		  "is named .iso but holds a qcow2 header" },
		{ "v3.qcow2", "a.vmdk", 0, NULL, 0, 0,
		  "is named .vmdk but holds a qcow2 header" },
		{ "disk.raw", "a.qcow2", 0, NULL, 0, 0,
		  "is named .qcow2 but holds no known header" },
		{ "sparse.vmdk", "a.img", 0, NULL, 0, 0,
		  "is named .img but holds a VMDK header" },
		{ "fixed.VHD", "a.img", 0, NULL, 0, 0,
		  "is named .img but holds a VHD footer" },
		{ "disk.vhdx", "a.vhd", 0, NULL, 0, 0,
		  "is named .vhd but holds a VHDX header" },
		{ "disk.vdi", "a.raw", 0, NULL, 0, 0,
		  "is named .raw but holds a VDI header" },
		{ "disk.qed", "a.RAW", 0, NULL, 0, 0,
		  "is named .RAW but holds a QED header" },
		{ "disk.raw", "a.disk", 0, NULL, 0, 0,
		  "is of unknown format; a raw disk must be named" },
		{ "disk.raw", "disk", 0, NULL, 0, 0, "is of unknown format" },
	};

	(void)state;
	corpus_check_hostile(table, ARRAY_LEN(table));
}

static void what_is_no_disk_is_refused(void **state)
{
	static const struct hostile table[] = {
		{ "disk.raw", "a.raw", 0, NULL, 0, 513,
		  "is not a raw disk: its 513 bytes are no multiple of 512" },
		{ "disk.raw", "a.img", 0, "\x1f\x8b", 2, 0,
		  "is compressed (gzip); unpack it" },
		{ "disk.raw", "a.img", 0,
		  "\xfd"
		  "7zXZ",
		  5, 0, "is compressed (xz); unpack it" },
		{ "disk.raw", "a.zip", 0, "PK\3\4", 4, 0,
		  "is compressed (zip); unpack it" },
		{ "disk.raw", "a.ova", 257, "ustar", 5, 0,
		  "is a tar archive; unpack it" },
	};

	(void)state;
	corpus_check_hostile(table, ARRAY_LEN(table));
	scratch_write("empty.raw", "", 0);
	corpus_check_refused("empty.raw", "is an empty file");
}

static void a_raw_disk_of_65_tib_is_refused(void **state)
{
	AUTO_CLOSE int fd = memfd_create("disk", MFD_CLOEXEC);
	struct image image;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(ftruncate(fd, (off_t)65 << 40), 0);
	assert_int_equal(image_identify(fd, "disk.raw", &image, &e), -1);
	assert_int_equal(e.code, ERR_CONFIG);
	assert_string_equal(e.msg, "says it is a disk of more than 64 TiB");
}

static void only_a_regular_file_is_an_image(void **state)
{
	struct image image;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(mkdirat(scratch_fd, "dir.raw", 0700), 0);
	corpus_check_refused("dir.raw", "is no regular file");
	assert_int_equal(mkfifoat(scratch_fd, "fifo.raw", 0600), 0);
	corpus_check_refused("fifo.raw", "is no regular file");
	assert_int_equal(symlinkat("/dev/zero", scratch_fd, "zero.raw"), 0);
	corpus_check_refused("zero.raw", "is no regular file");
	assert_int_equal(symlinkat("disk.raw", scratch_fd, "link.raw"), 0);
	assert_int_equal(corpus_identify("link.raw", &image, &e), 0);
	assert_int_equal(corpus_identify("missing.raw", &image, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_images_have_the_size_that_qemu_tells),
		cmocka_unit_test(a_compressed_qcow2_is_accepted),
		cmocka_unit_test(
			the_same_bytes_are_a_cd_or_a_disk_by_their_name),
		cmocka_unit_test(a_truncated_or_wrong_iso_is_refused),
		cmocka_unit_test(a_name_that_lies_about_its_content_is_refused),
		cmocka_unit_test(what_is_no_disk_is_refused),
		cmocka_unit_test(a_raw_disk_of_65_tib_is_refused),
		cmocka_unit_test(only_a_regular_file_is_an_image),
	};

	return cmocka_run_group_tests(tests, corpus_make, scratch_remove);
}
