/* src/net: requests, what servers say, answers */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/macros.h"
#include "net/certificate.h"
#include "net/dialogue.h"
#include "net/net.h"

#define AT(host, port, tls, timeout)                                           \
	"{\"host\":\"" host "\",\"port\":" port ",\"tls\":\"" tls             \
	"\",\"timeout\":" timeout "," LOGIN
#define HEAD "\"host\":\"h\",\"port\":1,\"tls\":\"tls\",\"timeout\":5"
#define LOGIN "\"user\":\"u\",\"password\":\"p\""
#define LDAP "{" HEAD "," LOGIN ",\"base\":\"dc=x\""
#define MAIL                                                                   \
	"{" HEAD ",\"from\":\"a@b\",\"to\":\"c@d\",\"subject\":\"s\","         \
	"\"text\":\"t\""

#define TEN "0123456789"
#define SIXTY TEN TEN TEN TEN TEN TEN

struct request_row {
	enum net_verb verb;
	const char *json;
	const char *message; /* NULL: it is a request */
};

static const struct request_row requests[] = {
	{ NET_LDAP_CHECK, LDAP "}", NULL },
	{ NET_IMAP_CHECK, "{" HEAD "," LOGIN "}", NULL },
	{ NET_SMTP_CHECK, "{" HEAD "," LOGIN ",\"ca_file\":null}", NULL },
	{ NET_MAIL_SEND, MAIL "}", NULL },
	{ NET_MAIL_SEND, MAIL "," LOGIN ",\"html\":\"h\"}", NULL },
	/* no object */
	{ NET_LDAP_CHECK, "", "no JSON object" },
	{ NET_LDAP_CHECK, "[]", "no JSON object" },
	{ NET_LDAP_CHECK, LDAP "} x", "no JSON object" },
	{ NET_LDAP_CHECK, LDAP ",\"port\":1}", "no JSON object" },
	{ NET_LDAP_CHECK, LDAP ",\"filter\":\"\\u0000\"}", "no JSON object" },
	/* members */
	{ NET_LDAP_CHECK, "{}", "host: not a string of at most 253 bytes" },
	{ NET_LDAP_CHECK, LDAP ",\"x\":1}", "unknown member" },
	{ NET_IMAP_CHECK, LDAP "}", "unknown member" },
	{ NET_LDAP_CHECK, LDAP ",\"to\":\"a@b\"}", "unknown member" },
	{ NET_IMAP_CHECK, "{" HEAD ",\"user\":\"u\"}",
	  "password: not a string of at most 65536 bytes" },
	{ NET_IMAP_CHECK, "{" HEAD ",\"user\":null,\"password\":\"p\"}",
	  "user: not a string of at most 65536 bytes" },
	/* the server */
	{ NET_IMAP_CHECK, AT("", "1", "tls", "5") "}",
	  "host: must not be empty" },
	{ NET_IMAP_CHECK, AT("a/b", "1", "tls", "5") "}",
	  "host: malformed" },
	{ NET_IMAP_CHECK, AT("u@h", "1", "tls", "5") "}",
	  "host: malformed" },
	{ NET_IMAP_CHECK, AT("[::1]", "1", "tls", "5") "}",
	  "host: malformed" },
	{ NET_IMAP_CHECK, AT("::1", "1", "tls", "5") "}", NULL },
	{ NET_IMAP_CHECK, AT("h", "0", "tls", "5") "}",
	  "port: not an integer within 1 and 65535" },
	{ NET_IMAP_CHECK, AT("h", "\"1\"", "tls", "5") "}",
	  "port: not an integer within 1 and 65535" },
	{ NET_IMAP_CHECK, AT("h", "1", "tls", "61") "}",
	  "timeout: not an integer within 1 and 60" },
	{ NET_IMAP_CHECK, "{" HEAD "," LOGIN ",\"ca_file\":\"ca.pem\"}",
	  "ca_file: not absolute" },
	/* TLS */
	{ NET_LDAP_CHECK,
	  "{\"host\":\"h\",\"port\":1,\"timeout\":5," LOGIN ",\"base\":\"\"}",
	  "tls: not a string of at most 16 bytes" },
	{ NET_LDAP_CHECK, AT("h", "1", "ssl", "5") ",\"base\":\"\"}",
	  "tls: not one of its words" },
	{ NET_LDAP_CHECK, AT("h", "1", "none", "5") ",\"base\":\"\"}",
	  NULL },
	{ NET_IMAP_CHECK, AT("h", "1", "none", "5") "}",
	  "tls: required for a login" },
	{ NET_SMTP_CHECK, AT("h", "1", "none", "5") "}",
	  "tls: required for a login" },
	/* LDAP */
	{ NET_LDAP_CHECK, LDAP ",\"bind_dn\":\"cn=x\"}",
	  "bind_dn, bind_password: both or none" },
	{ NET_LDAP_CHECK, LDAP ",\"bind_dn\":\"cn=x\",\"bind_password\":\"\"}",
	  "bind_password: must not be empty" },
	{ NET_LDAP_CHECK, LDAP ",\"attribute\":\"uid=*)(x\"}",
	  "attribute: malformed" },
	{ NET_LDAP_CHECK, LDAP ",\"mail_attribute\":\"1\"}",
	  "mail_attribute: malformed" },
	{ NET_LDAP_CHECK, LDAP ",\"filter\":\"(uid=ann)\"}",
	  "filter: malformed" },
	{ NET_LDAP_CHECK, LDAP ",\"filter\":\"(uid=%d)\"}",
	  "filter: malformed" },
	{ NET_LDAP_CHECK, LDAP ",\"filter\":\"(&(uid=%u)(x=%%))\"}", NULL },
	{ NET_LDAP_CHECK, LDAP ",\"groups\":\"search\"}",
	  "groups: without group_base" },
	{ NET_LDAP_CHECK, LDAP ",\"groups\":\"all\"}",
	  "groups: not one of its words" },
	{ NET_LDAP_CHECK,
	  LDAP ",\"groups\":\"search\",\"group_base\":\"ou=g\","
	       "\"group_filter\":\"(member=%x)\"}",
	  "group_filter: malformed" },
	/* mail */
	{ NET_MAIL_SEND, MAIL ",\"user\":\"u\"}",
	  "user, password: both or none" },
	{ NET_MAIL_SEND, MAIL ",\"user\":\"u\",\"password\":\"a\\nb\"}",
	  "password: malformed" },
	{ NET_MAIL_SEND,
	  AT("h", "1", "none", "5")
	  ",\"from\":\"a@b\",\"to\":\"c@d\",\"subject\":\"s\",\"text\":\"t\"}",
	  "password: only over TLS" },
	{ NET_MAIL_SEND,
	  "{" HEAD ",\"from\":\"A <a@b>\",\"to\":\"c@d\",\"subject\":\"s\","
	  "\"text\":\"t\"}",
	  "from: no address" },
};

