#include "conf/image_file.h"

#include <errno.h>
#include <sys/types.h>

bool image_has(const struct image_file *f, uint64_t offset, uint64_t len)
{
	return offset <= f->size && len <= f->size - offset;
}

int image_read(const struct image_file *f, uint64_t offset, void *bytes,
	       size_t len, struct err *e)
{
	uint64_t end = offset > UINT64_MAX - len ? UINT64_MAX : offset + len;
	char *p = bytes;

	if (end > f->size)
		return err_set(e, ERR_CONFIG,
			       "is truncated: it has %llu bytes and should "
			       "have at least %llu",
			       (unsigned long long)f->size,
			       (unsigned long long)end);
	while (len) {
		ssize_t got = pread(f->fd, p, len, (off_t)offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_sys(e, "cannot be read");
		if (got == 0)
			return err_set(e, ERR_CONFIG,
				       "changes while it is read");
		p += got;
		len -= (size_t)got;
		offset += (uint64_t)got;
	}
	return 0;
}

int image_size(uint64_t bytes, long long *ret, struct err *e)
{
	if (bytes == 0)
		return err_set(e, ERR_CONFIG, "is a disk of no size");
	if (bytes > IMAGE_SIZE_MAX)
		return err_set(e, ERR_CONFIG,
			       "says it is a disk of more than 64 TiB");
	*ret = (long long)bytes;
	return 0;
}

int image_truncated(const struct image_file *f, const char *what, struct err *e)
{
	return err_set(e, ERR_CONFIG,
		       "is truncated: its %llu bytes end before %s",
		       (unsigned long long)f->size, what);
}

int image_walk(const struct image_file *f, uint64_t offset, uint64_t count,
	       size_t width, image_entry_check *check, void *arg, struct err *e)
{
	uint8_t piece[4096];

	if (count > IMAGE_WALK_MAX / width)
		count = IMAGE_WALK_MAX / width;
	while (count) {
		size_t many = sizeof(piece) / width;

		if (many > count)
			many = (size_t)count;
		if (image_read(f, offset, piece, many * width, e) < 0)
			return -1;
		for (size_t i = 0; i < many; i++) {
			int result = check(f, arg, piece + i * width, e);

			if (result != 0)
				return result;
		}
		offset += many * width;
		count -= many;
	}
	return 0;
}
