/* src/vm/script, script_expr, script_pattern: descriptions, conditions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/macros.h"
#include "vm/script.h"
#include "vm/script_expr.h"
#include "vm/script_pattern.h"

static const struct script_facts facts = {
	.value = {
		[SYMBOL_USER] = "ann",
		[SYMBOL_SESSION_NAME] = "desktop-abc",
		[SYMBOL_VM] = "Debian-12.qcow2",
		[SYMBOL_EMAIL] = "ann@lab.example",
	},
};

static int evaluate(const char *text, bool *ret, struct err *e)
{
	const char *end;

	if (script_expr(text, &facts, script_pattern, &end, ret, e) < 0)
		return -1;
	if (*end)
		return err_set(e, ERR_INPUT, "left over: %s", end);
	return 0;
}

static void a_condition_has_the_value_that_perl_gives_it(void **state)
{
	static const struct {
		const char *text;
		bool value;
	} table[] = {
		/* The readme's. */
		{ "\"@VM@\" =~ /debian/i", true },
		{ "\"@VM@\" =~ /debian/", false },
		{ "\"@VM@\" =~ /unstable/i", false },
		{ "\"@USER@\" =~ /farhie/", false },
		/* Texts. */
		{ "\"@USER@\" eq \"ann\"", true },
		{ "'@USER@' eq 'ann'", true },
		{ "\"@USER@\" ne \"ann\"", false },
		{ "\"@USER@\" == \"ann\"", true },
		{ "\"@USER@\" != \"bob\"", true },
		{ "\"10\" == \"010\"", true },
		{ "\"10\" eq \"010\"", false },
		{ "\"@EMAIL@\" =~ /@lab\\.example$/", true },
		{ "\"x@USER@y@VM@\" eq 'xannyDebian-12.qcow2'", true },
		{ "\"\\\"\" eq '\"'", true },
		{ "\"\"", false },
		{ "\"0\"", false },
		{ "\"00\"", true },
		/* Patterns. */
		{ "\"@VM@\" !~ /debian/i", false },
		{ "\"a/b\" =~ /a\\/b/", true },
		{ "\"@VM@\" =~ /^@VM@$/", true },
		{ "\"DebianX12.qcow2\" =~ /^@VM@$/", false },
		{ "\"aXc\" =~ /^a.c$/", true },
		{ "\"\xc3\xa9\" =~ /^.$/", true },
		/* Precedence. */
		{ "\"1\" or \"\" and \"\"", true },
		{ "\"1\" || \"\" && \"\"", true },
		{ "not \"\" and \"1\"", true },
		{ "not \"1\" or \"1\"", true },
		{ "not \"1\" || \"1\"", false },
		{ "!\"1\" || \"1\"", true },
		{ "!(\"1\" || \"1\")", false },
		{ "!!\"1\"", true },
		{ "not not \"1\"", true },
		{ "\"a\" eq \"b\" || \"a\" eq \"a\"", true },
		{ "(\"\" or \"1\") and \"\"", false },
		{ "\"\" and \"1\" or \"1\"", true },
		{ "!(\"@VM@\" =~ /debian/i) or \"@USER@\" eq 'ann'", true },
		{ "  \"1\"&&\"1\"  ", true },
		{ "\"a\"eq\"a\"", true },
		/* What is settled is not matched. */
		{ "\"1\" or \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\" =~ "
		  "/^(a+)+$/",
		  true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct err e = ERR_INIT;
		bool value = !table[i].value;
		AUTO_FREE char *text = strdup(table[i].text);
		size_t len = strlen(text);

		while (len && text[len - 1] == ' ')
			text[--len] = '\0';
		if (evaluate(text, &value, &e) < 0)
			fail_msg("%s: %s", text, e.msg);
		if (value != table[i].value)
			fail_msg("%s is %s", text, value ? "true" : "false");
	}
}

