#include "vm/network_host.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/macros.h"

/* Answers come in pieces of at most 32 KiB (Linux, netlink_dump()). */
enum { ANSWER_BYTES = 32768 };

static void close_off(struct buf *ret, const char *prefix, int bits)
{
	buf_printf(ret, "route replace unreachable %s/%d\n", prefix, bits);
}

static int open_netlink(struct err *e)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
			NETLINK_ROUTE);

	return fd < 0 ? err_sys(e, "netlink socket") : fd;
}

/* Ask for the table; the kernel leaves the others out, if it can. */
static int ask(int fd, struct err *e)
{
	struct {
		struct nlmsghdr head;
		struct rtmsg route;
	} question = {
		.head = { .nlmsg_len = sizeof(question),
			  .nlmsg_type = RTM_GETROUTE,
			  .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.route = { .rtm_family = AF_INET,
			   .rtm_table = RT_TABLE_LOCAL },
	};
	int one = 1;

	(void)!setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &one,
			  sizeof(one));
	if (send(fd, &question, sizeof(question), 0) < 0)
		return err_sys(e, "cannot ask for the local addresses");
	return 0;
}

/* One route, whose attributes begin at `attributes`. */
static void add_route(struct buf *ret, const struct rtmsg *route,
		      const char *attributes, size_t len)
{
	char text[INET_ADDRSTRLEN];
	struct in_addr address = { 0 };
	struct rtattr a;

	if (route->rtm_table != RT_TABLE_LOCAL ||
	    (route->rtm_type != RTN_LOCAL && route->rtm_type != RTN_BROADCAST))
		return;
	while (len >= sizeof(a)) {
		memcpy(&a, attributes, sizeof(a));
		if (a.rta_len < sizeof(a) || a.rta_len > len)
			break;
		if (a.rta_type == RTA_DST &&
		    a.rta_len == RTA_LENGTH(sizeof(address)))
			memcpy(&address, attributes + RTA_LENGTH(0),
			       sizeof(address));
		if (RTA_ALIGN(a.rta_len) >= len)
			break;
		len -= RTA_ALIGN(a.rta_len);
		attributes += RTA_ALIGN(a.rta_len);
	}
	/* All addresses made local are a proxy's trick, for marked packets. */
	if (route->rtm_dst_len &&
	    inet_ntop(AF_INET, &address, text, sizeof(text)))
		close_off(ret, text, route->rtm_dst_len);
}

/* 1 at the end of the table, 0 if there is more, -1 on failure. */
static int add_answer(struct buf *ret, const char *answer, size_t len,
		      struct err *e)
{
	struct nlmsghdr head;
	struct rtmsg route;

	while (len >= sizeof(head)) {
		memcpy(&head, answer, sizeof(head));
		if (head.nlmsg_len < sizeof(head) || head.nlmsg_len > len)
			break;
		if (head.nlmsg_type == NLMSG_DONE)
			return 1;
		if (head.nlmsg_type == NLMSG_ERROR)
			return err_set(e, ERR_SYSTEM,
				       "the kernel does not tell the local "
				       "addresses");
		if (head.nlmsg_type == RTM_NEWROUTE &&
		    head.nlmsg_len >= NLMSG_LENGTH(sizeof(route))) {
			memcpy(&route, answer + NLMSG_HDRLEN, sizeof(route));
			add_route(ret, &route,
				  answer + NLMSG_SPACE(sizeof(route)),
				  head.nlmsg_len -
					  NLMSG_SPACE(sizeof(route)));
		}
		if (NLMSG_ALIGN(head.nlmsg_len) >= len)
			return 0;
		len -= NLMSG_ALIGN(head.nlmsg_len);
		answer += NLMSG_ALIGN(head.nlmsg_len);
	}
	return 0;
}

int network_routes(struct buf *ret, struct err *e)
{
	AUTO_FREE char *answer = malloc(ANSWER_BYTES);
	AUTO_CLOSE int fd = open_netlink(e);
	int done = 0;

	if (fd < 0 || ask(fd, e) < 0)
		return -1;
	if (!answer)
		return err_set(e, ERR_SYSTEM, "no memory");
	close_off(ret, "0.0.0.0", 8);
	close_off(ret, "169.254.0.0", 16);
	close_off(ret, "224.0.0.0", 4);
	close_off(ret, "240.0.0.0", 4);
	while (done == 0) {
		/* The kernel answers at once: it is never waited for. */
		ssize_t got = recv(fd, answer, ANSWER_BYTES, 0);

		if (got <= 0)
			return err_sys(e, "cannot read the local addresses");
		done = add_answer(ret, answer, (size_t)got, e);
	}
	if (done < 0)
		return -1;
	if (buf_failed(ret))
		return err_set(e, ERR_SYSTEM, "too many addresses");
	return 0;
}

int network_watch(struct err *e)
{
	/* Only new local routes: a router's daemon may change thousands of
	 * others a second.  Loads are in network byte order. */
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS,
			 offsetof(struct nlmsghdr, nlmsg_type)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_NEWROUTE), 0, 3),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS,
			 NLMSG_HDRLEN + offsetof(struct rtmsg, rtm_type)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, RTN_LOCAL, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog filter = { ARRAY_LEN(code), code };
	struct sockaddr_nl local = { .nl_family = AF_NETLINK,
				     .nl_groups = RTMGRP_IPV4_ROUTE };
	int fd = open_netlink(e);

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter,
		       sizeof(filter)) < 0 ||
	    bind(fd, (struct sockaddr *)&local, sizeof(local)) < 0) {
		err_sys(e, "cannot watch the local addresses");
		close(fd);
		return -1;
	}
	return fd;
}

bool network_watch_read(int fd)
{
	char message[4096];
	bool any = false;

	/* ENOBUFS: so many that some were lost. */
	while (recv(fd, message, sizeof(message), 0) > 0 || errno == ENOBUFS)
		any = true;
	return any;
}
