#include "net/ldap_entry.h"

#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "net/mail_text.h"

/* The values of an attribute, NULL-terminated, to be freed; or NULL. */
#define AUTO_VALUES __attribute__((cleanup(free_values)))

static void free_values(struct berval ***values)
{
	ldap_value_free_len(*values);
}

static void free_text(char **text)
{
	ldap_memfree(*text);
}

#define AUTO_LDAP_TEXT __attribute__((cleanup(free_text)))

static void free_dn(LDAPDN *dn)
{
	ldap_dnfree(*dn);
}

#define AUTO_DN __attribute__((cleanup(free_dn)))

/* Copy a value that is non-empty text of whole bytes, without control
 * characters, and fits. */
static bool copy_value(const struct berval *value, char *ret, size_t size)
{
	if (value->bv_len == 0 || value->bv_len >= size ||
	    !text_is_utf8(value->bv_val, value->bv_len))
		return false;
	memcpy(ret, value->bv_val, value->bv_len);
	ret[value->bv_len] = '\0';
	if (!text_has_control(ret))
		return true;
	ret[0] = '\0';
	return false;
}

/* `name` is what was typed, but for case and blanks around it. */
static bool is_typed(const char *name, const char *typed)
{
	size_t len;

	typed += strspn(typed, " ");
	len = strlen(typed);
	while (len && typed[len - 1] == ' ')
		len--;
	return strlen(name) == len && strncasecmp(name, typed, len) == 0;
}

static bool is_ascii(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text >= 0x80)
			return false;
	return true;
}

static bool has_value(LDAP *ld, LDAPMessage *entry, const char *attribute,
		      const char *typed)
{
	AUTO_VALUES struct berval **values =
		ldap_get_values_len(ld, entry, attribute);
	char value[NET_USER_MAX + 1];

	for (int i = 0; values && values[i]; i++)
		if (copy_value(values[i], value, sizeof(value)) &&
		    is_typed(value, typed))
			return true;
	return false;
}

bool ldap_entry_is_named(LDAP *ld, LDAPMessage *entry,
			 const struct net_request *r)
{
	return is_ascii(r->user) || has_value(ld, entry, r->attribute, r->user) ||
	       has_value(ld, entry, r->mail_attribute, r->user);
}

void ldap_entry_user(LDAP *ld, LDAPMessage *entry, const struct net_request *r,
		     struct net_answer *a)
{
	AUTO_VALUES struct berval **values =
		ldap_get_values_len(ld, entry, r->attribute);
	char name[sizeof(a->user)];

	for (int i = 0; values && values[i]; i++) {
		if (!copy_value(values[i], name, sizeof(name)))
			continue;
		if (*a->user && !is_typed(name, r->user))
			continue;
		memcpy(a->user, name, sizeof(name));
		if (is_typed(name, r->user))
			return;
	}
}

void ldap_entry_mail(LDAP *ld, LDAPMessage *entry, const struct net_request *r,
		     struct net_answer *a)
{
	AUTO_VALUES struct berval **values =
		ldap_get_values_len(ld, entry, r->mail_attribute);

	for (int i = 0; values && values[i]; i++) {
		if (copy_value(values[i], a->mail, sizeof(a->mail)) &&
		    mail_address_ok(a->mail))
			return;
		a->mail[0] = '\0';
	}
}

static bool same_value(const struct berval *x, const struct berval *y)
{
	return x->bv_len == y->bv_len &&
	       strncasecmp(x->bv_val, y->bv_val, x->bv_len) == 0;
}

static bool same_rdn(LDAPRDN x, LDAPRDN y)
{
	for (; *x && *y; x++, y++)
		if (!same_value(&(*x)->la_attr, &(*y)->la_attr) ||
		    !same_value(&(*x)->la_value, &(*y)->la_value))
			return false;
	return !*x && !*y;
}

static size_t count_rdns(LDAPDN dn)
{
	size_t count = 0;

	while (dn && dn[count])
		count++;
	return count;
}

static bool is_below(LDAPDN dn, LDAPDN base)
{
	size_t low = count_rdns(dn);
	size_t high = count_rdns(base);

	if (high == 0 || low <= high)
		return false;
	for (size_t i = 0; i < high; i++)
		if (!same_rdn(dn[low - high + i], base[i]))
			return false;
	return true;
}

bool ldap_entry_group_name(const char *dn, const char *base, char *ret,
			   size_t size)
{
	AUTO_DN LDAPDN low = NULL;
	AUTO_DN LDAPDN high = NULL;

	if (ldap_str2dn(dn, &low, LDAP_DN_FORMAT_LDAPV3) != LDAP_SUCCESS ||
	    ldap_str2dn(base, &high, LDAP_DN_FORMAT_LDAPV3) != LDAP_SUCCESS)
		return false;
	/* One attribute in the first RDN; it is the name. */
	return is_below(low, high) && low[0][0] && !low[0][1] &&
	       copy_value(&low[0][0]->la_value, ret, size);
}

static int add_group(struct net_answer *a, const char *dn, const char *base)
{
	char name[NET_USER_MAX + 1];

	if (!a->groups)
		a->groups = json_array();
	if (json_array_size(a->groups) >= NET_GROUPS_MAX ||
	    !ldap_entry_group_name(dn, base, name, sizeof(name)))
		return 0;
	if (json_array_append_new(a->groups, json_string(name)) < 0)
		return net_say(a, NET_INTERNAL, "no memory");
	return 0;
}

int ldap_entry_memberof(LDAP *ld, LDAPMessage *entry, const char *base,
			struct net_answer *a)
{
	AUTO_VALUES struct berval **values =
		ldap_get_values_len(ld, entry, "memberOf");

	for (int i = 0; values && values[i]; i++)
		if (add_group(a, values[i]->bv_val, base) < 0)
			return -1;
	return 0;
}

int ldap_entry_groups(LDAP *ld, LDAPMessage *result, const char *base,
		      struct net_answer *a)
{
	for (LDAPMessage *entry = ldap_first_entry(ld, result); entry;
	     entry = ldap_next_entry(ld, entry)) {
		AUTO_LDAP_TEXT char *dn = ldap_get_dn(ld, entry);

		if (dn && add_group(a, dn, base) < 0)
			return -1;
	}
	return 0;
}
