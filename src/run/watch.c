/* The owner of a job on a cluster, from its order on: run/watch.h. */
#include "run/watch.h"

#include <fcntl.h>
#include <string.h>

#include "base/log.h"
#include "conf/options_slurm.h"
#include "sys/clock.h"
#include "sys/file.h"

enum {
	LOOK_FIRST_MS = 300,
	LOOK_QUEUED_MS = 10 * 1000,
	LOOK_STARTING_MS = 1000,
	LOOK_RUNNING_MS = 20 * 1000,
	LOOK_ENDING_MS = 1000,
	LOOK_AWAY_MS = 5 * 1000,
	SILENCE_MS = 120 * 1000,
	LINGER_MS = 60 * 1000, /* a job that has said its end */
	GATEWAY_MS = 10 * 1000,
};

bool watch_set(char *to, size_t size, const char *from)
{
	bool changed = strcmp(to, from) != 0;

	snprintf(to, size, "%s", from);
	return changed;
}

void watch_soon(struct owner *o)
{
	o->watch->mark_at = 0;
	o->deadlines[DEADLINE_LOOK] = clock_boot_ms();
}

/* ---- What Slurm says ---- */

/* Unless something has said why already. */
static void end_by_slurm(struct owner *o)
{
	const struct watch *w = o->watch;
	const struct session *there = &w->mark.session;
	enum slurm_state state = watch_cause(o);
	/* Of memory the kernel may have ended something else in the job. */
	bool own = state == SLURM_COMPLETED || state == SLURM_FAILED ||
		   state == SLURM_MISSING ||
		   (state == SLURM_OUT_OF_MEMORY &&
		    there->state == SESSION_ENDED);
	const char *sentence;
	bool failed;

	sentence = slurm_end_sentence(state, &failed);
	/* The job's own word, where Slurm has nothing to add. */
	if (w->final && own) {
		sentence = there->reason[0] ? there->reason : sentence;
		failed = there->state == SESSION_FAILED;
		if (failed)
			o->s.step = there->step;
	}
	if (failed && o->s.state != SESSION_STOPPING)
		owner_fail(o, sentence);
	else
		owner_end(o, sentence);
}

static void on_ended(struct owner *o)
{
	struct watch *w = o->watch;

	/* Its last mark may be on its way through the file system. */
	w->mark_at = 0;
	watch_look_at_mark(o);
	if (!w->final && w->job.state == SLURM_COMPLETED && !w->final_at) {
		w->final_at = clock_boot_ms() + 2000;
		return;
	}
	if (!w->final && w->final_at && clock_boot_ms() < w->final_at)
		return;
	w->over = true;
	end_by_slurm(o);
}

static void next_look(struct owner *o)
{
	struct watch *w = o->watch;
	long long most = LOOK_RUNNING_MS;

	if ((w->final && !w->lingers) || o->s.state == SESSION_STOPPING ||
	    slurm_has_ended(w->job.state))
		most = LOOK_ENDING_MS;
	else if (o->s.job_away)
		most = LOOK_AWAY_MS;
	else if (o->s.state == SESSION_QUEUED)
		most = w->job.state == SLURM_PENDING ? LOOK_QUEUED_MS :
						       LOOK_STARTING_MS;
	w->look_wait = w->look_wait ? w->look_wait * 3 / 2 : LOOK_FIRST_MS;
	if (w->look_wait > most)
		w->look_wait = most;
	w->look_at = clock_boot_ms() + w->look_wait;
}

/* Its place was taken away, and Slurm would start it again. */
static bool is_requeued(const struct watch *w)
{
	return w->job.state == SLURM_REQUEUED ||
	       (w->job.state == SLURM_PENDING && w->marked);
}

static bool show_choice(char to[SESSION_CLUSTER_SIZE], const char *slurms)
{
	return *slurms && watch_set(to, SESSION_CLUSTER_SIZE, slurms);
}

/* What it has been given, which may not be what was asked for. */
static bool show_choices(struct session *s, const struct slurm_job *job)
{
	bool changed = show_choice(s->account, job->account);

	changed |= show_choice(s->partition, job->partition);
	changed |= show_choice(s->qos, job->qos);
	return changed;
}

