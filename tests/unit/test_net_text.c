/* src/net: addresses, subjects, bodies, filters, names of groups */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/macros.h"
#include "net/ldap_entry.h"
#include "net/ldap_filter.h"
#include "net/mail_text.h"

#define TEN "0123456789"
#define SIXTY TEN TEN TEN TEN TEN TEN

static void addresses_are_one_and_plain(void **state)
{
	static const char *const good[] = {
		"a@b", "ann@lab.example", "ann+x@lab.example", "a.b.c@d.e.f",
		"a_b-c=d@1.example", "#$&'*+=?^_{}~@x", "1@2x",
		"a@x" TEN "-" TEN ".example",
	};
	static const char *const bad[] = {
		"", "a", "@", "a@", "@b", "a@b@c", "a@@b", "a b@c", "a@b c",
		" a@b", "a@b ", "a@b\n", "a@b\r\nBcc: c@d", "a\n@b", "<a@b>",
		"A <a@b>", "a@b,c@d", "a@b;c@d", "\"a\"@b", "\"a b\"@c",
		"a(x)@b", ".a@b", "a.@b", "a..b@c", "a@.b", "a@b.", "a@b..c",
		"a@-b", "a@b-", "a@b.-c", "a@[127.0.0.1]", "a@127.0.0.1",
		"a@b.1", "a%b@c", "a!b@c", "a/b@c", "a|b@c", "`a`@b", "-a@b",
		"\303\251@b", "a@\303\251", "a\\@b", "a@b:c", "a@b/c",
		SIXTY "12345@b", "a@" SIXTY "1234.b",
		"a@" SIXTY "." SIXTY "." SIXTY "." SIXTY "." TEN ".x",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		if (!mail_address_ok(good[i]))
			fail_msg("refused: %s", good[i]);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (mail_address_ok(bad[i]))
			fail_msg("accepted: %s", bad[i]);
}

static void subjects_are_ascii_in_short_lines(void **state)
{
	static const struct {
		const char *text;
		const char *header;
	} table[] = {
		{ "Hello", "Subject: Hello" },
		{ "a: b, <c> \"d\"", "Subject: a: b, <c> \"d\"" },
		{ "\303\251", "Subject: =?UTF-8?B?w6k=?=" },
		{ "=?x?=", "Subject: =?UTF-8?B?PT94Pz0=?=" },
		{ " a", "Subject: =?UTF-8?B?IGE=?=" },
		{ "a ", "Subject: =?UTF-8?B?YSA=?=" },
		{ SIXTY "1234567", "Subject: " SIXTY "1234567" },
		{ SIXTY "12345678",
		  "Subject: =?UTF-8?B?"
		  "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4?="
		  "\r\n =?UTF-8?B?"
		  "OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MTIzNDU2Nzg=?=" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		AUTO_BUF struct buf out = BUF_INIT(4096);

		mail_subject(&out, table[i].text);
		assert_string_equal(buf_str(&out), table[i].header);
	}
}

static void bodies_have_the_line_ends_of_mail(void **state)
{
	AUTO_BUF struct buf out = BUF_INIT(4096);

	(void)state;
	mail_body(&out, "a\nb\r\n\n\tc");
	assert_string_equal(buf_str(&out), "a\r\nb\r\n\r\n\tc");
	assert_true(mail_body_ok("a\nb\r\n\tc \303\251"));
	assert_true(mail_body_ok(""));
	assert_false(mail_body_ok("a\rb"));
	assert_false(mail_body_ok("a\r"));
	assert_false(mail_body_ok("\033[m"));
	assert_false(mail_body_ok("\177"));
}

static void dates_and_names_of_mails_are_whole(void **state)
{
	AUTO_BUF struct buf out = BUF_INIT(4096);
	struct err e = ERR_INIT;

	(void)state;
	mail_date(&out, 1795446245);
	assert_string_equal(buf_str(&out),
			    "Date: Mon, 23 Nov 2026 15:04:05 +0000");
	buf_reset(&out);
	assert_int_equal(mail_message_id(&out, "a@b.example", &e), 0);
	assert_int_equal(out.len, strlen("Message-ID: <@b.example>") + 32);
	assert_memory_equal(buf_str(&out), "Message-ID: <", 13);
	assert_string_equal(buf_str(&out) + 13 + 32, "@b.example>");
}

static void values_are_no_syntax_of_filters(void **state)
{
	static const struct {
		const char *user;
		const char *filter;
	} table[] = {
		{ "ann", "(&(uid=ann)(x=%)(y=cn\\3da\\2cb))" },
		{ "ann+x@lab.example",
		  "(&(uid=ann\\2bx@lab.example)(x=%)(y=cn\\3da\\2cb))" },
		{ "*", "(&(uid=\\2a)(x=%)(y=cn\\3da\\2cb))" },
		{ "x)(uid=*",
		  "(&(uid=x\\29\\28uid\\3d\\2a)(x=%)(y=cn\\3da\\2cb))" },
		{ "\\2a", "(&(uid=\\5c2a)(x=%)(y=cn\\3da\\2cb))" },
		{ "%u%d", "(&(uid=\\25u\\25d)(x=%)(y=cn\\3da\\2cb))" },
		{ "\303\251", "(&(uid=\\c3\\a9)(x=%)(y=cn\\3da\\2cb))" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		AUTO_BUF struct buf out = BUF_INIT(4096);

		ldap_filter_make(&out, "(&(uid=%u)(x=%%)(y=%d))",
				 table[i].user, "cn=a,b");
		assert_string_equal(buf_str(&out), table[i].filter);
	}
}

static void only_filters_that_ask_for_the_user_are_good(void **state)
{
	static const char *const bad[] = { "", "()", "(", "uid=%u", "(uid=%u",
					   "(uid=u)", "(uid=%%u)", "(uid=%d)",
					   "(uid=%s)", "(uid=%u%)", "%u%" };

	(void)state;
	assert_true(ldap_filter_ok("(uid=%u)", "u"));
	assert_true(ldap_filter_ok("(uid=%%%u)", "u"));
	assert_true(ldap_filter_ok("(|(a=%u)(b=%u))", "u"));
	assert_true(ldap_filter_ok("(a=%d)", "ud"));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (ldap_filter_ok(bad[i], "u"))
			fail_msg("accepted: %s", bad[i]);
}

static void groups_are_named_only_below_their_base(void **state)
{
	static const struct {
		const char *dn;
		const char *name; /* NULL: none */
	} table[] = {
		{ "cn=staff,ou=groups,dc=x", "staff" },
		{ "CN=Staff, OU=Groups, DC=X", "Staff" },
		{ "cn=a\\, b,ou=groups,dc=x", "a, b" },
		{ "cn=staff,ou=more,ou=groups,dc=x", "staff" },
		{ "ou=groups,dc=x", NULL },
		{ "cn=staff,dc=x", NULL },
		{ "cn=staff,ou=groups,dc=y", NULL },
		{ "cn=staff,ou=groups,dc=x,dc=z", NULL },
		{ "cn=staff\\,ou=groups,dc=x", NULL },
		{ "cn=staff,cn=a\\,ou=groups,dc=x", NULL },
		{ "cn=a+gid=1,ou=groups,dc=x", NULL },
		{ "cn=a\\0Ab,ou=groups,dc=x", NULL },
		{ "cn=a\\00b,ou=groups,dc=x", NULL },
		{ "staff", NULL },
		{ "", NULL },
	};
	char name[32];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		bool found = ldap_entry_group_name(table[i].dn,
						   "ou=groups,dc=x", name,
						   sizeof(name));

		if (found != !!table[i].name)
			fail_msg("%s: %s", table[i].dn, found ? name : "none");
		if (found)
			assert_string_equal(name, table[i].name);
	}
	assert_false(ldap_entry_group_name("cn=staff,dc=x", "", name,
					   sizeof(name)));
	assert_false(ldap_entry_group_name("cn=staff,dc=x", "dc=x", name, 5));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_one_and_plain),
		cmocka_unit_test(subjects_are_ascii_in_short_lines),
		cmocka_unit_test(bodies_have_the_line_ends_of_mail),
		cmocka_unit_test(dates_and_names_of_mails_are_whole),
		cmocka_unit_test(values_are_no_syntax_of_filters),
		cmocka_unit_test(only_filters_that_ask_for_the_user_are_good),
		cmocka_unit_test(groups_are_named_only_below_their_base),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
