/* src/base/address, and the options that hold addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/address.h"
#include "conf/options.h"
#include "net/mail_text.h"
#include "session/session.h"

static void an_address_is_read_in_lower_case(void **state)
{
	static const char *const table[][2] = {
		{ "ann@lab.example", "ann@lab.example" },
		{ "Ann.B+x@Lab.Example", "ann.b+x@lab.example" },
		{ "a@b", "a@b" },
		{ "_a-#1@x-1.2b", "_a-#1@x-1.2b" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		char address[ADDRESS_SIZE] = "";

		assert_true(address_read(table[i][0], address));
		assert_string_equal(address, table[i][1]);
		/* It can be a user's name, and qwd-net sends to it. */
		assert_true(session_user_ok(address));
		assert_true(mail_address_ok(address));
	}
}

static void what_is_no_single_address_is_none(void **state)
{
	static const char *const table[] = {
		"",
		"ann",
		"@lab.example",
		"ann@",
		"ann@@lab.example",
		"ann@lab@example",
		"a@b\r\nBcc: c@d",
		"a@b\nBcc: c@d",
		"a@b\n",
		"\na@b",
		" a@b",
		"a@b ",
		"a b@c",
		"a@b,c@d",
		"a@b;c@d",
		"<a@b>",
		"Ann <a@b>",
		"\"a b\"@c",
		"a(c)@b",
		"a@[127.0.0.1]",
		"a@127.0.0.1",
		"a@b.1",
		"a%b@c",
		"a!b@c",
		"a/b@c",
		"|a@b",
		"a=b@c",
		"a'b@c",
		".a@b",
		"a.@b",
		"a..b@c",
		"-f@b",
		"a@-b",
		"a@b-",
		"a@b..c",
		"a@.b",
		"a@b.",
		"a@b_c",
		"\xc3\xa9@b",
		"a@\xc3\xa9",
		"a\x01@b",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		char address[ADDRESS_SIZE] = "untouched";

		if (address_read(table[i], address))
			fail_msg("'%s' is taken", table[i]);
		assert_string_equal(address, "untouched");
	}
}

static void an_address_has_its_longest_length(void **state)
{
	char address[ADDRESS_SIZE];
	char text[300];

	(void)state;
	snprintf(text, sizeof(text), "%.*s@%.*s.%s", 64,
		 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		 "aa",
		 60,
		 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
		 "cc");
	assert_int_equal(strlen(text), ADDRESS_SIZE - 1);
	assert_true(address_read(text, address));
	text[strlen(text) + 1] = '\0';
	text[strlen(text)] = 'c';
	assert_false(address_read(text, address));
	assert_false(address_read(
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"@b",
		address));
}

/* ---- Options ---- */

struct setting {
	const char *name;
	const char *value;
	const char *kept; /* NULL: refused */
};

static void the_options_about_mail_have_their_forms(void **state)
{
	static const struct setting table[] = {
		{ "email_from", "Desktop@Lab.Example", "desktop@lab.example" },
		{ "email_from", "Desktops <a@b>", NULL },
		{ "email_from", "", "" },
		{ "email_domains", "Lab.Example , other.example",
		  "lab.example,other.example" },
		{ "email_domains", "any", "any" },
		{ "email_domains", "*", NULL },
		{ "email_domains", "lab.example,", NULL },
		{ "email_domains", "@lab.example", NULL },
		{ "email_deny", "A@b, @Spam.Example", "a@b,@spam.example" },
		{ "email_deny", "spam.example", NULL },
		{ "email_method", "ssl", NULL },
		{ "email_method", "SSL", "SSL" },
		{ "email_link_lifetime", "59", NULL },
		{ "email_link_lifetime", "86401", NULL },
	};
	AUTO_CONFIG struct config c;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(config_init(&c, &e), 0);
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		const struct setting *s = &table[i];

		e = (struct err)ERR_INIT;
		if (config_set(&c, s->name, s->value, &e) < 0) {
			if (s->kept)
				fail_msg("%s", e.msg);
			assert_int_equal(e.code, ERR_CONFIG);
			continue;
		}
		if (!s->kept)
			fail_msg("%s = %s is taken", s->name, s->value);
		if (strcmp(s->name, "email_from") == 0)
			assert_string_equal(c.email_from, s->kept);
		if (strcmp(s->name, "email_domains") == 0)
			assert_string_equal(c.email_domains, s->kept);
		if (strcmp(s->name, "email_deny") == 0)
			assert_string_equal(c.email_deny, s->kept);
	}
}

/* What is set, and what is complained about; NULL: nothing. */
static void check_finish(const char *const (*settings)[2], const char *missing)
{
	AUTO_CONFIG struct config c;
	struct err e = ERR_INIT;

	assert_int_equal(config_init(&c, &e), 0);
	for (; (*settings)[0]; settings++)
		assert_int_equal(config_set(&c, (*settings)[0], (*settings)[1],
					    &e),
				 0);
	assert_int_equal(config_finish(&c, &e), missing ? -1 : 0);
	if (!missing)
		return;
	assert_int_equal(e.code, ERR_CONFIG);
	if (!strstr(e.msg, missing))
		fail_msg("%s", e.msg);
}

static void login_by_mail_is_refused_without_what_it_needs(void **state)
{
	static const char *const nothing[][2] = {
		{ "check_user_with_email", "yes" }, { NULL, NULL }
	};
	static const char *const no_domains[][2] = {
		{ "check_user_with_email", "yes" },
		{ "email_from", "a@b.example" },
		{ "smtp_server", "mail.example" },
		{ NULL, NULL }
	};
	static const char *const no_server[][2] = {
		{ "check_user_with_email", "yes" },
		{ "email_from", "a@b.example" },
		{ "email_domains", "b.example" },
		{ NULL, NULL }
	};
	static const char *const simple[][2] = {
		{ "check_user_with_email", "yes" },
		{ "email_from", "a@b.example" },
		{ "email_domains", "b.example" },
		{ "email_method", "simple" },
		{ NULL, NULL }
	};
	static const char *const in_the_clear[][2] = {
		{ "email_method", "simple" },
		{ "email_passwd_file", "/etc/x" },
		{ NULL, NULL }
	};

	(void)state;
	check_finish(nothing, "email_from is not set");
	check_finish(no_domains, "email_domains is not set");
	check_finish(no_server, "smtp_server is not set");
	check_finish(simple, NULL);
	check_finish(in_the_clear, "email_passwd_file is set");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_is_read_in_lower_case),
		cmocka_unit_test(what_is_no_single_address_is_none),
		cmocka_unit_test(an_address_has_its_longest_length),
		cmocka_unit_test(the_options_about_mail_have_their_forms),
		cmocka_unit_test(
			login_by_mail_is_refused_without_what_it_needs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
