/*
 * Microsoft, Virtual Hard Disk Image Format Specification (2006); virtual
 * size as in QEMU's block/vpc.c.
 */
#include "conf/image_file.h"

#include <string.h>

enum {
	FOOTER_BYTES = 512,
	DYNAMIC_BYTES = 1024,
	VHD_FIXED = 2,
	VHD_DYNAMIC = 3,
	VHD_DIFFERENCING = 4,
	CYLINDERS_MAX = 65535,
	HEADS_MAX = 16,
	SECTORS_MAX = 255,
};

/* Sum of the bytes, those of the checksum itself left out, inverted. */
static bool checksum_is_right(const uint8_t *bytes, size_t len, size_t at)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i++)
		if (i < at || i >= at + 4)
			sum += bytes[i];
	return ~sum == get_be32(bytes + at);
}

static int check_footer(const uint8_t *footer, struct err *e)
{
	uint32_t type = get_be32(footer + 60);

	if (!checksum_is_right(footer, FOOTER_BYTES, 64))
		return err_set(e, ERR_CONFIG,
			       "is damaged: its VHD footer's checksum is "
			       "wrong");
	if (type == VHD_DIFFERENCING)
		return err_set(e, ERR_CONFIG,
			       "is a differencing disk that needs its parent; "
			       "merge both first");
	if (type != VHD_FIXED && type != VHD_DYNAMIC)
		return err_set(e, ERR_CONFIG, "is of unknown VHD type %u",
			       type);
	return 0;
}

/*
 * Virtual PC sees cylinders, heads and sectors; newer programs and disks
 * beyond that geometry count bytes.
 */
static uint64_t virtual_size(const uint8_t *footer)
{
	static const char *const by_bytes[] = { "win ", "qem2", "d2v ",
						"CTXS" };
	uint64_t cylinders = get_be16(footer + 56);
	uint64_t chs = cylinders * footer[58] * footer[59];

	for (size_t i = 0; i < ARRAY_LEN(by_bytes); i++)
		if (memcmp(footer + 28, by_bytes[i], 4) == 0)
			return get_be64(footer + 48);
	if (memcmp(footer + 28, "tap", 4) == 0 ||
	    chs == (uint64_t)CYLINDERS_MAX * HEADS_MAX * SECTORS_MAX)
		return get_be64(footer + 48);
	return chs * 512;
}

static int check_block(const struct image_file *f, void *arg,
		       const uint8_t *bytes, struct err *e)
{
	uint32_t sector = get_be32(bytes);

	(void)arg;
	if (sector != UINT32_MAX && (uint64_t)sector * 512 >= f->size)
		return image_truncated(f, "some of its data", e);
	return 0;
}

static int check_dynamic(const struct image_file *f, uint64_t offset,
			 uint64_t size, struct err *e)
{
	uint8_t header[DYNAMIC_BYTES];
	uint64_t table, entries, block;

	if (image_read(f, offset, header, sizeof(header), e) < 0)
		return -1;
	if (memcmp(header, "cxsparse", 8) != 0 ||
	    !checksum_is_right(header, sizeof(header), 36))
		return err_set(e, ERR_CONFIG,
			       "is damaged: its dynamic header is wrong");
	table = get_be64(header + 16);
	entries = get_be32(header + 28);
	block = get_be32(header + 32);
	if (!is_power_of_2(block) || block < 512)
		return err_set(e, ERR_CONFIG,
			       "has an impossible block size (%llu)",
			       (unsigned long long)block);
	if (entries * block < size)
		return err_set(e, ERR_CONFIG,
			       "is damaged: its block table is too small");
	if (!image_has(f, table, entries * 4))
		return image_truncated(f, "its block table", e);
	return image_walk(f, table, entries, 4, check_block, NULL, e);
}

int image_read_vpc(const struct image_file *f, long long *ret_size,
		   struct err *e)
{
	uint8_t footer[FOOTER_BYTES];
	long long size;

	if (f->size < FOOTER_BYTES)
		return image_truncated(f, "its footer", e);
	if (image_read(f, f->size - FOOTER_BYTES, footer, FOOTER_BYTES, e) < 0)
		return -1;
	if (memcmp(footer, "conectix", 8) != 0)
		return image_truncated(f, "its footer", e);
	if (check_footer(footer, e) < 0 ||
	    image_size(virtual_size(footer), &size, e) < 0)
		return -1;
	if (get_be32(footer + 60) == VHD_FIXED) {
		if ((uint64_t)size > f->size - FOOTER_BYTES)
			return image_truncated(f, "the disk's end", e);
	} else {
		uint8_t head[FOOTER_BYTES];

		/* QEMU reads the copy at the file's begin. */
		if (image_read(f, 0, head, FOOTER_BYTES, e) < 0)
			return -1;
		if (memcmp(head, footer, FOOTER_BYTES) != 0)
			return err_set(e, ERR_CONFIG,
				       "is damaged: the VHD footer and its "
				       "copy differ");
		if (check_dynamic(f, get_be64(footer + 16), (uint64_t)size, e) <
		    0)
			return -1;
	}
	*ret_size = size;
	return 0;
}
