/* src/auth/mail and src/web/letter: to whom, by which server, what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "auth/mail.h"
#include "base/text.h"
#include "scratch.h"
#include "sys/file.h"
#include "sys/json.h"
#include "web/letter.h"

static void set(struct config *c, const char *name, const char *value)
{
	struct err e = ERR_INIT;

	if (config_set(c, name, value, &e) < 0)
		fail_msg("%s", e.msg);
}

static void begin(struct config *c)
{
	struct err e = ERR_INIT;

	assert_int_equal(config_init(c, &e), 0);
	set(c, "smtp_server", "mail.example");
	set(c, "email_from", "desktop@lab.example");
	set(c, "email_domains", "lab.example,other.example");
	set(c, "email_deny", "mallory@lab.example,@other.example");
	set(c, "dir_libexec", scratch_path);
}

/* ---- To whom ---- */

static void domains_and_the_deny_list_decide_who_gets_mail(void **state)
{
	static const struct {
		const char *address;
		enum mail_verdict listed;
		enum mail_verdict any;
	} table[] = {
		{ "ann@lab.example", MAIL_ALLOWED, MAIL_ALLOWED },
		{ "mallory@lab.example", MAIL_DENIED, MAIL_DENIED },
		{ "malloryx@lab.example", MAIL_ALLOWED, MAIL_ALLOWED },
		{ "ann@other.example", MAIL_OTHER_DOMAIN, MAIL_OTHER_DOMAIN },
		{ "ann@x.lab.example", MAIL_OTHER_DOMAIN, MAIL_ALLOWED },
		{ "ann@xlab.example", MAIL_OTHER_DOMAIN, MAIL_ALLOWED },
		{ "ann@lab.exampl", MAIL_OTHER_DOMAIN, MAIL_ALLOWED },
		{ "ann", MAIL_OTHER_DOMAIN, MAIL_OTHER_DOMAIN },
	};
	AUTO_CONFIG struct config c;

	(void)state;
	begin(&c);
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		set(&c, "email_domains", "lab.example,other.example");
		assert_int_equal(mail_judge(&c, table[i].address),
				 table[i].listed);
		set(&c, "email_domains", "any");
		assert_int_equal(mail_judge(&c, table[i].address),
				 table[i].any);
		set(&c, "email_domains", "");
		assert_int_not_equal(mail_judge(&c, table[i].address),
				     MAIL_ALLOWED);
	}
}

/* ---- By which server ---- */

static const struct mail hello = {
	.to = "ann@lab.example",
	.subject = "Hello",
	.text = "text",
	.html = "<p>html</p>",
};

static const char *word(const json_t *request, const char *key)
{
	const char *text = json_string_value(json_object_get(request, key));

	return text ? text : "";
}

