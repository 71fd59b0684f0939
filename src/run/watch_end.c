/* The end of a job on a cluster, and more time for it: run/watch.h. */
#include "run/watch.h"

#include <fcntl.h>
#include <string.h>

#include "base/log.h"
#include "farm/slurm_run.h"
#include "run/control.h"
#include "sys/clock.h"

enum {
	STOP_NOW_MS = 5 * 1000, /* for a job that was told to end at once */
	STOP_MORE_MS = 10 * 1000, /* beyond its guest's grace */
	GIVE_UP_MS = 40 * 1000, /* before a purge believes that we hang */
};

/* Into a visitor's directory it goes with the knock. */
static void write_wish(struct owner *o)
{
	struct watch *w = o->watch;
	struct err e = ERR_INIT;

	if (w->dir >= 0 && !w->visitor &&
	    job_dir_write_wish(w->dir, &w->wish, &e) < 0)
		log_error("slurm", &e);
}

/* Also of a job that says so itself, and goes on. */
void watch_await_end(struct owner *o)
{
	struct watch *w = o->watch;

	if (!w->give_up_at)
		w->give_up_at = clock_boot_ms() + GIVE_UP_MS +
				o->config.service_stop_grace * 1000;
}

void watch_stop(struct owner *o, bool now)
{
	struct watch *w = o->watch;

	w->wish.now = now;
	w->wish.stop = true;
	memcpy(w->wish.who, o->s.user, sizeof(w->wish.who));
	write_wish(o);
	if (!o->s.job && w->tool != TOOL_SUBMIT) {
		owner_end(o, "Stopped.");
		return;
	}
	w->want_cancel = !w->marked;
	w->want_knock = w->marked;
	owner_deadline(o, DEADLINE_STOP,
		       now ? STOP_NOW_MS :
			     o->config.service_stop_grace * 1000 +
				     STOP_MORE_MS);
	w->give_up_at = 0;
	watch_await_end(o);
	w->look_wait = 0;
	watch_soon(o);
}

void watch_stop_further(struct owner *o)
{
	o->watch->want_cancel = true;
	watch_soon(o);
}

int watch_extend(struct owner *o, int client, long long ends_boot_ms,
		 const char *who, struct err *e)
{
	struct watch *w = o->watch;

	if (w->client >= 0 || !w->marked || !ends_boot_ms)
		return err_set(e, ERR_CONFLICT,
			       "The cluster does not give it more time now.");
	w->client = client;
	w->client_ends_ms = ends_boot_ms;
	snprintf(w->client_who, sizeof(w->client_who), "%s", who);
	w->want_limit = true;
	watch_soon(o);
	return 1;
}

/* To who asked for more time: Slurm's answer, and ours. */
void watch_answer(struct owner *o, int result, struct err *e)
{
	struct watch *w = o->watch;

	if (result == 0)
		result = control_extended(o, w->client_ends_ms, w->client_who,
					  e);
	w->wish.ends = o->s.ends;
	if (result == 0)
		write_wish(o);
	w->want_knock = result == 0;
	control_answer(w->client, result, e);
	w->client = -1;
}

/* Nothing runs any more: the job's directory may go. */
static bool is_gone(struct owner *o)
{
	struct err e = ERR_INIT;

	if (o->watch->over || (!o->s.job && !o->watch->unsure))
		return true;
	if (slurm_cancel(&o->config, o->s.job, o->s.name, &e) == 0)
		return true;
	log_error("slurm", &e);
	return false;
}

/*
 * A directory that stays is a message to the job, should it ever start, that
 * nobody wants it; and to the next purge that there may be one
 * (run/leftover.h).
 */
void watch_clean(struct owner *o)
{
	struct watch *w = o->watch;
	struct err e = ERR_INIT;

	if (!w)
		return;
	watch_tool_end(o);
	if (w->client >= 0) {
		err_set(&e, ERR_CONFLICT, "It has ended.");
		control_answer(TAKE_FD(w->client), -1, &e);
	}
	tunnel_release(&w->tunnel);
	o->viewers = -1;
	if (o->news >= 0)
		close(TAKE_FD(o->news));
	w->wish.stop = w->wish.now = true;
	if (w->dir >= 0) {
		watch_log_output(o);
		write_wish(o);
	}
	if (w->visitor)
		watch_visitor_end(o);
	else if (w->dir >= 0 && is_gone(o) &&
		 job_dir_remove(AT_FDCWD, w->path, &e) < 0)
		log_error("slurm", &e);
	if (w->dir >= 0)
		close(w->dir);
	free(w->path);
	free(TAKE(o->watch));
}
