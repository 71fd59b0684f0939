/* qwdctl gpu, gpu_unlock: the graphics cards for guests. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "ctl/check.h"
#include "ctl/ctl.h"
#include "ctl/gpu_host.h"
#include "ctl/service_store.h"
#include "ctl/table.h"
#include "session/gpu_lease.h"
#include "sys/pci_gpu.h"

/* ---- The list ---- */

static void add_row(struct table *t, const struct gpu *gpu, const char *state)
{
	struct pci_device device = { .vendor = gpu->vendor,
				     .device = gpu->device };
	char name[PCI_NAME_SIZE];

	pci_name(&device, name);
	table_add(t, gpu->address);
	table_addf(t, "%04x:%04x", gpu->vendor, gpu->device);
	table_add(t, gpu->driver[0] ? gpu->driver : "-");
	table_add(t, gpu->group[0] ? gpu->group : "-");
	table_add(t, state);
	table_add(t, name);
}

static const char *state_of(const struct gpu *gpu, const struct gpu_list *free,
			    const struct store *st)
{
	if (!gpu_find(free, gpu->address))
		return "blacklisted";
	if (gpu->problem[0])
		return "not for guests";
	return st->dir >= 0 && gpu_lease_is_held(st, gpu->address) ? "taken" :
								     "free";
}

static int list(const struct config *c)
{
	AUTO_TABLE struct table t = { .columns = 6 };
	AUTO_STORE struct store st = STORE_INIT;
	struct err ignored = ERR_INIT;
	struct gpu_list all;
	struct gpu_list offered;
	struct err e = ERR_INIT;

	if (gpu_scan(c->dir_sysfs, "", &all, &e) < 0 ||
	    gpu_scan(c->dir_sysfs, c->gpu_blacklist, &offered, &e) < 0) {
		fprintf(stderr, "qwdctl gpu: %s\n", e.msg);
		return CTL_FAILED;
	}
	if (all.count == 0) {
		printf("This host has no graphics card.\n");
		return CTL_NOTHING;
	}
	/* Without sessions, or the right to see them, nothing is taken. */
	if (service_store_open(c, &st, &ignored) < 0)
		st.dir = -1;
	for (size_t i = 0; i < all.count; i++)
		add_row(&t, &all.list[i],
			state_of(&all.list[i], &offered, &st));
	table_print(&t, 0, stdout);
	for (size_t i = 0; i < offered.count; i++)
		if (offered.list[i].problem[0])
			printf("%s: %s.\n", offered.list[i].address,
			       offered.list[i].problem);
	return CTL_DONE;
}

/* ---- The host ---- */

struct arguments {
	char *ids; /* NULL without */
	const char *root;
	bool dry_run;
};

static bool read_arguments(int argc, char **argv, struct arguments *ret)
{
	static const char root[] = "--root=/";

	*ret = (struct arguments){ .root = "" };
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--dry-run") == 0)
			ret->dry_run = true;
		else if (text_starts(argv[i], root))
			ret->root = argv[i] + strlen(root) - 1;
		else if (!ret->ids && argv[i][0] != '-')
			ret->ids = argv[i];
		else
			return false;
	}
	return true;
}

/* All functions of the cards of this kind: their drivers come in pairs. */
static void add_functions(const struct config *c, struct buf *ids,
			  const char *wanted)
{
	AUTO_PCI struct pci_list all = { .list = NULL };
	struct err ignored = ERR_INIT;

	buf_puts(ids, wanted);
	if (pci_scan(c->dir_sysfs, &all, &ignored) < 0)
		return;
	for (size_t i = 0; i < all.count; i++) {
		const struct pci_device *d = &all.list[i];
		char id[16];

		snprintf(id, sizeof(id), "%04x:%04x", d->vendor, d->device);
		if (!strstr(wanted, id))
			continue;
		for (size_t k = 0; k < all.count; k++) {
			const struct pci_device *f = &all.list[k];

			snprintf(id, sizeof(id), "%04x:%04x", f->vendor,
				 f->device);
			if (strncmp(f->address, d->address,
				    strlen("0000:00:00")) == 0 &&
			    !strstr(buf_str(ids), id))
				buf_printf(ids, ",%s", id);
		}
	}
}

static bool is_intel(void)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	char line[256];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f))
		found = strstr(line, "GenuineIntel") != NULL;
	if (f)
		fclose(f);
	return found;
}

static int change_host(const struct config *c, const char *command,
		       const struct arguments *a)
{
	struct check who = { .config = c };
	AUTO_BUF struct buf ids = BUF_INIT(4096);
	struct err e = ERR_INIT;
	size_t changes;

	check_find_user(&who);
	if (a->ids)
		add_functions(c, &ids, a->ids);
	if (gpu_host_apply(&(struct gpu_host){
				   .root = a->root,
				   .ids = a->ids ? buf_str(&ids) : NULL,
				   .user = who.user_name,
				   .intel = is_intel(),
				   .dry_run = a->dry_run,
			   },
			   &changes, &e) < 0) {
		fprintf(stderr, "qwdctl %s: %s\n", command, e.msg);
		return CTL_FAILED;
	}
	if (changes == 0) {
		printf("Nothing is to be done.\n");
		return CTL_NOTHING;
	}
	if (a->dry_run)
		printf("Nothing was changed: --dry-run.\n");
	else
		printf("Done; what was there before is kept as "
		       "*.qwd-backup.  Now run\n"
		       "  update-initramfs -u && update-grub\n"
		       "and restart the host.\n");
	return CTL_DONE;
}

int ctl_gpu(const struct config *c, int argc, char **argv)
{
	struct arguments a;

	if (!read_arguments(argc, argv, &a) || (!a.ids && argc > 1)) {
		fprintf(stderr, "Usage: qwdctl gpu [VENDOR:DEVICE[,...] "
				"[--dry-run] [--root=DIR]]\n");
		return CTL_USAGE;
	}
	if (!a.ids)
		return list(c);
	if (!gpu_ids_ok(a.ids)) {
		fprintf(stderr,
			"qwdctl gpu: %.60s is not of the form 10de:1d01; see "
			"'qwdctl gpu'\n",
			a.ids);
		return CTL_USAGE;
	}
	return change_host(c, argv[0], &a);
}

int ctl_gpu_unlock(const struct config *c, int argc, char **argv)
{
	struct arguments a;

	if (!read_arguments(argc, argv, &a) || a.ids) {
		fprintf(stderr, "Usage: qwdctl gpu_unlock [--dry-run] "
				"[--root=DIR]\n");
		return CTL_USAGE;
	}
	return change_host(c, argv[0], &a);
}
