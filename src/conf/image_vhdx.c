/* [MS-VHDX]: Virtual Hard Disk v2 (VHDX) File Format. */
#include "conf/image_file.h"

#include <string.h>

enum {
	HEADER_BYTES = 4096,
	REGIONS_BYTES = 65536,
	REGIONS_AT = 192 * 1024,
	METADATA_BYTES = 65536,
	ENTRY_BYTES = 32,
	ENTRIES_MAX = 2047,
	PAYLOAD_FULLY_PRESENT = 6,
};

static const uint64_t header_at[] = { 64 * 1024, 128 * 1024 };

/* GUIDs as they stand in the file. */
static const uint8_t guid_bat[16] = { 0x66, 0x77, 0xc2, 0x2d, 0x23, 0xf6,
				      0x00, 0x42, 0x9d, 0x64, 0x11, 0x5e,
				      0x9b, 0xfd, 0x4a, 0x08 };
static const uint8_t guid_metadata[16] = { 0x06, 0xa2, 0x7c, 0x8b, 0x90, 0x47,
					   0x9a, 0x4b, 0xb8, 0xfe, 0x57, 0x5f,
					   0x05, 0x0f, 0x88, 0x6e };
static const uint8_t guid_parameters[16] = { 0x37, 0x67, 0xa1, 0xca, 0x36, 0xfa,
					     0x43, 0x4d, 0xb3, 0xb6, 0x33, 0xf0,
					     0xaa, 0x44, 0xe7, 0x6b };
static const uint8_t guid_disk_size[16] = { 0x24, 0x42, 0xa5, 0x2f, 0x1b, 0xcd,
					    0x76, 0x48, 0xb2, 0x11, 0x5d, 0xbe,
					    0xd8, 0x3b, 0xf4, 0xb8 };
static const uint8_t guid_parent[16] = { 0x2d, 0x5f, 0xd3, 0xa8, 0x0b, 0xb3,
					 0x4d, 0x45, 0xab, 0xf7, 0xd3, 0xd8,
					 0x48, 0x34, 0xab, 0x0c };

struct region {
	uint64_t offset;
	uint32_t len;
};

/* CRC-32C (Castagnoli) with the four bytes at `at` taken as zeros. */
static uint32_t crc32c(const uint8_t *bytes, size_t len, size_t at)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < len; i++) {
		crc ^= i >= at && i < at + 4 ? 0 : bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (0x82f63b78u & (0u - (crc & 1)));
	}
	return ~crc;
}

/* The newer of the two headers must say that there is no log to replay. */
static int check_headers(const struct image_file *f, struct err *e)
{
	static const uint8_t no_log[16];
	uint8_t best[HEADER_BYTES];
	bool found = false;

	for (size_t i = 0; i < ARRAY_LEN(header_at); i++) {
		uint8_t header[HEADER_BYTES];

		if (image_read(f, header_at[i], header, sizeof(header), e) < 0)
			return -1;
		if (memcmp(header, "head", 4) != 0 ||
		    crc32c(header, sizeof(header), 4) != get_le32(header + 4))
			continue;
		if (!found || get_le64(header + 8) > get_le64(best + 8))
			memcpy(best, header, sizeof(best));
		found = true;
	}
	if (!found || get_le16(best + 66) != 1)
		return err_set(e, ERR_CONFIG,
			       "is damaged: no VHDX header is valid");
	if (memcmp(best + 48, no_log, sizeof(no_log)) != 0)
		return err_set(e, ERR_CONFIG,
			       "was not closed: its log must be replayed; see "
			       "qemu-img check -r all");
	return 0;
}

static bool is_guid(const uint8_t *bytes, const uint8_t guid[16])
{
	return memcmp(bytes, guid, 16) == 0;
}

static int check_regions(const uint8_t *table, struct region *bat,
			 struct region *metadata, struct err *e)
{
	uint32_t count = get_le32(table + 8);

