#include "net/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/text.h"
#include "farm/agent.h"
#include "net/farm.h"
#include "net/limits.h"
#include "sys/clock.h"

enum {
	TICK_MS = 5 * 1000,
	TALK_MS = 5 * 1000, /* for a client to say all, or to hear it */
	PATH_BYTES_MAX = 4096,
};

/* A file that was used, as it was then. */
struct seen {
	char path[PATH_BYTES_MAX];
	struct stat was;
};

enum step { READING, ASKING, WRITING };

struct client {
	int fd; /* -1: this place is free */
	enum step step;
	long long until; /* clock_boot_ms(), but for ASKING */
	struct buf text; /* the request, then the answer */
	size_t sent;
	struct farm_request request;
	struct net_round *round;
};

struct agent {
	int folder;
	int socket; /* -1: takes nobody any more */
	int lock;
	struct stat name; /* of the socket */
	struct seen program;
	struct seen ca_file;
	bool other_file; /* a request has named another one */
	long long born;
	long long last; /* when there was a client */
	struct net_pool pool;
	struct client clients[AGENT_CLIENTS];
	size_t count;
};

/* ---- When to end ---- */

static bool same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	       a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	       a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static int see(struct seen *s, const char *path)
{
	if (strlen(path) >= sizeof(s->path) || stat(path, &s->was) < 0)
		return -1;
	memcpy(s->path, path, strlen(path) + 1);
	return 0;
}

static bool has_changed(const struct seen *s)
{
	struct stat now;

	return *s->path && (stat(s->path, &now) < 0 || !same(&now, &s->was));
}

static bool has_name(const struct agent *a)
{
	struct stat now;

	return fstatat(a->folder, AGENT_SOCKET, &now, AT_SYMLINK_NOFOLLOW) ==
		       0 &&
	       now.st_dev == a->name.st_dev && now.st_ino == a->name.st_ino;
}

static bool is_old(const struct agent *a)
{
	long long now = clock_boot_ms();

	return a->other_file || has_changed(&a->program) ||
	       has_changed(&a->ca_file) || now - a->born > AGENT_AGE_MS ||
	       (a->count == 0 && now - a->last > AGENT_IDLE_MS);
}

/* The next one may begin. */
static void take_nobody(struct agent *a)
{
	if (has_name(a))
		unlinkat(a->folder, AGENT_SOCKET, 0);
	close(a->socket);
	close(a->lock);
	a->socket = -1;
	a->lock = -1;
}

/* ---- A client ---- */

static void drop(struct agent *a, struct client *c)
{
	json_decref(c->round ? net_round_end(c->round) : NULL);
	farm_request_release(&c->request);
	if (c->text.data)
		explicit_bzero(c->text.data, c->text.len);
	buf_release(&c->text);
	close(c->fd);
	c->fd = -1;
	a->count--;
	a->last = clock_boot_ms();
}

/* What is in the buffer is said, and then it is over. */
static void answer(struct client *c, const struct net_answer *a,
		   const json_t *answers)
{
	AUTO_FREE char *line = farm_answer_text(a, answers);

	if (c->text.data)
		explicit_bzero(c->text.data, c->text.len);
	buf_reset(&c->text);
	c->text.max = strlen(line ? line : "");
	buf_puts(&c->text, line ? line : "");
	c->step = WRITING;
	c->until = clock_boot_ms() + TALK_MS;
}

/* Certificates are kept of one file alone. */
static void note_file(struct agent *a, const char *path)
{
	if (!*a->ca_file.path)
		a->other_file = see(&a->ca_file, path) < 0;
	else if (strcmp(a->ca_file.path, path) != 0)
		a->other_file = true;
}

static void begin(struct agent *a, struct client *c)
{
	struct net_answer why = { .reason = NET_INTERNAL };
	struct err e = ERR_INIT;

	if (farm_request_parse(buf_str(&c->text), c->text.len, &c->request,
			       &e) < 0) {
		net_say(&why, NET_REQUEST, "%s", e.msg);
		answer(c, &why, NULL);
		return;
	}
	note_file(a, c->request.ca_file);
	c->round = net_round_begin(&a->pool, &c->request);
	c->step = ASKING;
	if (!c->round) {
		net_say(&why, NET_INTERNAL, "no memory");
		answer(c, &why, NULL);
	}
}

/* Calls wait for their answer anywhere; the rest is here.  False: it is over
 * with this client. */
static bool read_more(struct agent *a, struct client *c)
{
	char bytes[16384];

	for (;;) {
		ssize_t got = recv(c->fd, bytes, sizeof(bytes), 0);

		if (got < 0)
			return errno == EAGAIN || errno == EINTR;
		if (got == 0) {
			begin(a, c);
			return true;
		}
		buf_add(&c->text, bytes, (size_t)got);
		explicit_bzero(bytes, (size_t)got);
		if (buf_failed(&c->text))
			return false;
	}
}

static bool write_more(struct client *c)
{
	while (c->sent < c->text.len) {
		ssize_t put = send(c->fd, buf_str(&c->text) + c->sent,
				   c->text.len - c->sent, MSG_NOSIGNAL);

		if (put < 0)
			return errno == EAGAIN || errno == EINTR;
		c->sent += (size_t)put;
	}
	return false;
}

