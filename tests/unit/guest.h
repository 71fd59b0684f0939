/*
 * A guest with a disk image, for tests of the commands that are made of one.
 */
#ifndef QWD_TESTS_UNIT_GUEST_H
#define QWD_TESTS_UNIT_GUEST_H

#include "session/session.h"
#include "vm/qemu.h"

/* Two cores, 768 MB, qcow2. */
struct session guest_session(void);

struct qemu_place guest_place(void);

/* The same with firmware, and variables for it. */
struct qemu_place guest_uefi_place(void);

#endif
