/*
 * What some machines have beside QEMU: UEFI firmware, a TPM, volumes.
 * Private to src/run.  What is missing has ended the session with a sentence
 * for its user; *e is for the log.
 */
#ifndef QWD_RUN_GUEST_PARTS_H
#define QWD_RUN_GUEST_PARTS_H

#include "conf/mounts.h"
#include "run/owner_state.h"
#include "sys/pci_gpu.h"
#include "vm/firmware.h"

/* The firmware, with new variables in vm/vars; ret->code is NULL for a machine
 * without UEFI. */
MUST_CHECK int guest_firmware(struct owner *o, struct firmware *ret,
			      struct err *e);

/* Start swtpm (anew), in a sandbox unless `bwrap` is NULL.  *ret_fd is QEMU's
 * end, to be closed by the caller; -1 for a machine without a TPM. */
MUST_CHECK int guest_tpm(struct owner *o, const char *bwrap, int *ret_fd,
			 struct err *e);

/* The volumes, all of which are there, open; the caller closes those that are
 * open in *ret, also after a failure. */
MUST_CHECK int guest_mounts(struct owner *o, struct mounts *ret,
			    struct err *e);

/* The session's graphics card, its lease taken (once) and the limit of locked
 * memory raised as far as it needs; *ret_has is false without one. */
MUST_CHECK int guest_gpu(struct owner *o, struct gpu *ret, bool *ret_has,
			 struct err *e);

#endif
