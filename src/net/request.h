/*
 * A request to qwd-net as C has it.  net/net.h tells what each member means.
 */
#ifndef QWD_NET_REQUEST_H
#define QWD_NET_REQUEST_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum {
	NET_USER_MAX = 256, /* bytes, without the NUL; so all of these */
	NET_PASSWORD_MAX = 1024,
	NET_ADDRESS_MAX = 254, /* RFC 5321, 4.5.3.1.3 */
	NET_SUBJECT_MAX = 256,
	NET_FILTER_MAX = 1024,
	NET_NAME_MAX = 64, /* of an attribute */
	NET_TIMEOUT_MAX_S = 60,
};

enum net_verb {
	NET_LDAP_CHECK,
	NET_IMAP_CHECK,
	NET_SMTP_CHECK,
	NET_MAIL_SEND,
};

enum net_tls {
	NET_TLS_DIRECT,
	NET_TLS_START,
	NET_TLS_NONE,
};

enum net_groups {
	NET_GROUPS_NONE,
	NET_GROUPS_MEMBEROF,
	NET_GROUPS_SEARCH,
};

/*
 * The texts belong to `json`.  One that is not given is NULL or its default.
 */
struct net_request {
	json_t *json;
	const char *host;
	long long port;
	enum net_tls tls;
	const char *ca_file; /* never NULL */
	long long timeout;   /* seconds */
	const char *user;
	const char *password;
	const char *bind_dn;
	const char *bind_password;
	const char *base;
	const char *attribute;
	const char *filter; /* NULL: by the attribute */
	const char *mail_attribute;
	enum net_groups groups;
	const char *group_base;
	const char *group_filter;
	const char *from;
	const char *to;
	const char *subject;
	const char *text;
	const char *html;
};

/* The verb of that name; false if there is none. */
MUST_CHECK bool net_verb_of(const char *name, enum net_verb *ret);

/*
 * Parse the request for `verb`.  ERR_DAMAGED naming the member and what is
 * wrong; no value is in the message.  What a visitor can have typed (user,
 * password, to, subject, text, html) is only known to be short enough, and
 * may be empty: net_refusal() tells.  The caller releases *ret with
 * net_request_release().
 */
MUST_CHECK int net_request_parse(enum net_verb verb, const char *json,
				 size_t len, struct net_request *ret,
				 struct err *e);

/* Free the request; its memory is overwritten if net_request_secret() ran. */
void net_request_release(struct net_request *r);

/* From here on jansson overwrites what it frees.  To be called before the
 * first value is made. */
void net_request_secret(void);

#endif
