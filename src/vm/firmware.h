/*
 * UEFI firmware for guests: OVMF for x86_64 and AAVMF for aarch64, from the
 * Debian packages ovmf and qemu-efi-aarch64.  The code is shared; each session
 * has a file of its own for the variables.
 */
#ifndef QWD_VM_FIRMWARE_H
#define QWD_VM_FIRMWARE_H

#include "session/session.h"

struct firmware {
	const char *code; /* below /usr, so that it is in the sandbox */
	const char *vars; /* the variables as they are at first */
};

/* The architecture of the session's machine: its own, or this host's. */
const char *firmware_arch(const struct session *s);

/* True if the machine starts by UEFI: it is said, or it is an aarch64. */
bool firmware_is_uefi(const struct session *s);

/* The files for a machine that starts by UEFI.  ERR_CONFIG, with the package
 * to install, if they are not here. */
MUST_CHECK int firmware_find(const struct session *s, struct firmware *ret,
			     struct err *e);

/* Make `name` in `dirfd` from the file `vars`, mode 0600, with holes where
 * that has zeros; what was there is replaced. */
MUST_CHECK int firmware_copy_vars(const char *vars, int dirfd,
				  const char *name, struct err *e);

#endif
