#include "net/request.h"

#include <arpa/inet.h>
#include <malloc.h>
#include <string.h>

#include "base/address.h"
#include "base/text.h"
#include "net/ldap_filter.h"
#include "net/mail_text.h"
#include "sys/json.h"

enum {
	FOR_LDAP = 1 << NET_LDAP_CHECK,
	FOR_CHECKS = FOR_LDAP | 1 << NET_IMAP_CHECK | 1 << NET_SMTP_CHECK,
	FOR_SEND = 1 << NET_MAIL_SEND,
	FOR_ALL = FOR_CHECKS | FOR_SEND,
	HOST_MAX = 253,
	DN_MAX = 1024,
	BODY_MAX = 65536,
};

#define SYSTEM_CA_FILE "/etc/ssl/certs/ca-certificates.crt"
#define GROUP_FILTER "(|(member=%d)(uniqueMember=%d)(memberUid=%u))"

/* Whoever has to give a member. */
#define ALWAYS FOR_ALL
#define NEVER 0

struct member {
	const char *name;
	unsigned verbs;
	unsigned required; /* by these verbs */
	size_t offset;     /* in struct net_request */
	long long min, max;
	const char *const *words; /* of an enum */
	const char *otherwise;    /* default of a text */
	bool number;
};

static const char *const tls_words[] = {
	[NET_TLS_DIRECT] = "tls",
	[NET_TLS_START] = "starttls",
	[NET_TLS_NONE] = "none",
	NULL,
};

static const char *const groups_words[] = {
	[NET_GROUPS_NONE] = "none",
	[NET_GROUPS_MEMBEROF] = "memberof",
	[NET_GROUPS_SEARCH] = "search",
	NULL,
};

#define AT(member) offsetof(struct net_request, member)
#define TEXT(member, verbs, required, min, max, otherwise)                     \
	{ #member, verbs, required, AT(member), min, max, NULL, otherwise,     \
	  false }
