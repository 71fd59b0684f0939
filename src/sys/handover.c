#include "sys/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/text.h"
#include "sys/clock.h"
#include "sys/json.h"

enum {
	FDS_MAX = HANDOVER_FDS + 1, /* and standard error */
	FD_HIGHEST = 255,
	PACKET_MAX = 65536,
	LISTEN_FD = 3, /* sd_listen_fds(3): SD_LISTEN_FDS_START */
	RECEIVE_MS = 10 * 1000,
};

/* ---- The sender ---- */

int handover_connect(const char *path, struct err *e)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(a.sun_path))
		return err_set(e, ERR_CONFIG, "%s: too long for a socket",
			       path);
	memcpy(a.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_sys(e, "socket");
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		err_sys(e, "cannot connect to %s", path);
		close(fd);
		return -1;
	}
	return fd;
}

/* The descriptors to pass, and the numbers that they are to have. */
struct passed {
	int fds[FDS_MAX];
	int numbers[FDS_MAX];
	size_t count;
};

static int collect(const struct child *c, struct passed *ret, struct err *e)
{
	ret->count = 0;
	if (c->keep_count + 1 > FDS_MAX)
		return err_set(e, ERR_SYSTEM, "too many descriptors");
	if (c->err >= 0) {
		ret->fds[0] = c->err;
		ret->numbers[0] = STDERR_FILENO;
		ret->count = 1;
	}
	for (size_t i = 0; i < c->keep_count; i++) {
		ret->fds[ret->count] = c->keep[i];
		ret->numbers[ret->count++] = c->keep[i];
	}
	return 0;
}

static char *compose(const struct argv *argv, const struct passed *p)
{
	AUTO_JSON json_t *arguments = json_array();
	AUTO_JSON json_t *numbers = json_array();
	AUTO_JSON json_t *packet = NULL;
	bool ok = true;

	for (size_t i = 1; i < argv->count; i++)
		ok &= json_array_append_new(arguments,
					    json_string(argv->list[i])) == 0;
	for (size_t i = 0; i < p->count; i++)
		ok &= json_array_append_new(numbers,
					    json_integer(p->numbers[i])) == 0;
	packet = ok ? json_pack("{si sO sO}", "version", 1, "arguments",
				arguments, "descriptors", numbers) :
		      NULL;
	return packet ? json_dumps(packet, JSON_COMPACT) : NULL;
}

static int not_started(struct err *e)
{
	return err_set(e, ERR_SYSTEM,
		       "the service manager did not start the process");
}

static int send_packet(int fd, const char *text, const struct passed *p,
		       struct err *e)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * FDS_MAX)];
	} control = { .bytes = { 0 } };
	struct iovec iov = { (void *)text, strlen(text) };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *head;

	if (p->count) {
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * p->count);
	}
	head = CMSG_FIRSTHDR(&message);
	if (head) {
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(sizeof(int) * p->count);
		memcpy(CMSG_DATA(head), p->fds, sizeof(int) * p->count);
	}
	if (sendmsg(fd, &message, MSG_NOSIGNAL) >= 0)
		return 0;
	/* It may have been quicker than we. */
	return errno == EPIPE || errno == ECONNRESET ?
		       not_started(e) :
		       err_sys(e, "cannot hand over");
}

static int await_answer(int fd, int wait_ms, struct err *e)
{
	long long deadline = clock_boot_ms() + wait_ms;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char answer[4];
	long long left;
	ssize_t got;
	int ready;

	do {
		left = deadline - clock_boot_ms();
		ready = poll(&p, 1, left > 0 ? (int)left : 0);
	} while (ready < 0 && errno == EINTR);
	if (ready == 0)
		return 0;
	got = ready < 0 ? -1 : recv(fd, answer, sizeof(answer), 0);
	if (got == 2 && memcmp(answer, "ok", 2) == 0)
		return 0;
	return not_started(e);
}

int handover_send(int fd, const struct child *c, int wait_ms, struct err *e)
{
	AUTO_FREE char *text = NULL;
	struct passed p;

	if (c->argv->failed || c->argv->count == 0)
		return err_set(e, ERR_SYSTEM, "bad argument vector");
	if (collect(c, &p, e) < 0)
		return -1;
	text = compose(c->argv, &p);
	if (!text || strlen(text) >= PACKET_MAX)
		return err_set(e, ERR_SYSTEM, "no memory, or too many options");
	if (send_packet(fd, text, &p, e) < 0)
		return -1;
	return wait_ms ? await_answer(fd, wait_ms, e) : 0;
}

/* ---- The receiver ---- */

static int check_peer(int fd, struct err *e)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return err_sys(e, "SO_PEERCRED");
	if (peer.uid != geteuid())
		return err_set(e, ERR_FORBIDDEN,
			       "user %u may not start processes here",
			       (unsigned)peer.uid);
	return 0;
}

static void close_passed(struct passed *p)
{
	for (size_t i = 0; i < p->count; i++)
		if (p->fds[i] >= 0)
			close(p->fds[i]);
	p->count = 0;
}

/* The passed descriptors out of a message's ancillary data. */
static void take_passed(struct msghdr *message, struct passed *ret)
{
	ret->count = 0;
	for (struct cmsghdr *head = CMSG_FIRSTHDR(message); head;
	     head = CMSG_NXTHDR(message, head)) {
		size_t count;

		if (head->cmsg_level != SOL_SOCKET ||
		    head->cmsg_type != SCM_RIGHTS)
			continue;
		count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		if (count > FDS_MAX - ret->count)
			count = FDS_MAX - ret->count; /* the buffer's size */
		memcpy(ret->fds + ret->count, CMSG_DATA(head),
		       count * sizeof(int));
		ret->count += count;
	}
}