static void each_method_has_its_server_and_never_a_password_in_the_clear(
	void **state)
{
	static const struct {
		const char *method;
		const char *use_ssl;
		const char *server;
		const char *port; /* NULL: not set */
		const char *password;
		const char *host;
		long long is_port;
		const char *tls;
		const char *user;
	} table[] = {
		{ "auto", "starttls", "m", NULL, "pw", "m", 587, "starttls",
		  "desktop@lab.example" },
		{ "auto", "tls", "m", "465", "pw", "m", 465, "tls",
		  "desktop@lab.example" },
		{ "auto", "ssl", "m", "465", "pw", "m", 465, "tls",
		  "desktop@lab.example" },
		{ "auto", "starttls", "m", "2525", NULL, "m", 2525, "starttls",
		  "" },
		{ "SSL", "starttls", "m", NULL, "pw", "m", 465, "tls",
		  "desktop@lab.example" },
		{ "SSL", "starttls", "m", "1465", "pw", "m", 1465, "tls",
		  "desktop@lab.example" },
		{ "port", "tls", "m", NULL, "pw", "m", 587, "starttls",
		  "desktop@lab.example" },
		{ "port", "tls", "m", "26", NULL, "m", 26, "none", "" },
		{ "simple", "tls", "m", NULL, "pw", "m", 25, "none", "" },
		{ "simple", "tls", "", NULL, NULL, "localhost", 25, "none",
		  "" },
		{ "simple", "tls", "", "2525", NULL, "localhost", 2525, "none",
		  "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		AUTO_JSON json_t *request = NULL;
		AUTO_CONFIG struct config c;
		struct err e = ERR_INIT;

		begin(&c);
		set(&c, "email_method", table[i].method);
		set(&c, "smtp_use_ssl", table[i].use_ssl);
		set(&c, "smtp_server", table[i].server);
		if (table[i].port)
			set(&c, "smtp_port", table[i].port);
		request = mail_request(&c, &hello, table[i].password, &e);
		if (!request)
			fail_msg("%s", e.msg);
		assert_string_equal(word(request, "host"), table[i].host);
		assert_string_equal(word(request, "tls"), table[i].tls);
		assert_string_equal(word(request, "user"), table[i].user);
		assert_string_equal(word(request, "password"),
				    *table[i].user ? table[i].password : "");
		assert_int_equal(json_integer_value(json_object_get(request,
								    "port")),
				 table[i].is_port);
	}
}

static void the_login_can_be_another_than_the_sender(void **state)
{
	AUTO_JSON json_t *request = NULL;
	AUTO_CONFIG struct config c;
	struct err e = ERR_INIT;

	(void)state;
	begin(&c);
	set(&c, "email_user", "robot");
	set(&c, "login_ca_file", "/etc/ca.pem");
	request = mail_request(&c, &hello, "pw", &e);
	assert_string_equal(word(request, "user"), "robot");
	assert_string_equal(word(request, "from"), "desktop@lab.example");
	assert_string_equal(word(request, "to"), "ann@lab.example");
	assert_string_equal(word(request, "ca_file"), "/etc/ca.pem");
	assert_string_equal(word(request, "text"), "text");
	assert_string_equal(word(request, "html"), "<p>html</p>");
}

static void a_header_has_no_second_line(void **state)
{
	static const char *const recipients[] = {
		"ann@lab.example\r\nBcc: eve@x.example", "ann@lab.example\n",
		"ann@lab.example,eve@x.example",	 "Ann <ann@lab.example>",
		"Ann@lab.example",			 "ann",
		"",
	};
	static const char *const subjects[] = {
		"", "a\r\nBcc: eve@x.example", "a\nb", "a\rb", "\x7f", "\xff",
	};
	AUTO_CONFIG struct config c;
	struct mail m = hello;
	char longest[MAIL_SUBJECT_MAX + 2];

	(void)state;
	begin(&c);
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(recipients); i++) {
		struct err e = ERR_INIT;

		m.to = recipients[i];
		assert_null(mail_request(&c, &m, NULL, &e));
		assert_int_equal(e.code, ERR_SYSTEM);
	}
	m = hello;
	for (size_t i = 0; i <= ARRAY_LEN(subjects); i++) {
		struct err e = ERR_INIT;

		m.subject = i < ARRAY_LEN(subjects) ? subjects[i] : longest;
		assert_null(mail_request(&c, &m, NULL, &e));
		assert_int_equal(e.code, ERR_SYSTEM);
	}
}

/* ---- Sending, by a helper of the test's own ---- */

static void helper(const char *script)
{
	char text[1024];

	snprintf(text, sizeof(text),
		 "#!/bin/sh\nprintf '%%s\\n' \"$@\" >%s/argv\n"
		 "env >%s/env\ncat >%s/input\n%s\n",
		 scratch_path, scratch_path, scratch_path, script);
	scratch_puts("qwd-net", text);
	assert_int_equal(fchmodat(scratch_fd, "qwd-net", 0700, 0), 0);
}

static void check_answer(const char *script, bool good, bool taken,
			 const char *reason)
{
	struct mail_answer answer = { .taken = false };
	AUTO_CONFIG struct config c;
	struct err e = ERR_INIT;
	int result;

	begin(&c);
	helper(script);
	result = mail_send(&c, &hello, &answer, &e);
	assert_int_equal(result, good ? 0 : -1);
	if (good) {
		assert_int_equal(answer.taken, taken);
		assert_string_equal(answer.reason, reason);
	} else {
		assert_int_equal(e.code, ERR_SYSTEM);
		assert_non_null(strstr(e.msg, reason));
	}
}

#define ANSWER(result, reason)                                                 \
	"echo '{\"result\":\"" result "\",\"reason\":\"" reason                \
	"\",\"message\":\"the words\",\"user\":null,\"mail\":null,"            \
	"\"groups\":[]}'"

static void what_is_about_the_recipient_is_no_error(void **state)
{
	(void)state;
	check_answer(ANSWER("accepted", "ok"), true, true, "ok");
	check_answer(ANSWER("refused", "rejected"), true, false, "rejected");
	check_answer(ANSWER("error", "later") "; exit 1", true, false,
		     "later");
	check_answer(ANSWER("error", "own-login") "; exit 1", false, false,
		     "own-login: the words");
	check_answer(ANSWER("error", "refused-connection") "; exit 1", false,
		     false, "refused-connection");
}

