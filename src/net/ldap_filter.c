#include "net/ldap_filter.h"

#include <string.h>

bool ldap_filter_ok(const char *filter, const char *which)
{
	size_t len = strlen(filter);
	bool found = false;

	if (len < 2 || filter[0] != '(' || filter[len - 1] != ')')
		return false;
	for (const char *c = strchr(filter, '%'); c; c = strchr(c + 2, '%')) {
		if (c[1] == '\0')
			return false;
		if (c[1] == '%')
			continue;
		if (!strchr(which, c[1]))
			return false;
		found = true;
	}
	return found;
}

static bool is_plain(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	       (c >= 'A' && c <= 'Z') || (c && strchr("@._-", c));
}

void ldap_filter_escape(struct buf *out, const char *value)
{
	for (; *value; value++) {
		if (is_plain(*value))
			buf_putc(out, *value);
		else
			buf_printf(out, "\\%02x", (unsigned char)*value);
	}
}

void ldap_filter_make(struct buf *out, const char *filter, const char *user,
		      const char *dn)
{
	for (; *filter; filter++) {
		if (*filter != '%') {
			buf_putc(out, *filter);
			continue;
		}
		filter++;
		if (*filter == '%')
			buf_putc(out, '%');
		else
			ldap_filter_escape(out, *filter == 'u' ? user : dn);
	}
}
