/*
 * Web origins (RFC 6454): scheme, host and port, normalised, so that two can
 * be compared.
 */
#ifndef QWD_WEB_ORIGIN_H
#define QWD_WEB_ORIGIN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"

enum { ORIGIN_HOST_SIZE = 256 };

struct origin {
	bool https;
	char host[ORIGIN_HOST_SIZE]; /* lower case; IPv6 in brackets */
	long long port;              /* the scheme's own where none is given */
};

/* Parse "https://host[:port]", with nothing behind it. */
MUST_CHECK bool origin_parse(const char *text, struct origin *ret);

/* The origin of a URL, which may have a path. */
MUST_CHECK bool origin_of_url(const char *url, struct origin *ret);

/* The origin that "host[:port]", as in the Host header, stands for. */
MUST_CHECK bool origin_of_host(const char *host, bool https,
			       struct origin *ret);

bool origin_same(const struct origin *a, const struct origin *b);

/* True if the host is localhost, 127.0.0.1 or [::1]. */
bool origin_is_local(const struct origin *o);

/* "https://host[:port]", without the scheme's own port. */
void origin_text(const struct origin *o, char *ret, size_t size);

#endif
