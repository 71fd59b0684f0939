/*
 * A NoCloud seed: the disk from which cloud-init in a guest learns what to do
 * (cloud-init's documentation, "NoCloud": a file system labelled CIDATA with
 * the files meta-data and user-data).  Pure functions: nothing is written
 * anywhere but into a buffer.
 */
#ifndef QWD_VM_SEED_H
#define QWD_VM_SEED_H

#include "base/buf.h"
#include "base/err.h"

enum {
	SEED_FILES_MAX = 8,
	SEED_NAME_MAX = 13,		 /* one long-name entry's characters */
	SEED_BYTES_MAX = 7 * 1024 * 1024, /* of all files */
};

struct seed_file {
	const char *name; /* ASCII, at most SEED_NAME_MAX bytes */
	const char *bytes;
	size_t len;
};

/*
 * A FAT12 file system labelled `label` (at most 11 upper-case letters) with
 * these files in its root.  ERR_INPUT if they do not fit.
 */
MUST_CHECK int seed_image(const char *label, const struct seed_file *files,
			  size_t count, struct buf *out, struct err *e);

/* Where scripts are put in the guest. */
#define SEED_SCRIPT_DIR "/var/lib/qemu-web-desktop"

/*
 * user-data: "#cloud-config" that writes each program to a file of
 * SEED_SCRIPT_DIR, mode 0700, and then runs them in order.
 */
void seed_user_data(const struct buf *programs, size_t count, struct buf *out);

/* meta-data for a session, whose name is instance and host name. */
void seed_meta_data(const char *session, struct buf *out);

#endif
