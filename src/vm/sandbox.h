/*
 * The sandbox around QEMU: user, pid, ipc, mount and network namespaces of
 * its own, made by bubblewrap, which needs no privilege.  Inside are /usr
 * (read-only), the image (read-only beside an overlay), the overlay, the
 * directory of its sockets, its volumes, /dev/null, /dev/urandom and, with KVM,
 * /dev/kvm; no other file and no other network than what vm/network.h
 * attaches.
 */
#ifndef QWD_VM_SANDBOX_H
#define QWD_VM_SANDBOX_H

#include "conf/mounts.h"
#include "sys/child.h"
#include "sys/pci_gpu.h"

/* Where things are inside. */
#define SANDBOX_DIR "/vm"
#define SANDBOX_VNC SANDBOX_DIR "/vnc"
#define SANDBOX_IMAGE "/image"
#define SANDBOX_OVERLAY "/overlay"
#define SANDBOX_MOUNT "/mount" /* and a volume's number */
#define SANDBOX_GPU "/gpu"     /* with a directory for each function */

struct sandbox {
	const char *bwrap; /* absolute */
	const char *image;   /* paths outside */
	const char *overlay; /* NULL: the image itself is written to */
	const char *dir;     /* run/NAME/vm of the store, for its sockets */
	const char *resolv;  /* resolv.conf for the guest's name server */
	const struct mounts *mounts; /* volumes, open; or NULL */
	const struct gpu *gpu;       /* a graphics card, or NULL */
	const char *sysfs;           /* where it is: dir_sysfs */
	int info;	     /* bubblewrap writes its child's pid there */
	bool kvm;
};

/* Add bubblewrap's vector up to the program that it runs.  A pure function. */
void sandbox_command(const struct sandbox *box, struct argv *ret);

/*
 * The pid (in our namespace) in what bubblewrap wrote to `info`, a JSON
 * object.  0 as long as the text is not complete, -1 if it is wrong.
 */
pid_t sandbox_child_pid(const char *info);

#endif
