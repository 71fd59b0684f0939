/* The job's mark, and the way to its display: run/watch.h. */
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/log.h"
#include "run/watch.h"
#include "session/lifetime.h"
#include "sys/clock.h"
#include "sys/news.h"

enum {
	MARK_BUSY_MS = 50,
	MARK_QUEUED_MS = 1000,
	MARK_CALM_MS = 2000,
	PROBE_MS = 20 * 1000,	 /* for one greeting */
	PROBE_CALM_MS = 40 * 1000, /* between looks at a display */
	PROBE_SOON_MS = 200,
	/* From QEMU's start to a display: with KVM, without, without a sandbox
	 * (run/guest_start.c). */
	BOOT_MS = 3 * 60 * 1000,
	DISPLAY_MS = 90 * 1000, /* from the machine's start to a picture */
	FINAL_MS = 10 * 1000,
	NEWS_MAX = 100, /* a start has some ten */
	LOOK_SPOKEN_MS = 1000,
	SOON_MS = 1000,
};

/* ---- The display ---- */

static int open_tunnel(struct owner *o, struct err *e)
{
	struct watch *w = o->watch;
	char target[SESSION_NODE_SIZE + 16];

	w->tunnel.dir = o->dir;
	w->tunnel.path = o->dir_path;
	w->tunnel.program = child_find_program("stunnel", e);
	if (!w->tunnel.program)
		return -1;
	snprintf(target, sizeof(target), "%s:%lld", w->address, w->mark.port);
	if (tunnel_configure(&w->tunnel, true, target, w->mark.certificate,
			     e) < 0 ||
	    tunnel_listen_unix(&w->tunnel, e) < 0)
		return -1;
	o->viewers = w->tunnel.listener;
	return 0;
}

void watch_on_viewer(struct owner *o)
{
	struct err e = ERR_INIT;

	if (tunnel_accept(&o->watch->tunnel, o->said_write, &e) < 0)
		log_error("tunnel", &e);
	/* Until one of them has left. */
	if (tunnel_is_full(&o->watch->tunnel))
		o->viewers = -1;
}

static void probe_ended(struct owner *o, bool greeted)
{
	struct watch *w = o->watch;
	bool away = !greeted && o->s.state == SESSION_RUNNING;

	if (o->vnc >= 0)
		close(TAKE_FD(o->vnc));
	w->probing = false;
	w->probe_at = clock_boot_ms() +
		      (greeted ? PROBE_CALM_MS : PROBE_SOON_MS);
	if (away)
		w->probe_at += PROBE_MS;
	o->vnc_greeted = o->vnc_greeted || greeted;
	if (away == o->s.display_away)
		return;
	o->s.display_away = away;
	log_event("tunnel", "session", o->s.name, "node", o->s.node, "result",
		  away ? "away" : "back", NULL);
	owner_save(o);
}

/* As a viewer does: through both stunnels to QEMU. */
void watch_probe(struct owner *o)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct watch *w = o->watch;
	long long now = clock_boot_ms();

	if (w->probing && now >= w->probe_until)
		probe_ended(o, false);
	if (w->tunnel.listener < 0 || w->probing || now < w->probe_at ||
	    o->viewers < 0)
		return;
	snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/vnc",
		 o->dir);
	o->vnc_read = 0;
	o->vnc = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	w->probing = true;
	w->probe_until = now + PROBE_MS;
	if (o->vnc < 0 ||
	    connect(o->vnc, (struct sockaddr *)&a, sizeof(a)) < 0)
		probe_ended(o, false);
}

void watch_on_vnc(struct owner *o)
{
	ssize_t got = recv(o->vnc, o->vnc_greeting + o->vnc_read,
			   sizeof(o->vnc_greeting) - o->vnc_read, 0);

	if (got > 0)
		o->vnc_read += (size_t)got;
	if (got > 0 && o->vnc_read < sizeof(o->vnc_greeting))
		return;
	probe_ended(o, got > 0 && memcmp(o->vnc_greeting, "RFB ", 4) == 0);
	watch_soon(o);
}

/* ---- The mark ---- */

/* The lifetime counts from the job's start, on this host's clock. */
static void begin_life(struct owner *o)
{
	long long most = o->watch->lifetime_s * 1000;
	long long left = o->watch->mark.left_ms;
	long long now = clock_boot_ms();

	/* What was ordered counts, whatever the job says. */
	if (most && (!left || left > most))
		left = most;

	o->s.started = clock_wall();
	o->s.started_boot_ms = now;
	lifetime_end_at(&o->config, &o->s, now, left ? now + left : 0);
	warning_plan(o);
}

/* What the node knows better. */
static void take_over(struct owner *o)
{
	const struct session *there = &o->watch->mark.session;
	struct session *s = &o->s;
	bool changed = s->guest_seen != there->guest_seen ||
		       s->kvm != there->kvm;

	s->guest_seen = there->guest_seen;
	s->kvm = there->kvm;
	changed |= watch_set(s->network, sizeof(s->network), there->network);
	changed |= watch_set(s->notice, sizeof(s->notice), there->notice);
	changed |= watch_set(s->node, sizeof(s->node), o->watch->mark.node);
	changed |= watch_set(s->job_reason, sizeof(s->job_reason), "");
	if (changed)
		owner_save(o);
}

