#include "web/state.h"

#include <string.h>

#include "sys/child.h"
#include "vm/qemu.h"

enum { SMALL_MB = 256 };

static void read_disks(const struct config *c, struct state *s)
{
	const struct state_disk disks[STATE_DISKS] = {
		{ .what = "Disks of sessions", .option = "dir_snapshots",
		  .path = c->dir_snapshots },
		{ .what = "Images", .option = "dir_machines",
		  .path = c->dir_machines },
	};

	for (size_t i = 0; i < STATE_DISKS; i++) {
		struct err ignored = ERR_INIT;

		s->disks[i] = disks[i];
		/* One that is not there is shown as full. */
		(void)!hostload_disk(disks[i].path, &s->disks[i].use, &ignored);
	}
}

static bool came_before(const struct session_list *list, size_t end)
{
	for (size_t i = 0; i < end; i++)
		if (!session_is_final(&list->list[i]) &&
		    strcmp(list->list[i].user, list->list[end].user) == 0)
			return true;
	return false;
}

static void count(struct state *s)
{
	for (size_t i = 0; i < s->sessions.count; i++) {
		const struct session *one = &s->sessions.list[i];

		if (session_is_final(one))
			continue;
		s->live++;
		s->cpus += one->cpu;
		s->memory_mb += one->memory_mb;
		s->users += !came_before(&s->sessions, i);
	}
}

int state_read(const struct store *st, bool with_ended, struct state *ret,
	       struct err *e)
{
	struct err none = ERR_INIT;

	*ret = (struct state){ .live = 0 };
	if (hostload_read(&ret->load, e) < 0 ||
	    (with_ended ? store_list(st, NULL, &ret->sessions, e) :
			  store_list_alive(st, &ret->sessions, e)) < 0)
		return -1;
	/* No catalogue, or a damaged one: no machines. */
	(void)!catalogue_load(st->config, &ret->machines, &none);
	read_disks(st->config, ret);
	count(ret);
	return 0;
}

void state_release(struct state *s)
{
	session_list_release(&s->sessions);
	catalogue_release(&s->machines);
}

bool state_has_machines(const struct state *s)
{
	for (size_t i = 0; i < s->machines.count; i++)
		if (s->machines.list[i].usable)
			return true;
	return false;
}

bool state_has_disk(const struct state *s)
{
	return s->disks[0].use.free_mb >= STATE_DISK_MIN_MB;
}

bool state_has_programs(const struct config *c)
{
	struct err ignored = ERR_INIT;
	AUTO_FREE char *qemu = qemu_program(c, "", &ignored);
	AUTO_FREE char *img = child_find_program("qemu-img", &ignored);
	AUTO_FREE char *web = child_find_program(c->dir_websockify, &ignored);

	return qemu && img && web && access(qemu, X_OK) == 0 &&
	       access(web, X_OK) == 0;
}

bool state_has_place(const struct config *c, const struct state *s)
{
	return s->live < c->service_max_instance_nb &&
	       s->load.load_milli <= c->service_max_load &&
	       s->load.memory_available_mb >= SMALL_MB;
}
