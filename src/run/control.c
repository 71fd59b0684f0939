#include "run/control.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "session/lifetime.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/json.h"

enum {
	ANSWER_MS = 5000,
	ENDING_MS = 1000,
	CONTROL_CLIENTS = 8,
};

int control_listen(const struct store *st, const char *name, struct err *e)
{
	AUTO_CLOSE int dir = file_private_dir(st->run, name, e);
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd;

	if (dir < 0)
		return -1;
	snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/control",
		 dir);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_sys(e, "socket");
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    listen(fd, CONTROL_CLIENTS) < 0) {
		err_sys(e, "cannot listen on the control socket");
		close(fd);
		return -1;
	}
	return fd;
}

static int connect_owner(const struct store *st, const char *name,
			 struct err *e)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd;

	/* Through the directory's descriptor: dir_cfg may be longer than a
	 * socket's address can hold (unix(7)). */
	snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/%s/control",
		 st->run, name);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_sys(e, "socket");
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		err_sys(e, "cannot reach the owner of %s", name);
		close(fd);
		return -1;
	}
	return fd;
}

int control_adopt(int control, struct err *e)
{
	return listen(control, CONTROL_CLIENTS) < 0 ?
		       err_sys(e, "cannot listen on the control socket") :
		       0;
}

pid_t control_peer(const struct store *st, const char *name, struct err *e)
{
	AUTO_CLOSE int fd = connect_owner(st, name, e);
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (fd < 0)
		return -1;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return err_sys(e, "SO_PEERCRED");
	return peer.pid;
}

static int ask(int fd, const char *message, struct err *e)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char answer[CONTROL_ANSWER_SIZE];
	ssize_t got;

	if (send(fd, message, strlen(message), MSG_NOSIGNAL) < 0)
		return err_sys(e, "cannot ask the owner");
	if (poll(&p, 1, ANSWER_MS) <= 0)
		return err_set(e, ERR_TIMEOUT, "the owner does not answer");
	got = recv(fd, answer, sizeof(answer) - 1, 0);
	if (got > 2 && memcmp(answer, "no", 2) == 0) {
		answer[got] = '\0';
		return err_set(e, ERR_CONFLICT, "%s", answer + 2);
	}
	if (got != 2 || memcmp(answer, "ok", 2) != 0)
		return err_set(e, ERR_SYSTEM, "the owner refused");
	return 0;
}

/* Read the session again until it is final, but not for long. */
static int await_end(const struct store *st, const char *name,
		     struct session *ret, struct err *e)
{
	long long deadline = clock_boot_ms() + ENDING_MS;

	for (;;) {
		if (store_read_true(st, name, ret, e) < 0)
			return -1;
		if (session_is_final(ret) || clock_boot_ms() >= deadline)
			return 0;
		poll(NULL, 0, 10);
	}
}

static int send_message(const struct store *st, const char *name,
			json_t *value, struct err *e)
{
	AUTO_JSON json_t *message = value;
	AUTO_FREE char *text = json_text(message);
	AUTO_CLOSE int fd = -1;

	if (!text)
		return err_set(e, ERR_SYSTEM, "no memory");
	fd = connect_owner(st, name, e);
	return fd < 0 ? -1 : ask(fd, text, e);
}

int control_extend(const struct store *st, const char *name, long long seconds,
		   const char *who, struct session *ret, struct err *e)
{
	struct err refused = ERR_INIT;
	long long ends;

	if (store_read_true(st, name, ret, e) < 0 ||
	    lifetime_extended(st->config, ret, clock_boot_ms(), seconds, &ends,
			      e) < 0)
		return -1;
	if (ends == ret->ends_boot_ms)
		return 0;
	if (send_message(st, name,
			 json_pack("{ss sI ss}", "verb", "extend",
				   "ends_boot_ms", (json_int_t)ends, "who",
				   who),
			 &refused) == 0)
		return store_read_true(st, name, ret, e);
	/* It may be ending in this moment, or somebody else was quicker. */
	if (store_read_true(st, name, ret, e) < 0 ||
	    lifetime_extended(st->config, ret, clock_boot_ms(), seconds, &ends,
			      e) < 0)
		return -1;
	*e = refused;
	return -1;
}

int control_freeze(const struct store *st, const char *name, struct err *e)
{
	AUTO_CLOSE int fd = -1;
	struct session s;

	if (store_read_true(st, name, &s, e) < 0)
		return -1;
	if (s.state != SESSION_RUNNING)
		return err_set(e, ERR_CONFLICT, "it does not run");
	fd = connect_owner(st, name, e);
	if (fd < 0 || ask(fd, "{\"verb\":\"freeze\"}", e) < 0)
		return -1;
	return TAKE_FD(fd);
}

int control_stop(const struct store *st, const char *name, bool now,
		 const char *who, struct session *ret, struct err *e)
{
	struct err asked = ERR_INIT;

	if (store_read_true(st, name, ret, e) < 0)
		return -1;
	if (session_is_final(ret))
		return 0;
	if (send_message(st, name,
			 json_pack("{ss sb ss}", "verb", "stop", "now",
				   (int)now, "who", who),
			 &asked) == 0)
		return store_read_true(st, name, ret, e);
	/* It may be ending by itself in this moment. */
	if (await_end(st, name, ret, e) < 0)
		return -1;
	if (session_is_final(ret) ||
	    (ret->state == SESSION_STOPPING && asked.code != ERR_TIMEOUT))
		return 0;
	*e = asked;
	return -1;
}
