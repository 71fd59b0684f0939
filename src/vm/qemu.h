/*
 * QEMU's command line, built by one pure function.  No value of a visitor or
 * of a file can add an option: names are checked, files have fixed names
 * inside the sandbox or travel as JSON, and every value that could hold a
 * comma is refused or doubled (QEMU's documentation, "-blockdev", "-name").
 */
#ifndef QWD_VM_QEMU_H
#define QWD_VM_QEMU_H

#include "conf/options.h"
#include "session/session.h"
#include "sys/child.h"

struct qemu_place {
	const char *program; /* absolute */
	const char *image;   /* paths as QEMU sees them */
	const char *overlay;
	const char *vnc;     /* unix socket to listen on */
	int qmp;	     /* descriptor of the QMP channel */
	bool kvm;
	/* vm/network.h: -netdev's argument, or NULL or "" for no card, and
	 * further properties of the card. */
	const char *netdev;
	const char *card;
};

/*
 * Add the whole vector to *ret (its first element is place->program).  A
 * machine's video and QEMU options come from the configuration:
 * qemu_exec_options = auto gives the pc machine, the accelerator and a
 * processor; otherwise its words (split at blanks) stand in their place.
 */
void qemu_command(const struct config *c, const struct session *s,
		  const struct qemu_place *place, struct argv *ret);

/* The QEMU program of the configuration for this host (caller frees). */
MUST_CHECK char *qemu_program(const struct config *c, struct err *e);

#endif
