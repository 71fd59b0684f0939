/* The keeper of the display gateway: see vm/gateway.h. */
#include "vm/gateway.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/text.h"
#include "conf/arguments.h"
#include "sys/child.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "vm/display.h"

enum {
	IDLE_MS = 60 * 1000,  /* how long it outlives the last session */
	LOOK_MS = 5 * 1000,   /* how often it counts sessions */
	START_MS = 60 * 1000, /* for websockify to listen, on a slow host */
	STARTS = 5,	      /* failures in a row before it gives up */
	SOUND_MS = 10 * 1000, /* websockify that lives so long has not failed */
	SAID_MAX = 4096,
};

struct keeper {
	struct config config;
	struct store st;
	const char *origin;
	int lock;
	int dir;
	int signals;
	int said; /* read end of websockify's standard error */
	struct buf words;
	long long port;
	pid_t pid;
};

/* A TCP port that is free now on the loopback address. */
static int free_port(void)
{
	AUTO_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof(a);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, len) < 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &len) < 0)
		return 0;
	return ntohs(a.sin_port);
}

/* Is `inode` a socket that process `pid` holds?  proc(5), /proc/PID/fd. */
static bool holds_socket(pid_t pid, const char *inode)
{
	char path[64];
	DIR *dir;
	const struct dirent *entry;
	bool found = false;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir)) != NULL) {
		char target[64];
		char wanted[64];
		ssize_t len = readlinkat(dirfd(dir), entry->d_name, target,
					 sizeof(target) - 1);

		if (len <= 0)
			continue;
		target[len] = '\0';
		snprintf(wanted, sizeof(wanted), "socket:[%s]", inode);
		found = strcmp(target, wanted) == 0;
	}
	if (dir)
		closedir(dir);
	return found;
}

/* Does process `pid`, and not somebody else, listen on the port?  proc(5),
 * /proc/net/tcp. */
static bool listens(pid_t pid, long long port)
{
	AUTO_FILE FILE *f = fopen("/proc/net/tcp", "re");
	char line[512];

	while (f && fgets(line, sizeof(line), f)) {
		char *save = NULL;
		char *word[10] = { 0 };
		char *at = line;
		const char *colon;

		for (size_t i = 0; i < ARRAY_LEN(word); i++, at = NULL)
			word[i] = strtok_r(at, " ", &save);
		if (!word[9] || strcmp(word[3], "0A") != 0)
			continue;
		colon = strchr(word[1], ':');
		if (colon && strtol(colon + 1, NULL, 16) == port &&
		    holds_socket(pid, word[9]))
			return true;
	}
	return false;
}

static void build_command(const struct keeper *k, const char *program,
			  struct argv *ret)
{
	AUTO_BUF struct buf origins = BUF_INIT(4096);
	bool direct = k->config.service_reverse_proxy[0] != '/';

	display_origins(&k->config, k->origin, k->port, &origins);
	argv_add(ret, program);
	argv_add(ret, "--heartbeat=30");
	argv_add(ret, "--token-plugin=TokenFile");
	argv_addf(ret, "--token-source=%s/gateway/tokens", k->st.path);
	argv_add(ret, "--auth-plugin=ExpectOrigin");
	argv_addf(ret, "--auth-source=%s", buf_str(&origins));
	if (direct)
		argv_addf(ret, "--web=%s", k->config.dir_novnc);
	argv_addf(ret, "%s:%lld", display_bind_address(&k->config, k->origin),
		  k->port);
}

