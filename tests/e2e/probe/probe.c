/*
 * What a hostile guest can reach: runs as root in the guest of
 * tests/e2e/test_probe.py.
 *
 * usage: probe INTERFACE GATEWAY SECONDS ADDRESS... -- PORT...
 *
 * Tries every address at every port, by TCP and UDP, through the guest's
 * kernel and by Ethernet frames of its own, which no kernel checks: to
 * whatever address, and once more with the target's address as the source.
 * GATEWAY is the Ethernet address that they go to.
 * UDP carries "probe WAY ADDRESS PORT".  For each answer there is a line
 *
 *     reached tcp|udp kernel|frame ADDRESS PORT
 *
 * and at the end "probed COUNT".  It waits SECONDS for the last answers.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TARGETS_MAX = 2000, FRAME_PORT = 40000 };

struct address {
	const char *text;
	int family;
	unsigned char bytes[16];
	size_t len;
};

struct target {
	const struct address *to;
	in_port_t port;
	int tcp, udp; /* the kernel's sockets */
	bool reached[2][2]; /* [tcp, udp][kernel, frame] */
};

static unsigned char gateway[6];
static const char *const protocols[] = { "tcp", "udp" };
static const char *const ways[] = { "kernel", "frame" };

static struct address addresses[100];
static struct target targets[TARGETS_MAX];
static size_t address_count, target_count;
static int wire = -1;
static unsigned char own_mac[6];

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void reached(struct target *t, int protocol, int way)
{
	if (!t->reached[protocol][way])
		printf("reached %s %s %s %d\n", protocols[protocol], ways[way],
		       t->to->text, t->port);
	fflush(stdout);
	t->reached[protocol][way] = true;
}

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* ---- Through the kernel ---- */

static int kernel_socket(const struct target *t, int type)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_port = htons(t->port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
				    .sin6_port = htons(t->port) };
	int fd = socket(t->to->family, type | SOCK_NONBLOCK, 0);
	int one = 1;
	int result;

	setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &one, sizeof(one));
	if (t->to->family == AF_INET) {
		memcpy(&in.sin_addr, t->to->bytes, 4);
		result = connect(fd, (void *)&in, sizeof(in));
	} else {
		memcpy(&in6.sin6_addr, t->to->bytes, 16);
		in6.sin6_scope_id = 2;
		result = connect(fd, (void *)&in6, sizeof(in6));
	}
	if (result < 0 && errno != EINPROGRESS) {
		close(fd);
		return -1;
	}
	return fd;
}

static void kernel_send(struct target *t)
{
	char text[100];
	int len = snprintf(text, sizeof(text), "probe kernel %s %d",
			   t->to->text, t->port);

	t->tcp = kernel_socket(t, SOCK_STREAM);
	t->udp = kernel_socket(t, SOCK_DGRAM);
	if (t->udp >= 0)
		(void)!send(t->udp, text, (size_t)len, 0);
}

static void kernel_look(struct target *t)
{
	struct pollfd p = { t->tcp, POLLOUT, 0 };
	char text[200];
	int error = 0;
	socklen_t len = sizeof(error);

	if (t->tcp >= 0 && poll(&p, 1, 0) == 1) {
		getsockopt(t->tcp, SOL_SOCKET, SO_ERROR, &error, &len);
		if (!error)
			reached(t, 0, 0);
		close(t->tcp);
		t->tcp = -1;
	}
	if (t->udp >= 0 && recv(t->udp, text, sizeof(text), 0) > 0)
		reached(t, 1, 0);
}

/* ---- By frames ---- */

/* Where answers to its frames go: each target has its own. */
static in_port_t port_of(const struct target *t)
{
	return (in_port_t)(FRAME_PORT + (t - targets));
}

static uint32_t sum(uint32_t so_far, const void *bytes, size_t len)
{
	const unsigned char *p = bytes;

	for (size_t i = 0; i < len; i++)
		so_far += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	return so_far;
}

