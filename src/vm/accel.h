/*
 * The accelerator.  A /dev/kvm that opens proves nothing: on some hosts it is
 * there without hardware behind it, and QEMU aborts or the guest hangs.  So
 * KVM is believed only if the host shows hardware virtualisation as well;
 * and if QEMU dies with it in its first seconds all the same, that is
 * remembered for this boot, in the store's file `kvm-broken`.
 */
#ifndef QWD_VM_ACCEL_H
#define QWD_VM_ACCEL_H

#include "session/store.h"

/* Should a session try KVM?  As `accel` says; auto: as above. */
bool accel_use_kvm(const struct config *c, const struct store *st);

/* Why KVM is not used here, a sentence; NULL if it would be. */
const char *accel_why_not_kvm(void);

/* Remember that KVM does not work on this host, until it boots again. */
void accel_remember_broken(const struct store *st);

#endif
