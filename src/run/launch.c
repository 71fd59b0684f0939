#include "run/launch.h"

#include <string.h>

#include "base/log.h"
#include "run/control.h"
#include "session/history.h"
#include "session/launcher.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/handover.h"

/* Until systemd has started the unit; nobody waits for us meanwhile. */
enum { START_MS = 30 * 1000 };

static void mark_failed(const struct store *st, struct session *s)
{
	struct err e = ERR_INIT;

	s->state = SESSION_FAILED;
	s->ended = clock_wall();
	s->ended_boot_ms = clock_boot_ms();
	snprintf(s->reason, sizeof(s->reason),
		 "The server could not start a process for this machine.");
	if (history_append(st->config, s, &e) < 0)
		log_error("history", &e);
	if (store_write(st, s, &e) < 0)
		log_error("launch", &e);
	if (file_remove_tree(st->run, s->name, &e) < 0)
		log_error("launch", &e);
}

static int start(const struct store *st, const struct session *s,
		 const int fds[3], const char *const *options, struct err *e)
{
	AUTO_ARGV struct argv argv = { 0 };
	AUTO_CLOSE int log = store_open_log(st);
	struct child owner = CHILD_INIT;

	argv_add(&argv, "/proc/self/exe");
	argv_add(&argv, "--session-owner");
	argv_add(&argv, s->name);
	argv_addf(&argv, "%d", fds[0]);
	argv_addf(&argv, "%d", fds[1]);
	argv_addf(&argv, "%d", fds[2] < 0 ? 0 : fds[2]);
	if (st->config->file[0])
		argv_addf(&argv, "--config=%s", st->config->file);
	for (size_t i = 0; options && options[i]; i++)
		argv_add(&argv, options[i]);
	owner.argv = &argv;
	owner.err = log;
	owner.keep = fds;
	owner.keep_count = fds[2] < 0 ? 2 : 3;
	return launcher_start(st->config, LAUNCHER_SESSION, &owner, START_MS,
			      e);
}

int launch_owner(const struct store *st, struct session *s, int lock,
		 int order, const char *const *options, struct err *e)
{
	AUTO_CLOSE int control = control_listen(st, s->name, e);

	if (control >= 0 &&
	    start(st, s, (const int[]){ lock, control, order }, options, e) == 0)
		return 0;
	mark_failed(st, s);
	return -1;
}

static int become(const char *role, struct handover *h, struct err *e)
{
	struct child c = CHILD_INIT;

	if (h->argv.failed || strncmp(h->argv.list[1], "--", 2) != 0 ||
	    strcmp(h->argv.list[1] + 2, role) != 0)
		return err_set(e, ERR_FORBIDDEN,
			       "something else than a %s was handed over",
			       role);
	c.argv = &h->argv;
	c.err = STDERR_FILENO;
	c.keep = h->fds;
	c.keep_count = h->count;
	return child_become(&c, e);
}

int launch_handed_over(const char *role, struct err *e)
{
	struct handover h;
	int fd = handover_connection(e);

	if (fd < 0 || handover_receive(fd, "/proc/self/exe", &h, e) < 0)
		return -1;
	(void)!become(role, &h, e);
	for (size_t i = 0; i < h.count; i++)
		close(h.fds[i]);
	argv_release(&h.argv);
	return -1;
}