static void end_round(struct client *c)
{
	struct net_answer a = { .reason = NET_INTERNAL };
	json_t *answers = net_round_end(TAKE(c->round));

	if (answers)
		net_say(&a, NET_OK, "asked");
	else
		net_say(&a, NET_INTERNAL, "no memory");
	answer(c, &a, answers);
	json_decref(answers);
}

static bool go_on(struct agent *a, struct client *c)
{
	if (c->step == READING && !read_more(a, c))
		return false;
	if (c->step == ASKING && net_round_is_done(c->round))
		end_round(c);
	if (c->step == WRITING && !write_more(c))
		return false;
	return c->step == ASKING || clock_boot_ms() < c->until;
}

/* ---- Who comes ---- */

/* In a folder of its own user's alone nobody else comes; but let us see. */
static bool is_ours(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	       peer.uid == geteuid();
}

static struct client *free_place(struct agent *a)
{
	for (size_t i = 0; i < AGENT_CLIENTS; i++)
		if (a->clients[i].fd < 0)
			return &a->clients[i];
	return NULL;
}

static void greet(struct agent *a, int fd)
{
	struct client *c = free_place(a);

	if (!c || !is_ours(fd) ||
	    send(fd, AGENT_GREETING, strlen(AGENT_GREETING), MSG_NOSIGNAL) !=
		    (ssize_t)strlen(AGENT_GREETING)) {
		close(fd);
		return;
	}
	*c = (struct client){
		.fd = fd,
		.until = clock_boot_ms() + TALK_MS,
		.text = BUF_INIT(NET_FARM_REQUEST_MAX),
	};
	a->count++;
}

/* Nobody is greeted by what should not be there any more: the next agent is
 * free to begin before this connection is closed. */
static void take_all(struct agent *a)
{
	while (a->socket >= 0) {
		int fd = accept4(a->socket, NULL, NULL,
				 SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0)
			return;
		if (is_old(a)) {
			take_nobody(a);
			close(fd);
		} else {
			greet(a, fd);
		}
	}
}

/* ---- The loop ---- */

static int wait_for_any(struct agent *a)
{
	struct curl_waitfd fds[AGENT_CLIENTS + 1];
	int most = TICK_MS;
	unsigned count = 0;

	if (a->socket >= 0)
		fds[count++] = (struct curl_waitfd){
			.fd = a->socket,
			.events = CURL_WAIT_POLLIN,
		};
	for (size_t i = 0; i < AGENT_CLIENTS; i++) {
		const struct client *c = &a->clients[i];

		if (c->fd >= 0 && c->step != ASKING)
			fds[count++] = (struct curl_waitfd){
				.fd = c->fd,
				.events = c->step == READING ?
						  CURL_WAIT_POLLIN :
						  CURL_WAIT_POLLOUT,
			};
		/* What has failed as it began: nothing more comes of it. */
		else if (c->fd >= 0 && net_round_is_done(c->round))
			most = 0;
	}
	return curl_multi_poll(a->pool.multi, fds, count, most, NULL) ? -1 : 0;
}

static int serve(struct agent *a)
{
	while (a->socket >= 0 || a->count > 0) {
		if (wait_for_any(a) < 0)
			return 1;
		take_all(a);
		if (a->socket >= 0 && (is_old(a) || !has_name(a)))
			take_nobody(a);
		if (net_pool_step(&a->pool) < 0)
			return 1;
		for (size_t i = 0; i < AGENT_CLIENTS; i++)
			if (a->clients[i].fd >= 0 &&
			    !go_on(a, &a->clients[i]))
				drop(a, &a->clients[i]);
		/* What has just begun. */
		if (net_pool_step(&a->pool) < 0)
			return 1;
	}
	return 0;
}

static int inherited(const char *text)
{
	long long fd;

	return text_long(text, 3, 1 << 20, &fd) &&
			       fcntl((int)fd, F_SETFD, FD_CLOEXEC) == 0 ?
		       (int)fd :
		       -1;
}

int agent_main(int argc, char **argv)
{
	static struct agent a;
	struct err e = ERR_INIT;
	int status = 1;

	if (argc != 5)
		return 2;
	a.folder = inherited(argv[2]);
	a.socket = inherited(argv[3]);
	a.lock = inherited(argv[4]);
	for (size_t i = 0; i < AGENT_CLIENTS; i++)
		a.clients[i].fd = -1;
	a.born = clock_boot_ms();
	a.last = a.born;
	if (a.folder < 0 || a.socket < 0 || a.lock < 0 ||
	    limits_set(&e) < 0 || limits_stay(&e) < 0 ||
	    fstatat(a.folder, AGENT_SOCKET, &a.name, AT_SYMLINK_NOFOLLOW) <
		    0 ||
	    see(&a.program, argv[0]) < 0)
		return 2;
	if (net_pool_init(&a.pool) == 0)
		status = serve(&a);
	net_pool_release(&a.pool);
	return status;
}
