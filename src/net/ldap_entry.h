/*
 * What an LDAP entry tells about a user: name, mail, groups.
 */
#ifndef QWD_NET_LDAP_ENTRY_H
#define QWD_NET_LDAP_ENTRY_H

#include <ldap.h>

#include "net/net.h"

/*
 * The login as the directory writes it: the value of the naming attribute
 * that is the request's user but for case and blanks around it, else the
 * first.  a->user stays empty if there is no value.
 */
void ldap_entry_user(LDAP *ld, LDAPMessage *entry, const struct net_request *r,
		     struct net_answer *a);

/*
 * False if the request's user is not this entry's name, but another spelling
 * of it that the directory takes for the same: to OpenLDAP a letter of some
 * hundred others of Unicode (full-width, mathematical, circled ones) is that
 * letter, to Active Directory one with an accent.  Each would be another user
 * to whoever counts failed logins.  A name of ASCII alone has no such
 * spelling; others must stand in the naming or the mail attribute, but for
 * case of ASCII's letters and blanks around it.
 */
MUST_CHECK bool ldap_entry_is_named(LDAP *ld, LDAPMessage *entry,
				    const struct net_request *r);

/* The first value of the mail attribute that is an address. */
void ldap_entry_mail(LDAP *ld, LDAPMessage *entry, const struct net_request *r,
		     struct net_answer *a);

/*
 * The groups of the attribute memberOf; the entries of a search.  Both by
 * their DN: ldap_entry_group_name().  -1 with NET_INTERNAL in *a.
 */
MUST_CHECK int ldap_entry_memberof(LDAP *ld, LDAPMessage *entry,
				   const char *base, struct net_answer *a);
MUST_CHECK int ldap_entry_groups(LDAP *ld, LDAPMessage *result,
				 const char *base, struct net_answer *a);

/*
 * The name of the group `dn`: the value of its first RDN, in `ret`.  False,
 * with *ret unspecified, if it does not lie below `base` (RDN by RDN, in any
 * case of ASCII letters), or its first RDN is not one attribute, or its value
 * no name.
 */
MUST_CHECK bool ldap_entry_group_name(const char *dn, const char *base,
				      char *ret, size_t size);

#endif