static int start_websockify(struct keeper *k, struct err *e)
{
	AUTO_FREE char *program = child_find_program(k->config.dir_websockify,
						     e);
	AUTO_FREE char *run = file_join(k->st.path, "run");
	AUTO_ARGV struct argv argv = { 0 };
	struct child c = CHILD_INIT;
	int said[2];

	if (!program || !run)
		return -1;
	k->port = k->config.service_port ? k->config.service_port :
					   free_port();
	build_command(k, program, &argv);
	if (pipe2(said, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_sys(e, "pipe");
	c.argv = &argv;
	c.err = said[1];
	c.dir = run;
	c.group = true;
	k->pid = child_start(&c, e);
	close(said[1]);
	if (k->pid < 0) {
		k->pid = 0;
		close(said[0]);
		return -1;
	}
	k->said = said[0];
	buf_reset(&k->words);
	return 0;
}

/* Keep websockify's pipe empty; only the last words are kept.  They hold
 * tokens, so they are looked at only if it does not start. */
static void listen_to(struct keeper *k)
{
	char piece[1024];
	ssize_t got;

	while ((got = read(k->said, piece, sizeof(piece))) > 0) {
		if (k->words.len + (size_t)got > SAID_MAX)
			buf_reset(&k->words);
		buf_add(&k->words, piece, (size_t)got);
	}
}

static void end_websockify(struct keeper *k)
{
	child_end(&k->pid, true);
	if (k->said >= 0)
		close(k->said);
	k->said = -1;
	unlinkat(k->dir, "port", 0);
}

/* Python's tracebacks end with what matters. */
static const char *last_line(struct buf *words)
{
	char *text = words->len ? text_trim(words->data) : words->data;
	const char *line = text ? strrchr(text, '\n') : NULL;

	return line ? line + 1 : text ? text : "";
}

/* Wait until websockify listens.  ERR_SYSTEM with its words if it dies. */
static int await_listening(struct keeper *k, struct err *e)
{
	long long deadline = clock_boot_ms() + START_MS;
	char text[16];
	int status;

	while (!listens(k->pid, k->port)) {
		struct pollfd p = { .fd = k->said, .events = POLLIN };

		if (child_reaped(k->pid, true, &status)) {
			k->pid = 0;
			listen_to(k);
			return err_set(e, ERR_SYSTEM,
				       "websockify ended with status %d: %s",
				       status, last_line(&k->words));
		}
		listen_to(k);
		if (clock_boot_ms() > deadline)
			return err_set(e, ERR_TIMEOUT,
				       "websockify does not listen on port "
				       "%lld",
				       k->port);
		poll(&p, 1, 20);
	}
	snprintf(text, sizeof(text), "%lld", k->port);
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
			{ .fd = k->said, .events = POLLIN },
			{ .fd = k->signals, .events = POLLIN },
		};
		struct signalfd_siginfo info;
		long long now;

		poll(p, 2, LOOK_MS);
		listen_to(k);
		while (read(k->signals, &info, sizeof(info)) > 0)
			if (info.ssi_signo == SIGTERM)
				return true;
		if (child_reaped(k->pid, true, &status)) {
			k->pid = 0;
			return false;
		}
		now = clock_boot_ms();
		if (store_count_alive(&k->st) > 0)
			idle_since = 0;
		else if (!idle_since)
			idle_since = now;
		else if (now - idle_since >= IDLE_MS && may_end(k))
			return true;
	}
}

static int keep(struct keeper *k)
{
	int failures = 0;

	while (failures < STARTS) {
		struct err e = ERR_INIT;
		long long since;

		if (start_websockify(k, &e) < 0 || await_listening(k, &e) < 0) {
			end_websockify(k);
			log_error("gateway-start", &e);
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
	struct keeper k = { .said = -1, .dir = -1, .st = STORE_INIT,
			    .words = BUF_INIT(2 * SAID_MAX) };
	struct err e = ERR_INIT;
	long long lock;
	int status = 1;

	if (argc < 4 || !text_long(argv[2], 3, 1 << 20, &lock) ||
	    fcntl((int)lock, F_SETFD, FD_CLOEXEC) < 0)
		return 2;
	k.lock = (int)lock;
	k.origin = argv[3];
	k.signals = open_signals();
	umask(077);
	/* Without it nobody could end us. */
	if (k.signals < 0) {
		err_sys(&e, "signalfd");
		log_error("gateway-start", &e);
		return 1;
	}
	if (arguments_config(argc, argv, 4, &k.config, &e) < 0) {
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
	buf_release(&k.words);
	config_release(&k.config);
	return status;
}
