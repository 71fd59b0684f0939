#include "vm/network.h"

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "base/text.h"

static const char bridge_word[] = "bridge=";

enum network_kind network_kind(const char *word)
{
	if (strcmp(word, "user") == 0)
		return NETWORK_USER;
	if (strcmp(word, "isolated") == 0)
		return NETWORK_ISOLATED;
	if (text_starts(word, bridge_word))
		return NETWORK_BRIDGE;
	return NETWORK_NONE;
}

const char *network_bridge(const char *word)
{
	return word + strlen(bridge_word);
}

void network_netdev(const char *word, int tap, struct buf *ret)
{
	switch (network_kind(word)) {
	case NETWORK_USER:
		/* IPv4 only: the namespace has no route for IPv6. */
		buf_puts(ret, "user,id=net0,ipv6=off");
		break;
	case NETWORK_ISOLATED:
		/* Nothing is behind it anyway. */
		buf_puts(ret, "user,id=net0,ipv6=off,restrict=on");
		break;
	case NETWORK_BRIDGE:
		buf_printf(ret, "tap,id=net0,fd=%d", tap);
		break;
	case NETWORK_NONE:
		break;
	}
}

void network_card(const char *word, const char *session, struct buf *ret)
{
	/* FNV-1a: names are random, so that this spreads well. */
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	if (network_kind(word) != NETWORK_BRIDGE)
		return;
	for (; *session; session++)
		hash = (hash ^ (uint8_t)*session) * UINT64_C(0x100000001b3);
	buf_puts(ret, ",mac=02");
	for (int i = 0; i < 5; i++)
		buf_printf(ret, ":%02x", (unsigned)(hash >> (8 * i)) & 0xff);
}

bool network_can_tun(void)
{
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

void network_attach_command(const char *slirp4netns, pid_t pid, int ready,
			    struct argv *ret)
{
	argv_add(ret, slirp4netns);
	argv_add(ret, "--configure");
	argv_add(ret, "--mtu=65520");
	argv_add(ret, "--disable-host-loopback");
	/* Its parts that read what comes from the guest see no files and few
	 * system calls. */
	argv_add(ret, "--enable-sandbox");
	argv_add(ret, "--enable-seccomp");
	argv_addf(ret, "--ready-fd=%d", ready);
	argv_addf(ret, "%d", (int)pid);
	argv_add(ret, "tap0");
}

void network_route_command(const char *nsenter, const char *ip, pid_t pid,
			   struct argv *ret)
{
	argv_add(ret, nsenter);
	argv_add(ret, "-t");
	argv_addf(ret, "%d", (int)pid);
	argv_add(ret, "-U");
	argv_add(ret, "-n");
	argv_add(ret, "--preserve-credentials");
	argv_add(ret, ip);
	argv_add(ret, "-batch");
	argv_add(ret, "-");
}

const char *network_bridge_helper(void)
{
	static const char *const places[] = {
		"/usr/lib/qemu/qemu-bridge-helper",
		"/usr/libexec/qemu-bridge-helper",
	};

	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		if (access(places[i], X_OK) == 0)
			return places[i];
	return NULL;
}

void network_bridge_command(const char *helper, const char *bridge, int to,
			    struct argv *ret)
{
	argv_add(ret, helper);
	argv_addf(ret, "--br=%s", bridge);
	argv_addf(ret, "--fd=%d", to);
}

int network_receive_tap(int from)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .room = { 0 } };
	char byte;
	struct iovec data = { &byte, 1 };
	struct msghdr message = { .msg_iov = &data,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	int tap = -1;

	if (recvmsg(from, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) > 0 &&
	    control.head.cmsg_level == SOL_SOCKET &&
	    control.head.cmsg_type == SCM_RIGHTS &&
	    control.head.cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&tap, CMSG_DATA(&control.head), sizeof(tap));
	return tap;
}
