/*
 * LDAP search filters (RFC 4515) from templates, in which %u, %d and %% stand
 * for the user, the DN of the user's entry and a percent sign.
 */
#ifndef QWD_NET_LDAP_FILTER_H
#define QWD_NET_LDAP_FILTER_H

#include <stdbool.h>

#include "base/buf.h"

/*
 * True if the template is in parentheses, holds at least one of the letters
 * `which` ("u", "ud") behind a percent sign and none but these and %%.
 */
bool ldap_filter_ok(const char *filter, const char *which);

/* `value` as an assertion value: all but ASCII letters, digits and "@._-" as
 * \XX, so that nothing in it is syntax or wildcard. */
void ldap_filter_escape(struct buf *out, const char *value);

/* The filter of a template that ldap_filter_ok() has passed.  `dn` may be
 * NULL if the template has no %d. */
void ldap_filter_make(struct buf *out, const char *filter, const char *user,
		      const char *dn);

#endif
