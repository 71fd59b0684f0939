/* The keeper of the display gateway: see vm/gateway.h. */
#include "vm/gateway.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/text.h"
#include "conf/arguments.h"
#include "sys/child.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "vm/display.h"
#include "vm/websockify.h"

enum {
	IDLE_MS = 60 * 1000,  /* how long it outlives the last session */
	LOOK_MS = 5 * 1000,   /* how often it counts sessions */
	START_MS = 60 * 1000, /* for websockify to serve, on a slow host */
	STARTS = 5,	      /* failures in a row before it gives up, */
	PAUSE_MS = 200,	      /* and between them */
	SOUND_MS = 10 * 1000, /* websockify that lives so long has not failed */
};

struct keeper {
	struct config config;
	struct store st;
	int lock;
	int dir;
	int signals;
	struct websockify web;
};

static int listen_once(struct keeper *k, struct err *e)
{
	if (k->web.listener >= 0)
		return 0;
	return websockify_listen(&k->web, display_bind_address(&k->config, NULL),
				 k->config.service_port, e);
}

static int start_websockify(struct keeper *k, struct err *e)
{
	AUTO_FREE char *program = child_find_program(k->config.dir_websockify,
						     e);
	AUTO_FREE char *run = file_join(k->st.path, "run");
	AUTO_FREE char *tokens = file_join(k->st.path, "gateway/tokens");
	AUTO_FREE char *pages = file_join(k->st.path, "gateway/pages");
	struct websockify_place place = {
		.program = program,
		.dir = run,
		.tokens = tokens,
		.pages = pages,
	};

	if (!program)
		return -1;
	if (!run || !tokens || !pages)
		return err_set(e, ERR_SYSTEM, "no memory");
	if (listen_once(k, e) < 0)
		return -1;
	return websockify_start(&k->web, &k->config, &place, e);
}

static void end_websockify(struct keeper *k)
{
	websockify_end(&k->web);
	unlinkat(k->dir, "port", 0);
}

/* Wait until websockify serves.  ERR_SYSTEM with its words if it dies. */
static int await_ready(struct keeper *k, struct err *e)
{
	long long deadline = clock_boot_ms() + START_MS;
	char text[16];
	int status;

	while (!websockify_is_ready(&k->web)) {
		struct pollfd p[2] = {
			{ .fd = k->web.said, .events = POLLIN },
			{ .fd = k->web.probe, .events = POLLIN },
		};

		websockify_listen_to(&k->web);
		if (child_reaped(k->web.pid, true, &status)) {
			k->web.pid = 0;
			websockify_listen_to(&k->web);
			return err_set(e, ERR_SYSTEM,
				       "websockify ended with status %d: %s",
				       status, websockify_last_words(&k->web));
		}
		if (clock_boot_ms() > deadline)
			return err_set(e, ERR_TIMEOUT,
				       "websockify does not serve port %lld",
				       k->web.port);
		poll(p, 2, 20);
	}
	snprintf(text, sizeof(text), "%lld", k->web.port);
	return file_replace(k->dir, "port", text, strlen(text), 0600, false, e);
}

/*
 * The last session has been gone for long: end, unless one has come.  Under
 * the gate, so that whoever starts a session either is seen here or finds
 * the lock free afterwards.
 */
static bool may_end(struct keeper *k)
{
	AUTO_CLOSE int gate = openat(k->dir, "gate",
				     O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
				     0600);

	if (gate < 0 || flock(gate, LOCK_EX) < 0)
		return false;
	if (store_count_alive(&k->st) > 0)
		return false;
	end_websockify(k);
	websockify_release(&k->web);
	close(k->lock);
	k->lock = -1;
	return true;
}

/* Wait for websockify's end (false) or the time to go (true). */
static bool watch(struct keeper *k)
{
	long long idle_since = 0;
	int status;

	for (;;) {
		struct pollfd p[2] = {
			{ .fd = k->web.said, .events = POLLIN },
			{ .fd = k->signals, .events = POLLIN },
		};
		struct signalfd_siginfo info;
		long long now;

		poll(p, 2, LOOK_MS);
		websockify_listen_to(&k->web);
		while (read(k->signals, &info, sizeof(info)) > 0)
			if (info.ssi_signo == SIGTERM)
				return true;
		if (child_reaped(k->web.pid, true, &status)) {
			k->web.pid = 0;
			return false;
		}
		store_follow_log(&k->st, STDERR_FILENO);
		now = clock_boot_ms();
		if (store_count_alive(&k->st) > 0)
			idle_since = 0;
		else if (!idle_since)
			idle_since = now;
		else if (now - idle_since >= IDLE_MS && may_end(k))
			return true;
	}
}

/* What the websockify before this one has left may still be going.  True if
 * we are told to end meanwhile. */
static bool told_to_end(struct keeper *k)
{
	long long until = clock_boot_ms() + PAUSE_MS;
	long long left = PAUSE_MS;

	for (; left > 0; left = until - clock_boot_ms()) {
		struct pollfd p = { .fd = k->signals, .events = POLLIN };
		struct signalfd_siginfo info;

		poll(&p, 1, (int)left);
		while (read(k->signals, &info, sizeof(info)) > 0)
			if (info.ssi_signo == SIGTERM)
				return true;
	}
	return false;
}

static int keep(struct keeper *k)
{
	int failures = 0;

	while (failures < STARTS) {
		struct err e = ERR_INIT;
		long long since;

		if (start_websockify(k, &e) < 0 || await_ready(k, &e) < 0) {
			end_websockify(k);
			log_error("gateway-start", &e);
			if (told_to_end(k))
				return 0;
			failures++;
			continue;
		}
		since = clock_boot_ms();
		log_event("gateway", "result", "listening", NULL);
		if (watch(k)) {
			/* Not once more if may_end() has: what is there now
			 * may be the next keeper's. */
			if (k->lock >= 0)
				end_websockify(k);
			return 0;
		}
		end_websockify(k);
		log_event("gateway", "result", "websockify died", NULL);
		/* One that dies again and again at once is no gateway. */
		failures = clock_boot_ms() - since < SOUND_MS ? failures + 1 : 0;
	}
	return 1;
}

static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

int keeper_main(int argc, char **argv)
{
	struct keeper k = { .dir = -1, .st = STORE_INIT,
			    .web = WEBSOCKIFY_INIT };
	struct err e = ERR_INIT;
	long long lock;
	int status = 1;

	if (argc < 3 || !text_long(argv[2], 3, 1 << 20, &lock) ||
	    fcntl((int)lock, F_SETFD, FD_CLOEXEC) < 0)
		return 2;
	k.lock = (int)lock;
	k.signals = open_signals();
	umask(077);
	/* Without it nobody could end us. */
	if (k.signals < 0) {
		err_sys(&e, "signalfd");
		log_error("gateway-start", &e);
		return 1;
	}
	if (arguments_config(argc, argv, 3, &k.config, &e) < 0) {
		log_error("gateway-start", &e);
		return 1;
	}
	if (store_open(&k.config, &k.st, &e) == 0) {
		k.dir = file_private_dir(k.st.dir, "gateway", &e);
		/* websockify complains if its token file is missing. */
		if (k.dir >= 0 && gateway_clean(&k.st, &e) >= 0)
			status = keep(&k);
		else
			log_error("gateway-start", &e);
		store_release(&k.st);
	}
	websockify_release(&k.web);
	config_release(&k.config);
	return status;
}
