#include "web/cookie.h"

#include <string.h>

#include "base/text.h"

/* If the cookie at `at` is called `name`, its value; else NULL. */
static const char *value_if(const char *at, const char *name)
{
	size_t len = strlen(name);

	at += strspn(at, " \t");
	if (strncmp(at, name, len) != 0 || at[len] != '=')
		return NULL;
	return at + len + 1;
}

bool cookie_get(const char *header, const char *name,
		char ret_value[COOKIE_VALUE_MAX + 1])
{
	char copy[COOKIE_VALUE_MAX + 1];
	const char *found = NULL;
	size_t len;

	for (const char *at = header; at; at = strchr(at, ';')) {
		const char *value;

		at += *at == ';';
		value = value_if(at, name);
		if (value && found)
			return false;
		if (value)
			found = value;
	}
	if (!found)
		return false;
	len = strcspn(found, ";");
	while (len && (found[len - 1] == ' ' || found[len - 1] == '\t'))
		len--;
	if (len < 1 || len > COOKIE_VALUE_MAX)
		return false;
	memcpy(copy, found, len);
	copy[len] = '\0';
	if (!text_only(copy, "_-"))
		return false;
	memcpy(ret_value, copy, len + 1);
	return true;
}
