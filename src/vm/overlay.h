/*
 * The overlay: a qcow2 file in dir_snapshots that takes what a session
 * writes, on top of the machine's image, which stays as it is.
 */
#ifndef QWD_VM_OVERLAY_H
#define QWD_VM_OVERLAY_H

#include "session/store.h"
#include "sys/child.h"

/*
 * Make the empty file NAME.qcow2, which must not exist yet, mode 0600, and
 * hold it (sys/file.h).  Returns the descriptor, to be kept open as long as the
 * session lives: it tells every purge that the overlay is in use.
 */
MUST_CHECK int overlay_reserve(const struct store *st, const struct session *s,
			       struct err *e);

/*
 * Hold the session's image, shared with all overlays of it, or
 * alone if s->master: whoever writes to an image, of whichever service, has
 * no other session on it.  Returns the descriptor, to be kept open as long as
 * the session lives; ERR_CONFLICT if the image is in use.
 */
MUST_CHECK int overlay_lock_image(const struct session *s, const char *image,
				  struct err *e);

/*
 * The qemu-img command that turns the reserved file into an overlay of the
 * session's image, with the backing format said, never guessed; or, beside an
 * ISO, into an empty disk of disk_mb.  It opens no image.  A pure function.
 */
void overlay_command(const char *qemu_img, const struct session *s,
		     const char *image, const char *overlay, struct argv *ret);

/* Remove the session's overlay, if there is one. */
MUST_CHECK int overlay_remove(const struct store *st, const struct session *s,
			      struct err *e);

/* Largest size in bytes that the overlay may reach: what the guest can write
 * and qcow2's own tables. */
unsigned long long overlay_max_bytes(const struct session *s);

#endif
