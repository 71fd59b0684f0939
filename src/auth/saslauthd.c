#include "auth/saslauthd.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "sys/clock.h"

enum {
	TEXT_MAX = 2048,
	MESSAGE_MAX = 4 * (TEXT_MAX + 2),
	ANSWER_MAX = 1024,
};

struct message {
	unsigned char bytes[MESSAGE_MAX];
	size_t len;
};

static int add(struct message *m, const char *text, struct err *e)
{
	size_t len = strlen(text);

	if (len > TEXT_MAX)
		return err_set(e, ERR_INPUT, "a text is too long");
	m->bytes[m->len++] = (unsigned char)(len >> 8);
	m->bytes[m->len++] = (unsigned char)(len & 0xff);
	memcpy(m->bytes + m->len, text, len);
	m->len += len;
	return 0;
}

/* Wait until `fd` is ready for `events`; ERR_TIMEOUT at `deadline`. */
static int await(int fd, short events, long long deadline, struct err *e)
{
	struct pollfd ready = { .fd = fd, .events = events };

	for (;;) {
		long long left = deadline - clock_boot_ms();
		int n;

		if (left <= 0)
			return err_set(e, ERR_TIMEOUT,
				       "saslauthd did not answer in time");
		n = poll(&ready, 1, (int)left);
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return err_sys(e, "poll");
	}
}

/* A listener whose queue is full gives EAGAIN: then again until the end. */
static int open_socket(const char *path, long long deadline, struct err *e)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	AUTO_CLOSE int fd = socket(
		AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return err_sys(e, "socket");
	if (strlen(path) >= sizeof(to.sun_path))
		return err_set(e, ERR_SYSTEM, "%s is too long for a socket",
			       path);
	memcpy(to.sun_path, path, strlen(path) + 1);
	while (connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0) {
		if (errno != EAGAIN && errno != EINTR)
			return err_sys(e, "cannot reach %s", path);
		if (clock_boot_ms() >= deadline)
			return err_set(e, ERR_TIMEOUT, "%s is busy", path);
		(void)poll(NULL, 0, 20);
	}
	return TAKE_FD(fd);
}

static int send_all(int fd, const struct message *m, long long deadline,
		    struct err *e)
{
	size_t done = 0;

	while (done < m->len) {
		ssize_t put;

		if (await(fd, POLLOUT, deadline, e) < 0)
			return -1;
		put = send(fd, m->bytes + done, m->len - done, MSG_NOSIGNAL);
		if (put < 0 && errno != EINTR && errno != EAGAIN)
			return err_sys(e, "cannot ask saslauthd");
		if (put > 0)
			done += (size_t)put;
	}
	return 0;
}

static int receive(int fd, unsigned char *bytes, size_t len,
		   long long deadline, struct err *e)
{
	size_t have = 0;

	while (have < len) {
		ssize_t got;

		if (await(fd, POLLIN, deadline, e) < 0)
			return -1;
		got = recv(fd, bytes + have, len - have, 0);
		if (got < 0 && errno != EINTR && errno != EAGAIN)
			return err_sys(e, "saslauthd's answer");
		if (got == 0)
			return err_set(e, ERR_DAMAGED,
				       "saslauthd closed without an answer");
		if (got > 0)
			have += (size_t)got;
	}
	return 0;
}

int saslauthd_read_answer(int fd, long long deadline, bool *ret_good,
			  struct err *e)
{
	unsigned char head[2];
	unsigned char text[ANSWER_MAX];
	size_t len;

	*ret_good = false;
	if (receive(fd, head, sizeof(head), deadline, e) < 0)
		return -1;
	len = (size_t)head[0] << 8 | head[1];
	if (len < 2 || len > sizeof(text))
		return err_set(e, ERR_DAMAGED,
			       "saslauthd's answer has %zu bytes", len);
	if (receive(fd, text, len, deadline, e) < 0)
		return -1;
	*ret_good = memcmp(text, "OK", 2) == 0;
	if (*ret_good || memcmp(text, "NO", 2) == 0)
		return 0;
	return err_set(e, ERR_DAMAGED, "saslauthd says neither OK nor NO");
}

int saslauthd_check(const char *path, const char *user, const char *password,
		    int ms, bool *ret_good, struct err *e)
{
	long long deadline = clock_boot_ms() + ms;
	struct message m = { .len = 0 };
	AUTO_CLOSE int fd = -1;
	int result;

	*ret_good = false;
	fd = open_socket(path, deadline, e);
	if (fd < 0)
		return -1;
	if (add(&m, user, e) < 0 || add(&m, password, e) < 0 ||
	    add(&m, SASLAUTHD_SERVICE, e) < 0 || add(&m, "", e) < 0)
		result = -1;
	else
		result = send_all(fd, &m, deadline, e);
	explicit_bzero(&m, sizeof(m));
	return result < 0 ? -1 :
			    saslauthd_read_answer(fd, deadline, ret_good, e);
}