static void a_condition_that_is_not_of_the_grammar_is_an_error(void **state)
{
	static const struct {
		const char *text;
		const char *message;
	} table[] = {
		{ "", "something else than a text" },
		{ "system(\"id\")", "something else than a text" },
		{ "`id`", "something else than a text" },
		{ "$ENV{PATH}", "something else than a text" },
		{ "@VM@ =~ /debian/", "something else than a text" },
		{ "1", "something else than a text" },
		{ "\"a\" =~ debian", "no /pattern/" },
		{ "\"a\" =~ \"a\"", "no /pattern/" },
		{ "\"a\" =~ /a/e", "another letter than i" },
		{ "\"a\" =~ /a/ii", "another letter than i" },
		{ "\"a\" =~ s/a/b/", "no /pattern/" },
		{ "\"a\" =~ /(/", "wrong pattern" },
		{ "\"a\" =~ /a\\C/", "wrong pattern" },
		{ "\"a\" or \"b\" =~ /(/", "wrong pattern" },
		{ "\"a", "ends within a text" },
		{ "'a\"", "ends within a text" },
		{ "\"a\" =~ /a", "ends within a text" },
		{ "\"a\\n\"", "'\\' that is none" },
		{ "(\"a\"", "no ')'" },
		{ "\"a\" eq", "something else than a text" },
		{ "\"a\" eq (\"b\" eq \"c\")", "something else than texts" },
		{ "!\"a\" =~ /a/", "no text in front" },
		{ "\"a\" \"b\"", "left over" },
		{ "\"a\" eq \"a\" eq \"a\"", "left over" },
		{ "\"a\" andy \"b\"", "left over" },
		{ "\"a\" . \"b\"", "left over" },
		{ "\"a\"; \"b\"", "left over" },
		{ "\"@PW@\" eq \"x\"", "asks for the password" },
		{ "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\" =~ /^(a+)+$/",
		  "takes too long" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct err e = ERR_INIT;
		bool value;

		if (evaluate(table[i].text, &value, &e) == 0)
			fail_msg("%s: accepted", table[i].text);
		assert_int_equal(e.code, ERR_INPUT);
		if (!strstr(e.msg, table[i].message))
			fail_msg("%s: %s", table[i].text, e.msg);
	}
}

static void fill(struct buf *b, const char *piece, size_t count,
		 const char *end)
{
	buf_reset(b);
	for (size_t i = 0; i < count; i++)
		buf_puts(b, piece);
	buf_puts(b, end);
	assert_false(buf_failed(b));
}

static void a_condition_is_bounded_in_depth_and_size(void **state)
{
	AUTO_BUF struct buf text = BUF_INIT(1 << 20);
	struct err e = ERR_INIT;
	bool value;

	(void)state;
	fill(&text, "!", SCRIPT_EXPR_DEPTH, "\"1\"");
	assert_int_equal(evaluate(buf_str(&text), &value, &e), 0);
	assert_true(value);
	fill(&text, "!", SCRIPT_EXPR_DEPTH + 1, "\"1\"");
	assert_int_equal(evaluate(buf_str(&text), &value, &e), -1);
	assert_non_null(strstr(e.msg, "nested too deeply"));
	fill(&text, "(", 100000, "");
	assert_int_equal(evaluate(buf_str(&text), &value, &e), -1);
	assert_non_null(strstr(e.msg, "nested too deeply"));
	fill(&text, "not ", 100000, "\"1\"");
	assert_int_equal(evaluate(buf_str(&text), &value, &e), -1);
	assert_non_null(strstr(e.msg, "nested too deeply"));
	fill(&text, "\"a\" or ", 20000, "\"1\"");
	assert_int_equal(evaluate(buf_str(&text), &value, &e), -1);
	assert_non_null(strstr(e.msg, "more than 4096 bytes"));
	fill(&text, " ", 100000, "\"1\"");
	assert_int_equal(evaluate(buf_str(&text), &value, &e), -1);
	assert_non_null(strstr(e.msg, "more than 4096 bytes"));
	buf_reset(&text);
	buf_putc(&text, '"');
	for (int i = 0; i < 100000; i++)
		buf_putc(&text, 'a');
	assert_int_equal(evaluate(buf_str(&text), &value, &e), -1);
	assert_non_null(strstr(e.msg, "more than 4096 bytes"));
}

static void a_fact_that_is_not_known_is_an_error_not_a_value(void **state)
{
	const struct script_facts nobody = { .value = { NULL } };
	struct err e = ERR_INIT;
	const char *end;
	bool value;

	(void)state;
	assert_int_equal(script_expr("\"@EMAIL@\" eq \"\"", &nobody,
				     script_pattern, &end, &value, &e),
			 -1);
	assert_non_null(strstr(e.msg, "needs @EMAIL@"));
}

/* P3: a fact never becomes syntax of the condition. */
static void a_fact_cannot_change_a_condition(void **state)
{
	static const char *const values[] = {
		"\" or \"1", "') or ('1", "/ or /", "a\\", "(", "*", "@VM@",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		const struct script_facts hostile = {
			.value = { values[i], "s", "m", "" },
		};
		struct err e = ERR_INIT;
		bool value = true;
		const char *end;

		assert_int_equal(script_expr("\"@USER@\" eq \"root\"",
					     &hostile, script_pattern, &end,
					     &value, &e),
				 0);
		assert_false(value);
		assert_int_equal(script_expr("\"root\" =~ /^@USER@$/",
					     &hostile, script_pattern, &end,
					     &value, &e),
				 0);
		assert_false(value);
		assert_int_equal(script_expr("\"@USER@\" =~ /^@USER@$/",
					     &hostile, script_pattern, &end,
					     &value, &e),
				 0);
		assert_true(value);
	}
}

/* ---- Descriptions ---- */

static void a_description_is_of_a_kind_with_a_body(void **state)
{
	static const char hash[] = "0123456789abcdef0123456789abcdef"
				   "0123456789ABCDEF0123456789abcdef";
	static const struct {
		const char *text;
		enum script_kind kind;
		const char *body;
		bool conditional;
	} table[] = {
		{ "exec: touch /tmp/x", SCRIPT_EXEC, "touch /tmp/x", false },
		{ "  bash:\n[[ 1 ]]\n", SCRIPT_BASH, "[[ 1 ]]", false },
		{ "http://some/url", SCRIPT_URL, "http://some/url", false },
		{ "https://some.example/@USER@/x.sh", SCRIPT_URL,
		  "https://some.example/@USER@/x.sh", false },
		{ "/some/local/path/to/script", SCRIPT_PATH,
		  "/some/local/path/to/script", false },
		{ "virt-customize: hostname @VM@", SCRIPT_CUSTOMIZE,
		  "hostname @VM@", false },
		{ "if(\"@VM@\" =~ /debian/i): http://some/url", SCRIPT_URL,
		  "http://some/url", true },
		{ "if(\"@VM@\" =~ /debian/): exec: touch "
		  "/tmp/my_script_is_executed",
		  SCRIPT_EXEC, "touch /tmp/my_script_is_executed", true },
		{ "if (\"a)\" eq ')') : exec:x", SCRIPT_EXEC, "x", true },
		{ "exec: if(\"1\"): then", SCRIPT_EXEC, "if(\"1\"): then",
		  false },
	};
	AUTO_FREE char *pinned = NULL;
	struct err e = ERR_INIT;
	struct script s;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		AUTO_FREE char *body = NULL;

		if (script_parse(table[i].text, &s, &e) < 0)
			fail_msg("%s: %s", table[i].text, e.msg);
		body = strndup(s.body, s.body_len);
		assert_int_equal(s.kind, table[i].kind);
		assert_string_equal(body, table[i].body);
		assert_int_equal(s.condition != NULL, table[i].conditional);
		assert_null(s.sha256);
	}
	assert_true(asprintf(&pinned, "http://h/x#sha256=%s", hash) > 0);
	assert_int_equal(script_parse(pinned, &s, &e), 0);
	assert_int_equal(s.body_len, strlen("http://h/x"));
	assert_string_equal(s.sha256, hash);
}

