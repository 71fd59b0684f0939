#include "ctl/refresh.h"

#include <stdio.h>

#include "conf/catalogue.h"
#include "conf/machines.h"
#include "ctl/ctl.h"
#include "ctl/table.h"

/* A machine, and what is to be said of it. */
struct finding {
	const char *name;
	const char *state; /* "missing", "refused", "CD" or the format */
	long long size;	   /* bytes of its disk; 0: not known */
	const char *text;  /* its description, or what is wrong */
};

static struct finding look(const struct machine *machine,
			   const struct catalogue_entry *entry)
{
	struct finding f = { .name = machine->name };

	if (!entry) {
		f.state = "missing";
		f.text = *machine->url ? "run qwdctl download" :
					 "copy it into dir_machines";
	} else if (!entry->usable) {
		f.state = "refused";
		f.text = entry->reason;
	} else {
		f.state = entry->iso ? "CD" : entry->format;
		f.size = entry->virtual_size;
		f.text = entry->description;
	}
	return f;
}

/* "10 GB" of 1000 MB, or "62 MB". */
static void add_row(struct table *t, const struct finding *f)
{
	table_add(t, f->name);
	table_add(t, f->state);
	if (!f->size)
		table_add(t, "");
	else if (f->size >= 10000000000)
		table_addf(t, "%lld GB", (f->size + 500000000) / 1000000000);
	else
		table_addf(t, "%lld MB", (f->size + 500000) / 1000000);
	table_add(t, f->text);
}

static void print_table(const struct config *c, const struct machines *m,
			const struct catalogue *cat)
{
	AUTO_TABLE struct table t = { .columns = 4 };

	for (size_t i = 0; i < m->count; i++) {
		const char *name = m->list[i].name;
		const struct finding f =
			look(&m->list[i], catalogue_find(cat, name));

		add_row(&t, &f);
	}
	if (m->count == 0)
		printf("%s lists no machine\n", c->machines_conf);
	table_print(&t, 0, stdout);
}

static json_t *value_of(const struct machines *m, const struct catalogue *cat)
{
	json_t *list = json_array();

	for (size_t i = 0; i < m->count; i++) {
		const char *name = m->list[i].name;
		const struct finding f =
			look(&m->list[i], catalogue_find(cat, name));

		json_array_append_new(
			list, json_pack("{ss ss sI ss}", "name", f.name,
					"state", f.state, "disk",
					(json_int_t)f.size, "text", f.text));
	}
	return json_pack("{so}", "machines", list);
}

int refresh_and_print(const struct config *c, const struct given *g)
{
	AUTO_CATALOGUE struct catalogue cat = { .list = NULL };
	AUTO_MACHINES struct machines m = { .list = NULL };
	struct err e = ERR_INIT;

	if ((g->dry_run ? catalogue_examine_all(c, &cat, &e) :
			  catalogue_refresh(c, &cat, &e)) < 0 ||
	    machines_read(c->machines_conf, &m, &e) < 0)
		return command_fail(g, &e);
	if (g->json)
		return command_print_json(g, value_of(&m, &cat));
	if (!g->quiet)
		print_table(c, &m, &cat);
	return CTL_DONE;
}

int ctl_refresh(const struct config *c, const struct given *g)
{
	return refresh_and_print(c, g);
}
