/*
 * Addresses on the web, as configuration names them: http or https, a host
 * and no credentials.
 */
#ifndef QWD_CONF_URL_H
#define QWD_CONF_URL_H

#include <stdbool.h>
#include <stddef.h>

enum { URL_MAX = 2048 };

struct url {
	bool https;
	long long port;   /* 0 where none is given */
	const char *path; /* what follows host and port, within the text: "" or
			     from '/', '?' or '#' on */
};

/*
 * Parse `text`: "http://" or "https://" in lower case, a host name or an
 * address (IPv6 in brackets), optionally ":port" of 1 to 65535, and printable
 * ASCII without blanks and quotes (RFC 3986).  Returns NULL and fills *ret,
 * which points into `text`; otherwise what is wrong, as the end of a sentence
 * that begins with the name of the value ("must begin with https://").
 */
const char *url_parse(const char *text, struct url *ret);

/*
 * True if `text` is a path on this server: begins with one '/', is made of
 * letters, digits and "/_.~+-", with no empty, "." or ".." component.
 */
bool url_is_path(const char *text);

#endif
