/* src/conf/image: hostile and truncated VDI, VMDK, VHD and VHDX images. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "image_corpus.h"
#include "scratch.h"

static void a_hostile_vdi_is_refused(void **state)
{
	static const struct hostile table[] = {
		{ "disk.vdi", "h.vdi", 76, "\4", 1, 0,
		  "is a differencing disk that needs its parent" },
		{ "disk.vdi", "h.vdi", 440, "\1", 1, 0,
		  "is a differencing disk that needs its parent" },
		{ "disk.vdi", "h.vdi", 76, "\7", 1, 0,
		  "is of unknown VDI type 7" },
		{ "disk.vdi", "h.vdi", 70, "\2", 1, 0,
		  "is VDI version 2.1, only 1.1 is known" },
		{ "disk.vdi", "h.vdi", 376, "\0\0\x20\0", 4, 0,
		  "has another sector or block size" },
		{ "disk.vdi", "h.vdi", 384, "\1\0\0\0", 4, 0,
		  "its block map is too small" },
		{ "disk.vdi", "h.vdi", 384, "\xff\xff\xff\xff", 4, 0,
		  "end before its block map" },
		{ "disk.vdi", "h.vdi", 375, "\x7f", 1, 0, "more than 64 TiB" },
		{ "disk.vdi", "h.vdi", 0, NULL, 0, 300,
		  "is truncated: it has 300 bytes" },
		{ "disk.vdi", "h.vdi", 0, NULL, 0, -1048576,
		  "end before some of its data" },
	};

	(void)state;
	corpus_check_hostile(table, ARRAY_LEN(table));
}

/* Virtual Disk Format 5.0 */
static void a_hostile_vmdk_is_refused(void **state)
{
	static const char flat[] = "# Disk DescriptorFile\nversion=1\n"
				   "CID=1\nparentCID=ffffffff\n"
				   "createType=\"monolithicFlat\"\n"
				   "RW 8 FLAT \"/etc/shadow\" 0\n";
	static const char parent[] = "\nparentFileNameHint=\"/etc/shadow\"\n";
	static const char extent[] = "\nRW 8 FLAT \"/etc/shadow\" 0\n";
	static const struct hostile table[] = {
		{ "sparse.vmdk", "h.vmdk", 0, flat, sizeof(flat), 0,
		  "is a VMDK descriptor that names other files" },
		{ "sparse.vmdk", "h.vmdk", 512, flat, sizeof(flat), 0,
		  "is of the VMDK type 'monolithicFlat'" },
		{ "sparse.vmdk", "h.vmdk", 8192, parent, sizeof(parent) - 1, 0,
		  "names a parent image" },
		{ "stream.vmdk", "h.vmdk", 8192, parent, sizeof(parent) - 1, 0,
		  "names a parent image" },
		{ "sparse.vmdk", "h.vmdk", 8192, extent, sizeof(extent) - 1, 0,
		  "names further files (extents)" },
		{ "sparse.vmdk", "h.vmdk", 0, "COWD", 4, 0,
		  "is a VMDK of an old version" },
		{ "sparse.vmdk", "h.vmdk", 4, "\4", 1, 0,
		  "is of unknown VMDK version 4" },
		{ "sparse.vmdk", "h.vmdk", 12, "\0\0\0\0\0\0\0\0", 8, 0,
		  "is a disk of no size" },
		{ "sparse.vmdk", "h.vmdk", 19, "\x7f", 1, 0,
		  "more than 64 TiB" },
		{ "sparse.vmdk", "h.vmdk", 28, "\2", 1, 0,
		  "has no descriptor behind its header" },
		{ "sparse.vmdk", "h.vmdk", 36, "\xff\xff", 2, 0,
		  "has no descriptor behind its header" },
		{ "sparse.vmdk", "h.vmdk", 20, "\0", 1, 0,
		  "has an impossible grain or table size" },
		{ "sparse.vmdk", "h.vmdk", 44, "\0\0", 2, 0,
		  "has an impossible grain or table size" },
		{ "sparse.vmdk", "h.vmdk", 63, "\x7f", 1, 0,
		  "end before its grain directory" },
		{ "sparse.vmdk", "h.vmdk", 0, NULL, 0, 400,
		  "is truncated: it has 400 bytes" },
		{ "sparse.vmdk", "h.vmdk", 0, NULL, 0, 4096, "is truncated" },
		{ "sparse.vmdk", "h.vmdk", 0, NULL, 0, 11000,
		  "is truncated: " },
		{ "sparse.vmdk", "h.vmdk", 0, NULL, 0, -200000,
		  "end before some of its data" },
		{ "stream.vmdk", "h.vmdk", 0, NULL, 0, -100000,
		  "end before some of its data" },
	};

	(void)state;
	corpus_check_hostile(table, ARRAY_LEN(table));
}

