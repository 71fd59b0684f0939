#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "net/fetch.h"

enum { HOST_MAX = 255 }; /* of no longer name there is an address */

/* RFC 6890's registry (IANA, "IPv4 Special-Purpose Address Registry"), and
 * multicast and what is above. */
static const struct {
	uint32_t net;
	unsigned bits;
} special4[] = {
	{ 0x00000000, 8 },  /* this network */
	{ 0x0a000000, 8 },  /* private */
	{ 0x64400000, 10 }, /* carriers' NAT */
	{ 0x7f000000, 8 },  /* loopback */
	{ 0xa9fe0000, 16 }, /* link-local, clouds' metadata */
	{ 0xac100000, 12 }, /* private */
	{ 0xc0000000, 24 }, /* protocols */
	{ 0xc0000200, 24 }, /* documentation */
	{ 0xc0586300, 24 }, /* 6to4 relays */
	{ 0xc0a80000, 16 }, /* private */
	{ 0xc6120000, 15 }, /* benchmarks */
	{ 0xc6336400, 24 }, /* documentation */
	{ 0xcb007100, 24 }, /* documentation */
	{ 0xe0000000, 3 },  /* multicast and reserved */
};

static bool is_public4(const struct in_addr *address)
{
	uint32_t a = ntohl(address->s_addr);

	for (size_t i = 0; i < ARRAY_LEN(special4); i++)
		if ((a ^ special4[i].net) >> (32 - special4[i].bits) == 0)
			return false;
	return true;
}

/* Global unicast is 2000::/3, without what tunnels IPv4 and documentation. */
static bool is_public6(const struct in6_addr *address)
{
	const uint8_t *a = address->s6_addr;

	if ((a[0] & 0xe0) != 0x20)
		return false;
	if (a[0] == 0x20 && a[1] == 0x01 && a[2] < 0x02) /* 2001::/23 */
		return false;
	if (a[0] == 0x20 && a[1] == 0x01 && a[2] == 0x0d && a[3] == 0xb8)
		return false;
	if (a[0] == 0x3f && a[1] == 0xff && a[2] < 0x10)
		return false;
	return !(a[0] == 0x20 && a[1] == 0x02); /* 6to4 */
}

/* The bytes of the address within, of either family. */
static const void *bytes_of(const struct sockaddr *a, size_t *ret_size)
{
	bool v6 = a->sa_family == AF_INET6;

	*ret_size = v6 ? sizeof(struct in6_addr) : sizeof(struct in_addr);
	return (const char *)a + (v6 ? offsetof(struct sockaddr_in6, sin6_addr) :
				       offsetof(struct sockaddr_in, sin_addr));
}

static bool is_same(const struct sockaddr *a, const struct sockaddr *b)
{
	size_t size;
	const void *bytes = bytes_of(a, &size);

	return b && a->sa_family == b->sa_family &&
	       memcmp(bytes, bytes_of(b, &size), size) == 0;
}

static bool is_own(const struct sockaddr *address)
{
	struct ifaddrs *list = NULL;
	bool own = false;

	if (getifaddrs(&list) < 0)
		return true; /* not known: better not */
	for (const struct ifaddrs *i = list; i && !own; i = i->ifa_next)
		own = is_same(address, i->ifa_addr);
	freeifaddrs(list);
	return own;
}

bool fetch_address_is_public(const struct sockaddr *address)
{
	bool good = false;
	size_t size;

	if (address->sa_family == AF_INET)
		good = is_public4(bytes_of(address, &size));
	else if (address->sa_family == AF_INET6)
		good = is_public6(bytes_of(address, &size));
	return good && !is_own(address);
}

bool fetch_host_is_public(const char *host)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	size_t len = strlen(host);
	char name[HOST_MAX + 1];

	/* A last dot says nothing but that the name is whole. */
	if (len && host[len - 1] == '.')
		len--;
	if (len > HOST_MAX)
		return false;
	memcpy(name, host, len);
	name[len] = '\0';
	if (len >= 9 && strncasecmp(host + len - 9, "localhost", 9) == 0 &&
	    (len == 9 || host[len - 10] == '.'))
		return false;
	if (inet_aton(name, &v4.sin_addr))
		return fetch_address_is_public((struct sockaddr *)&v4);
	if (inet_pton(AF_INET6, name, &v6.sin6_addr) == 1)
		return fetch_address_is_public((struct sockaddr *)&v6);
	return true;
}
