/*
 * What an image file is, found out from its content by a reader of our own:
 * qemu-img follows what a hostile image names (a backing file, a data file,
 * an extent), and nothing here opens any other file than the one given.
 *
 * Known formats, by QEMU's driver names: qcow2 (versions 2 and 3), qed, vdi,
 * vmdk (monolithicSparse and streamOptimized), vhdx, vpc (VHD, fixed and
 * dynamic) and raw; an ISO 9660 image is raw with `iso`.
 *
 * An image is refused if it needs another file (backing file, parent, data
 * file, further extents), is encrypted, asks for a feature that is not known
 * here, was not closed or is marked corrupt, is shorter than what it describes,
 * has a virtual size of 0 or of more than 64 TiB, or if its name says another
 * format than its content.  Raw has no header, so its name must say so: .raw,
 * .img, .bin or .dd.  The same bytes can be a CD and a disk (isohybrid): named
 * .iso they are a CD.  An .img may also hold qcow2, as cloud images do.
 */
#ifndef QWD_CONF_IMAGE_H
#define QWD_CONF_IMAGE_H

#include <stdbool.h>

#include "base/err.h"

struct image {
	const char *format;     /* QEMU's driver, a constant */
	bool iso;               /* a CD image */
	long long virtual_size; /* bytes that the guest sees */
};

/*
 * Identify the open regular file `fd`, whose name is `name` (no directory;
 * only its extension counts).  The file's offset is not used.  ERR_CONFIG if
 * the image is refused: the message is the end of a sentence that begins with
 * the image's name ("names a backing file; ...").  ERR_SYSTEM if it cannot be
 * read.  *ret is untouched on failure.
 */
MUST_CHECK int image_identify(int fd, const char *name, struct image *ret,
			      struct err *e);

/*
 * Open `name` in directory `dirfd` for image_identify(), symbolic links
 * followed, never waiting.  Returns the descriptor; -1 with ERR_NOT_FOUND,
 * ERR_CONFIG if it is no regular file, or ERR_SYSTEM.
 */
MUST_CHECK int image_open(int dirfd, const char *name, struct err *e);

#endif