static void on_final(struct owner *o)
{
	struct watch *w = o->watch;

	if (w->final)
		return;
	w->final = true;
	w->final_at = clock_boot_ms() + FINAL_MS;
	w->look_at = 0;
	w->look_wait = 0;
}

/* QEMU has been started: somebody may set out for its display. */
static void go_to_display(struct owner *o)
{
	struct watch *w = o->watch;
	struct err e = ERR_INIT;

	if (w->tunnel.listener >= 0 || !w->mark.port ||
	    !w->mark.certificate[0] || !w->address[0])
		return;
	w->boot_at = clock_boot_ms() + BOOT_MS;
	if (open_tunnel(o, &e) == 0)
		return;
	log_error("tunnel", &e);
	owner_fail(o, "The way to the display could not be made.");
}

static void come_to_display(struct owner *o)
{
	struct watch *w = o->watch;

	if (!w->display_at)
		w->display_at = clock_boot_ms() + DISPLAY_MS;
	owner_move(o, SESSION_BOOTING, STEP_DISPLAY);
	go_to_display(o);
	if (!o->vnc_greeted || o->finished || !guest_display_is_open(o))
		return;
	w->display_at = 0;
	if (o->news >= 0)
		close(TAKE_FD(o->news));
	owner_move(o, SESSION_RUNNING, STEP_GUEST);
	log_event("running", "session", o->s.name, "accelerator",
		  o->s.kvm ? "kvm" : "tcg", "network", o->s.network, "node",
		  o->s.node, NULL);
}

/* By itself: from within, or since its lifetime is over. */
static void stops(struct owner *o)
{
	owner_move(o, SESSION_STOPPING, o->s.step);
	watch_await_end(o);
}

static void on_mark(struct owner *o)
{
	struct watch *w = o->watch;
	const struct session *there = &w->mark.session;

	if (!w->marked) {
		w->marked = true;
		w->silence_at = 0;
		w->want_address = true;
		/* It speaks for itself now. */
		w->look_at = clock_boot_ms() + LOOK_SPOKEN_MS;
		begin_life(o);
	}
	take_over(o);
	if (session_is_final(there))
		on_final(o);
	else if (there->state == SESSION_STOPPING)
		stops(o);
	else if (there->state == SESSION_RUNNING &&
		 o->s.state < SESSION_RUNNING)
		come_to_display(o);
	else if (there->state == SESSION_PREPARING ||
		 there->state == SESSION_BOOTING)
		owner_move(o, there->state, there->step);
	else if (there->state == SESSION_STARTING)
		owner_move(o, SESSION_PREPARING, STEP_DISK);
	if (there->state == SESSION_BOOTING)
		go_to_display(o);
}

/* Of a visitor's job none: its directory is not there yet, and what he does in
 * it need not keep us busy. */
void watch_await_mark(struct owner *o)
{
	if (!o->watch->visitor)
		o->news = news_of(o->watch->dir, IN_MOVED_TO);
	o->watch->news_left = NEWS_MAX;
}

void watch_on_news(struct owner *o)
{
	news_read(o->news);
	if (--o->watch->news_left <= 0)
		close(TAKE_FD(o->news));
	watch_soon(o);
}

static long long mark_wait(const struct owner *o)
{
	if (o->s.state == SESSION_RUNNING)
		return MARK_CALM_MS;
	if (o->s.state == SESSION_QUEUED && o->watch->look_wait > 2000)
		return MARK_QUEUED_MS;
	return MARK_BUSY_MS;
}

/* It is looked at often: once is enough for the log. */
static void doubt(struct owner *o, const char *why)
{
	if (!o->watch->doubted)
		log_event("mark", "session", o->s.name, "result",
			  "not believed", "message", why, NULL);
	o->watch->doubted = true;
}

/* A visitor's job would otherwise send us to any place of the network. */
static bool is_where_slurm_says(struct owner *o, const struct job_mark *mark)
{
	struct watch *w = o->watch;

	if (!w->visitor || strcmp(mark->node, w->job.node) == 0)
		return true;
	if (w->job.node[0]) {
		doubt(o, "of another node than Slurm's");
	} else if (!w->hurried || w->look_wait > SOON_MS) {
		/* It seems to run: ask Slurm, and not all the time. */
		w->hurried = true;
		w->look_wait = 0;
		w->look_at = 0;
	}
	return false;
}

void watch_look_at_mark(struct owner *o)
{
	struct watch *w = o->watch;
	struct job_mark mark;
	struct err e = ERR_INIT;

	if (!o->s.job || clock_boot_ms() < w->mark_at)
		return;
	w->mark_at = clock_boot_ms() + mark_wait(o);
	if ((w->visitor && watch_visitor_open(o, &e) < 0) ||
	    job_dir_read_mark(w->dir, &mark, &e) < 0) {
		if (e.code == ERR_DAMAGED || e.code == ERR_TOO_LARGE)
			doubt(o, e.msg);
		return;
	}
	if (mark.job != o->s.job ||
	    strcmp(mark.session.name, o->s.name) != 0) {
		doubt(o, "of another job");
		return;
	}
	if (!is_where_slurm_says(o, &mark))
		return;
	if (mark.port && !tunnel_port_ok(mark.port, o->config.slurm_port)) {
		doubt(o, "of a port that displays do not have");
		return;
	}
	w->mark = mark;
	on_mark(o);
}
