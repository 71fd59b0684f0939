#include "sys/pci_gpu.h"

#include <stdio.h>
#include <string.h>

#include "base/macros.h"

/* The base class "display controller", and of its subclasses VGA and 3D. */
static bool is_gpu(const struct pci_device *d)
{
	return d->class >> 8 == 0x0300 || d->class >> 8 == 0x0302;
}

static bool is_bridge(const struct pci_device *d)
{
	return d->class >> 16 == 0x06;
}

/* "0000:4c:00", without the function */
static bool same_device(const char *a, const char *b)
{
	return strncmp(a, b, strlen("0000:4c:00")) == 0;
}

static bool is_vfio(const struct pci_device *d)
{
	return strcmp(d->driver, "vfio-pci") == 0;
}

/* Take one word off the list; false at its end.  It comes with the domain,
 * and the function 0 where none is said. */
static bool next_word(const char **list, char ret[32])
{
	char word[32];
	size_t len;
	bool domain;
	bool function;

	*list += strspn(*list, ", \t");
	len = strcspn(*list, ", \t");
	if (len == 0)
		return false;
	if (len > PCI_ADDRESS_SIZE)
		len = PCI_ADDRESS_SIZE;
	domain = memchr(*list, ':', len > 4 ? len : 0) == *list + 4;
	function = memchr(*list, '.', len) != NULL;
	snprintf(word, sizeof(word), "%s%.*s%s", domain ? "" : "0000:", (int)len, *list,
		 function ? "" : ".0");
	memcpy(ret, word, sizeof(word));
	*list += len;
	return true;
}

bool gpu_blacklist_ok(const char *text)
{
	char word[32];

	while (next_word(&text, word))
		if (!pci_is_address(word))
			return false;
	return true;
}

static bool is_blacklisted(const char *list, const char *address)
{
	char word[32];

	while (next_word(&list, word))
		if (same_device(word, address))
			return true;
	return false;
}

/* What keeps the card from guests, if anything; the first thing to do. */
static void find_problem(const struct pci_list *all, struct gpu *gpu)
{
	for (size_t i = 0; i < all->count; i++) {
		const struct pci_device *d = &all->list[i];

		if (!same_device(d->address, gpu->address) || is_vfio(d))
			continue;
		snprintf(gpu->problem, sizeof(gpu->problem),
			 "its function %s is %s%s, not bound to vfio-pci; run "
			 "qwdctl gpu %04x:%04x and restart the host",
			 d->address, d->driver[0] ? "used by " : "unused",
			 d->driver, gpu->vendor, gpu->device);
		return;
	}
	if (!gpu->group[0]) {
		snprintf(gpu->problem, sizeof(gpu->problem),
			 "the IOMMU is off; switch it on in the BIOS (VT-d, "
			 "AMD-Vi), run qwdctl gpu %04x:%04x and restart the "
			 "host",
			 gpu->vendor, gpu->device);
		return;
	}
	for (size_t i = 0; i < all->count; i++) {
		const struct pci_device *d = &all->list[i];

		if (strcmp(d->group, gpu->group) != 0 || is_bridge(d) ||
		    is_vfio(d))
			continue;
		snprintf(gpu->problem, sizeof(gpu->problem),
			 "its IOMMU group %s is not viable: it has %s (%04x:"
			 "%04x), too; put the card into another slot, or bind "
			 "that device to vfio-pci as well",
			 d->group, d->address, d->vendor, d->device);
		return;
	}
}

static void add(const struct pci_list *all, const struct pci_device *d,
		struct gpu_list *ret)
{
	struct gpu *gpu = &ret->list[ret->count++];

	*gpu = (struct gpu){ .vendor = d->vendor, .device = d->device };
	memcpy(gpu->address, d->address, sizeof(gpu->address));
	memcpy(gpu->driver, d->driver, sizeof(gpu->driver));
	memcpy(gpu->group, d->group, sizeof(gpu->group));
	for (size_t i = 0; i < all->count; i++)
		if (same_device(all->list[i].address, gpu->address) &&
		    gpu->function_count < GPU_FUNCTIONS)
			memcpy(gpu->functions[gpu->function_count++],
			       all->list[i].address, PCI_ADDRESS_SIZE);
	find_problem(all, gpu);
}

int gpu_scan(const char *root, const char *blacklist, struct gpu_list *ret,
	     struct err *e)
{
	AUTO_PCI struct pci_list all = { .list = NULL };

	if (pci_scan(root, &all, e) < 0)
		return -1;
	ret->count = 0;
	for (size_t i = 0; i < all.count && ret->count < GPU_MAX; i++)
		if (is_gpu(&all.list[i]) &&
		    !is_blacklisted(blacklist, all.list[i].address))
			add(&all, &all.list[i], ret);
	return 0;
}

const struct gpu *gpu_find(const struct gpu_list *l, const char *address)
{
	for (size_t i = 0; i < l->count; i++)
		if (strcmp(l->list[i].address, address) == 0)
			return &l->list[i];
	return NULL;
}

size_t gpu_count_usable(const struct gpu_list *l)
{
	size_t count = 0;

	for (size_t i = 0; i < l->count; i++)
		count += !l->list[i].problem[0];
	return count;
}