static uint16_t folded(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static void frame_send(const struct target *t, int protocol,
		       const unsigned char *from)
{
	unsigned char frame[300] = { 0 };
	unsigned char *payload = frame + sizeof(struct ether_header);
	struct ether_header *ether = (void *)frame;
	bool v6 = t->to->family == AF_INET6;
	int number = protocol ? IPPROTO_UDP : IPPROTO_TCP;
	size_t len;
	uint32_t check;

	memcpy(ether->ether_dhost, gateway, 6);
	memcpy(ether->ether_shost, own_mac, 6);
	ether->ether_type = htons(v6 ? ETHERTYPE_IPV6 : ETHERTYPE_IP);
	payload += v6 ? sizeof(struct ip6_hdr) : sizeof(struct ip);
	if (protocol) {
		struct udphdr *udp = (void *)payload;
		char *text = (char *)(udp + 1);

		len = sizeof(*udp) +
		      (size_t)snprintf(text, 100, "probe frame %s %d",
				       t->to->text, t->port);
		udp->source = htons(port_of(t));
		udp->dest = htons(t->port);
		udp->len = htons((uint16_t)len);
	} else {
		struct tcphdr *tcp = (void *)payload;

		len = sizeof(*tcp);
		tcp->source = htons(port_of(t));
		tcp->dest = htons(t->port);
		tcp->seq = htonl(4711);
		tcp->doff = 5;
		tcp->syn = 1;
		tcp->window = htons(8192);
	}
	check = sum((uint32_t)(number + (int)len), from, t->to->len);
	check = sum(sum(check, t->to->bytes, t->to->len), payload, len);
	if (protocol)
		((struct udphdr *)(void *)payload)->check = folded(check);
	else
		((struct tcphdr *)(void *)payload)->check = folded(check);
	if (v6) {
		struct ip6_hdr *ip = (void *)(ether + 1);

		ip->ip6_flow = htonl(6 << 28);
		ip->ip6_plen = htons((uint16_t)len);
		ip->ip6_nxt = (uint8_t)number;
		ip->ip6_hlim = 64;
		memcpy(&ip->ip6_src, from, 16);
		memcpy(&ip->ip6_dst, t->to->bytes, 16);
	} else {
		struct ip *ip = (void *)(ether + 1);

		ip->ip_v = 4;
		ip->ip_hl = 5;
		ip->ip_len = htons((uint16_t)(sizeof(*ip) + len));
		ip->ip_ttl = 64;
		ip->ip_p = (uint8_t)number;
		memcpy(&ip->ip_src, from, 4);
		memcpy(&ip->ip_dst, t->to->bytes, 4);
		ip->ip_sum = folded(sum(0, ip, sizeof(*ip)));
	}
	len += (size_t)(payload - frame);
	if (write(wire, frame, len < 60 ? 60 : len) < 0)
		die("write");
}

static const unsigned char *own_address(int family)
{
	/* What QEMU's user network gives. */
	static const unsigned char v4[4] = { 10, 0, 2, 15 };
	static const unsigned char v6[16] = { 0xfe, 0xc0, [15] = 0x15 };

	return family == AF_INET ? v4 : v6;
}

/* Does this frame answer a probe?  The gateway may answer in a target's name. */
static void frame_look(const unsigned char *frame, size_t len)
{
	const struct ether_header *ether = (const void *)frame;
	const unsigned char *ip = frame + sizeof(*ether);
	bool v6 = ether->ether_type == htons(ETHERTYPE_IPV6);
	size_t head = v6 ? 40 : 20;
	int family = v6 ? AF_INET6 : AF_INET;
	const unsigned char *payload = ip + head;
	int protocol;
	size_t i;

	if ((!v6 && ether->ether_type != htons(ETHERTYPE_IP)) ||
	    len < sizeof(*ether) + head + 8 ||
	    memcmp(ether->ether_shost, own_mac, 6) == 0)
		return;
	protocol = ip[v6 ? 6 : 9] == IPPROTO_UDP;
	if (!protocol && (len < sizeof(*ether) + head + 20 ||
			  (payload[13] & 0x12) != 0x12))
		return;
	i = (size_t)(payload[2] << 8 | payload[3]) - FRAME_PORT;
	if (i < target_count && targets[i].to->family == family &&
	    targets[i].port == (payload[0] << 8 | payload[1]))
		reached(&targets[i], protocol, 1);
}

static void open_wire(const char *interface)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_ALL),
				  .sll_ifindex = (int)if_nametoindex(interface) };
	socklen_t len = sizeof(at);
	int room = 4 << 20;

	wire = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(ETH_P_ALL));
	if (wire < 0 || bind(wire, (void *)&at, sizeof(at)) < 0 ||
	    getsockname(wire, (void *)&at, &len) < 0)
		die(interface);
	setsockopt(wire, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	memcpy(own_mac, at.sll_addr, 6);
}

/* ---- All of it ---- */

static void listen_ms(long long ms)
{
	long long end = now_ms() + ms;
	unsigned char frame[2000];

	while (now_ms() < end) {
		struct pollfd p = { wire, POLLIN, 0 };
		ssize_t len;

		poll(&p, 1, 20);
		while ((len = read(wire, frame, sizeof(frame))) > 0)
			frame_look(frame, (size_t)len);
		for (size_t i = 0; i < target_count; i++)
			kernel_look(&targets[i]);
	}
}

int main(int argc, char **argv)
{
	int at = 4;

	if (argc < 7 ||
	    sscanf(argv[2], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &gateway[0],
		   &gateway[1], &gateway[2], &gateway[3], &gateway[4],
		   &gateway[5]) != 6)
		return 2;
	open_wire(argv[1]);
	for (; at < argc && strcmp(argv[at], "--") != 0; at++) {
		struct address *a = &addresses[address_count++];

		a->text = argv[at];
		a->family = strchr(argv[at], ':') ? AF_INET6 : AF_INET;
		a->len = a->family == AF_INET ? 4 : 16;
		if (inet_pton(a->family, a->text, a->bytes) != 1)
			die(a->text);
	}
	for (size_t i = 0; i < address_count; i++)
		for (int j = at + 1; j < argc; j++)
			targets[target_count++] = (struct target){
				&addresses[i], (in_port_t)atoi(argv[j]), -1, -1,
				{ { false } }
			};
	/* A bit at a time: nobody's queue is to overflow. */
	for (size_t i = 0; i < target_count; i++) {
		struct target *t = &targets[i];

		kernel_send(t);
		for (int protocol = 0; protocol < 2; protocol++)
			frame_send(t, protocol, own_address(t->to->family));
		/* From the target itself: no answer can come, but it may hear. */
		frame_send(t, 1, t->to->bytes);
		listen_ms(i % 10 == 9 ? 20 : 0);
	}
	/* UDP once more: what was lost on the way proves nothing. */
	for (size_t i = 0; i < target_count; i++) {
		if (!targets[i].reached[1][1])
			frame_send(&targets[i], 1,
				   own_address(targets[i].to->family));
		listen_ms(i % 10 == 9 ? 20 : 0);
	}
	listen_ms(atoi(argv[3]) * 1000LL);
	printf("probed %zu\n", target_count);
	return 0;
}
