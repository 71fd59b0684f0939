/* template_check(): where a value may stand, and where not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/macros.h"
#include "scratch.h"
#include "web/template.h"

struct row {
	const char *file;
	const char *message; /* a part of it; NULL: the file is good */
};

static void check_lint(const char *name, const struct row *table,
		       size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct err e = ERR_INIT;
		int result;

		scratch_puts(name, table[i].file);
		result = template_check(-1, scratch_fd, name, &e);
		if (table[i].message && result == 0)
			fail_msg("%s: not refused", table[i].file);
		if (!table[i].message && result < 0)
			fail_msg("%s: %s", table[i].file, e.msg);
		if (!table[i].message)
			continue;
		if (e.code != ERR_DAMAGED || !strstr(e.msg, table[i].message))
			fail_msg("%s: '%s' instead of '%s'", table[i].file,
				 e.msg, table[i].message);
	}
}

static void the_lint_allows_values_in_text_and_double_quotes(void **state)
{
	static const struct row table[] = {
		{ "", NULL },
		{ "{{a}}", NULL },
		{ "<!DOCTYPE html>\n<p>{{a}}</p>{{b}}", NULL },
		{ "<a href=\"{{a}}\">{{b}}</a>", NULL },
		{ "<a title=\"x {{a}} > {{b}}\" href=\"{{c}}\"/>", NULL },
		{ "<A HREF=\"{{a}}\">", NULL },
		{ "<title>{{a}}</title><textarea>{{b}}</textarea>", NULL },
		{ "<script src=\"{{a}}\"></script>{{b}}", NULL },
		{ "<script>a < b</scrip></SCRIPT >{{b}}", NULL },
		{ "<style></styl </style>{{b}}", NULL },
		{ "<!-- --- -- a -->{{b}}", NULL },
		{ "<!---->{{b}}", NULL },
		{ "<p class='x' id=y/>{{b}}", NULL },
		{ "<noscript><p>{{a}}</p></noscript>", NULL },
		{ "<title><a </title>{{a}}", NULL },
	};

	(void)state;
	check_lint("page.html", table, ARRAY_LEN(table));
}

static void the_lint_refuses_values_elsewhere(void **state)
{
	static const struct row table[] = {
		{ "<script>{{a}}</script>", "page.html:1: a value in a script" },
		{ "\n<STYLE>\n{{a}}", "page.html:3: a value in a script" },
		{ "<script>x</script{{a}}", "a value in a script" },
		{ "<script></scripts>{{a}}", "a value in a script" },
		{ "<script></<script>{{a}}", "a value in a script" },
		{ "<script/>{{a}}", "a value in a script" },
		{ "<iframe>{{a}}", "a value in a script" },
		{ "<!-- {{a}} -->", "a value in a comment" },
		{ "<!-- > -> {{a}} -->", "a value in a comment" },
		{ "<!-{{a}}", "a value in a comment" },
		{ "<!DOCTYPE {{a}}>", "a value in a comment or declaration" },
		{ "<{{a}}>", "a value in a tag" },
		{ "</{{a}}>", "a value in a tag" },
		{ "<a{{a}}>", "a value in a tag" },
		{ "<p {{a}}>", "a value in a tag" },
		{ "<p x{{a}}=\"\">", "a value in a tag" },
		{ "<p x=\"\"{{a}}>", "a value in a tag" },
		{ "<p x={{a}}>", "a value in an attribute without double" },
		{ "<p x=a{{a}}>", "a value in an attribute without double" },
		{ "<p x='{{a}}'>", "a value in an attribute without double" },
		{ "<p onclick=\"{{a}}\">", "an attribute that holds code" },
		{ "<p OnClick=\"{{a}}\">", "an attribute that holds code" },
		{ "<p style=\"{{a}}\">", "an attribute that holds code" },
		{ "<iframe srcdoc=\"{{a}}\">", "an attribute that holds code" },
	};

	(void)state;
	check_lint("page.html", table, ARRAY_LEN(table));
}

static void the_lint_refuses_dubious_markup(void **state)
{
	static const struct row table[] = {
		{ "a\n< b", "page.html:2: a '<' that begins no tag" },
		{ "<<a>", "a '<' that begins no tag" },
		{ "<?x>", "a '<' that begins no tag" },
		{ "<//a>", "a '<' that begins no tag" },
		{ "<a$>", "an element's name is malformed" },
		{ "<a =x>", "an attribute without a name" },
		{ "<a b =\"c\">", "an attribute without a name" },
		{ "<a b= \"c\">", "an attribute without a value" },
		{ "<a b=>", "an attribute without a value" },
		{ "<a b\"c\">", "an attribute's name is malformed" },
		{ "<a b=c\">", "an attribute's value needs quotes" },
		{ "<a b=\"c\"d>", "a blank is missing" },
		{ "<!-x-->", "a comment begins with <!--" },
		{ "<!-- --!> -->", "--! in a comment" },
		{ "<!>", "an empty declaration" },
		{ "<p", "page.html:1: the page ends inside markup" },
		{ "<p>\n<!--", "the page ends inside markup" },
		{ "<script>", "the page ends inside markup" },
		{ "<a b=\"", "the page ends inside markup" },
	};

	(void)state;
	check_lint("page.html", table, ARRAY_LEN(table));
}

