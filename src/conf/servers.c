#include "conf/servers.h"

#include <stdio.h>
#include <string.h>

#include "base/macros.h"
#include "base/text.h"
#include "conf/url.h"

enum { TEXT_MAX = 512 };

static const char is_long[] = "is too long for the address of a server";

/* The text as a URL: what has no scheme is https, and an IPv6 address gets
 * its brackets. */
static const char *complete(const char *text, char ret[TEXT_MAX + 32])
{
	size_t host = strcspn(text, "/");
	const char *colon = memchr(text, ':', host);
	bool six = colon && text[0] != '[' &&
		   memchr(colon + 1, ':', host - (size_t)(colon + 1 - text));

	if (strlen(text) > TEXT_MAX)
		return is_long;
	if (strstr(text, "://"))
		snprintf(ret, TEXT_MAX + 32, "%s", text);
	else if (six)
		snprintf(ret, TEXT_MAX + 32, "https://[%.*s]%s", (int)host,
			 text, text + host);
	else
		snprintf(ret, TEXT_MAX + 32, "https://%s", text);
	return NULL;
}

static bool is_ours(const char *path)
{
	static const char *const ours[] = {
		"", "/", "/qemu-web-desktop", "/qemu-web-desktop/",
		"/cgi-bin/qemu-web-desktop", SERVER_FARM_PATH,
	};

	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		if (strcmp(path, ours[i]) == 0)
			return true;
	return false;
}

static const char *put_origin(const char *text, const struct url *url,
			      struct server *ret)
{
	const char *host = strstr(text, "://") + 3;
	size_t len = *host == '[' ? strcspn(host, "]") + 1 :
				    strcspn(host, ":/?#");
	bool own_port = !url->port || url->port == (url->https ? 443 : 80);
	int used = snprintf(ret->origin, sizeof(ret->origin), "%s://%.*s",
			    url->https ? "https" : "http", (int)len, host);

	if (used > 0 && (size_t)used < sizeof(ret->origin) && !own_port)
		used += snprintf(ret->origin + used,
				 sizeof(ret->origin) - (size_t)used, ":%lld",
				 url->port);
	if (used < 0 || (size_t)used >= sizeof(ret->origin))
		return is_long;
	for (char *c = ret->origin; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	return NULL;
}

const char *server_parse(const char *text, struct server *ret)
{
	char full[TEXT_MAX + 32];
	struct server s = { .origin = "" };
	const char *problem;
	struct url url;
	int used;

	problem = *text ? complete(text, full) : "names no server";
	if (!problem)
		problem = url_parse(full, &url);
	if (!problem)
		problem = put_origin(full, &url, &s);
	if (problem)
		return problem;
	s.https = url.https;
	s.perl = text_ends(url.path, ".pl") && url_is_path(url.path);
	if (!s.perl && !is_ours(url.path))
		return "has a path that is neither /qemu-web-desktop/ nor that "
		       "of a program .pl";
	used = snprintf(s.url, sizeof(s.url), "%s%s", s.origin,
			s.perl ? url.path : SERVER_FARM_PATH);
	if (used < 0 || (size_t)used >= sizeof(s.url))
		return is_long;
	*ret = s;
	return NULL;
}

const struct server *servers_find(const struct servers *s, const char *origin)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->list[i].origin, origin) == 0)
			return &s->list[i];
	return NULL;
}

const char *servers_parse(const char *text, struct servers *ret)
{
	AUTO_FREE char *copy = strdup(text);
	char *rest = copy;
	char *one;

	ret->count = 0;
	if (!copy)
		return "cannot be read: no memory";
	while (*text && (one = strsep(&rest, ",")) != NULL) {
		struct server s;
		const char *problem = server_parse(text_trim(one), &s);

		if (problem)
			return problem;
		if (servers_find(ret, s.origin))
			continue;
		if (ret->count == SERVERS_MAX)
			return "has more than 32 servers";
		ret->list[ret->count++] = s;
	}
	return NULL;
}
