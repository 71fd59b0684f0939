#include "base/address.h"

#include <string.h>

enum { LOCAL_MAX = 64, DOMAIN_MAX = 253, LABEL_MAX = 63 };

#define ALNUM                                                                  \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

bool address_host_ok(const char *text)
{
	if (strlen(text) > DOMAIN_MAX)
		return false;
	for (;;) {
		size_t len = strspn(text, ALNUM "-");

		if (len == 0 || len > LABEL_MAX || text[0] == '-' ||
		    text[len - 1] == '-')
			return false;
		text += len;
		if (*text == '\0')
			return true;
		if (*text++ != '.')
			return false;
	}
}

bool address_domain_ok(const char *text)
{
	const char *dot = strrchr(text, '.');
	const char *last = dot ? dot + 1 : text;

	/* No name ends with a label of digits. */
	return address_host_ok(text) &&
	       last[strspn(last, "0123456789")] != '\0';
}

/* How many letters, digits and bytes in `also` there are at the beginning. */
static size_t span(const char *text, const char *also)
{
	size_t len = 0;

	for (;;) {
		size_t more = strspn(text + len, ALNUM);

		more += strspn(text + len + more, also);
		if (more == 0)
			return len;
		len += more;
	}
}

bool address_local_ok(const char *text, size_t len, const char *also)
{
	if (len == 0 || len > LOCAL_MAX || *text == '-')
		return false;
	for (;;) {
		size_t atom = span(text, also);

		if (atom == 0)
			return false;
		if (atom == len)
			return true;
		if (text[atom] != '.')
			return false;
		text += atom + 1;
		len -= atom + 1;
	}
}

bool address_read(const char *text, char ret[ADDRESS_SIZE])
{
	const char *at = strchr(text, '@');
	size_t len = strlen(text);

	if (!at || len >= ADDRESS_SIZE ||
	    !address_local_ok(text, (size_t)(at - text), "#+-_") ||
	    !address_domain_ok(at + 1))
		return false;
	for (size_t i = 0; i <= len; i++) {
		bool upper = text[i] >= 'A' && text[i] <= 'Z';

		ret[i] = (char)(upper ? text[i] - 'A' + 'a' : text[i]);
	}
	return true;
}
