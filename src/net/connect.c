#include "net/connect.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "sys/clock.h"

/* Wait for a connection under way; 0, or an errno. */
static int await(int fd, long long deadline)
{
	struct pollfd ready = { .fd = fd, .events = POLLOUT };
	socklen_t size = sizeof(int);
	int code = 0;

	for (;;) {
		long long left = deadline - clock_boot_ms();

		if (left <= 0)
			return ETIMEDOUT;
		if (poll(&ready, 1, (int)left) > 0)
			break;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &size) < 0)
		return errno;
	return code;
}

/* A blocking descriptor, or -1 with errno. */
static int connect_to(const struct addrinfo *to, long long deadline)
{
	int fd = socket(to->ai_family,
			SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const int yes = 1;
	int code = 0;

	if (fd < 0)
		return -1;
	/* Without it each of LDAP's small messages waits 40 ms for an ACK. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	if (connect(fd, to->ai_addr, to->ai_addrlen) < 0)
		code = errno == EINPROGRESS ? await(fd, deadline) : errno;
	if (code == 0 && fcntl(fd, F_SETFL, 0) < 0)
		code = errno;
	if (code == 0)
		return fd;
	close(fd);
	errno = code;
	return -1;
}

static enum net_reason reason_of(int code)
{
	if (code == ECONNREFUSED)
		return NET_REFUSED_CONNECTION;
	return code == ETIMEDOUT ? NET_TIMEOUT : NET_UNREACHABLE;
}

int net_connect(const struct net_request *r, struct net_answer *a)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
					.ai_flags = AI_NUMERICSERV };
	long long deadline = clock_boot_ms() + r->timeout * 1000;
	struct addrinfo *list = NULL;
	char port[8];
	int code;
	int fd = -1;

	snprintf(port, sizeof(port), "%d", (int)r->port);
	code = getaddrinfo(r->host, port, &hints, &list);
	if (code)
		return net_say(a, NET_UNKNOWN_HOST, "%s: %s", r->host,
			       gai_strerror(code));
	for (const struct addrinfo *to = list; to && fd < 0; to = to->ai_next)
		fd = connect_to(to, deadline);
	code = errno;
	freeaddrinfo(list);
	if (fd < 0)
		net_say(a, reason_of(code), "%s port %s: %s", r->host, port,
			strerror(code));
	return fd;
}
