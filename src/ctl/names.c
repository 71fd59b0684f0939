/* qwdctl names: what a shell completes. */
#include "ctl/ctl.h"

#include <string.h>

#include "conf/machines.h"
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

/* Whoever presses Tab wants no complaints. */
int ctl_names(const struct config *c, int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "machines") == 0)
		return machines(c);
	if (argc == 2 && strcmp(argv[1], "sessions") == 0)
		return sessions(c);
	return CTL_USAGE;
}
