/*
 * The servers of a farm, as fallback_servers lists them: URLs, names and
 * addresses, separated by commas.
 *
 *     server2                         https://server2
 *     server2:8443, 10.0.0.2, fe80::1 the same with a port, of an address
 *     https://server2[/qemu-web-desktop/]
 *     http://server2                  in the clear (farm_http)
 *     https://old/cgi-bin/qemu-web-desktop.pl
 *                                     one of the Perl program (farm_perl)
 */
#ifndef QWD_CONF_SERVERS_H
#define QWD_CONF_SERVERS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum {
	SERVERS_MAX = 32,
	SERVER_ORIGIN_SIZE = 288,
	SERVER_URL_SIZE = 768,
};

/* Where servers of this program hear others of the farm. */
#define SERVER_FARM_PATH "/qemu-web-desktop/farm"

struct server {
	/* "https://host[:port]": host in lower case, IPv6 in brackets, no port
	 * that is the scheme's own. */
	char origin[SERVER_ORIGIN_SIZE];
	char url[SERVER_URL_SIZE]; /* where requests go */
	bool https;
	bool perl; /* its path ends with .pl */
};

struct servers {
	struct server list[SERVERS_MAX];
	size_t count;
};

/* Parse one.  Returns NULL and fills *ret; otherwise what is wrong, as the end
 * of a sentence that begins with its name. */
const char *server_parse(const char *text, struct server *ret);

/* Parse the whole list; what is there twice is there once.  The same. */
const char *servers_parse(const char *text, struct servers *ret);

/* The server of that origin, or NULL. */
const struct server *servers_find(const struct servers *s, const char *origin);

#endif
