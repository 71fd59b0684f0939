#include "farm/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "sys/child.h"
#include "sys/clock.h"
#include "sys/file.h"

enum {
	BACKLOG = 64,
	TRIES = 2, /* an agent may just be ending */
};

/* By the folder's descriptor: dir_cfg may be longer than a socket's address
 * can hold (unix(7)). */
static struct sockaddr_un address_of(int dir)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/%s", dir,
		 AGENT_SOCKET);
	return a;
}

static int open_socket(struct err *e)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			0);

	return fd < 0 ? err_sys(e, "socket") : fd;
}

static int wait_for(int fd, short events, long long until, struct err *e)
{
	for (;;) {
		struct pollfd p = { .fd = fd, .events = events };
		long long left = until - clock_boot_ms();
		int ready = poll(&p, 1, left > 0 ? (int)left : 0);

		if (ready > 0)
			return 0;
		if (ready == 0)
			return err_set(e, ERR_TIMEOUT,
				       "the farm's agent hangs");
		if (errno != EINTR)
			return err_sys(e, "poll");
	}
}

/* ---- Start ---- */

static int listen_at(int dir, struct err *e)
{
	struct sockaddr_un a = address_of(dir);
	AUTO_CLOSE int fd = open_socket(e);

	if (fd < 0)
		return -1;
	if (unlinkat(dir, AGENT_SOCKET, 0) < 0 && errno != ENOENT)
		return err_sys(e, "cannot remove farm/" AGENT_SOCKET);
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    listen(fd, BACKLOG) < 0)
		return err_sys(e, "cannot listen at farm/" AGENT_SOCKET);
	return TAKE_FD(fd);
}

static int run(const struct config *c, int dir, int listener, int lock,
	       struct err *e)
{
	AUTO_FREE char *program = file_join(c->dir_libexec, "qwd-net");
	AUTO_ARGV struct argv argv = { .list = NULL };
	struct child child = CHILD_INIT;
	const int keep[] = { dir, listener, lock };

	if (!program)
		return err_set(e, ERR_SYSTEM, "no memory");
	argv_add(&argv, program);
	argv_add(&argv, "farm-agent");
	for (size_t i = 0; i < ARRAY_LEN(keep); i++)
		argv_addf(&argv, "%d", keep[i]);
	child.argv = &argv;
	child.keep = keep;
	child.keep_count = ARRAY_LEN(keep);
	child.detach = true;
	return child_start(&child, e) < 0 ? -1 : 0;
}

/* It can be connected to from here on: who does so waits for the greeting. */
static int start(const struct config *c, int dir, struct err *e)
{
	AUTO_CLOSE int lock = openat(
		dir, "agent.lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
		0600);
	AUTO_CLOSE int listener = -1;

	if (lock < 0)
		return err_sys(e, "cannot open farm/agent.lock");
	if (flock(lock, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ?
			       err_set(e, ERR_BUSY,
				       "another one starts the farm's agent") :
			       err_sys(e, "cannot lock farm/agent.lock");
	listener = listen_at(dir, e);
	return listener < 0 ? -1 : run(c, dir, listener, lock, e);
}

/* ---- Connect ---- */

static int reach(int dir, struct err *e)
{
	struct sockaddr_un a = address_of(dir);
	AUTO_CLOSE int fd = open_socket(e);

	if (fd < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return err_sys(e, "cannot reach the farm's agent");
	return TAKE_FD(fd);
}

static int reach_or_start(const struct config *c, int dir, struct err *e)
{
	struct err none = ERR_INIT;
	int fd = reach(dir, &none);

	if (fd >= 0)
		return fd;
	return start(c, dir, e) < 0 ? -1 : reach(dir, e);
}

static int take_greeting(int fd, long long until, struct err *e)
{
	char text[sizeof(AGENT_GREETING)];
	size_t len = 0;

	while (len < sizeof(text) - 1) {
		ssize_t got;

		if (wait_for(fd, POLLIN, until, e) < 0)
			return -1;
		got = recv(fd, text + len, sizeof(text) - 1 - len, 0);
		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got <= 0)
			return err_set(e, ERR_BUSY,
				       "the farm's agent takes nobody");
		len += (size_t)got;
	}
	return memcmp(text, AGENT_GREETING, len) == 0 ?
		       0 :
		       err_set(e, ERR_BUSY,
			       "the farm's agent is of another version");
}

int agent_connect(const struct config *c, const struct store *st,
		  long long wait_ms, struct err *e)
{
	AUTO_CLOSE int dir = file_private_dir(st->dir, "farm", e);
	long long until = clock_boot_ms() + wait_ms;

	for (int i = 0; i < TRIES && dir >= 0; i++) {
		AUTO_CLOSE int fd = reach_or_start(c, dir, e);

		if (fd < 0)
			return -1;
		if (take_greeting(fd, until, e) == 0)
			return TAKE_FD(fd);
		if (e->code == ERR_TIMEOUT)
			unlinkat(dir, AGENT_SOCKET, 0);
		if (e->code != ERR_BUSY)
			return -1;
	}
	return -1;
}

/* ---- Ask ---- */

int agent_send(int fd, const char *text, long long wait_ms, struct err *e)
{
	long long until = clock_boot_ms() + wait_ms;
	size_t left = strlen(text);

	while (left) {
		ssize_t put = send(fd, text, left, MSG_NOSIGNAL);

		if (put >= 0) {
			text += put;
			left -= (size_t)put;
			continue;
		}
		if (errno == EAGAIN && wait_for(fd, POLLOUT, until, e) < 0)
			return -1;
		if (errno != EAGAIN && errno != EINTR)
			return err_sys(e, "cannot ask the farm's agent");
	}
	return shutdown(fd, SHUT_WR) < 0 ? err_sys(e, "shutdown") : 0;
}

int agent_receive(int fd, struct buf *out, long long wait_ms, struct err *e)
{
	long long until = clock_boot_ms() + wait_ms;
	char bytes[16384];

	for (;;) {
		ssize_t got;

		if (wait_for(fd, POLLIN, until, e) < 0)
			return -1;
		got = recv(fd, bytes, sizeof(bytes), 0);
		if (got == 0)
			return 0;
		if (got > 0)
			buf_add(out, bytes, (size_t)got);
		else if (errno != EINTR && errno != EAGAIN)
			return err_sys(e, "the farm's agent");
	}
}