	if (memcmp(table, "regi", 4) != 0 || count > ENTRIES_MAX ||
	    crc32c(table, REGIONS_BYTES, 4) != get_le32(table + 4))
		return err_set(e, ERR_CONFIG,
			       "is damaged: its region table is wrong");
	for (uint32_t i = 0; i < count; i++) {
		const uint8_t *entry = table + 16 + (size_t)i * ENTRY_BYTES;
		struct region *region = NULL;

		if (is_guid(entry, guid_bat))
			region = bat;
		else if (is_guid(entry, guid_metadata))
			region = metadata;
		else if (get_le32(entry + 28) & 1)
			return err_set(e, ERR_CONFIG,
				       "needs an unknown VHDX region");
		if (!region)
			continue;
		if (region->len)
			return err_set(e, ERR_CONFIG,
				       "is damaged: it has a region twice");
		region->offset = get_le64(entry + 16);
		region->len = get_le32(entry + 24);
	}
	if (!bat->len || metadata->len < METADATA_BYTES)
		return err_set(e, ERR_CONFIG,
			       "is damaged: a VHDX region is missing");
	return 0;
}

static int read_regions(const struct image_file *f, struct region *bat,
			struct region *metadata, struct err *e)
{
	AUTO_FREE uint8_t *table = malloc(REGIONS_BYTES);

	if (!table)
		return err_set(e, ERR_SYSTEM, "no memory");
	if (image_read(f, REGIONS_AT, table, REGIONS_BYTES, e) < 0)
		return -1;
	return check_regions(table, bat, metadata, e);
}

static int has_parent(struct err *e)
{
	return err_set(e, ERR_CONFIG,
		       "is a differencing disk that needs its parent; merge "
		       "both first");
}

/* One metadata item; *size becomes known by the disk size's. */
static int check_item(const struct image_file *f, const struct region *metadata,
		      const uint8_t *entry, uint64_t *size, bool *parameters,
		      struct err *e)
{
	uint64_t offset = metadata->offset + get_le32(entry + 16);
	uint8_t value[8];

	if (is_guid(entry, guid_parent))
		return has_parent(e);
	if (!is_guid(entry, guid_parameters) && !is_guid(entry, guid_disk_size))
		return 0;
	if (image_read(f, offset, value, sizeof(value), e) < 0)
		return -1;
	if (is_guid(entry, guid_disk_size)) {
		if (*size)
			return err_set(e, ERR_CONFIG,
				       "is damaged: it has two sizes");
		*size = get_le64(value);
		return 0;
	}
	if (get_le32(value + 4) & 2)
		return has_parent(e);
	*parameters = true;
	return 0;
}

static int read_metadata(const struct image_file *f,
			 const struct region *metadata, uint64_t *size,
			 struct err *e)
{
	AUTO_FREE uint8_t *table = malloc(METADATA_BYTES);
	bool parameters = false;
	uint16_t count;

	if (!table)
		return err_set(e, ERR_SYSTEM, "no memory");
	if (image_read(f, metadata->offset, table, METADATA_BYTES, e) < 0)
		return -1;
	count = get_le16(table + 10);
	if (memcmp(table, "metadata", 8) != 0 || count > ENTRIES_MAX)
		return err_set(e, ERR_CONFIG,
			       "is damaged: its metadata table is wrong");
	for (uint16_t i = 0; i < count; i++)
		if (check_item(f, metadata,
			       table + ENTRY_BYTES * ((size_t)i + 1), size,
			       &parameters, e) < 0)
			return -1;
	if (!parameters)
		return err_set(e, ERR_CONFIG,
			       "is damaged: its file parameters are missing");
	return 0;
}

/* Without a parent every entry is a block's; the offset counts MiB. */
static int check_block(const struct image_file *f, void *arg,
		       const uint8_t *bytes, struct err *e)
{
	uint64_t entry = get_le64(bytes);

	(void)arg;
	if ((entry & 7) == PAYLOAD_FULLY_PRESENT &&
	    (entry >> 20) >= (f->size >> 20) + 1)
		return image_truncated(f, "some of its data", e);
	return 0;
}

int image_read_vhdx(const struct image_file *f, long long *ret_size,
		    struct err *e)
{
	struct region bat = { .len = 0 };
	struct region metadata = { .len = 0 };
	uint64_t bytes = 0;
	long long size;

	if (check_headers(f, e) < 0 ||
	    read_regions(f, &bat, &metadata, e) < 0 ||
	    read_metadata(f, &metadata, &bytes, e) < 0 ||
	    image_size(bytes, &size, e) < 0)
		return -1;
	if (!image_has(f, bat.offset, bat.len))
		return image_truncated(f, "its block table", e);
	if (image_walk(f, bat.offset, bat.len / 8, 8, check_block, NULL, e) < 0)
		return -1;
	*ret_size = size;
	return 0;
}
