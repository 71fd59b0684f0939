#include "session/usage.h"

#include <string.h>
#include <sys/stat.h>

#include "sys/clock.h"

enum {
	LOAD_MS = 60 * 1000, /* until the load average shows a session */
	JOB_MS = 5 * 1000,   /* until a cluster's figures show a job */
};

static long long larger(long long a, long long b)
{
	return a > b ? a : b;
}

static long long smaller(long long a, long long b)
{
	return a < b ? a : b;
}

/* Disk that is counted for a session: what it may write, within reason. */
static long long disk_claim_mb(const struct config *c, const struct session *s)
{
	long long reserve = c->snapshot_reserve_disk * 1024 / 1000;

	if (s->master)
		return 0; /* it has no overlay */
	return s->iso ? smaller(reserve, s->disk_mb) : reserve;
}

/* What its overlay occupies now. */
static long long disk_used_mb(const struct store *st, const struct session *s)
{
	AUTO_FREE char *path = store_overlay_path(st, s->name);
	struct stat stat;

	if (!path || lstat(path, &stat) < 0)
		return 0;
	return (long long)stat.st_blocks * 512 / 1048576;
}

static void earlier(long long *ret_ms, long long ms)
{
	if (ms && (!*ret_ms || ms < *ret_ms))
		*ret_ms = ms;
}

static void count_one(const struct store *st, const struct session *s,
		      struct usage *u)
{
	u->sessions++;
	if (u->now_ms - s->started_boot_ms < LOAD_MS)
		u->claimed_cpu += s->cpu;
	if (s->state <= SESSION_QUEUED || u->now_ms - s->started_boot_ms < JOB_MS)
		u->waiting_cpu += s->cpu;
	u->claimed_mb += larger(s->memory_mb - s->touched_mb, 0);
	u->claimed_disk_mb += larger(disk_claim_mb(st->config, s) -
					     disk_used_mb(st, s),
				     0);
	earlier(&u->next_end_ms, s->ends_boot_ms);
}

void usage_count(const struct store *st, const struct session_list *all,
			const char *user, struct usage *ret)
{
	*ret = (struct usage){ .now_ms = clock_boot_ms() };
	for (size_t i = 0; i < all->count; i++) {
		const struct session *s = &all->list[i];

		if (session_is_final(s))
			continue;
		count_one(st, s, ret);
		if (strcmp(s->user, user) != 0)
			continue;
		ret->user_sessions++;
		ret->user_cpu += s->cpu;
		ret->user_memory_mb += s->memory_mb;
		earlier(&ret->user_next_end_ms, s->ends_boot_ms);
	}
}

/* What makes room among one's own: `less`, where there is some left. */
static int refuse_share(const struct usage *u, long long used, long long most,
			const char *what, const char *less, struct err *e)
{
	bool full = used >= most;

	return err_set(e, ERR_BUSY,
		       "Your sessions use %lld of at most %lld %s. %s%s", used,
		       most, what, full ? "" : less,
		       full		? "Stop one that you no longer need." :
		       u->user_sessions ? ", or stop a session." :
					  ".");
}

static int check_user(const struct limits *l, const struct usage *u,
		      const struct session *s, struct err *e)
{
	if (u->user_sessions >= l->user_sessions)
		return err_set(e, ERR_BUSY,
			       "You have %lld of at most %lld sessions. Stop "
			       "one that you no longer need.",
			       u->user_sessions, l->user_sessions);
	if (l->cluster)
		return 0;
	if (u->user_cpu + s->cpu > l->user_cpu)
		return refuse_share(u, u->user_cpu, l->user_cpu,
				    l->user_cpu == 1 ? "core" : "cores",
				    "Ask for fewer", e);
	if (u->user_memory_mb + s->memory_mb > l->user_memory_mb)
		return refuse_share(u, u->user_memory_mb, l->user_memory_mb,
				    "MB of memory", "Ask for less", e);
	return 0;
}

/*
 * The load average lags a minute behind, so the cores of sessions that are
 * younger count as well.  Fractions of a core are let pass: on an idle host of
 * one core a session must find its place.
 */
static long long cores_used(const struct hostload *host,
			    const struct usage *u)
{
	return host->load_milli * host->cpus / 1000 + u->claimed_cpu;
}

static long long cores_most(const struct config *c,
			    const struct hostload *host)
{
	return host->cpus * larger(c->service_max_load, 1000) / 1000;
}

static int check_load(const struct config *c, const struct hostload *host,
		      const struct usage *u, const struct session *s,
		      struct err *e)
{
	long long used = cores_used(host, u);
	long long most = cores_most(c, host);

	if (host->load_milli > c->service_max_load)
		return err_set(e, ERR_BUSY,
			       "This server is busy: its load is %lld %% of "
			       "its cores, and %lld %% is the limit. Try again "
			       "in a few minutes.",
			       host->load_milli / 10, c->service_max_load / 10);
	if (used + s->cpu > most)
		return err_set(e, ERR_BUSY,
			       "This server is busy: %lld of its %lld cores are "
			       "free, and the machine needs %lld. Ask for "
			       "fewer, or try again in a few minutes.",
			       larger(most - used, 0), most, s->cpu);
	return 0;
}