static void only_strict_requests_are_parsed(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
		const struct request_row *row = &requests[i];
		struct net_request r = { .json = NULL };
		struct err e = ERR_INIT;
		int code = net_request_parse(row->verb, row->json,
					     strlen(row->json), &r, &e);

		if (row->message) {
			if (code == 0)
				fail_msg("accepted: %s", row->json);
			assert_int_equal(e.code, ERR_DAMAGED);
			assert_string_equal(e.msg, row->message);
			assert_null(r.json);
		} else if (code < 0) {
			fail_msg("%s: %s", row->json, e.msg);
		}
		net_request_release(&r);
	}
}

static void what_is_left_out_has_its_default(void **state)
{
	struct net_request r = { .json = NULL };
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(net_request_parse(NET_LDAP_CHECK, LDAP "}",
					   strlen(LDAP "}"), &r, &e),
			 0);
	assert_string_equal(r.ca_file, "/etc/ssl/certs/ca-certificates.crt");
	assert_string_equal(r.attribute, "uid");
	assert_string_equal(r.mail_attribute, "mail");
	assert_null(r.filter);
	assert_null(r.bind_dn);
	assert_int_equal(r.groups, NET_GROUPS_NONE);
	assert_int_equal(r.tls, NET_TLS_DIRECT);
	assert_int_equal(r.timeout, 5);
	net_request_release(&r);
}

static void hear(struct dialogue *d, const char *line)
{
	dialogue_heard(d, line, strlen(line));
}

static void say(struct dialogue *d, const char *line)
{
	dialogue_sent(d, line, strlen(line));
}

