#include "vm/network.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

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

int network_routes(struct buf *ret, struct err *e)
{
	struct ifaddrs *all;

	if (getifaddrs(&all) < 0)
		return err_sys(e, "cannot list the host's addresses");
	for (const struct ifaddrs *a = all; a; a = a->ifa_next) {
		const struct sockaddr_in *in = (const void *)a->ifa_addr;
		char text[INET_ADDRSTRLEN];

		if (!in || in->sin_family != AF_INET ||
		    (a->ifa_flags & IFF_LOOPBACK))
			continue;
		if (inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text)))
			buf_printf(ret, "route replace unreachable %s\n", text);
	}
	freeifaddrs(all);
	if (buf_failed(ret))
		return err_set(e, ERR_SYSTEM, "too many addresses");
	return 0;
}
