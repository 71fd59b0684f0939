/*
 * The service's program, which qwdctl runs where a session is to be started.
 */
#ifndef QWD_CTL_PROGRAM_H
#define QWD_CTL_PROGRAM_H

#include "base/err.h"

/*
 * The path of qemu-web-desktop (caller frees): beside this program, as both
 * are installed; in ../cgi-bin, as in the source tree; or where programs are.
 * NULL with ERR_CONFIG if it is nowhere.
 */
MUST_CHECK char *program_find(struct err *e);

#endif