static void show_job(struct owner *o)
{
	const struct slurm_job *job = &o->watch->job;
	bool waits = job->state == SLURM_PENDING;
	long long start = waits ? job->start : 0;
	struct session *s = &o->s;
	bool changed = s->job_away || s->job_start != start;

	s->job_away = false;
	s->job_start = start;
	changed |= watch_set(s->job_reason, sizeof(s->job_reason),
			     waits			     ? job->reason :
			     job->state == SLURM_SUSPENDED ? "Suspended" :
							     "");
	if (!waits && !o->watch->marked)
		changed |= watch_set(s->node, sizeof(s->node), job->node);
	changed |= show_choices(s, job);
	if (changed)
		owner_save(o);
}

/* The number was said by the visitor's own process: it may be any job's. */
static bool is_ours(const struct owner *o, const struct slurm_job *job)
{
	return job->state == SLURM_MISSING || !o->watch->visitor ||
	       (strcmp(job->user, o->s.user) == 0 &&
		strcmp(job->name, o->s.name) == 0);
}

void watch_on_job(struct owner *o, const struct slurm_job *job)
{
	struct watch *w = o->watch;
	bool missed = w->missed;

	if (!is_ours(o, job)) {
		log_event("slurm", "session", o->s.name, "user", o->s.user,
			  "result", "another's job", NULL);
		w->over = true;
		owner_fail(o, "The cluster says that its job is another one.");
		return;
	}

	/* Once may be a slip. */
	w->missed = job->state == SLURM_MISSING;
	if (w->missed && !missed) {
		next_look(o);
		return;
	}
	if (job->state != w->job.state)
		log_event("slurm", "session", o->s.name, "state",
			  slurm_state_word(job->state), "node", job->node,
			  NULL);
	w->job = *job;
	show_job(o);
	if (slurm_has_ended(job->state)) {
		on_ended(o);
	} else if (is_requeued(w)) {
		w->want_cancel = true;
		owner_fail(o, "The cluster took its place away and put it back "
			      "into the queue; a machine is not started "
			      "twice.");
	} else if (job->state != SLURM_PENDING && !w->marked &&
		   !w->silence_at) {
		w->silence_at = clock_boot_ms() + SILENCE_MS;
		w->look_wait = 0;
	}
	next_look(o);
}

void watch_on_away(struct owner *o, const char *why)
{
	if (!o->s.job_away) {
		o->s.job_away = true;
		log_event("slurm", "session", o->s.name, "result", "away",
			  "message", why, NULL);
		owner_save(o);
	}
	next_look(o);
	/* Its job has said that it is over, and nobody says otherwise. */
	if (o->watch->final && clock_boot_ms() >= o->watch->final_at)
		end_by_slurm(o);
}

void watch_submitted(struct owner *o, long long job)
{
	char number[32];

	o->s.job = job;
	o->watch->job.state = SLURM_PENDING;
	snprintf(number, sizeof(number), "%lld", job);
	log_event("slurm", "session", o->s.name, "job", number, "state",
		  "submitted", NULL);
	/* It was stopped meanwhile. */
	if (o->s.state >= SESSION_STOPPING) {
		o->watch->want_cancel = true;
		owner_save(o);
	} else {
		owner_move(o, SESSION_QUEUED, STEP_ACCEPTED);
	}
	next_look(o);
}

/* ---- Its turns ---- */

/* It says that it is over, and goes on. */
static void linger(struct owner *o)
{
	struct watch *w = o->watch;

	w->final_at = clock_boot_ms();
	w->want_cancel = true;
	w->lingers = true;
}

static void give_up(struct owner *o)
{
	struct watch *w = o->watch;
	long long now = clock_boot_ms();
	bool starts = o->s.state < SESSION_RUNNING;

	if (starts && w->silence_at && now >= w->silence_at)
		owner_fail(o, "The cluster's computer that was to run it says "
			      "nothing.");
	else if (starts && ((w->display_at && now >= w->display_at) ||
			    (w->boot_at && now >= w->boot_at)))
		owner_fail(o, "Its display could not be reached on the "
			      "cluster's computer.");
	else if (w->final && o->s.job_away && now >= w->final_at)
		end_by_slurm(o);
	else if (w->final && now >= w->final_at + LINGER_MS)
		linger(o);
	else if (w->give_up_at && now >= w->give_up_at)
		owner_end(o, "Stopped.");
}

