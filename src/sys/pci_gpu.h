/*
 * Graphics cards that can be handed to guests: display and 3D controllers
 * with all functions of their device bound to vfio-pci, in an IOMMU group that
 * is viable, that is, whose every device (but for bridges) is bound to
 * vfio-pci too: the kernel hands out groups, not devices.
 */
#ifndef QWD_SYS_PCI_GPU_H
#define QWD_SYS_PCI_GPU_H

#include "sys/pci.h"

enum { GPU_FUNCTIONS = 8, GPU_MAX = 64 };

struct gpu {
	char address[PCI_ADDRESS_SIZE]; /* of the controller */
	unsigned vendor, device;
	char driver[32];
	char group[16];
	char functions[GPU_FUNCTIONS][PCI_ADDRESS_SIZE]; /* of its device */
	size_t function_count;
	char problem[300]; /* "", or why no guest can have it and what to do */
};

struct gpu_list {
	struct gpu list[GPU_MAX];
	size_t count;
};

/* Is `text` a list of addresses ("0000:4c:00.0", or "4c:00.0" and "4c:00" for
 * short) separated by commas or blanks? */
bool gpu_blacklist_ok(const char *text);

/*
 * All graphics cards below `root` but those of the blacklist (each address
 * stands for its whole device).
 */
MUST_CHECK int gpu_scan(const char *root, const char *blacklist,
			struct gpu_list *ret, struct err *e);

/* The one with this address; NULL if there is none. */
const struct gpu *gpu_find(const struct gpu_list *l, const char *address);

/* Those without a problem. */
size_t gpu_count_usable(const struct gpu_list *l);

#endif
