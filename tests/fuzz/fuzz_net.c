/*
 * A request to qwd-net, by its first byte for one of the verbs; and the rest
 * of the input as an address, a subject, a filter's value, a group's DN and
 * what a mail server says.
 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/text.h"
#include "net/dialogue.h"
#include "net/fetch.h"
#include "net/ldap_entry.h"
#include "net/ldap_filter.h"
#include "net/mail_text.h"
#include "net/net.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 1 << 20 };

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void try_request(enum net_verb verb, const char *text, size_t len)
{
	struct net_answer a = { .reason = NET_OK };
	struct net_request r = { .json = NULL };
	struct err e = ERR_INIT;

	if (net_request_parse(verb, text, len, &r, &e) < 0) {
		require(e.code == ERR_DAMAGED && !r.json);
		return;
	}
	require(r.port >= 1 && r.port <= 65535 && r.timeout >= 1);
	require(r.tls != NET_TLS_NONE || verb == NET_LDAP_CHECK || !r.user);
	if (net_refusal(verb, &r, &a) == 0) {
		require(a.reason == NET_OK);
		if (verb == NET_MAIL_SEND)
			require(mail_address_ok(r.to) &&
				!text_has_control(r.subject));
		else
			require(*r.password && !text_has_control(r.user) &&
				!text_has_control(r.password));
	}
	net_request_release(&r);
}

/* No byte but those that cannot change the structure of a mail. */
static void try_mail(const char *text)
{
	AUTO_BUF struct buf out = BUF_INIT(MOST);
	size_t line = 0;

	if (mail_address_ok(text)) {
		require(strlen(text) <= NET_ADDRESS_MAX);
		require(strchr(text, '@') == strrchr(text, '@'));
		require(!strpbrk(text, " \t\r\n<>,;:\"\\()[]%!/|`"));
	}
	if (!text_has_control(text) && text_is_utf8(text, strlen(text))) {
		mail_subject(&out, text);
		require(!buf_failed(&out));
		for (const char *c = buf_str(&out); *c; c++) {
			line = *c == '\n' ? 0 : line + 1;
			require(line <= 77); /* with its \r */
			require(*c >= ' ' || (*c == '\r' && c[1] == '\n') ||
				(*c == '\n' && c[1] == ' '));
			require(*c <= '~');
		}
	}
	buf_reset(&out);
	if (mail_body_ok(text)) {
		mail_body(&out, text);
		require(!buf_failed(&out));
		for (const char *c = buf_str(&out); *c; c++)
			require((*c == '\r') == (c[1] == '\n'));
	}
}

static unsigned nibble(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* Unescaped it is what it was, and it holds no syntax. */
static void try_filter(const char *text)
{
	AUTO_BUF struct buf out = BUF_INIT(MOST);
	const char *c;

	ldap_filter_escape(&out, text);
	require(!strpbrk(buf_str(&out), "()*&|!=<>~"));
	for (c = buf_str(&out); *c; text++) {
		char plain = *c++;

		if (plain == '\\') {
			plain = (char)(nibble(c[0]) << 4 | nibble(c[1]));
			c += 2;
		}
		require(plain == *text);
	}
	require(*text == '\0');
}

static void try_fetch(const char *text, size_t len)
{
	struct fetch_request r = { .json = NULL };
	struct err e = ERR_INIT;

	if (fetch_request_parse(text, len, &r, &e) < 0) {
		require(e.code == ERR_DAMAGED && !r.json);
		return;
	}
	require(r.max >= 1 && r.max <= FETCH_MAX && *r.ca_file == '/');
	fetch_request_release(&r);
}

static void try_group(const char *text)
{
	char name[64];

	if (ldap_entry_group_name(text, "ou=groups,dc=x", name, sizeof(name)))
		require(*name && strlen(name) < sizeof(name) &&
			!text_has_control(name) && strlen(text) >= 18);
}

static void try_dialogue(bool imap, const char *text)
{
	struct dialogue d = { .imap = imap };

	while (*text) {
		size_t len = strcspn(text, "\n");
		size_t whole = len + (text[len] == '\n');

		if (*text == '>')
			dialogue_sent(&d, text + 1, whole - 1);
		else
			dialogue_heard(&d, text, whole);
		require(!d.done || d.tried);
		require(!d.done || !d.answered);
		require(strlen(d.reply) < sizeof(d.reply));
		text += whole;
	}
	require(!dialogue_later(&d) || d.answered);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = NULL;

	if (size == 0)
		return 0;
	try_request((enum net_verb)(data[0] & 3), (const char *)data + 1,
		    size - 1);
	try_fetch((const char *)data + 1, size - 1);
	text = strndup((const char *)data + 1, size - 1);
	require(text != NULL);
	try_mail(text);
	try_filter(text);
	try_group(text);
	try_dialogue(data[0] & 1, text);
	return 0;
}