static ssize_t receive_packet(int fd, char *text, struct passed *ret,
			      struct err *e)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * FDS_MAX)];
	} control;
	struct iovec iov = { text, PACKET_MAX };
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t got;

	if (poll(&p, 1, RECEIVE_MS) <= 0)
		return err_set(e, ERR_TIMEOUT, "nothing was handed over");
	got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
	if (got < 0)
		return err_sys(e, "cannot receive");
	take_passed(&message, ret);
	if (got == 0 || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
		close_passed(ret);
		return err_set(e, ERR_INPUT, "bad packet");
	}
	return got;
}

static int read_numbers(const json_t *list, struct passed *p, struct err *e)
{
	if (!json_is_array(list) || json_array_size(list) != p->count)
		return err_set(e, ERR_INPUT, "bad packet: descriptors");
	for (size_t i = 0; i < p->count; i++) {
		const json_t *item = json_array_get(list, i);
		long long n = json_is_integer(item) ? json_integer_value(item) :
						      -1;

		if (n < STDERR_FILENO || n > FD_HIGHEST)
			return err_set(e, ERR_INPUT, "bad packet: descriptor");
		for (size_t k = 0; k < i; k++)
			if (p->numbers[k] == n)
				return err_set(e, ERR_INPUT,
					       "bad packet: descriptor twice");
		p->numbers[i] = (int)n;
	}
	return 0;
}

static int read_arguments(const json_t *list, struct argv *ret, struct err *e)
{
	if (!json_is_array(list) || json_array_size(list) == 0)
		return err_set(e, ERR_INPUT, "bad packet: arguments");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *text = json_string_value(json_array_get(list, i));

		if (!text)
			return err_set(e, ERR_INPUT, "bad packet: argument");
		argv_add(ret, text);
	}
	return ret->failed ? err_set(e, ERR_SYSTEM, "too many arguments") : 0;
}

static int parse(const char *text, size_t len, struct passed *p,
		 struct argv *ret, struct err *e)
{
	AUTO_JSON json_t *packet = json_parse_object(text, len, e);
	long long version;

	if (!packet || json_get_int(packet, "version", 1, 1, &version, e) < 0) {
		e->code = ERR_INPUT;
		return -1;
	}
	if (read_numbers(json_object_get(packet, "descriptors"), p, e) < 0)
		return -1;
	return read_arguments(json_object_get(packet, "arguments"), ret, e);
}

/* Each to its number; by way of numbers that none of them wants. */
static int settle(struct passed *p, struct err *e)
{
	for (size_t i = 0; i < p->count; i++) {
		int high = fcntl(p->fds[i], F_DUPFD_CLOEXEC, FD_HIGHEST + 1);

		if (high < 0)
			return err_sys(e, "descriptors");
		close(p->fds[i]);
		p->fds[i] = high;
	}
	for (size_t i = 0; i < p->count; i++) {
		int flags = p->numbers[i] > STDERR_FILENO ? O_CLOEXEC : 0;

		if (dup3(p->fds[i], p->numbers[i], flags) < 0)
			return err_sys(e, "descriptors");
		close(p->fds[i]);
		p->fds[i] = -1;
	}
	return 0;
}

static void tell_numbers(const struct passed *p, struct handover *ret)
{
	ret->count = 0;
	for (size_t i = 0; i < p->count; i++)
		if (p->numbers[i] != STDERR_FILENO && ret->count < HANDOVER_FDS)
			ret->fds[ret->count++] = p->numbers[i];
}

static int receive(int fd, struct handover *ret, struct err *e)
{
	AUTO_FREE char *text = malloc(PACKET_MAX);
	struct passed p = { .count = 0 };
	ssize_t got;

	if (!text)
		return err_set(e, ERR_SYSTEM, "no memory");
	if (check_peer(fd, e) < 0)
		return -1;
	got = receive_packet(fd, text, &p, e);
	if (got < 0)
		return -1;
	if (parse(text, (size_t)got, &p, &ret->argv, e) < 0 ||
	    settle(&p, e) < 0) {
		close_passed(&p);
		return -1;
	}
	tell_numbers(&p, ret);
	/* The sender may have gone: it is no matter of ours. */
	(void)!send(fd, "ok", 2, MSG_NOSIGNAL);
	return 0;
}

int handover_receive(int fd, const char *program, struct handover *ret,
		     struct err *e)
{
	/* Out of the way of the numbers that are to come. */
	AUTO_CLOSE int high = fcntl(fd, F_DUPFD_CLOEXEC, FD_HIGHEST + 1);

	close(fd);
	*ret = (struct handover){ .count = 0 };
	if (high < 0)
		return err_sys(e, "descriptors");
	argv_add(&ret->argv, program);
	if (receive(high, ret, e) == 0)
		return 0;
	argv_release(&ret->argv);
	return -1;
}

int handover_connection(struct err *e)
{
	const char *count = getenv("LISTEN_FDS");
	const char *pid = getenv("LISTEN_PID");
	long long number;

	if (!count || strcmp(count, "1") != 0 || !pid ||
	    !text_long(pid, 1, 1 << 30, &number) || number != getpid())
		return err_set(e, ERR_INPUT,
			       "this is started by systemd, for a connection");
	if (fcntl(LISTEN_FD, F_SETFD, FD_CLOEXEC) < 0)
		return err_sys(e, "the connection was not handed over");
	return LISTEN_FD;
}
