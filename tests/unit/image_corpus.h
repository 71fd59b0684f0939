/*
 * Images for tests, made on the spot by qemu-img in the scratch directory, and
 * ways to damage copies of them.
 *
 *     return cmocka_run_group_tests(tests, corpus_make, scratch_remove);
 */
#ifndef QWD_TESTS_UNIT_IMAGE_CORPUS_H
#define QWD_TESTS_UNIT_IMAGE_CORPUS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "conf/image.h"

/* Virtual size of each image but the ISOs, and the size of those. */
enum { DISK_BYTES = 6 << 20, ISO_BYTES = 1 << 20 };

/* The good images. */
struct made {
	const char *name;
	const char *driver;
	const char *options; /* qemu-img's -o, or NULL */
};

enum { CORPUS_COUNT = 21 };
extern const struct made corpus[CORPUS_COUNT];

/* The scratch directory with source.raw, the corpus, cd.iso and
 * isohybrid.img. */
int corpus_make(void **state);

/* The least that is an ISO 9660 volume: it says that it has 256 *
 * `blocks_256` blocks, and the file is `len` bytes long, at most ISO_BYTES. */
void corpus_iso(const char *name, uint8_t blocks_256, size_t len);

/* Run qemu-img in the scratch directory; failing fails the test. */
void corpus_qemu_img(struct buf *output, const char *const *arguments);

/* image_open() and image_identify(). */
int corpus_identify(const char *name, struct image *image, struct err *e);

/* The image is refused, with this part in the message. */
void corpus_check_refused(const char *name, const char *message);

void corpus_copy(const char *from, const char *to);

/* Overwrite bytes; `offset` counts from the end if it is negative. */
void corpus_patch(const char *name, off_t offset, const void *bytes,
		  size_t len);

/* Give the file this size, or that much less if it is negative. */
void corpus_resize(const char *name, off_t size);

/* A copy of `base` called `name`, patched and resized, and why it is refused. */
struct hostile {
	const char *base;
	const char *name;
	off_t offset;
	const char *bytes;
	size_t len;
	off_t size; /* 0: as it was */
	const char *message; /* a part of it */
};

void corpus_check_hostile(const struct hostile *table, size_t count);

#endif
