/*
 * The files by which a host keeps graphics cards from its own drivers and
 * hands them to the service.  Each is a file of our own in a directory that
 * the host's programs read, but for initramfs-tools' list of modules, where
 * our lines stand between two marks.
 */
#ifndef QWD_CTL_GPU_HOST_H
#define QWD_CTL_GPU_HOST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

struct gpu_host {
	const char *root; /* "" for the host's own /, or a copy's directory */
	const char *ids;  /* "10de:1d01,10de:0fb8"; NULL: undo */
	const char *user; /* who runs the service */
	bool intel;	  /* the processor, for the name of the IOMMU */
	bool quiet; /* show nothing */
	bool dry_run;
};

/* A change of one file. */
struct gpu_change {
	const char *path; /* below the root */
	struct buf old;   /* as it is; empty and `exists` false if not there */
	struct buf new;   /* as it shall be; empty: no file */
	bool exists;
};

/* "10de:1d01,10de:0fb8": lower-case hexadecimal. */
bool gpu_ids_ok(const char *ids);

/*
 * Show each change on standard output, unless quiet, and, unless dry_run, make
 * it; what was
 * there is kept beside it as PATH.qwd-backup.  *ret_changes is how many there
 * are; a host that is as it should be has none.
 */
MUST_CHECK int gpu_host_apply(const struct gpu_host *h, size_t *ret_changes,
			      struct err *e);

#endif
