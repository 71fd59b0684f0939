/*
 * The entry of a user and those of groups, as a directory may send them.  The
 * input is cut at its newlines: attribute and value in turn, an empty
 * attribute ends an entry; the second entry and those behind it are groups,
 * each with its first value as its DN.  libldap reads them from a socket.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <ldap.h>

#include "base/buf.h"
#include "base/text.h"
#include "net/ldap_entry.h"
#include "net/mail_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Of OpenLDAP, beside its headers' public part since 2.0. */
int ldap_init_fd(ber_socket_t fd, int proto, const char *url, LDAP **ld);
enum { PROTO_TCP = 1, FIELDS_MAX = 64, ANSWER_MAX = 48 * 1024 };

struct field {
	const char *bytes;
	size_t len;
};

static void require(bool holds)
{
	if (!holds)
		abort();
}

static size_t cut(const char *text, size_t len, struct field ret[FIELDS_MAX])
{
	const char *end = text + len;
	size_t count = 0;

	while (count < FIELDS_MAX && text < end) {
		const char *stop = memchr(text, '\n', (size_t)(end - text));

		if (!stop)
			stop = end;
		ret[count++] = (struct field){ text, (size_t)(stop - text) };
		text = stop + 1;
	}
	return count;
}

static void add(struct buf *out, BerElement *ber)
{
	struct berval bytes;

	require(ber_flatten2(ber, &bytes, 0) == 0);
	buf_add(out, bytes.bv_val, bytes.bv_len);
	ber_free(ber, 1);
}

/* SearchResultEntry (RFC 4511, 4.5.2) of these fields; how many it took. */
static size_t add_entry(struct buf *out, ber_int_t id, const char *dn,
			size_t dn_len, const struct field *f, size_t count)
{
	BerElement *ber = ber_alloc_t(LBER_USE_DER);
	size_t i = 0;

	require(ber != NULL);
	ber_printf(ber, "{it{o{", id, (ber_tag_t)LDAP_RES_SEARCH_ENTRY, dn,
		   (ber_len_t)dn_len);
	for (; i + 1 < count && f[i].len; i += 2)
		ber_printf(ber, "{o[o]}", f[i].bytes, (ber_len_t)f[i].len,
			   f[i + 1].bytes, (ber_len_t)f[i + 1].len);
	require(ber_printf(ber, "}}}") >= 0);
	add(out, ber);
	return i + 1;
}

static void add_done(struct buf *out, ber_int_t id)
{
	BerElement *ber = ber_alloc_t(LBER_USE_DER);

	require(ber != NULL && ber_printf(ber, "{it{ess}}", id,
					  (ber_tag_t)LDAP_RES_SEARCH_RESULT, 0,
					  "", "") >= 0);
	add(out, ber);
}

/* All that the directory says to the search `id`. */
static void answer(struct buf *out, ber_int_t id, const struct field *f,
		   size_t count)
{
	size_t next = add_entry(out, id, "uid=ann,dc=x", 12, f, count);

	while (next + 1 < count) {
		const struct field *dn = &f[next + 1];

		next += add_entry(out, id, dn->bytes, dn->len, f + next,
				  count - next);
	}
	add_done(out, id);
}

static void check_groups(const struct net_answer *a)
{
	require(json_array_size(a->groups) <= NET_GROUPS_MAX);
	for (size_t i = 0; i < json_array_size(a->groups); i++) {
		const char *name =
			json_string_value(json_array_get(a->groups, i));

		require(name && *name && !text_has_control(name));
		require(strlen(name) <= NET_USER_MAX);
	}
}

static void check(LDAP *ld, LDAPMessage *result)
{
	static const struct net_request r = {
		.user = " Ann ", .attribute = "uid", .mail_attribute = "mail",
	};
	LDAPMessage *entry = ldap_first_entry(ld, result);
	struct net_answer a = { .reason = NET_OK };

	if (!entry)
		return;
	ldap_entry_user(ld, entry, &r, &a);
	require(strlen(a.user) <= NET_USER_MAX && !text_has_control(a.user));
	require(text_is_utf8(a.user, strlen(a.user)));
	ldap_entry_mail(ld, entry, &r, &a);
	require(!*a.mail || mail_address_ok(a.mail));
	require(ldap_entry_memberof(ld, entry, "ou=g,dc=x", &a) == 0);
	require(ldap_entry_groups(ld, result, "ou=g,dc=x", &a) == 0);
	check_groups(&a);
	net_answer_release(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_BUF struct buf said = BUF_INIT(ANSWER_MAX);
	struct timeval patience = { .tv_sec = 5 };
	int version = LDAP_VERSION3;
	struct field fields[FIELDS_MAX];
	LDAPMessage *result = NULL;
	LDAP *ld = NULL;
	int ends[2];
	int id;

	require(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	require(ldap_init_fd(ends[0], PROTO_TCP, NULL, &ld) == LDAP_SUCCESS);
	ldap_set_option(ld, LDAP_OPT_PROTOCOL_VERSION, &version);
	require(ldap_search_ext(ld, "dc=x", LDAP_SCOPE_SUBTREE, "(uid=ann)",
				NULL, 0, NULL, NULL, NULL, 0,
				&id) == LDAP_SUCCESS);
	answer(&said, id, fields, cut((const char *)data, size, fields));
	if (!buf_failed(&said)) {
		require(write(ends[1], said.data, said.len) ==
			(ssize_t)said.len);
		if (ldap_result(ld, id, LDAP_MSG_ALL, &patience, &result) > 0)
			check(ld, result);
		ldap_msgfree(result);
	}
	ldap_unbind_ext(ld, NULL, NULL);
	close(ends[1]);
	return 0;
}
