/*
 * A connection to an LDAP server by libldap, TLS first, no referrals; and
 * what its refusals mean.
 */
#ifndef QWD_NET_LDAP_SERVER_H
#define QWD_NET_LDAP_SERVER_H

#include <ldap.h>

#include "net/net.h"

#define AUTO_LDAP __attribute__((cleanup(ldap_server_close)))
#define AUTO_LDAP_RESULT __attribute__((cleanup(ldap_server_free_result)))

/*
 * Connect, and with TLS make sure that it is at least 1.2 with the server
 * that the request names.  The caller owns the result: ldap_server_close().
 * NULL with the reason in *a.
 */
MUST_CHECK LDAP *ldap_server_open(const struct net_request *r,
				  struct net_answer *a);

/* A simple bind; LDAP's result code.  An empty password is never sent: it is
 * LDAP_PARAM_ERROR. */
MUST_CHECK int ldap_server_bind(LDAP *ld, const char *dn, const char *password);

/*
 * Search all below `base` for at most `limit` entries with these attributes.
 * LDAP's result code; *ret may hold entries whatever that is, and the caller
 * frees it.
 */
MUST_CHECK int ldap_server_search(LDAP *ld, const struct net_request *r,
				  const char *base, const char *filter,
				  const char *const *attributes, int limit,
				  LDAPMessage **ret);

/* Say what LDAP's result `code` means where nothing else is known, with
 * "WHAT: " in front of the message.  Returns -1. */
int ldap_server_say(LDAP *ld, int code, const char *what,
		    struct net_answer *a);

/* The same with a reason of the caller's. */
int ldap_server_say_as(LDAP *ld, int code, enum net_reason reason,
		       const char *what, struct net_answer *a);

void ldap_server_close(LDAP **ld);
void ldap_server_free_result(LDAPMessage **result);

#endif