static void earlier(long long *ret, long long at)
{
	if (at && at < *ret)
		*ret = at;
}

static void plan(struct owner *o)
{
	struct watch *w = o->watch;
	long long now = clock_boot_ms();
	long long at = now + 60000;

	if (o->s.job)
		earlier(&at, w->mark_at ? w->mark_at : now);
	if (w->tool == TOOL_NONE && o->s.job)
		earlier(&at, w->look_at ? w->look_at : now);
	earlier(&at, w->tool_until);
	earlier(&at, w->give_up_at);
	if (w->probing)
		earlier(&at, w->probe_until);
	else if (w->tunnel.listener >= 0)
		earlier(&at, w->probe_at);
	owner_deadline(o, DEADLINE_LOOK, at > now ? at - now : 1);
}

static void look(struct owner *o)
{
	watch_tool_late(o);
	watch_look_at_mark(o);
	if (!o->finished && o->s.state <= SESSION_RUNNING)
		watch_probe(o);
	if (!o->finished)
		give_up(o);
	if (!o->finished && o->s.state == SESSION_RUNNING &&
	    clock_boot_ms() >= o->watch->gateway_at) {
		guest_display_look(o);
		o->watch->gateway_at = clock_boot_ms() + GATEWAY_MS;
	}
	watch_next_tool(o);
	plan(o);
}

static void on_child(struct owner *o)
{
	struct watch *w = o->watch;
	int status;

	tunnel_reap(&w->tunnel);
	if (!tunnel_is_full(&w->tunnel))
		o->viewers = w->tunnel.listener;
	if (w->tool_pid && child_reaped(w->tool_pid, false, &status))
		watch_tool_ended(o, status);
	if (!o->finished)
		o->deadlines[DEADLINE_LOOK] = clock_boot_ms();
}

/* ---- Its beginning ---- */

static int prepare(struct owner *o, struct err *e)
{
	struct watch *w = o->watch;

	o->dir = file_private_dir(o->st.run, o->s.name, e);
	if (o->dir < 0)
		return -1;
	if (asprintf(&o->dir_path, "%s/run/%s", o->st.path, o->s.name) < 0) {
		o->dir_path = NULL;
		return err_set(e, ERR_SYSTEM, "no memory");
	}
	if (config_has_visitors(&o->config))
		return watch_visitor_prepare(o, e);
	w->dir = job_dir_make(&o->config, o->st.path, o->s.name, &w->path, e);
	return w->dir < 0 ? -1 : job_dir_write_wish(w->dir, &w->wish, e);
}

/* Its time begins when it has a place. */
static void hold_time(struct owner *o)
{
	if (o->s.ends_boot_ms)
		o->watch->lifetime_s = (o->s.ends_boot_ms -
					o->s.started_boot_ms + 999) /
				       1000;
	o->s.ends = o->s.ends_boot_ms = o->s.warn_boot_ms = 0;
	warning_plan(o);
}

static void begin(struct owner *o)
{
	struct err e = ERR_INIT;

	o->watch = calloc(1, sizeof(*o->watch));
	if (!o->watch) {
		owner_fail(o, "The server could not prepare this machine.");
		return;
	}
	*o->watch = (struct watch){ .dir = -1, .tool_out = -1, .tool_err = -1,
				    .tunnel = TUNNEL_INIT, .client = -1 };
	hold_time(o);
	owner_move(o, SESSION_STARTING, STEP_ACCEPTED);
	if (prepare(o, &e) < 0) {
		log_error("slurm", &e);
		owner_fail(o, e.code == ERR_FORBIDDEN || e.code == ERR_BUSY ?
				      e.msg :
				      "The server could not prepare this "
				      "machine.");
		return;
	}
	if (o->watch->dir >= 0)
		watch_await_mark(o);
	guest_display_begin(o);
	if (!o->finished)
		watch_start_key(o);
	plan(o);
}

const struct guest_place guest_on_cluster = {
	.begin = begin,
	.look = look,
	.on_child = on_child,
	.on_vnc = watch_on_vnc,
	.on_viewer = watch_on_viewer,
	.on_news = watch_on_news,
	.stop = watch_stop,
	.stop_further = watch_stop_further,
	.extend = watch_extend,
	.clean = watch_clean,
};
