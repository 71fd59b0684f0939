#include "ctl/fetch_headers.h"

#include <string.h>
#include <strings.h>

#include "base/text.h"

/* The value of header `name`, cut out of the line; false if it is another, is
 * too long, or holds what no header may. */
static bool value_of(const char *line, size_t len, const char *name,
		     char ret[FETCH_TAG_SIZE])
{
	size_t skip = strlen(name);

	if (len <= skip || strncasecmp(line, name, skip) != 0 ||
	    line[skip] != ':')
		return false;
	line += skip + 1;
	len -= skip + 1;
	while (len && (*line == ' ' || *line == '\t')) {
		line++;
		len--;
	}
	while (len && strchr("\r\n \t", line[len - 1]))
		len--;
	if (len >= FETCH_TAG_SIZE || memchr(line, '\0', len))
		return false;
	memcpy(ret, line, len);
	ret[len] = '\0';
	if (!text_has_control(ret))
		return true;
	ret[0] = '\0';
	return false;
}

void fetch_headers_add(struct fetch_headers *h, const char *line, size_t len)
{
	if (len >= 5 && memcmp(line, "HTTP/", 5) == 0) {
		*h = (struct fetch_headers){ .etag = "" };
		return;
	}
	if (!value_of(line, len, "ETag", h->etag) &&
	    !value_of(line, len, "Last-Modified", h->modified))
		(void)value_of(line, len, "Content-Range", h->range);
}

const char *fetch_headers_validator(const struct fetch_headers *h)
{
	if (h->etag[0] == '"')
		return h->etag;
	return h->modified;
}

bool fetch_headers_continue(const struct fetch_headers *h, long long have,
			    const char *validator)
{
	const char *now = fetch_headers_validator(h);
	long long first;
	char *dash;
	char start[FETCH_TAG_SIZE];

	if (!text_starts(h->range, "bytes "))
		return false;
	snprintf(start, sizeof(start), "%s", h->range + strlen("bytes "));
	dash = strchr(start, '-');
	if (!dash)
		return false;
	*dash = '\0';
	/* A server need not repeat the date (RFC 9110, 15.3.7). */
	return text_long(start, 0, 1LL << 60, &first) && first == have &&
	       (!*now || validator[0] != now[0] || strcmp(now, validator) == 0);
}