static int check_memory(const struct hostload *host, const struct usage *u,
			const struct session *s, struct err *e)
{
	long long left = host->memory_available_mb - u->claimed_mb;

	if (s->memory_mb <= left)
		return 0;
	return err_set(e, ERR_BUSY,
		       "This server has %lld MB of memory left, and the "
		       "machine needs %lld MB. Ask for less, or try again "
		       "later.",
		       larger(left, 0), s->memory_mb);
}

static int check_disk(const struct config *c, const struct usage *u,
		      const struct session *s, struct err *e)
{
	long long claim = disk_claim_mb(c, s);
	struct err ignored = ERR_INIT;
	long long left;

	/* Where it cannot be asked, the session's owner will tell why. */
	if (!claim ||
	    hostload_disk_free_mb(c->dir_snapshots, &left, &ignored) < 0)
		return 0;
	left -= u->claimed_disk_mb;
	if (claim <= left)
		return 0;
	return err_set(e, ERR_BUSY,
		       "This server has %lld MB of disk left for machines, and "
		       "%lld MB are kept for each. Try again later.",
		       larger(left, 0), claim);
}

/* Say when the next session ends, which may make room. */
static void say_next_end(const struct usage *u, long long end_ms,
			 const char *whose, struct err *e)
{
	size_t used = strlen(e->msg);
	long long wait = (end_ms - u->now_ms) / 1000;
	char text[32];

	if (!end_ms)
		return;
	clock_duration(larger(wait, 0), text, sizeof(text));
	snprintf(e->msg + used, sizeof(e->msg) - used, " %s ends in %s.", whose,
		 text);
}

/* How long to wait: until that end, within a minute to a day. */
static long retry_after(const struct usage *u, long long end_ms)
{
	long long wait = end_ms ? (end_ms - u->now_ms) / 1000 : 300;

	return (long)smaller(larger(wait, 60), 86400);
}

static int refuse_user(const struct usage *u, struct err *e)
{
	e->retry_after = retry_after(u, u->user_next_end_ms);
	say_next_end(u, u->user_next_end_ms,
		     u->user_sessions == 1 ? "Your session" :
					     "The next of them",
		     e);
	return -1;
}

/* The load may fall before any session ends. */
static int refuse_host(const struct usage *u, bool load, struct err *e)
{
	if (e->code != ERR_BUSY)
		return -1;
	e->elsewhere = true;
	e->retry_after = load ? 60 : retry_after(u, u->next_end_ms);
	say_next_end(u, u->next_end_ms, "The next session", e);
	return -1;
}

static int check_places(const struct limits *l, const struct usage *u,
			struct err *e)
{
	if (u->sessions < l->sessions)
		return 0;
	return err_set(e, ERR_BUSY,
		       "All %lld places on this server are taken. Try again "
		       "later.",
		       l->sessions);
}

int usage_check_user(const struct limits *l, const struct usage *u,
		     const struct session *s, struct err *e)
{
	return check_user(l, u, s, e) < 0 ? refuse_user(u, e) : 0;
}

int usage_refuse(const struct usage *u, struct err *e)
{
	return refuse_host(u, false, e);
}

int usage_check_host(const struct config *c, const struct limits *l,
		     const struct hostload *host, const struct usage *u,
		     const struct session *s, struct err *e)
{
	if (check_places(l, u, e) < 0)
		return refuse_host(u, false, e);
	if (l->cluster)
		return 0;
	if (check_load(c, host, u, s, e) < 0)
		return refuse_host(u, true, e);
	if (check_memory(host, u, s, e) < 0 || check_disk(c, u, s, e) < 0)
		return refuse_host(u, false, e);
	return 0;
}

void usage_room(const struct config *c, const struct limits *l,
		const struct hostload *host, const struct usage *u,
		struct room *ret)
{
	long long used = cores_used(host, u);

	*ret = (struct room){
		.sessions = larger(l->sessions - u->sessions, 0),
		.cpu = host->load_milli > c->service_max_load ?
			       0 :
			       larger(cores_most(c, host) - used, 0),
		.memory_mb = larger(host->memory_available_mb - u->claimed_mb,
				    0),
		.busy_milli = host->load_milli +
			      u->claimed_cpu * 1000 / larger(host->cpus, 1),
		.user = { .sessions = u->user_sessions,
			  .cpu = u->user_cpu,
			  .memory_mb = u->user_memory_mb },
	};
	if (!l->cluster)
		return;
	ret->cpu = l->session_cpu;
	ret->memory_mb = l->user_memory_mb;
	ret->busy_milli = 0;
	ret->waiting_cpu = u->waiting_cpu;
}