/* As other programs than QEMU write it: the directory is named at the end. */
static void a_stream_needs_the_footer_that_its_header_announces(void **state)
{
	uint8_t end[3 * 512] = { [8 + 4] = 3 };
	AUTO_CLOSE int fd = -1;
	struct image image;
	struct err e = ERR_INIT;
	off_t len;

	(void)state;
	corpus_copy("stream.vmdk", "footer.vmdk");
	fd = openat(scratch_fd, "footer.vmdk", O_RDWR | O_CLOEXEC);
	assert_int_equal(pread(fd, end + 512, 512, 0), 512);
	corpus_patch("footer.vmdk", 56, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
	corpus_check_refused("footer.vmdk", "end before its footer");

	len = (lseek(fd, 0, SEEK_END) + 511) & ~511;
	assert_int_equal(pwrite(fd, end, sizeof(end), len), sizeof(end));
	if (corpus_identify("footer.vmdk", &image, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(image.virtual_size, DISK_BYTES);
	corpus_patch("footer.vmdk", -1024 + 12, "\1\2", 2);
	corpus_check_refused("footer.vmdk",
			     "is damaged: header and footer differ");
}

/* Set the type in a VHD's footer at `offset`, with the checksum. */
static void set_vhd_type(const char *name, off_t offset, uint8_t type)
{
	AUTO_CLOSE int fd = openat(scratch_fd, name, O_RDWR | O_CLOEXEC);
	uint8_t footer[512];
	uint32_t sum = 0;

	if (offset < 0)
		offset += lseek(fd, 0, SEEK_END);
	assert_int_equal(pread(fd, footer, 512, offset), 512);
	footer[63] = type;
	memset(footer + 64, 0, 4);
	for (size_t i = 0; i < sizeof(footer); i++)
		sum += footer[i];
	sum = ~sum;
	for (size_t i = 0; i < 4; i++)
		footer[64 + i] = (uint8_t)(sum >> (24 - 8 * i));
	assert_int_equal(pwrite(fd, footer, 512, offset), 512);
}

static void a_hostile_vhd_is_refused(void **state)
{
	static const struct hostile table[] = {
		{ "disk.vhd", "h.vhd", 0, NULL, 0, -512,
		  "end before its footer" },
		{ "disk.vhd", "h.vhd", -512 + 100, "x", 1, 0,
		  "its VHD footer's checksum is wrong" },
		{ "disk.vhd", "h.vhd", 100, "x", 1, 0,
		  "the VHD footer and its copy differ" },
		{ "disk.vhd", "h.vhd", 512, "x", 1, 0,
		  "is damaged: its dynamic header is wrong" },
		{ "disk.vhd", "h.vhd", 1536, "\0\x7f\0\0", 4, 0,
		  "end before some of its data" },
	};

	(void)state;
	corpus_check_hostile(table, ARRAY_LEN(table));
	corpus_copy("disk.vhd", "child.vhd");
	set_vhd_type("child.vhd", -512, 4);
	corpus_check_refused("child.vhd", "is a differencing disk");
	set_vhd_type("child.vhd", -512, 9);
	corpus_check_refused("child.vhd", "is of unknown VHD type 9");
	corpus_copy("fixed.VHD", "tail.vhd");
	corpus_patch("tail.vhd", -512 + 56, "\xff", 1);
	corpus_check_refused("tail.vhd", "its VHD footer's checksum is wrong");
	set_vhd_type("tail.vhd", -512, 2);
	corpus_check_refused("tail.vhd", "end before the disk's end");
}

/* CRC-32C over a header of 4 KiB whose checksum is zero. */
static uint32_t header_crc(const uint8_t *header)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < 4096 * 8; i++) {
		uint32_t bit = (crc ^ (uint32_t)(header[i / 8] >> (i % 8))) & 1;

		crc = crc >> 1 ^ (bit ? 0x82f63b78u : 0);
	}
	return ~crc;
}

static void a_vhdx_with_a_log_to_replay_is_refused(void **state)
{
	AUTO_CLOSE int fd = -1;

	(void)state;
	corpus_copy("disk.vhdx", "log.vhdx");
	fd = openat(scratch_fd, "log.vhdx", O_RDWR | O_CLOEXEC);
	for (off_t at = 64 * 1024; at <= 128 * 1024; at += 64 * 1024) {
		uint8_t header[4096];
		uint32_t crc;

		assert_int_equal(pread(fd, header, 4096, at), 4096);
		memset(header + 48, 7, 16);
		memset(header + 4, 0, 4);
		crc = header_crc(header);
		for (size_t i = 0; i < 4; i++)
			header[4 + i] = (uint8_t)(crc >> (8 * i));
		assert_int_equal(pwrite(fd, header, 4096, at), 4096);
	}
	corpus_check_refused("log.vhdx",
			     "was not closed: its log must be replayed");
}

/* Where the first metadata entry stands; QEMU writes the parameters first. */
static off_t vhdx_metadata(void)
{
	AUTO_CLOSE int fd = openat(scratch_fd, "disk.vhdx", O_RDONLY);
	uint8_t entry[32];

	for (off_t at = 192 * 1024 + 16;; at += 32) {
		uint64_t offset = 0;

		assert_int_equal(pread(fd, entry, 32, at), 32);
		if (entry[0] != 0x06)
			continue;
		for (size_t i = 0; i < 8; i++)
			offset |= (uint64_t)entry[16 + i] << (8 * i);
		return (off_t)offset;
	}
}

/* [MS-VHDX] */
static void a_hostile_vhdx_is_refused(void **state)
{
	static const struct hostile table[] = {
		{ "disk.vhdx", "h.vhdx", 192 * 1024 + 8, "\xff", 1, 0,
		  "its region table is wrong" },
		{ "disk.vhdx", "h.vhdx", 0, NULL, 0, 1000, "is truncated" },
		{ "disk.vhdx", "h.vhdx", 0, NULL, 0, 100000, "is truncated" },
		{ "disk.vhdx", "h.vhdx", 0, NULL, 0, -8388608 - 4096,
		  "is truncated: " },
	};
	off_t metadata = vhdx_metadata();

	(void)state;
	corpus_check_hostile(table, ARRAY_LEN(table));
	corpus_copy("disk.vhdx", "child.vhdx");
	corpus_patch("child.vhdx", metadata + 65536 + 4, "\2", 1);
	corpus_check_refused("child.vhdx", "is a differencing disk");
	corpus_copy("disk.vhdx", "locator.vhdx");
	corpus_patch("locator.vhdx", metadata + 32 + 4 * 32,
		     "\x2d\x5f\xd3\xa8\x0b\xb3\x4d\x45\xab\xf7\xd3\xd8\x48\x34"
		     "\xab\x0c",
		     16);
	corpus_check_refused("locator.vhdx", "is a differencing disk");
	corpus_copy("disk.vhdx", "huge.vhdx");
	corpus_patch("huge.vhdx", metadata + 65536 + 15, "\x7f", 1);
	corpus_check_refused("huge.vhdx", "more than 64 TiB");
	corpus_copy("disk.vhdx", "headers.vhdx");
	corpus_patch("headers.vhdx", 64 * 1024 + 8, "xxxx", 4);
	corpus_patch("headers.vhdx", 128 * 1024 + 8, "xxxx", 4);
	corpus_check_refused("headers.vhdx", "no VHDX header is valid");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hostile_vdi_is_refused),
		cmocka_unit_test(a_hostile_vmdk_is_refused),
		cmocka_unit_test(
			a_stream_needs_the_footer_that_its_header_announces),
		cmocka_unit_test(a_hostile_vhd_is_refused),
		cmocka_unit_test(a_vhdx_with_a_log_to_replay_is_refused),
		cmocka_unit_test(a_hostile_vhdx_is_refused),
	};

	return cmocka_run_group_tests(tests, corpus_make, scratch_remove);
}
