#include "ctl/refresh.h"

#include <stdio.h>

#include "conf/catalogue.h"
#include "conf/machines.h"
#include "ctl/ctl.h"
#include "ctl/table.h"

/* "10 GB" of 1000 MB, or "62 MB". */
static void add_size(struct table *t, long long bytes)
{
	if (bytes >= 10000000000)
		table_addf(t, "%lld GB", (bytes + 500000000) / 1000000000);
	else
		table_addf(t, "%lld MB", (bytes + 500000) / 1000000);
}

static void add_machine(struct table *t, const struct machine *machine,
			const struct catalogue_entry *entry)
{
	table_add(t, machine->name);
	if (!entry) {
		table_add(t, "missing");
		table_add(t, "");
		table_add(t, *machine->url ? "run qwdctl download"
					   : "copy it into dir_machines");
	} else if (!entry->usable) {
		table_add(t, "refused");
		table_add(t, "");
		table_add(t, entry->reason);
	} else {
		table_add(t, entry->iso ? "CD" : entry->format);
		add_size(t, entry->virtual_size);
		table_add(t, entry->description);
	}
}

static int refresh(const struct config *c, struct err *e)
{
	AUTO_CATALOGUE struct catalogue cat = { .list = NULL };
	AUTO_MACHINES struct machines m = { .list = NULL };
	AUTO_TABLE struct table t = { .columns = 4 };

	if (catalogue_refresh(c, &cat, e) < 0 ||
	    machines_read(c->machines_conf, &m, e) < 0)
		return -1;
	for (size_t i = 0; i < m.count; i++)
		add_machine(&t, &m.list[i],
			    catalogue_find(&cat, m.list[i].name));
	if (m.count == 0)
		printf("%s lists no machine\n", c->machines_conf);
	table_print(&t, 0, stdout);
	return 0;
}

int refresh_and_print(const struct config *c)
{
	struct err e = ERR_INIT;

	if (refresh(c, &e) < 0) {
		fprintf(stderr, "qwdctl refresh: %s\n", e.msg);
		return CTL_FAILED;
	}
	return CTL_DONE;
}

int ctl_refresh(const struct config *c, int argc, char **argv)
{
	if (argc > 1) {
		fprintf(stderr, "qwdctl refresh: %s: there are no arguments\n",
			argv[1]);
		return CTL_USAGE;
	}
	return refresh_and_print(c);
}
