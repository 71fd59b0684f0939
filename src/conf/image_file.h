/*
 * Bounded reading of an untrusted image file, and the readers of each format.
 * For image*.c only; others include conf/image.h.
 */
#ifndef QWD_CONF_IMAGE_FILE_H
#define QWD_CONF_IMAGE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* 64 TiB: more is a damaged or hostile header. */
#define IMAGE_SIZE_MAX (UINT64_C(64) << 40)

/*
 * Tables are walked to see whether the file is as long as they say, up to
 * this many bytes of them: enough for a terabyte, and quick.
 */
#define IMAGE_WALK_MAX (UINT64_C(256) << 20)

struct image_file {
	int fd;
	uint64_t size; /* bytes */
};

/* True if the file holds `len` bytes at `offset`, without overflow. */
bool image_has(const struct image_file *f, uint64_t offset, uint64_t len);

/*
 * Read exactly `len` bytes at `offset`.  ERR_CONFIG "is truncated ..." if the
 * file does not hold them, ERR_SYSTEM if it cannot be read.
 */
MUST_CHECK int image_read(const struct image_file *f, uint64_t offset,
			  void *bytes, size_t len, struct err *e);

/* ERR_CONFIG unless `bytes` is a sensible virtual size; else it is in *ret. */
MUST_CHECK int image_size(uint64_t bytes, long long *ret, struct err *e);

/* ERR_CONFIG: the file ends before `what` ("its L1 table").  Returns -1. */
int image_truncated(const struct image_file *f, const char *what,
		    struct err *e);

/*
 * Read `count` entries of `width` bytes (4, 8 or 16) at `offset`, not more than
 * IMAGE_WALK_MAX bytes of them, and call `check` with each; what it returns
 * other than 0 ends the walk and is the result.
 */
typedef int image_entry_check(const struct image_file *f, void *arg,
			      const uint8_t *entry, struct err *e);
MUST_CHECK int image_walk(const struct image_file *f, uint64_t offset,
			  uint64_t count, size_t width,
			  image_entry_check *check, void *arg, struct err *e);

/*
 * One reader for each format: 0 and the virtual size in bytes, or ERR_CONFIG
 * with the reason why the image is refused.  The signature has been seen.
 */
typedef int image_reader(const struct image_file *f, long long *ret_size,
			 struct err *e);
image_reader image_read_qcow2;
image_reader image_read_qed;
image_reader image_read_vdi;
image_reader image_read_vmdk;
image_reader image_read_vhdx;
image_reader image_read_vpc;
image_reader image_read_iso;

static inline uint16_t get_le16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t get_le32(const uint8_t *p)
{
	return get_le16(p) | (uint32_t)get_le16(p + 2) << 16;
}

static inline uint64_t get_le64(const uint8_t *p)
{
	return get_le32(p) | (uint64_t)get_le32(p + 4) << 32;
}

static inline uint16_t get_be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t get_be32(const uint8_t *p)
{
	return (uint32_t)get_be16(p) << 16 | get_be16(p + 2);
}

static inline uint64_t get_be64(const uint8_t *p)
{
	return (uint64_t)get_be32(p) << 32 | get_be32(p + 4);
}

/* True if `n` is a power of two. */
static inline bool is_power_of_2(uint64_t n)
{
	return n && !(n & (n - 1));
}

#endif