static void the_lint_knows_pages_with_and_without_their_sections(void **state)
{
	static const struct row table[] = {
		{ "{{#a}}<p>{{b}}{{/a}}</p>", NULL },
		{ "<a b=\"{{#a}}{{b}}{{/a}}{{^a}}c{{/a}}\">", NULL },
		{ "<a{{#a}} b=\"{{b}}\"{{/a}}>", NULL },
		{ "<a b=\"c\"{{#a}} d=\"{{b}}\"{{/a}}{{#a}} e{{/a}}>", NULL },
		{ "<a {{#a}}b{{/a}}>", NULL },
		{ "<a {{#a}}b {{/a}}c=\"{{d}}\">", NULL },
		{ "<script>{{#a}}x{{/a}}</script>", NULL },
		{ "<!-- {{#a}}x{{/a}} -->", NULL },
		{ "<p x='{{#a}}y{{/a}}'>", NULL },
		{ "{{#a}}<script>{{/a}}{{b}}", "page.html:1: a section ends in" },
		{ "<script>{{#a}}</script>{{/a}}", "a section ends in another" },
		{ "<script>{{#a}}</script><style>{{/a}}", "another place" },
		{ "<p {{#a}}>\n{{/a}}", "page.html:2: a section ends in" },
		{ "<a b=\"{{#a}}\"{{/a}}", "a section ends in another place" },
		{ "<a b=\"{{#a}}\" style=\"{{/a}}\">", "another place" },
		{ "<script b=\"{{#a}}\"></script><p b=\"{{/a}}\">", "another" },
		{ "<p {{#a}}></p {{/a}}>", "another place" },
		{ "{{#a}}<!--{{/a}}", "another place" },
		{ "<{{#a}}a{{/a}}>", "inside markup" },
		{ "<a b={{#a}}\"c\"{{/a}}>", "inside markup" },
		{ "<!{{#a}}--{{/a}}", "inside markup" },
		{ "<d{{#a}}i{{/a}}v>", "a blank is missing" },
		{ "<a {{#a}}b{{/a}}=\"{{c}}\">", "a blank is missing" },
		{ "<a{{#a}} b{{/a}} =\"{{c}}\">", "without a name" },
		{ "<a{{#a}} {{/a}}b=\"{{c}}\">", "a blank is missing" },
		{ "<a {{#a}}on{{/a}}click=\"{{c}}\">", "a blank is missing" },
		{ "<script></scr{{#a}}{{/a}}ipt>{{b}}", "a value in a script" },
		{ "<!-- -{{#a}}{{/a}}-> {{b}}", "a value in a comment" },
	};

	(void)state;
	check_lint("page.html", table, ARRAY_LEN(table));
}

static void the_lint_follows_what_is_included(void **state)
{
	static const struct row table[] = {
		{ "{{> head}}{{a}}</body>", NULL },
		{ "<script>{{> value}}</script>", "value.html:1: a value in" },
		{ "<p title=\"{{> value}}\">", NULL },
		{ "{{> script}}\n{{a}}", "page.html:2: a value in a script" },
		{ "{{> page}}", "more than 8 files in each other" },
		{ "{{> missing}}", "missing.html does not exist" },
		{ "{{#a}}", "section a is not closed" },
	};

	(void)state;
	scratch_puts("head.html", "<body>");
	scratch_puts("value.html", "{{a}}");
	scratch_puts("script.html", "<script>");
	check_lint("page.html", table, ARRAY_LEN(table));
}

static void the_lint_of_a_style_sheet_allows_whole_values_only(void **state)
{
	static const struct row table[] = {
		{ ":root {\n  --a: {{a}};\n  b: 1px solid {{b}} ;\n}\n", NULL },
		{ "/* ' { */ a::before { content: \"}\\\"\"; b: {{b}}; }",
		  NULL },
		{ "@media x { a:hover { b: {{b}}; c: url(x;y) } }", NULL },
		{ "a { {{#x}}b: {{b}};{{/x}} }", NULL },
		{ "a { b: {{#x}}{{b}}{{/x}}{{^x}}c{{/x}}; }", NULL },
		{ "{{a}} { b: c }", "page.css:1: a value that is no" },
		{ "a:{{a}} { b: c }", "a value that is no declaration's" },
		{ "a {\n{{a}}: c }", "page.css:2: a value that is no" },
		{ "a { b: c; {{a}} }", "a value that is no declaration's" },
		{ "a { b: {{a}} }", "a value is not followed by ';'" },
		{ "a { b:{{a}} { c: d } }", "a value is not followed by ';'" },
		{ "a { b: \"{{a}}\"; }", "a value in a string" },
		{ "a { b: '{{a}}'; }", "a value in a string" },
		{ "a { b: url({{a}}); }", "in parentheses" },
		{ "a { b: \\{{a}}; }", "a value in a string" },
		{ "a { b: /* {{a}} */ c; }", "a value in a comment" },
		{ "a { b: \"x\n\"; }", "a string does not end on its line" },
		{ "a { b: url(x }", "a parenthesis is not closed" },
		{ "a { b: c) }", "a ) too many" },
		{ "a { } }", "a } too many" },
		{ "a {", "the file ends inside a rule" },
		{ "/* ", "the file ends inside a rule" },
		{ "a { {{#x}}b: {{/x}}c; }", "a section ends in another" },
		{ "a { {{#x}} } {{/x}}", "a section ends in another" },
		{ "a { /{{#x}}{{/x}}* }", "inside a token" },
	};

	(void)state;
	check_lint("page.css", table, ARRAY_LEN(table));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			the_lint_allows_values_in_text_and_double_quotes),
		cmocka_unit_test(the_lint_refuses_values_elsewhere),
		cmocka_unit_test(the_lint_refuses_dubious_markup),
		cmocka_unit_test(
			the_lint_knows_pages_with_and_without_their_sections),
		cmocka_unit_test(the_lint_follows_what_is_included),
		cmocka_unit_test(
			the_lint_of_a_style_sheet_allows_whole_values_only),
	};

	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
