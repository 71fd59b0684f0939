/*
 * PCI devices as the kernel's sysfs shows them (Documentation/ABI/testing/
 * sysfs-bus-pci).  The root of that tree is an argument: /sys, or a made-up
 * one.  Nothing is written.
 */
#ifndef QWD_SYS_PCI_H
#define QWD_SYS_PCI_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum { PCI_ADDRESS_SIZE = 16, PCI_NAME_SIZE = 160 };

struct pci_device {
	char address[PCI_ADDRESS_SIZE]; /* "0000:4c:00.0" */
	unsigned vendor, device;
	unsigned class; /* three bytes, 0x030000 is a VGA controller */
	char driver[32]; /* the kernel's, "" if none */
	char group[16];  /* its IOMMU group's number, "" without an IOMMU */
};

struct pci_list {
	struct pci_device *list; /* by address */
	size_t count;
};

#define AUTO_PCI __attribute__((cleanup(pci_release)))

/* True if `text` is written as an address in full: "0000:4c:00.0". */
bool pci_is_address(const char *text);

/* All devices below ROOT/bus/pci/devices; none if there is no such
 * directory. */
MUST_CHECK int pci_scan(const char *root, struct pci_list *ret, struct err *e);
void pci_release(struct pci_list *l);

/*
 * The names of vendor and device from the list pci.ids, as "NVIDIA
 * Corporation GP108 [GeForce GT 1030]"; "PCI device 10de:1d01" where that is
 * not here or does not have it.
 */
void pci_name(const struct pci_device *d, char ret[PCI_NAME_SIZE]);

#endif