#define NUMBER(member, min, max)                                               \
	{ #member, FOR_ALL, ALWAYS, AT(member), min, max, NULL, NULL, true }
#define WORD(member, verbs, required, words)                                   \
	{ #member, verbs, required, AT(member), 0, 0, words, NULL, false }

static const struct member members[] = {
	TEXT(host, FOR_ALL, ALWAYS, 1, HOST_MAX, NULL),
	NUMBER(port, 1, 65535),
	WORD(tls, FOR_ALL, ALWAYS, tls_words),
	TEXT(ca_file, FOR_ALL, NEVER, 1, 4095, SYSTEM_CA_FILE),
	NUMBER(timeout, 1, NET_TIMEOUT_MAX_S),
	TEXT(user, FOR_ALL, FOR_CHECKS, 0, BODY_MAX, NULL),
	TEXT(password, FOR_ALL, FOR_CHECKS, 0, BODY_MAX, NULL),
	TEXT(bind_dn, FOR_LDAP, NEVER, 1, DN_MAX, NULL),
	TEXT(bind_password, FOR_LDAP, NEVER, 1, NET_PASSWORD_MAX, NULL),
	TEXT(base, FOR_LDAP, FOR_LDAP, 0, DN_MAX, NULL),
	TEXT(attribute, FOR_LDAP, NEVER, 1, NET_NAME_MAX, "uid"),
	TEXT(filter, FOR_LDAP, NEVER, 1, NET_FILTER_MAX, NULL),
	TEXT(mail_attribute, FOR_LDAP, NEVER, 1, NET_NAME_MAX, "mail"),
	WORD(groups, FOR_LDAP, NEVER, groups_words),
	TEXT(group_base, FOR_LDAP, NEVER, 1, DN_MAX, NULL),
	TEXT(group_filter, FOR_LDAP, NEVER, 1, NET_FILTER_MAX, GROUP_FILTER),
	TEXT(from, FOR_SEND, FOR_SEND, 1, NET_ADDRESS_MAX, NULL),
	TEXT(to, FOR_SEND, FOR_SEND, 0, BODY_MAX, NULL),
	TEXT(subject, FOR_SEND, FOR_SEND, 0, BODY_MAX, NULL),
	TEXT(text, FOR_SEND, FOR_SEND, 0, BODY_MAX, NULL),
	TEXT(html, FOR_SEND, NEVER, 0, BODY_MAX, NULL),
};

bool net_verb_of(const char *name, enum net_verb *ret)
{
	static const char *const verbs[] = {
		[NET_LDAP_CHECK] = "ldap-check",
		[NET_IMAP_CHECK] = "imap-check",
		[NET_SMTP_CHECK] = "smtp-check",
		[NET_MAIL_SEND] = "mail-send",
	};

	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		if (strcmp(name, verbs[i]) == 0) {
			*ret = (enum net_verb)i;
			return true;
		}
	}
	return false;
}

static int read_text(const struct member *m, const json_t *json, void *to,
		     struct err *e)
{
	const char **text = to;

	if (json_get_string(json, m->name, (size_t)m->max, text, e) < 0)
		return -1;
	if (strlen(*text) < (size_t)m->min)
		return err_set(e, ERR_DAMAGED, "%s: must not be empty",
			       m->name);
	return 0;
}

static int read_word(const struct member *m, const json_t *json, int *to,
		     struct err *e)
{
	const char *word;

	if (json_get_string(json, m->name, 16, &word, e) < 0)
		return -1;
	for (int i = 0; m->words[i]; i++) {
		if (strcmp(word, m->words[i]) == 0) {
			*to = i;
			return 0;
		}
	}
	return err_set(e, ERR_DAMAGED, "%s: not one of its words", m->name);
}

static int read_member(const struct member *m, unsigned verb,
		       struct net_request *r, struct err *e)
{
	const json_t *value = json_object_get(r->json, m->name);
	void *to = (char *)r + m->offset;

	if ((!value || json_is_null(value)) && !(m->required & verb)) {
		if (!m->words && !m->number)
			*(const char **)to = m->otherwise;
		return 0;
	}
	if (m->number)
		return json_get_int(r->json, m->name, m->min, m->max, to, e);
	if (m->words)
		return read_word(m, r->json, to, e);
	return read_text(m, r->json, to, e);
}

static const struct member *find_member(const char *name, unsigned verb)
{
	for (size_t i = 0; i < ARRAY_LEN(members); i++)
		if (strcmp(members[i].name, name) == 0)
			return members[i].verbs & verb ? &members[i] : NULL;
	return NULL;
}

static int read_members(unsigned verb, struct net_request *r, struct err *e)
{
	const char *key;
	json_t *value;

	json_object_foreach(r->json, key, value) {
		if (!find_member(key, verb)) {
			err_set(e, ERR_DAMAGED, "unknown member");
			return -1;
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(members); i++)
		if (members[i].verbs & verb &&
		    read_member(&members[i], verb, r, e) < 0)
			return -1;
	return 0;
}

static bool is_host(const char *host)
{
	struct in6_addr ignored;

	if (strchr(host, ':'))
		return inet_pton(AF_INET6, host, &ignored) == 1;
	return address_host_ok(host);
}

static bool is_attribute(const char *name)
{
	return text_only(name, "-") && strspn(name, "-0123456789") == 0;
}

static int check_ldap(const struct net_request *r, struct err *e)
{
	if (!r->bind_dn != !r->bind_password)
		return err_set(e, ERR_DAMAGED,
			       "bind_dn, bind_password: both or none");
	if (!is_attribute(r->attribute))
		return err_set(e, ERR_DAMAGED, "attribute: malformed");
	if (!is_attribute(r->mail_attribute))
		return err_set(e, ERR_DAMAGED, "mail_attribute: malformed");
	if (r->filter && !ldap_filter_ok(r->filter, "u"))
		return err_set(e, ERR_DAMAGED, "filter: malformed");
	if (!ldap_filter_ok(r->group_filter, "ud"))
		return err_set(e, ERR_DAMAGED, "group_filter: malformed");
	if (r->groups != NET_GROUPS_NONE && !r->group_base)
		return err_set(e, ERR_DAMAGED, "groups: without group_base");
	return 0;
}

static int check_send(const struct net_request *r, struct err *e)
{
	if (!r->user != !r->password)
		return err_set(e, ERR_DAMAGED,
			       "user, password: both or none");
	if (r->user && (!*r->user || text_has_control(r->user)))
		return err_set(e, ERR_DAMAGED, "user: malformed");
	if (r->user && (!*r->password || text_has_control(r->password)))
		return err_set(e, ERR_DAMAGED, "password: malformed");
	if (r->user && r->tls == NET_TLS_NONE)
		return err_set(e, ERR_DAMAGED, "password: only over TLS");
	if (!mail_address_ok(r->from))
		return err_set(e, ERR_DAMAGED, "from: no address");
	return 0;
}

static int check_members(enum net_verb verb, const struct net_request *r,
			 struct err *e)
{
	if (!is_host(r->host))
		return err_set(e, ERR_DAMAGED, "host: malformed");
	if (*r->ca_file != '/')
		return err_set(e, ERR_DAMAGED, "ca_file: not absolute");
	if (verb == NET_LDAP_CHECK)
		return check_ldap(r, e);
	if (verb == NET_MAIL_SEND)
		return check_send(r, e);
	if (r->tls == NET_TLS_NONE)
		return err_set(e, ERR_DAMAGED, "tls: required for a login");
	return 0;
}

int net_request_parse(enum net_verb verb, const char *json, size_t len,
		      struct net_request *ret, struct err *e)
{
	struct net_request r = { .json = NULL };

	r.json = json_parse_object(json, len, e);
	if (!r.json) /* jansson quotes what it read */
		return err_set(e, ERR_DAMAGED, "no JSON object");
	if (read_members(1U << verb, &r, e) < 0 ||
	    check_members(verb, &r, e) < 0) {
		net_request_release(&r);
		return -1;
	}
	*ret = r;
	return 0;
}

void net_request_release(struct net_request *r)
{
	json_decref(r->json);
	*r = (struct net_request){ .json = NULL };
}

static void free_overwritten(void *memory)
{
	if (memory)
		explicit_bzero(memory, malloc_usable_size(memory));
	free(memory);
}

void net_request_secret(void)
{
	json_set_alloc_funcs(malloc, free_overwritten);
}
