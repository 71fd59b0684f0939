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
#include "sys/json.h"
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

static void add_value(json_t *list, const struct gpu *gpu, const char *state)
{
	struct pci_device device = { .vendor = gpu->vendor,
				     .device = gpu->device };
	char name[PCI_NAME_SIZE];
	char model[16];

	pci_name(&device, name);
	snprintf(model, sizeof(model), "%04x:%04x", gpu->vendor, gpu->device);
	json_array_append_new(
		list, json_pack("{ss ss ss ss ss ss ss}", "address",
				gpu->address, "model", model, "driver",
				gpu->driver, "group", gpu->group, "state",
				state, "name", name, "problem", gpu->problem));
}

static void print_table(const struct gpu_list *all,
			const struct gpu_list *offered, const struct store *st)
{
	AUTO_TABLE struct table t = { .columns = 6 };

	for (size_t i = 0; i < all->count; i++)
		add_row(&t, &all->list[i],
			state_of(&all->list[i], offered, st));
	table_print(&t, 0, stdout);
	for (size_t i = 0; i < offered->count; i++)
		if (offered->list[i].problem[0])
			printf("%s: %s.\n", offered->list[i].address,
			       offered->list[i].problem);
}

static json_t *cards_value(const struct gpu_list *all,
			   const struct gpu_list *offered,
			   const struct store *st)
{
	json_t *list = json_array();

	for (size_t i = 0; i < all->count; i++)
		add_value(list, &all->list[i],
			  state_of(&all->list[i], offered, st));
	return json_pack("{so}", "cards", list);
}

static int list(const struct config *c, const struct given *g)
{
	AUTO_STORE struct store st = STORE_INIT;
	struct err ignored = ERR_INIT;
	struct gpu_list all;
	struct gpu_list offered;
	struct err e = ERR_INIT;

	if (gpu_scan(c->dir_sysfs, "", &all, &e) < 0 ||
	    gpu_scan(c->dir_sysfs, c->gpu_blacklist, &offered, &e) < 0)
		return command_fail(g, &e);
	/* Without sessions, or the right to see them, nothing is taken. */
	if (service_store_open(c, &st, &ignored) < 0)
		st.dir = -1;
	if (g->json &&
	    command_print_json(g, cards_value(&all, &offered, &st)) != CTL_DONE)
		return CTL_FAILED;
	if (!g->json && all.count == 0)
		printf("This host has no graphics card.\n");
	else if (!g->json)
		print_table(&all, &offered, &st);
	return all.count ? CTL_DONE : CTL_NOTHING;
}

/* ---- The host ---- */

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

/* What was shown is not to be made by mistake. */
static bool confirm(const struct given *g)
{
	char answer[16];

	if (g->yes || !isatty(STDIN_FILENO))
		return true;
	fprintf(stderr, "Change these files? [y/N] ");
	return fgets(answer, sizeof(answer), stdin) &&
	       (answer[0] == 'y' || answer[0] == 'Y');
}

static int change_host(const struct config *c, const struct given *g,
		       const char *wanted)
{
	const char *root = given_value(g, "root");
	struct check who = { .config = c };
	AUTO_BUF struct buf ids = BUF_INIT(4096);
	struct err e = ERR_INIT;
	struct gpu_host host;
	size_t changes;

	check_find_user(&who);
	if (wanted)
		add_functions(c, &ids, wanted);
	host = (struct gpu_host){
		.root = root ? root : "",
		.ids = wanted ? buf_str(&ids) : NULL,
		.user = who.user_name,
		.intel = is_intel(),
		.quiet = g->quiet,
		.dry_run = true,
	};
	if (gpu_host_apply(&host, &changes, &e) < 0)
		return command_fail(g, &e);
	if (changes == 0 || (!g->dry_run && !confirm(g))) {
		if (!g->quiet)
			printf("Nothing %s.\n",
			       changes ? "was changed" : "is to be done");
		return CTL_NOTHING;
	}
	host.dry_run = g->dry_run;
	host.quiet = true; /* it is known by now */
	if (!g->dry_run && gpu_host_apply(&host, &changes, &e) < 0)
		return command_fail(g, &e);
	if (g->quiet)
		return CTL_DONE;
	if (g->dry_run)
		printf("Nothing was changed: --dry-run.\n");
	else
		printf("Done; what was there before is kept as "
		       "*.qwd-backup.  Now run\n"
		       "  update-initramfs -u && update-grub\n"
		       "and restart the host.\n");
	return CTL_DONE;
}

static int check_root(const struct given *g)
{
	const char *root = given_value(g, "root");

	return !root || *root == '/' ?
		       CTL_DONE :
		       command_usage(g->command,
				     "--root is an absolute path");
}

int ctl_gpu(const struct config *c, const struct given *g)
{
	const char *wanted = g->words[0];

	if (!wanted && (g->dry_run || g->yes || given_has(g, "root")))
		return command_usage(g->command, "name a kind of card");
	if (!wanted)
		return list(c, g);
	if (g->json)
		return command_usage(g->command, "--json is for the list");
	if (!gpu_ids_ok(wanted))
		return command_usage(g->command,
				     "%.60s is not of the form 10de:1d01; see "
				     "'qwdctl gpu'",
				     wanted);
	return check_root(g) == CTL_DONE ? change_host(c, g, wanted) :
					   CTL_USAGE;
}

int ctl_gpu_unlock(const struct config *c, const struct given *g)
{
	return check_root(g) == CTL_DONE ? change_host(c, g, NULL) : CTL_USAGE;
}
