/* config.conf and machines.conf: the same bytes to both readers. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "conf/ini.h"
#include "conf/machines.h"
#include "conf/mounts.h"
#include "conf/options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int set_option(void *arg, const struct ini_line *line, struct err *e)
{
	return line->key ? config_set(arg, line->key, line->value, e) : 0;
}

static void check_options(const char *text, size_t size)
{
	AUTO_CONFIG struct config c = { .file = NULL };
	struct err e = ERR_INIT;

	if (config_init(&c, &e) < 0)
		abort();
	if (ini_parse("fuzz", text, size, set_option, &c, &e) < 0 ||
	    config_finish(&c, &e) < 0) {
		if (e.code == ERR_NONE || !e.msg[0])
			abort();
	}
}

/* What was accepted can be read, and leads nowhere else. */
static void check_settings(const struct machine *m)
{
	struct machine_range range;
	struct mounts mounts;
	struct err e = ERR_INIT;

	if (!machine_range(m->cpu, false, MACHINE_CPU_MAX, &range) ||
	    !machine_range(m->memory, true, MACHINE_GB_MAX, &range) ||
	    !machine_range(m->disk, true, MACHINE_GB_MAX, &range) ||
	    range.min > range.max || range.min < 0)
		abort();
	if (strcmp(m->mounts, "none") == 0)
		return;
	if (mounts_parse(m->mounts, "ann", &mounts, &e) < 0)
		abort();
	for (size_t i = 0; i < mounts.count; i++)
		if (mounts.list[i].path[0] != '/' ||
		    strstr(mounts.list[i].path, "/../") ||
		    strpbrk(mounts.list[i].path, ",:\n") ||
		    strchr(mounts.list[i].tag, ','))
			abort();
}

static void check_machines(const char *text, size_t size)
{
	AUTO_MACHINES struct machines m = { .list = NULL };
	struct err e = ERR_INIT;

	if (machines_parse("fuzz", text, size, &m, &e) < 0) {
		if (e.code != ERR_CONFIG || m.list)
			abort();
		return;
	}
	for (size_t i = 0; i < m.count; i++) {
		if (strchr(m.list[i].name, '/') ||
		    machines_find(&m, m.list[i].name) != &m.list[i])
			abort();
		check_settings(&m.list[i]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;

	check_options(text, size);
	check_machines(text, size);
	return 0;
}