static void a_description_that_is_none_is_refused_with_the_reason(void **state)
{
	static const struct {
		const char *text;
		const char *message;
	} table[] = {
		{ "", "begins with none of" },
		{ "touch /tmp/x", "begins with none of" },
		{ "file:///etc/passwd", "begins with none of" },
		{ "ftp://host/x", "begins with none of" },
		{ "if(\"1\"): if(\"1\"): exec: x", "begins with none of" },
		{ "if \"1\": exec: x", "begins with none of" },
		{ "if(\"1\") exec: x", "no ':' behind" },
		{ "if(\"1\": exec: x", "no ')'" },
		{ "if(1): exec: x", "something else than a text" },
		{ "exec:", "is empty" },
		{ "exec:  \n ", "is empty" },
		{ "https://", "an address that has no host name" },
		{ "https://u:p@host/x", "must not hold a user name" },
		{ "https://@VM@/x", "must not hold a user name" },
		{ "https://host/a b", "must be written as %XX" },
		{ "https://host/x#sha256=12", "begin #sha256=" },
		{ "https://host/x#y", "begin #sha256=" },
		{ "/some/path\nrm -rf /", "more than one line" },
		{ "virt-customize: rm -rf", "begins with no command" },
		{ "virt-customize: add /dev/sda", "begins with no command" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct err e = ERR_INIT;
		struct script s;

		if (script_parse(table[i].text, &s, &e) == 0)
			fail_msg("%s: accepted", table[i].text);
		assert_int_equal(e.code, ERR_INPUT);
		if (!strstr(e.msg, table[i].message))
			fail_msg("%s: %s", table[i].text, e.msg);
	}
}

/* P34: no file of the host for a visitor. */
static void a_visitor_names_no_file_of_the_server(void **state)
{
	static const struct {
		const char *text;
		const char *message; /* NULL: fine */
	} table[] = {
		{ "exec: id", NULL },
		{ "https://host/x", NULL },
		{ "virt-customize: run-command id\ntouch /x", NULL },
		{ "virt-customize: root-password password:x", NULL },
		{ "virt-customize: ssh-inject root:string:ssh-rsa AAAA", NULL },
		{ "/etc/passwd", "only the administrator may name" },
		{ "virt-customize: copy-in /etc:/root", "copy-in" },
		{ "virt-customize: touch /x\\nupload /etc/passwd:/x",
		  "upload" },
		{ "virt-customize: --upload /etc/passwd:/x", "upload" },
		{ "virt-customize: run /etc/passwd", "command run," },
		{ "virt-customize: firstboot /etc/passwd", "firstboot," },
		{ "virt-customize: root-password file:/etc/passwd",
		  "root-password" },
		{ "virt-customize: password ann:file:/etc/passwd",
		  "password" },
		{ "virt-customize: password ann:password:file:x", NULL },
		/* The user's name ends like the word. */
		{ "virt-customize: password profile:file:/etc/passwd",
		  "password" },
		{ "virt-customize: password file:file:/etc/passwd",
		  "password" },
		{ "virt-customize: password ann:locked:file:/etc/passwd",
		  "password" },
		{ "virt-customize: root-password disabled:file:/etc/passwd",
		  "root-password" },
		{ "virt-customize: ssh-inject root:file:/x", "ssh-inject" },
		{ "virt-customize: ssh-inject root", "ssh-inject" },
		{ "virt-customize: edit /etc/x:system(\"id\")", "edit" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct err e = ERR_INIT;
		struct script s;

		if (script_parse(table[i].text, &s, &e) < 0)
			fail_msg("%s: %s", table[i].text, e.msg);
		if (!table[i].message) {
			assert_int_equal(script_check_visitor(&s, &e), 0);
			continue;
		}
		assert_int_equal(script_check_visitor(&s, &e), -1);
		assert_int_equal(e.code, ERR_INPUT);
		if (!strstr(e.msg, table[i].message))
			fail_msg("%s: %s", table[i].text, e.msg);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_condition_has_the_value_that_perl_gives_it),
		cmocka_unit_test(
			a_condition_that_is_not_of_the_grammar_is_an_error),
		cmocka_unit_test(a_condition_is_bounded_in_depth_and_size),
		cmocka_unit_test(
			a_fact_that_is_not_known_is_an_error_not_a_value),
		cmocka_unit_test(a_fact_cannot_change_a_condition),
		cmocka_unit_test(a_description_is_of_a_kind_with_a_body),
		cmocka_unit_test(
			a_description_that_is_none_is_refused_with_the_reason),
		cmocka_unit_test(a_visitor_names_no_file_of_the_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
