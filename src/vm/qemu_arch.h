/*
 * What differs between the architectures of guests; for vm/qemu.c.
 */
#ifndef QWD_VM_QEMU_ARCH_H
#define QWD_VM_QEMU_ARCH_H

#include "session/session.h"

struct qemu_arch {
	const char *name;
	const char *machine; /* QEMU's; where it starts by a BIOS, if it can */
	const char *uefi;    /* where it starts by UEFI */
	const char *secure;  /* with secure boot */
	const char *cpu;     /* the processor without KVM */
	const char *cd[3];   /* devices that make the node "image" a CD drive */
	const char *tpm;     /* device for the node "tpm" */
	bool vga;            /* has the PC's kinds of video */
};

/* The one called `name`; x86_64's for what is not known. */
const struct qemu_arch *qemu_arch(const char *name);

/* The machine for a session. */
const char *qemu_arch_machine(const struct qemu_arch *arch,
			      const struct session *s);

/* The video device for a value of qemu_video. */
const char *qemu_arch_video(const struct qemu_arch *arch, const char *video);

#endif
