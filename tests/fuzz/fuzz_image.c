/*
 * image_identify().  The input describes a file with holes, so that small
 * inputs reach what stands megabytes apart:
 *
 *     1 byte   which name
 *     2 bytes  size of the file in sectors of 512, little endian, and
 *     1 byte   bytes more
 *     then pieces: 2 bytes sector, 2 bytes length, bytes
 *
 * The checksums of VHD and VHDX are put right, or no input would pass them.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "conf/image.h"

enum { SECTOR = 512, PAGE = 4096, FILE_MAX = 16 << 20, KIB = 1024 };

/* A piece or a block to mend may reach past the end. */
static uint8_t file[FILE_MAX + 65536 + PAGE];
static bool touched[sizeof(file) / PAGE];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t two_bytes(const uint8_t *p)
{
	return (size_t)p[0] | (size_t)p[1] << 8;
}

static uint8_t *touch(size_t at, size_t len)
{
	for (size_t page = at / PAGE; page <= (at + len) / PAGE; page++)
		touched[page] = true;
	return file + at;
}

static void put_pieces(const uint8_t *data, size_t size)
{
	while (size > 4) {
		size_t at = two_bytes(data) * SECTOR % FILE_MAX;
		size_t len = two_bytes(data + 2);

		data += 4;
		size -= 4;
		if (len > size)
			len = size;
		memcpy(touch(at, len), data, len);
		data += len;
		size -= len;
	}
}

/* VHD: the inverted sum of the bytes, big endian. */
static void mend_vhd(uint8_t *block, size_t len, size_t at)
{
	uint32_t sum = 0;

	memset(block + at, 0, 4);
	for (size_t i = 0; i < len; i++)
		sum += block[i];
	for (size_t i = 0; i < 4; i++)
		block[at + i] = (uint8_t)(~sum >> (24 - 8 * i));
}

/* VHDX: CRC-32C, little endian. */
static void mend_vhdx(uint8_t *block, size_t len)
{
	uint32_t crc = UINT32_MAX;

	memset(block + 4, 0, 4);
	for (size_t i = 0; i < len; i++) {
		crc ^= block[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	for (size_t i = 0; i < 4; i++)
		block[4 + i] = (uint8_t)(~crc >> (8 * i));
}

static void mend(size_t size)
{
	if (memcmp(file + SECTOR, "cxsparse", 8) == 0)
		mend_vhd(touch(SECTOR, 1024), 1024, 36);
	if (size >= 1024 && memcmp(&file[size - SECTOR], "conectix", 8) == 0) {
		mend_vhd(touch(size - SECTOR, SECTOR), SECTOR, 64);
		if (memcmp(file, "conectix", 8) == 0)
			memcpy(file, &file[size - SECTOR], SECTOR);
	}
	if (memcmp(file, "vhdxfile", 8) == 0) {
		mend_vhdx(touch(64 * KIB, 4096), 4096);
		mend_vhdx(touch(128 * KIB, 4096), 4096);
		mend_vhdx(touch(192 * KIB, 65536), 65536);
	}
}

/* Make it the content of the descriptor, and forget it here. */
static void write_file(int fd, size_t size)
{
	if (fd < 0 || ftruncate(fd, 0) < 0)
		abort();
	for (size_t page = 0; page < ARRAY_LEN(touched); page++) {
		uint8_t *bytes = file + page * PAGE;

		if (!touched[page])
			continue;
		if (pwrite(fd, bytes, PAGE, (off_t)(page * PAGE)) != PAGE)
			abort();
		memset(bytes, 0, PAGE);
		touched[page] = false;
	}
	if (ftruncate(fd, (off_t)size) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {
		"disk",	  "a.qcow2", "a.qed", "a.vdi", "a.vmdk",
		"a.vhdx", "a.vhd",   "a.iso", "a.img", "a.raw",
	};
	struct image image = { .format = NULL };
	struct err e = ERR_INIT;
	static int fd = -1;
	const char *name;
	size_t len;

	if (size < 4)
		return 0;
	if (fd < 0)
		fd = memfd_create("image", MFD_CLOEXEC);
	len = (two_bytes(data + 1) * SECTOR + data[3]) % FILE_MAX;
	put_pieces(data + 4, size - 4);
	mend(len);
	write_file(fd, len);
	name = names[data[0] % ARRAY_LEN(names)];
	if (image_identify(fd, name, &image, &e) < 0) {
		if (e.code != ERR_CONFIG || !e.msg[0] || image.format)
			abort();
	} else if (!image.format || image.virtual_size <= 0) {
		abort();
	}
	return 0;
}
