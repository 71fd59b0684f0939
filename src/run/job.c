#include "run/job.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include "base/log.h"
#include "run/control.h"
#include "run/job_state.h"
#include "sys/clock.h"
#include "sys/core.h"
#include "sys/memory.h"
#include "sys/news.h"

enum {
	BUSY_MS = 25,	/* between looks until it runs */
	CALM_MS = 1000, /* and then */
};

#define WHO_CLUSTER "the cluster"
#define WHO_LIMIT "the cluster, whose limit of time is near"
#define WHO_NOBODY "the cluster, where nobody waits for it any more"

/* ---- What it says ---- */

/* Secrets stay where they are; and a record on another host's clock means
 * nothing. */
void job_say(struct job *j, const struct session *s)
{
	long long left = s->ends_boot_ms - clock_boot_ms();
	struct err e = ERR_INIT;

	j->mark.session = *s;
	j->mark.session.token[0] = '\0';
	j->mark.session.password[0] = '\0';
	j->mark.left_ms = !s->ends_boot_ms ? 0 : left > 0 ? left : 1;
	if (job_dir_write_mark(j->dir, &j->mark, &e) < 0)
		log_error("mark", &e);
	else
		j->said = true;
}

/* What came for the record since it was said last? */
static void look_at_session(struct job *j)
{
	const struct session *old = &j->mark.session;
	struct err e = ERR_INIT;
	struct session now;
	struct job_mark mark = j->mark;

	if (store_read(&j->st, j->order.session.name, &now, &e) < 0)
		return;
	/* The end is said when nothing is left: finish(). */
	if (session_is_final(&now))
		return;
	mark.port = j->tunnel.port;
	if (!mark.certificate[0] && !j->key &&
	    tunnel_read_certificate(j->run, mark.certificate,
				    sizeof(mark.certificate), &e) < 0)
		log_error("tunnel", &e);
	if (j->said && mark.port == j->mark.port &&
	    strcmp(mark.certificate, j->mark.certificate) == 0 &&
	    old->state == now.state && old->step == now.step &&
	    old->guest_seen == now.guest_seen && old->kvm == now.kvm &&
	    old->ends_boot_ms == now.ends_boot_ms &&
	    strcmp(old->network, now.network) == 0 &&
	    strcmp(old->notice, now.notice) == 0)
		return;
	j->mark = mark;
	job_say(j, &now);
}

/* ---- What it is told ---- */

static void stop(struct job *j, bool now, const char *who)
{
	struct err e = ERR_INIT;
	struct session s;

	if (j->stopping_now || (j->stopping && !now))
		return;
	j->stopping = true;
	j->stopping_now = now;
	if (control_stop(&j->st, j->order.session.name, now, who, &s, &e) < 0)
		log_error("stop", &e);
}

static void extend(struct job *j, long long ends)
{
	struct err e = ERR_INIT;
	struct session s;

	j->extended = ends;
	if (control_extend(&j->st, j->order.session.name, ends - clock_wall(),
			   j->order.session.user, &s, &e) < 0)
		log_error("extend", &e);
}

static void look_at_wish(struct job *j)
{
	struct job_wish wish;
	struct err e = ERR_INIT;

	if (!job_dir_is_there(j->path, j->dir)) {
		stop(j, true, WHO_NOBODY);
		return;
	}
	if (job_dir_read_wish(j->dir, &wish, &e) < 0)
		return; /* the file system may be away for a while */
	if (wish.stop)
		stop(j, wish.now, wish.who);
	else if (wish.ends && wish.ends != j->extended)
		extend(j, wish.ends);
}

static void on_signals(struct job *j)
{
	struct signalfd_siginfo info;

	while (read(j->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
			stop(j, true, WHO_CLUSTER);
		else if (info.ssi_signo == SIGUSR1)
			stop(j, false, WHO_LIMIT);
	}
}

static void on_children(struct job *j)
{
	int status;

	if (j->key && child_reaped(j->key, false, &status)) {
		j->key = 0;
		if (status != 0)
			log_event("tunnel", "session", j->order.session.name,
				  "result", "failed", "message",
				  "openssl made no key", NULL);
	}
	if (j->owner && child_reaped(j->owner, false, &status))
		j->owner = 0;
	tunnel_reap(&j->tunnel);
}

/* Who comes before the display is there waits in the listener's queue. */
static bool may_enter(const struct job *j)
{
	return !tunnel_is_full(&j->tunnel) &&
	       faccessat(j->run, "vnc", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void close_news(struct job *j)
{
	if (j->news >= 0)
		close(TAKE_FD(j->news));
}

static void turn(struct job *j)
{
	enum { SIGNALS, VIEWERS, NEWS };
	bool running = j->mark.session.state >= SESSION_RUNNING &&
		       j->mark.certificate[0];
	struct pollfd p[] = {
		[SIGNALS] = { j->signals, POLLIN, 0 },
		[VIEWERS] = { may_enter(j) ? j->tunnel.listener : -1, POLLIN,
			      0 },
		[NEWS] = { running ? -1 : j->news, POLLIN, 0 },
	};
	struct err e = ERR_INIT;

	if (running)
		close_news(j);
	if (poll(p, ARRAY_LEN(p), running ? CALM_MS : BUSY_MS) < 0)
		return;
	on_signals(j);
	if (p[VIEWERS].revents &&
	    tunnel_accept(&j->tunnel, STDERR_FILENO, &e) < 0)
		log_error("tunnel", &e);
	on_children(j);
	if (p[NEWS].revents)
		news_read(j->news);
	look_at_session(j);
	/* News are this node's, and a wish is the web host's. */
	if (!p[NEWS].revents || p[SIGNALS].revents)
		look_at_wish(j);
}

/* ---- How it ends ---- */

static void finish(struct job *j)
{
	const char *name = j->order.session.name;
	AUTO_CLOSE int lock = -1;
	struct err e = ERR_INIT;
	struct session s;

	child_end(&j->key, false);
	tunnel_release(&j->tunnel);
	if (store_read_true(&j->st, name, &s, &e) == 0)
		job_say(j, &s);
	else
		log_error("job", &e);
	lock = store_take_lock(&j->st, name, &e);
	if (lock < 0 || store_forget(&j->st, name, &e) < 0)
		log_error("job", &e);
}

static void release(struct job *j)
{
	close_news(j);
	tunnel_release(&j->tunnel);
	for (size_t i = 0; i < j->option_count; i++)
		free(j->options[i]);
	free(j->run_path);
	free(j->key_program);
	store_release(&j->st);
	config_release(&j->config);
}

int job_main(int argc, char **argv)
{
	static struct job j = {
		.dir = -1, .run = -1, .signals = -1, .news = -1,
		.st = STORE_INIT, .tunnel = TUNNEL_INIT,
	};
	struct err e = ERR_INIT;
	int result;

	if (argc != 3)
		return 2;
	umask(077);
	memory_begin_small();
	j.path = argv[2];
	if (core_forbid(&e) < 0 || (result = job_adopt(&j, &e)) < 0) {
		log_error("job", &e);
		return 1;
	}
	if (result == 0 && job_begin(&j) == 0) {
		while (j.owner)
			turn(&j);
		finish(&j);
	}
	result = j.mark.session.state == SESSION_FAILED;
	release(&j);
	return result;
}
