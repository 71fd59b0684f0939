/* qwdctl names: what a shell completes. */
#include "ctl/ctl.h"

#include <dirent.h>
#include <string.h>

#include "conf/machines.h"
#include "ctl/pages.h"
#include "ctl/service_store.h"

static int machines(const struct config *c)
{
	AUTO_MACHINES struct machines m = { .list = NULL };
	struct err e = ERR_INIT;

	if (machines_read(c->machines_conf, &m, &e) < 0)
		return CTL_FAILED;
	for (size_t i = 0; i < m.count; i++)
		puts(m.list[i].name);
	return CTL_DONE;
}

static int sessions(const struct config *c)
{
	AUTO_SESSION_LIST struct session_list list = { 0 };
	AUTO_STORE struct store st = STORE_INIT;
	struct err e = ERR_INIT;

	if (service_store_open(c, &st, &e) < 0 ||
	    store_list_alive(&st, &list, &e) < 0)
		return CTL_FAILED;
	for (size_t i = 0; i < list.count; i++)
		puts(list.list[i].name);
	return CTL_DONE;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_page(const struct dirent *entry)
{
	return pages_is_template(entry->d_name);
}

static int pages(const struct config *c)
{
	struct err e = ERR_INIT;
	AUTO_CLOSE int fd = pages_open_shipped(c, &e);
	struct dirent **list;
	int count = fd < 0 ? -1 : scandirat(fd, ".", &list, is_page, by_name);

	for (int i = 0; i < count; i++) {
		puts(list[i]->d_name);
		free(list[i]);
	}
	if (count >= 0)
		free(list);
	return count < 0 ? CTL_FAILED : CTL_DONE;
}

static int command_names(void)
{
	for (size_t i = 0; i < command_count; i++)
		if (commands[i].help)
			puts(commands[i].name);
	return CTL_DONE;
}

/* "--jobs=" for one that has a value. */
static int options(const char *name)
{
	const struct command *command = command_find(name);

	if (!command || !command->help)
		return CTL_USAGE;
	command_print_options(command, stdout);
	return CTL_DONE;
}

static int of_service(const char *file, const char *what)
{
	static const struct {
		const char *what;
		int (*print)(const struct config *c);
	} lists[] = { { "machines", machines },
		      { "sessions", sessions },
		      { "pages", pages } };
	AUTO_CONFIG struct config c = { .file = NULL };
	struct err e = ERR_INIT;

	if (command_read_config(&c, file, false, &e) < 0)
		return CTL_FAILED;
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		if (strcmp(what, lists[i].what) == 0)
			return lists[i].print(&c);
	return CTL_USAGE;
}

/* Whoever presses Tab wants no complaints. */
int ctl_names(const struct config *c, const struct given *g)
{
	const char *what = g->words[0];

	if (strcmp(what, "commands") == 0)
		return command_names();
	if (strcmp(what, "options") == 0)
		return g->count == 2 ? options(g->words[1]) : CTL_USAGE;
	return of_service(c->file, what);
}
