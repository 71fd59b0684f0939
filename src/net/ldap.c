#include <ldap.h>
#include <string.h>

#include "net/ldap_entry.h"
#include "net/ldap_filter.h"
#include "net/ldap_server.h"
#include "net/net.h"
#include "sys/random.h"

enum { FILTER_BYTES = 32768 };

/* The entry that is the user. */
struct entry {
	LDAPMessage *result; /* owns the entry */
	LDAPMessage *message;
	char *dn;
};

static void entry_release(struct entry *entry)
{
	ldap_memfree(entry->dn);
	ldap_server_free_result(&entry->result);
}

#define AUTO_ENTRY __attribute__((cleanup(entry_release)))

/* As whom we search.  Anonymous needs no bind in LDAP version 3. */
static int bind_service(LDAP *ld, const struct net_request *r,
			struct net_answer *a)
{
	int code;

	if (!r->bind_dn)
		return 0;
	code = ldap_server_bind(ld, r->bind_dn, r->bind_password);
	if (code == LDAP_SUCCESS)
		return 0;
	if (code == LDAP_NO_SUCH_OBJECT || code == LDAP_INVALID_DN_SYNTAX)
		return ldap_server_say_as(ld, code, NET_OWN_LOGIN, "bind_dn",
					  a);
	return ldap_server_say(ld, code, "bind_dn", a);
}

/* One entry: 0.  None, several, or a failure: -1 with the reason. */
static int judge_search(LDAP *ld, int code, struct entry *entry,
			struct net_answer *a)
{
	int count = ldap_count_entries(ld, entry->result);

	if (code == LDAP_SIZELIMIT_EXCEEDED || count > 1)
		return net_say(a, NET_AMBIGUOUS, "several entries");
	if (code != LDAP_SUCCESS)
		return ldap_server_say(ld, code, "search", a);
	if (count < 1)
		return net_say(a, NET_UNKNOWN_USER, "no entry");
	entry->message = ldap_first_entry(ld, entry->result);
	entry->dn = ldap_get_dn(ld, entry->message);
	/* A bind as nobody would succeed. */
	if (!entry->dn || !*entry->dn)
		return net_say(a, NET_PROTOCOL, "an entry without DN");
	return 0;
}

static int find_user(LDAP *ld, const struct net_request *r,
		     struct entry *entry, struct net_answer *a)
{
	const char *const attributes[] = {
		r->attribute, r->mail_attribute,
		r->groups == NET_GROUPS_MEMBEROF ? "memberOf" : NULL, NULL
	};
	AUTO_BUF struct buf filter = BUF_INIT(FILTER_BYTES);
	int code;

	if (r->filter) {
		ldap_filter_make(&filter, r->filter, r->user, NULL);
	} else {
		buf_printf(&filter, "(%s=", r->attribute);
		ldap_filter_escape(&filter, r->user);
		buf_putc(&filter, ')');
	}
	if (buf_failed(&filter))
		return net_say(a, NET_REQUEST, "filter: too long");
	code = ldap_server_search(ld, r, r->base, buf_str(&filter), attributes,
				  2, &entry->result);
	if (judge_search(ld, code, entry, a) < 0)
		return -1;
	if (ldap_entry_is_named(ld, entry->message, r))
		return 0;
	return net_say(a, NET_UNKNOWN_USER, "the entry has another name");
}

/*
 * Spend on a user who does not exist what a wrong password costs.  The answer
 * is in *a and stays; the password is not sent to an entry that is not asked
 * for it.
 */
static void bind_nobody(LDAP *ld, const struct net_request *r)
{
	AUTO_BUF struct buf dn = BUF_INIT(2048);
	struct err e = ERR_INIT;
	char name[33];
	char secret[33];

	if (random_text(name, sizeof(name) - 1, &e) < 0 ||
	    random_text(secret, sizeof(secret) - 1, &e) < 0)
		return;
	buf_printf(&dn, "%s=%s%s%s", r->attribute, name, *r->base ? "," : "",
		   r->base);
	if (!buf_failed(&dn) &&
	    ldap_server_bind(ld, buf_str(&dn), secret) != LDAP_SUCCESS)
		return;
}

static int bind_user(LDAP *ld, const struct net_request *r,
		     const struct entry *entry, struct net_answer *a)
{
	int code = ldap_server_bind(ld, entry->dn, r->password);

	switch (code) {
	case LDAP_SUCCESS:
		return 0;
	case LDAP_INVALID_CREDENTIALS:
		return ldap_server_say_as(ld, code, NET_BAD_PASSWORD, "bind",
					  a);
	case LDAP_INAPPROPRIATE_AUTH: /* the entry has no password */
	case LDAP_UNWILLING_TO_PERFORM:
	case LDAP_CONSTRAINT_VIOLATION:
	case LDAP_INSUFFICIENT_ACCESS:
	case LDAP_NO_SUCH_OBJECT:
		return ldap_server_say_as(ld, code, NET_NOT_ALLOWED, "bind",
					  a);
	default:
		return ldap_server_say(ld, code, "bind", a);
	}
}

static int search_groups(LDAP *ld, const struct net_request *r,
			 const struct entry *entry, struct net_answer *a)
{
	static const char *const none[] = { LDAP_NO_ATTRS, NULL };
	AUTO_BUF struct buf filter = BUF_INIT(FILTER_BYTES);
	AUTO_LDAP_RESULT LDAPMessage *result = NULL;
	int code;

	ldap_filter_make(&filter, r->group_filter, *a->user ? a->user : r->user,
			 entry->dn);
	if (buf_failed(&filter))
		return net_say(a, NET_REQUEST, "group_filter: too long");
	/* As the service again, where there is one: users need not see
	 * groups. */
	if (bind_service(ld, r, a) < 0)
		return -1;
	code = ldap_server_search(ld, r, r->group_base, buf_str(&filter),
				  none, NET_GROUPS_MAX, &result);
	if (code != LDAP_SUCCESS && code != LDAP_SIZELIMIT_EXCEEDED)
		return ldap_server_say(ld, code, "groups", a);
	return ldap_entry_groups(ld, result, r->group_base, a);
}

static int find_groups(LDAP *ld, const struct net_request *r,
		       const struct entry *entry, struct net_answer *a)
{
	switch (r->groups) {
	case NET_GROUPS_MEMBEROF:
		return ldap_entry_memberof(ld, entry->message, r->group_base,
					   a);
	case NET_GROUPS_SEARCH:
		return search_groups(ld, r, entry, a);
	case NET_GROUPS_NONE:
		break;
	}
	return 0;
}

void net_ldap_check(const struct net_request *r, struct net_answer *a)
{
	AUTO_LDAP LDAP *ld = ldap_server_open(r, a);
	AUTO_ENTRY struct entry entry = { .result = NULL };

	if (!ld || bind_service(ld, r, a) < 0)
		return;
	if (find_user(ld, r, &entry, a) < 0) {
		if (net_result_of(a->reason) == NET_REFUSED)
			bind_nobody(ld, r);
		return;
	}
	if (bind_user(ld, r, &entry, a) < 0)
		return;
	ldap_entry_user(ld, entry.message, r, a);
	ldap_entry_mail(ld, entry.message, r, a);
	if (find_groups(ld, r, &entry, a) < 0)
		return;
	net_say(a, NET_OK, "%s", entry.dn);
}
