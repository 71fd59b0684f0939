/* VirtualBox, src/VBox/Storage/VDICore.h; QEMU, block/vdi.c. */
#include "conf/image_file.h"

#include <string.h>

enum {
	HEADER_BYTES = 512,
	VDI_DYNAMIC = 1,
	VDI_STATIC = 2,
	VDI_DIFFERENCING = 4,
	VDI_BLOCK = 1 << 20,
};

/* `arg` is the offset of block 0. */
static int check_block(const struct image_file *f, void *arg,
		       const uint8_t *bytes, struct err *e)
{
	const uint64_t *data = arg;
	uint32_t block = get_le32(bytes);

	/* The two highest numbers mean zeros and nothing. */
	if (block < 0xfffffffeu &&
	    *data + (uint64_t)block * VDI_BLOCK >= f->size)
		return image_truncated(f, "some of its data", e);
	return 0;
}

static bool has_uuid(const uint8_t *uuid)
{
	static const uint8_t none[16];

	return memcmp(uuid, none, sizeof(none)) != 0;
}

static int check_header(const uint8_t *header, struct err *e)
{
	uint32_t type = get_le32(header + 76);

	if (get_le32(header + 68) != 0x00010001)
		return err_set(e, ERR_CONFIG,
			       "is VDI version %u.%u, only 1.1 "
			       "is known",
			       get_le16(header + 70), get_le16(header + 68));
	if (type == VDI_DIFFERENCING || has_uuid(header + 424) ||
	    has_uuid(header + 440))
		return err_set(e, ERR_CONFIG,
			       "is a differencing disk that needs its parent; "
			       "merge both with VBoxManage clonemedium");
	if (type != VDI_DYNAMIC && type != VDI_STATIC)
		return err_set(e, ERR_CONFIG, "is of unknown VDI type %u",
			       type);
	if (get_le32(header + 360) != 512 ||
	    get_le32(header + 376) != VDI_BLOCK)
		return err_set(e, ERR_CONFIG,
			       "has another sector or block size than 512 "
			       "bytes and 1 MiB");
	return 0;
}

int image_read_vdi(const struct image_file *f, long long *ret_size,
		   struct err *e)
{
	uint8_t header[HEADER_BYTES];
	uint64_t map, blocks, data;
	long long size;

	if (image_read(f, 0, header, sizeof(header), e) < 0 ||
	    check_header(header, e) < 0 ||
	    image_size(get_le64(header + 368), &size, e) < 0)
		return -1;
	map = get_le32(header + 340);
	data = get_le32(header + 344);
	blocks = get_le32(header + 384);
	if ((uint64_t)size > blocks * VDI_BLOCK)
		return err_set(e, ERR_CONFIG,
			       "is damaged: its block map is too small");
	if (!image_has(f, map, blocks * 4))
		return image_truncated(f, "its block map", e);
	if (image_walk(f, map, blocks, 4, check_block, &data, e) < 0)
		return -1;
	*ret_size = size;
	return 0;
}
