#include "session/offer.h"

#include <string.h>

enum { MB = 1048576 };

static long long larger(long long a, long long b)
{
	return a > b ? a : b;
}

static long long smaller(long long a, long long b)
{
	return a < b ? a : b;
}

/* The site's amount, narrowed by the machine's range. */
static void narrow(struct amount *a, const struct machine_range *range)
{
	if (range->min)
		a->min = larger(a->min, range->min);
	if (range->max)
		a->max = smaller(a->max, range->max);
	if (range->standard)
		a->standard = range->standard;
	a->standard = larger(smaller(a->standard, a->max), a->min);
}

long long offer_mb(long long milli_gb)
{
	return (milli_gb * 1024 + 999) / 1000;
}

/* machines.conf was checked before it came into the catalogue; what cannot be
 * read is no range. */
static struct machine_range range_of(const char *text, bool gb)
{
	struct machine_range range = { 0 };

	if (!machine_range(text, gb, gb ? MACHINE_GB_MAX : MACHINE_CPU_MAX,
			   &range))
		return (struct machine_range){ 0 };
	if (gb) {
		range.standard = offer_mb(range.standard);
		range.min = offer_mb(range.min);
		range.max = offer_mb(range.max);
	}
	return range;
}

/* Without a word about it in machines.conf a disk is what it is. */
static void offer_disk_of(const struct config *c,
			  const struct catalogue_entry *machine,
			  struct offer *ret)
{
	struct machine_range range = range_of(machine->disk, true);
	struct amount *disk = &ret->disk_mb;

	/* An image that is written to keeps its size. */
	if (c->snapshot_use_master && !machine->iso)
		range = (struct machine_range){ 0 };
	ret->image_mb = machine->iso ? 0 :
				       (machine->virtual_size + MB - 1) / MB;
	disk->standard = machine->iso ? offer_mb(c->snapshot_alloc_disk) :
					ret->image_mb;
	if (range.standard)
		disk->standard = larger(range.standard, ret->image_mb);
	/* No disk is smaller than its image. */
	disk->min = range.min ? larger(range.min, ret->image_mb) :
				disk->standard;
	disk->max = range.max ? larger(range.max, disk->min) : disk->standard;
	disk->standard = larger(smaller(disk->standard, disk->max), disk->min);
}

void offer_of(const struct config *c, const struct limits *l,
	      const struct catalogue_entry *machine, struct offer *ret)
{
	struct machine_range cpu = range_of(machine->cpu, false);
	struct machine_range memory = range_of(machine->memory, true);

	*ret = (struct offer){
		.cpu = { l->default_cpu, 1, l->session_cpu },
		.memory_mb = { l->default_memory_mb, OFFER_MEMORY_MIN_MB,
			       l->user_memory_mb },
	};
	ret->gpu = strcmp(machine->gpu, "no") == 0 ?	     OFFER_GPU_NO :
		   strcmp(machine->gpu, "always") == 0 ? OFFER_GPU_ALWAYS :
							  OFFER_GPU_YES;
	narrow(&ret->cpu, &cpu);
	narrow(&ret->memory_mb, &memory);
	offer_disk_of(c, machine, ret);
}

int offer_shortage(const struct offer *offer, struct err *e)
{
	if (offer->cpu.min > offer->cpu.max)
		return err_set(e, ERR_BUSY,
			       "This machine needs %lld processors, and a user "
			       "may have %lld on this server. Choose another "
			       "machine.",
			       offer->cpu.min, offer->cpu.max);
	if (offer->memory_mb.min > offer->memory_mb.max)
		return err_set(e, ERR_BUSY,
			       "This machine needs %lld MB of memory, and a "
			       "user may have %lld MB on this server. Choose "
			       "another machine.",
			       offer->memory_mb.min, offer->memory_mb.max);
	return 0;
}

long long offer_disk(const struct offer *offer, long long mb)
{
	return mb == offer->image_mb ? 0 : mb;
}
