/* Jobs under their visitors' accounts: run/watch.h. */
#include <string.h>

#include "base/log.h"
#include "conf/options_slurm.h"
#include "farm/visitor.h"
#include "run/watch.h"
#include "sys/file.h"

enum { LEFT_OVER_MAX = 10 }; /* of one visitor, beside what may live */

int watch_visitor_prepare(struct owner *o, struct err *e)
{
	struct watch *w = o->watch;
	const struct config *c = &o->config;

	w->visitor = true;
	w->path = file_join(c->dir_slurm, o->s.name);
	if (!w->path)
		return err_set(e, ERR_SYSTEM, "no memory");
	if (visitor_check(o->s.user, &w->uid, e) < 0 ||
	    visitor_enter(c, o->st.path, o->s.user, o->s.name,
			  c->service_max_session_nb_per_user + LEFT_OVER_MAX,
			  e) < 0)
		return -1;
	w->entered = true;
	return 0;
}

int watch_visitor_command(struct owner *o, enum tool tool,
			  const struct job_order *order, struct argv *ret,
			  int *ret_in, struct err *e)
{
	static struct visitor_request r;
	int in;

	r = (struct visitor_request){ .verb = VISITOR_CANCEL };
	if (tool == TOOL_SUBMIT) {
		r.verb = VISITOR_START;
		r.order = *order;
	} else if (tool == TOOL_KNOCK) {
		r.verb = VISITOR_KNOCK;
		r.wish = o->watch->wish;
	}
	memcpy(r.name, o->s.name, sizeof(r.name));
	if (visitor_command(&o->config, o->s.user, ret, e) < 0)
		return -1;
	in = visitor_request(&r, order ? o->order : -1, e);
	if (in < 0)
		return -1;
	*ret_in = in;
	return 0;
}

int watch_visitor_open(struct owner *o, struct err *e)
{
	struct watch *w = o->watch;

	if (w->dir >= 0)
		return 0;
	w->dir = job_dir_open(w->path, w->uid, e);
	if (w->dir < 0)
		return -1;
	watch_await_mark(o);
	return 0;
}

void watch_visitor_strike(struct owner *o)
{
	struct err e = ERR_INIT;
	AUTO_CLOSE int reg = visitor_register_open(&o->config, &e);

	if (reg < 0)
		log_error("slurm", &e);
	else
		visitor_strike(reg, o->s.user, o->s.name);
	o->watch->entered = false;
}

void watch_visitor_end(struct owner *o)
{
	struct err e = ERR_INIT;

	if (!o->watch->entered)
		return;
	if (visitor_remove(&o->config, o->s.user, o->s.name, &e) == 0)
		watch_visitor_strike(o);
	else
		log_error("slurm", &e);
}