static void a_helper_that_makes_no_sense_is_an_error(void **state)
{
	(void)state;
	check_answer("exit 2", false, false, "status 2");
	check_answer("exit 99", false, false, "status 99");
	check_answer("echo sent", false, false, "no answer");
	check_answer("echo '{\"result\":\"accepted\"}'", false, false,
		     "no answer");
	check_answer("kill -9 $$", false, false, "status 137");
}

static void read_text(const char *name, struct buf *out)
{
	struct err e = ERR_INIT;

	buf_reset(out);
	assert_int_equal(file_read(scratch_fd, name, false, out, &e), 0);
}

static void the_password_travels_on_standard_input_alone(void **state)
{
	AUTO_BUF struct buf text = BUF_INIT(65536);
	struct mail_answer answer;
	AUTO_CONFIG struct config c;
	struct err e = ERR_INIT;
	char path[4200];

	(void)state;
	begin(&c);
	helper(ANSWER("accepted", "ok"));
	scratch_puts("password", "canary-Pa55\nsecond line\n");
	assert_int_equal(fchmodat(scratch_fd, "password", 0640, 0), 0);
	snprintf(path, sizeof(path), "%s/password", scratch_path);
	set(&c, "email_passwd_file", path);
	assert_int_equal(mail_send(&c, &hello, &answer, &e), 0);
	read_text("argv", &text);
	assert_string_equal(buf_str(&text), "mail-send\n");
	read_text("env", &text);
	assert_null(strstr(buf_str(&text), "canary"));
	read_text("input", &text);
	assert_non_null(strstr(buf_str(&text), "\"canary-Pa55\""));
	assert_null(strstr(buf_str(&text), "second line"));
}

static void a_password_that_others_may_read_is_not_used(void **state)
{
	static const struct {
		const char *content;
		mode_t mode;
		const char *message;
	} table[] = {
		{ "secret\n", 0644, "mode" },
		{ "secret\n", 0604, "mode" },
		{ "secret\n", 0660, "mode" },
		{ "", 0600, "no password" },
		{ "\nsecret\n", 0600, "no password" },
	};
	char path[4200];

	(void)state;
	helper(ANSWER("accepted", "ok"));
	snprintf(path, sizeof(path), "%s/password", scratch_path);
	for (size_t i = 0; i <= ARRAY_LEN(table); i++) {
		struct mail_answer answer;
		AUTO_CONFIG struct config c;
		struct err e = ERR_INIT;

		begin(&c);
		set(&c, "email_passwd_file", path);
		if (i < ARRAY_LEN(table)) {
			scratch_puts("password", table[i].content);
			assert_int_equal(fchmodat(scratch_fd, "password",
						  table[i].mode, 0),
					 0);
		} else {
			assert_int_equal(unlinkat(scratch_fd, "password", 0),
					 0);
		}
		assert_int_equal(mail_send(&c, &hello, &answer, &e), -1);
		assert_int_equal(e.code, ERR_CONFIG);
		assert_null(strstr(e.msg, "secret"));
		if (i < ARRAY_LEN(table))
			assert_non_null(strstr(e.msg, table[i].message));
	}
}

/* ---- What ---- */

static const char token[] = "abcdefghijklmnopqrstuvwxyz234567";

static void begin_visit(struct visit *v)
{
	char path[4200];
	char here[4096];

	assert_non_null(getcwd(here, sizeof(here)));
	snprintf(path, sizeof(path), "%s/html", here);
	begin(&v->config);
	set(&v->config, "dir_html", path);
	set(&v->config, "layout_title", "Desktops <b>& \"B\xc3\xbc""cher\"");
	v->request.remote = "192.0.2.7";
	v->request.server_name = "desktop.lab.example";
	v->request.server_port = "443";
	v->request.https = true;
	v->request.host = "evil.example";
	v->request.origin = "https://evil.example";
}

static void compose(struct visit *v, const struct letter_order *order,
		    struct letter *ret)
{
	struct ticket t = { .user = "ann+x@lab.example" };
	struct err e = ERR_INIT;

	if (letter_login(v, &t, token, order, ret, &e) < 0)
		fail_msg("%s", e.msg);
}

