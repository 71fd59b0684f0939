#include "conf/url.h"

#include <string.h>

#include "base/text.h"

/* Copy the host that `text` begins with; its length, or 0. */
static size_t host_length(const char *text)
{
	static const char hex[] = "0123456789abcdefABCDEF:.";
	static const char name[] = "abcdefghijklmnopqrstuvwxyz"
				   "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-";
	size_t len;

	if (*text == '[') {
		len = strspn(text + 1, hex);
		return len >= 2 && text[len + 1] == ']' ? len + 2 : 0;
	}
	len = strspn(text, name);
	if (len == 0 || len > 253 || *text == '.' || *text == '-')
		return 0;
	return len;
}

/* Read the digits behind ':'; the number of bytes taken, or 0. */
static size_t read_port(const char *text, long long *ret)
{
	char digits[6] = "";
	size_t len = strspn(text, "0123456789");

	if (len == 0 || len >= sizeof(digits))
		return 0;
	memcpy(digits, text, len);
	return text_long(digits, 1, 65535, ret) ? len : 0;
}

const char *url_parse(const char *text, struct url *ret)
{
	struct url url = { .https = text_starts(text, "https://") };
	size_t len;

	if (!url.https && !text_starts(text, "http://"))
		return "must begin with https:// or http://";
	if (strlen(text) > URL_MAX)
		return "is too long";
	for (const char *c = text; *c; c++)
		if (*c <= ' ' || *c > '~' || strchr("\"'<>\\^`{|}", *c))
			return "holds a character that must be written as %XX";
	text += url.https ? 8 : 7;
	if (memchr(text, '@', strcspn(text, "/?#")))
		return "must not hold a user name or a password";
	len = host_length(text);
	if (len == 0)
		return "has no host name after ://";
	text += len;
	if (*text == ':') {
		len = read_port(text + 1, &url.port);
		if (len == 0)
			return "has no port number after the host's ':'";
		text += 1 + len;
	}
	if (*text && !strchr("/?#", *text))
		return "has a host name with other characters than letters, "
		       "digits, '.' and '-'";
	url.path = text;
	*ret = url;
	return NULL;
}

bool url_is_path(const char *text)
{
	if (*text != '/' || !text_only(text, "/_.~+-"))
		return false;
	while (*text == '/') {
		size_t len = strcspn(++text, "/");

		if (len == 0)
			return false;
		if (text[0] == '.' &&
		    (len == 1 || (len == 2 && text[1] == '.')))
			return false;
		text += len;
	}
	return true;
}
