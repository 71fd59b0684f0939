#include "farm/perl.h"

#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "conf/url.h"

/* A link as HTML has it, up to what cannot be one; "&amp;" is '&'.  Returns
 * its length in the page, or 0 if it is too long. */
static size_t copy_link(const char *at, char ret[PERL_URL_SIZE])
{
	size_t used = 0;
	size_t i = 0;

	while (at[i] > ' ' && at[i] <= '~' && !strchr("\"'<>\\^`{|}", at[i])) {
		if (used == PERL_URL_SIZE - 1)
			return 0;
		ret[used++] = at[i];
		i += text_starts(at + i, "&amp;") ? 5 : 1;
	}
	ret[used] = '\0';
	return i;
}

/* The host of a URL that url_parse() has taken, with its brackets. */
static size_t host_of(const char *url, const char **ret)
{
	*ret = strstr(url, "://") + 3;
	return **ret == '[' ? strcspn(*ret, "]") + 1 : strcspn(*ret, ":/?#");
}

static bool is_same_host(const char *a, const char *b)
{
	const char *host_a;
	const char *host_b;
	size_t len = host_of(a, &host_a);

	return len == host_of(b, &host_b) &&
	       strncasecmp(host_a, host_b, len) == 0;
}

/* noVNC's pages: vnc.html, vnc_lite.html, vnc_auto.html. */
static bool is_display(const char *path)
{
	size_t len = strcspn(path, "?#");
	const char *name = path;

	for (size_t i = 0; i < len; i++)
		if (path[i] == '/')
			name = path + i + 1;
	len -= (size_t)(name - path);
	return len >= 8 && strncmp(name, "vnc", 3) == 0 &&
	       strncmp(name + len - 5, ".html", 5) == 0;
}

bool perl_find_display(const char *page, const struct server *server,
		       char ret[PERL_URL_SIZE])
{
	char link[PERL_URL_SIZE];
	const char *at = page;

	while ((at = strstr(at, "http")) != NULL) {
		size_t len = copy_link(at, link);
		struct url url;

		if (len && !url_parse(link, &url) && is_display(url.path) &&
		    is_same_host(link, server->origin)) {
			memcpy(ret, link, sizeof(link));
			return true;
		}
		at += 4;
	}
	return false;
}
