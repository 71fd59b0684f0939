/*
 * Images that come packed: compressed (.gz .xz .zst .bz2), or a disk within an
 * appliance (.ova, a tar file with a VMDK in it).
 *
 * What is unpacked is a stranger's: the work is done by a process of its own
 * in an empty sandbox (bubblewrap), which has two descriptors and nothing
 * else: this program again as `qwdctl unpack-worker' with libarchive, and
 * qemu-img for a disk that has to be converted.
 */
#ifndef QWD_CTL_UNPACK_H
#define QWD_CTL_UNPACK_H

#include <signal.h>

#include "base/err.h"
#include "ctl/command.h"

enum packing {
	PACKED_NOT,
	PACKED_STREAM, /* one compressed file */
	PACKED_OVA,    /* a tar file; its first VMDK is the disk */
};

/* How the file at `url` is packed that is to become the image `name`: by the
 * ending of the url's path, unless the image is to have the same one. */
enum packing unpack_kind(const char *url, const char *name);

/*
 * Unpack the file `from` into the empty file `to`, at most `max` bytes.
 * ERR_TOO_LARGE if there is more, ERR_CONFIG if it is not what it should be
 * (the end of a sentence that begins with the image's name), ERR_CONFLICT if
 * *stop became true, ERR_SYSTEM if the sandbox cannot be had.
 */
MUST_CHECK int unpack_file(enum packing packing, int from, int to,
			   long long max, const volatile sig_atomic_t *stop,
			   struct err *e);

/* Convert the VMDK `from`, whose header was looked at (conf/image.h), into
 * the empty file `to` as qcow2.  Errors as of unpack_file(). */
MUST_CHECK int unpack_convert(int from, int to, long long max,
			      const volatile sig_atomic_t *stop,
			      struct err *e);

/* An image as QEMU's block layer is to open it: nothing else is opened. */
struct unpack_disk {
	int overlay;        /* qcow2 */
	int image;          /* what it is on, or -1 */
	const char *format; /* QEMU's driver of that */
	int held;           /* a socket that is closed at its other end as soon
			       as the disk may change, or -1 */
};

/* Flatten a disk that may be in use, but does not change, into the empty file
 * `to` as qcow2.  Errors as of unpack_file(), and ERR_CONFLICT if the disk was
 * let go meanwhile. */
MUST_CHECK int unpack_flatten(const struct unpack_disk *disk, int to,
			      long long max, const volatile sig_atomic_t *stop,
			      struct err *e);

/* The command `unpack-worker KIND MAX`, for unpack_file() only: standard input
 * to standard output. */
command_run ctl_unpack_worker;

#endif