static void the_link_is_built_on_the_servers_own_name(void **state)
{
	AUTO_LETTER struct letter own = LETTER_INIT;
	AUTO_LETTER struct letter configured = LETTER_INIT;
	AUTO_VISIT struct visit v = VISIT_INIT;

	(void)state;
	begin_visit(&v);
	compose(&v, NULL, &own);
	assert_non_null(strstr(
		buf_str(&own.text),
		"\nhttps://desktop.lab.example/cgi-bin/qemu-web-desktop?ticket="
		"abcdefghijklmnopqrstuvwxyz234567\n"));
	assert_non_null(strstr(
		buf_str(&own.html),
		"<a href=\"https://desktop.lab.example/cgi-bin/"
		"qemu-web-desktop?ticket=abcdefghijklmnopqrstuvwxyz234567\">"));
	set(&v.config, "service_url", "https://other.lab.example:8443");
	compose(&v, NULL, &configured);
	assert_non_null(strstr(buf_str(&configured.text),
			       "\nhttps://other.lab.example:8443/cgi-bin/"));
	assert_null(strstr(buf_str(&own.text), "evil"));
	assert_null(strstr(buf_str(&own.html), "evil"));
	assert_null(strstr(buf_str(&configured.text), "evil"));
	assert_null(strstr(buf_str(&configured.html), "evil"));
}

static void html_is_escaped_and_plain_text_is_not(void **state)
{
	static const char title[] = "Desktops <b>& \"B\xc3\xbc""cher\"";
	AUTO_LETTER struct letter l = LETTER_INIT;
	AUTO_VISIT struct visit v = VISIT_INIT;
	struct session s = { .cpu = 2, .memory_mb = 512,
			     .title = "<i>x\r\nhttp://evil.example/\n\x1b[1m" };
	const struct letter_order order = { .session = &s,
					    .lifetime_s = 3600 };

	(void)state;
	begin_visit(&v);
	compose(&v, &order, &l);
	assert_true(text_starts(buf_str(&l.text), title));
	assert_true(text_starts(l.subject, title));
	assert_false(text_has_control(l.subject));
	assert_non_null(strstr(buf_str(&l.html),
			       "Desktops &lt;b&gt;&amp; &quot;B\xc3\xbc"
			       "cher&quot;"));
	assert_null(strstr(buf_str(&l.html), "<i>"));
	/* No value makes a line of its own. */
	assert_non_null(strstr(buf_str(&l.text),
			       "Machine:     <i>x  http://evil.example/  "
			       "[1m\nProcessors:  2\nMemory:      512 MB\n"
			       "Time:        1 hour\n"));
	assert_non_null(strstr(buf_str(&l.text), "192.0.2.7"));
}

static void a_letter_about_a_session_has_its_link_and_no_display_token(
	void **state)
{
	AUTO_LETTER struct letter l = LETTER_INIT;
	AUTO_VISIT struct visit v = VISIT_INIT;
	struct session s = { .name = "qemu-web-desktop-abc", .user = "ann",
			     .machine = "a.img", .cpu = 2, .memory_mb = 512,
			     .origin = "https://desktop.lab.example",
			     .token = "secrettokensecrettokensecret2345" };
	struct err e = ERR_INIT;

	(void)state;
	begin_visit(&v);
	assert_int_equal(letter_session(&v, &s, &l, &e), 0);
	assert_non_null(strstr(
		buf_str(&l.text),
		"\nhttps://desktop.lab.example/cgi-bin/qemu-web-desktop"
		"?session=qemu-web-desktop-abc\n"));
	assert_null(strstr(buf_str(&l.text), s.token));
	assert_null(strstr(buf_str(&l.html), s.token));
	assert_null(strstr(buf_str(&l.text), "Ends:"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			domains_and_the_deny_list_decide_who_gets_mail),
		cmocka_unit_test(
			each_method_has_its_server_and_never_a_password_in_the_clear),
		cmocka_unit_test(the_login_can_be_another_than_the_sender),
		cmocka_unit_test(a_header_has_no_second_line),
		cmocka_unit_test(what_is_about_the_recipient_is_no_error),
		cmocka_unit_test(a_helper_that_makes_no_sense_is_an_error),
		cmocka_unit_test(the_password_travels_on_standard_input_alone),
		cmocka_unit_test(a_password_that_others_may_read_is_not_used),
		cmocka_unit_test(the_link_is_built_on_the_servers_own_name),
		cmocka_unit_test(html_is_escaped_and_plain_text_is_not),
		cmocka_unit_test(
			a_letter_about_a_session_has_its_link_and_no_display_token),
	};

	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
