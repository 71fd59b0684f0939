#include "sys/pci.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/macros.h"
#include "base/text.h"

enum { PCI_DEVICES_MAX = 4096 };

bool pci_is_address(const char *text)
{
	static const char model[] = "hhhh:hh:hh.h";

	if (strlen(text) != strlen(model))
		return false;
	for (size_t i = 0; model[i]; i++)
		if (model[i] == 'h' ? !strchr("0123456789abcdef", text[i]) :
				      text[i] != model[i])
			return false;
	return true;
}

/* A file of one hexadecimal number, "0x10de\n". */
static unsigned read_number(int dir, const char *name)
{
	char text[16] = "";
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	text[got > 0 ? got : 0] = '\0';
	return (unsigned)strtoul(text, NULL, 16);
}

/* The last component of what a link names. */
static void read_link(int dir, const char *name, char *ret, size_t size)
{
	char target[512];
	ssize_t len = readlinkat(dir, name, target, sizeof(target) - 1);
	const char *base;

	*ret = '\0';
	if (len <= 0)
		return;
	target[len] = '\0';
	base = strrchr(target, '/');
	base = base ? base + 1 : target;
	if (strlen(base) < size && text_only(base, "_-"))
		memcpy(ret, base, strlen(base) + 1);
}

static int add(int devices, const char *address, struct pci_list *l,
	       struct err *e)
{
	AUTO_CLOSE int dir = openat(devices, address,
				    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct pci_device *list;
	struct pci_device *d;

	if (dir < 0) /* taken out meanwhile */
		return 0;
	if (l->count == PCI_DEVICES_MAX)
		return err_set(e, ERR_SYSTEM, "too many PCI devices");
	list = reallocarray(l->list, l->count + 1, sizeof(*list));
	if (!list)
		return err_set(e, ERR_SYSTEM, "no memory");
	l->list = list;
	d = &list[l->count++];
	*d = (struct pci_device){
		.vendor = read_number(dir, "vendor") & 0xffff,
		.device = read_number(dir, "device") & 0xffff,
		.class = read_number(dir, "class") & 0xffffff,
	};
	memcpy(d->address, address, strlen(address) + 1);
	read_link(dir, "driver", d->driver, sizeof(d->driver));
	read_link(dir, "iommu_group", d->group, sizeof(d->group));
	return 0;
}

static int by_address(const void *a, const void *b)
{
	return strcmp(((const struct pci_device *)a)->address,
		      ((const struct pci_device *)b)->address);
}

int pci_scan(const char *root, struct pci_list *ret, struct err *e)
{
	AUTO_PCI struct pci_list l = { .list = NULL };
	AUTO_FREE char *path = NULL;
	const struct dirent *entry;
	int result = 0;
	DIR *dir;

	if (asprintf(&path, "%s/bus/pci/devices", root) < 0) {
		path = NULL;
		return err_set(e, ERR_SYSTEM, "no memory");
	}
	dir = opendir(path);
	if (!dir && errno != ENOENT)
		return err_sys(e, "cannot read %s", path);
	while (dir && result == 0 && (entry = readdir(dir)) != NULL)
		if (pci_is_address(entry->d_name))
			result = add(dirfd(dir), entry->d_name, &l, e);
	if (dir)
		closedir(dir);
	if (result < 0)
		return -1;
	if (l.count)
		qsort(l.list, l.count, sizeof(*l.list), by_address);
	*ret = l;
	l = (struct pci_list){ .list = NULL };
	return 0;
}

void pci_release(struct pci_list *l)
{
	free(l->list);
	*l = (struct pci_list){ .list = NULL };
}

/* ---- Names ---- */

/* Does the line begin with these hexadecimal digits and two blanks?  Returns
 * the name behind, without the end of the line. */
static char *name_of(char *line, const char *digits)
{
	size_t len = strlen(digits);

	if (strncmp(line, digits, len) != 0 || strncmp(line + len, "  ", 2) != 0)
		return NULL;
	return text_trim(line + len + 2);
}

/* pci.ids(5): "vvvv  Vendor", then lines of a tab and "dddd  Device". */
static bool look_up(FILE *ids, const struct pci_device *d, char *vendor,
		    char *device)
{
	char vendor_digits[16];
	char device_digits[16];
	char line[512];
	bool inside = false;

	snprintf(vendor_digits, sizeof(vendor_digits), "%04x", d->vendor);
	snprintf(device_digits, sizeof(device_digits), "\t%04x", d->device);
	while (fgets(line, sizeof(line), ids)) {
		const char *name;

		if (inside && line[0] != '\t' && line[0] != '#')
			return false;
		name = name_of(line, inside ? device_digits : vendor_digits);
		if (!name)
			continue;
		snprintf(inside ? device : vendor, PCI_NAME_SIZE / 2, "%s",
			 name);
		if (inside)
			return true;
		inside = true;
	}
	return false;
}

void pci_name(const struct pci_device *d, char ret[PCI_NAME_SIZE])
{
	char vendor[PCI_NAME_SIZE / 2] = "";
	char device[PCI_NAME_SIZE / 2] = "";
	FILE *ids = fopen("/usr/share/misc/pci.ids", "re");
	bool found = ids && look_up(ids, d, vendor, device);

	if (ids)
		fclose(ids);
	if (found)
		snprintf(ret, PCI_NAME_SIZE, "%s %s", vendor, device);
	else if (vendor[0])
		snprintf(ret, PCI_NAME_SIZE, "%s %04x:%04x", vendor, d->vendor,
			 d->device);
	else
		snprintf(ret, PCI_NAME_SIZE, "PCI device %04x:%04x",
			 d->vendor, d->device);
}
