/*
 * The guest's TPM 2.0: swtpm(8), a process beside QEMU in a sandbox of its
 * own, which speaks with QEMU over a socket pair and ends when that closes.
 * Its state lives as long as the session.
 */
#ifndef QWD_VM_TPM_H
#define QWD_VM_TPM_H

#include "sys/child.h"

struct tpm {
	const char *bwrap; /* absolute; NULL: without a sandbox */
	const char *swtpm; /* absolute */
	const char *dir;   /* for its state, outside of the sandbox */
	int fd;            /* its end of the socket pair */
};

/* swtpm's vector, with the sandbox around it.  A pure function. */
void tpm_command(const struct tpm *tpm, struct argv *ret);

#endif
