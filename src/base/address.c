#include "base/address.h"

#include <string.h>

enum { LOCAL_MAX = 64, DOMAIN_MAX = 253, LABEL_MAX = 63 };

#define ALNUM                                                                  \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

bool address_domain_ok(const char *text)
{
	const char *label = text;
	size_t len;

	if (strlen(text) > DOMAIN_MAX)
		return false;
	for (;;) {
		len = strspn(label, ALNUM "-");
		if (len == 0 || len > LABEL_MAX || label[0] == '-' ||
		    label[len - 1] == '-')
			return false;
		if (label[len] == '\0')
			break;
		if (label[len] != '.')
			return false;
		label += len + 1;
	}
	/* No name ends with a label of digits. */
	return strspn(label, "0123456789") != len;
}

static bool local_ok(const char *text, size_t len)
{
	if (len == 0 || len > LOCAL_MAX || *text == '-')
		return false;
	for (;;) {
		size_t atom = strspn(text, ALNUM "#+-_");

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
	    !local_ok(text, (size_t)(at - text)) || !address_domain_ok(at + 1))
		return false;
	for (size_t i = 0; i <= len; i++) {
		bool upper = text[i] >= 'A' && text[i] <= 'Z';

		ret[i] = (char)(upper ? text[i] - 'A' + 'a' : text[i]);
	}
	return true;
}
