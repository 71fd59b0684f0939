#include "web/origin.h"

#include <stdio.h>
#include <string.h>

#include "conf/url.h"

static long long own_port(bool https)
{
	return https ? 443 : 80;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool read_origin(const char *text, bool path, struct origin *ret)
{
	const char *host;
	struct url url;
	size_t len;

	if (url_parse(text, &url) || (*url.path && !path))
		return false;
	host = strstr(text, "://") + 3;
	len = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/?#");
	if (len >= sizeof(ret->host))
		return false;
	for (size_t i = 0; i < len; i++)
		ret->host[i] = lower(host[i]);
	ret->host[len] = '\0';
	ret->https = url.https;
	ret->port = url.port ? url.port : own_port(url.https);
	return true;
}

bool origin_parse(const char *text, struct origin *ret)
{
	return read_origin(text, false, ret);
}

bool origin_of_url(const char *url, struct origin *ret)
{
	return read_origin(url, true, ret);
}

bool origin_of_host(const char *host, bool https, struct origin *ret)
{
	char text[ORIGIN_HOST_SIZE + 16];
	int len = snprintf(text, sizeof(text), "http%s://%s", https ? "s" : "",
			   host);

	return len > 0 && (size_t)len < sizeof(text) && origin_parse(text, ret);
}

bool origin_same(const struct origin *a, const struct origin *b)
{
	return a->https == b->https && a->port == b->port &&
	       strcmp(a->host, b->host) == 0;
}

bool origin_is_local(const struct origin *o)
{
	return strcmp(o->host, "localhost") == 0 ||
	       strcmp(o->host, "127.0.0.1") == 0 ||
	       strcmp(o->host, "[::1]") == 0;
}

void origin_text(const struct origin *o, char *ret, size_t size)
{
	char port[24] = "";

	if (o->port != own_port(o->https))
		snprintf(port, sizeof(port), ":%lld", o->port);
	snprintf(ret, size, "http%s://%s%s", o->https ? "s" : "", o->host,
		 port);
}
