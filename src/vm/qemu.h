/*
 * QEMU's command line, built by one pure function.  No value of a visitor or
 * of a file can add an option: names are checked, files have fixed names
 * inside the sandbox or travel as JSON, and every value that could hold a
 * comma is refused or doubled (QEMU's documentation, "-blockdev", "-name").
 * Only the administrator adds options: qemu_exec_options of config.conf and
 * qemu_options of machines.conf.
 */
#ifndef QWD_VM_QEMU_H
#define QWD_VM_QEMU_H

#include "conf/mounts.h"
#include "conf/options.h"
#include "session/session.h"
#include "sys/child.h"
#include "sys/pci_gpu.h"

struct qemu_place {
	const char *program; /* absolute */
	const char *image;   /* paths as QEMU sees them */
	const char *overlay;
	const char *vnc;     /* unix socket to listen on */
	int qmp;	     /* descriptor of the QMP channel */
	int seed;	     /* descriptor of a NoCloud seed (vm/seed.h); 0 */
	int tpm;             /* of the TPM's control channel; used with s->tpm */
	const char *firmware; /* UEFI's code, or NULL */
	const char *vars;     /* and its variables */
	const struct mounts *mounts; /* paths as QEMU sees them, or NULL */
	const struct gpu *gpu;       /* a graphics card for the guest, or NULL */
	const char *gpu_dir; /* has the directories of its functions */
	bool kvm;
	/* vm/network.h: -netdev's argument, or NULL or "" for no card, and
	 * further properties of the card. */
	const char *netdev;
	const char *card;
};

/*
 * Add the whole vector to *ret (its first element is place->program).  A
 * machine's video and QEMU options come from the configuration:
 * qemu_exec_options = auto gives the machine (pc, q35 with UEFI, virt for
 * aarch64), the accelerator and a processor; otherwise its words (split at
 * blanks) stand in their place, but for machines of another architecture.
 * s->qemu_options follows all others.
 */
void qemu_command(const struct config *c, const struct session *s,
		  const struct qemu_place *place, struct argv *ret);

/* The QEMU program for an architecture, "" being this host's, for which the
 * configuration has its say (caller frees). */
MUST_CHECK char *qemu_program(const struct config *c, const char *arch,
			      struct err *e);

/* True if `arch` ("" too) is this host's architecture: KVM is for that. */
bool qemu_is_native(const char *arch);

#endif
