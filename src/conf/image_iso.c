/* ECMA-119 (ISO 9660), 8.4: the primary volume descriptor, in sector 16. */
#include "conf/image_file.h"

#include <string.h>

enum {
	DESCRIPTOR_AT = 32768,
	DESCRIPTOR_BYTES = 2048,
	/* Some programs leave out the padding at a CD's end. */
	PADDING_BYTES = 1 << 20,
};

int image_read_iso(const struct image_file *f, long long *ret_size,
		   struct err *e)
{
	uint8_t volume[DESCRIPTOR_BYTES];
	uint64_t blocks;

	if (image_read(f, DESCRIPTOR_AT, volume, sizeof(volume), e) < 0)
		return -1;
	blocks = get_le32(volume + 80);
	if (volume[0] != 1 || blocks != get_be32(volume + 84))
		return err_set(e, ERR_CONFIG,
			       "is damaged: its ISO 9660 volume descriptor is "
			       "wrong");
	if (blocks * get_le16(volume + 128) > f->size + PADDING_BYTES)
		return image_truncated(f, "the CD's end", e);
	return image_size(f->size, ret_size, e);
}