static void a_yes_counts_only_behind_a_login(void **state)
{
	struct dialogue smtp = { .imap = false };
	struct dialogue imap = { .imap = true };

	(void)state;
	hear(&smtp, "235 yes\r\n");
	say(&smtp, "EHLO x\r\n");
	hear(&smtp, "235 yes\r\n");
	assert_false(smtp.done);
	say(&smtp, "AUTH PLAIN\r\n");
	hear(&smtp, "334 \r\n");
	hear(&smtp, "2350 x\r\n");
	assert_false(smtp.done);
	hear(&smtp, "235 yes\r\n");
	assert_true(smtp.done);

	hear(&imap, "A1 OK\r\n");
	say(&imap, "A1 CAPABILITY\r\n");
	hear(&imap, "A1 OK\r\n");
	say(&imap, "A2 AUTHENTICATE PLAIN\r\n");
	hear(&imap, "A1 OK\r\n");
	hear(&imap, "* OK\r\n");
	hear(&imap, "A22 OK\r\n");
	hear(&imap, "A2\r\n");
	assert_true(imap.tried);
	assert_false(imap.done);
	hear(&imap, "A2 OK\r\n");
	assert_true(imap.done);
}

static void the_first_answer_to_a_login_stands(void **state)
{
	struct dialogue smtp = { .tried = true };
	struct dialogue imap = { .imap = true };

	(void)state;
	hear(&smtp, "535 no\r\n");
	hear(&smtp, "235 yes\r\n");
	assert_false(smtp.done);
	assert_string_equal(smtp.reply, "535 no");
	assert_false(dialogue_later(&smtp));
	assert_false(dialogue_misunderstood(&smtp));
	say(&imap, "A2 LOGIN a b\r\n");
	hear(&imap, "A2 NO [unavailable] x" SIXTY SIXTY SIXTY "\r\n");
	hear(&imap, "A2 OK\r\n");
	assert_false(imap.done);
	assert_true(dialogue_later(&imap));
	assert_int_equal(strlen(imap.reply), sizeof(imap.reply) - 1);
}

static void messages_are_plain_and_without_secrets(void **state)
{
	struct net_answer a = { .reason = NET_INTERNAL };

	(void)state;
	assert_int_equal(net_say(&a, NET_LATER, "a\n\303\251 %s", "b"), -1);
	assert_string_equal(a.message, "a??? b");
	net_withhold(&a, NULL);
	net_withhold(&a, "");
	net_withhold(&a, "c");
	assert_string_equal(a.message, "a??? b");
	net_withhold(&a, "\303\251");
	assert_string_equal(a.message, "withheld: it quotes a password");
	assert_int_equal(a.reason, NET_LATER);
}

static void only_a_yes_tells_who_it_is(void **state)
{
	struct net_answer a = { .reason = NET_BAD_PASSWORD,
				.user = "ann",
				.mail = "a@b",
				.groups = json_pack("[s]", "g") };
	AUTO_FREE char *no = net_answer_text(&a);
	AUTO_FREE char *yes = NULL;

	(void)state;
	a.reason = NET_OK;
	yes = net_answer_text(&a);
	assert_string_equal(no, "{\"result\":\"refused\",\"reason\":"
				"\"bad-password\",\"message\":\"\",\"user\":"
				"null,\"mail\":null,\"groups\":[]}\n");
	assert_string_equal(yes, "{\"result\":\"accepted\",\"reason\":\"ok\","
				 "\"message\":\"\",\"user\":\"ann\",\"mail\":"
				 "\"a@b\",\"groups\":[\"g\"]}\n");
	net_answer_release(&a);
}

static void what_is_no_certificate_names_nobody(void **state)
{
	(void)state;
	assert_false(certificate_names("", 0, "h"));
	assert_false(certificate_names("0\202", 2, "h"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_strict_requests_are_parsed),
		cmocka_unit_test(what_is_left_out_has_its_default),
		cmocka_unit_test(a_yes_counts_only_behind_a_login),
		cmocka_unit_test(the_first_answer_to_a_login_stands),
		cmocka_unit_test(messages_are_plain_and_without_secrets),
		cmocka_unit_test(only_a_yes_tells_who_it_is),
		cmocka_unit_test(what_is_no_certificate_names_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
