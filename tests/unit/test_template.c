/* src/web/template: filling in, and the errors of templates. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/macros.h"
#include "base/text.h"
#include "scratch.h"
#include "sys/json.h"
#include "web/template.h"

enum { PAGE_MAX = 1 << 20 };

struct filled {
	const char *file;
	const char *value;
	const char *page;
};

struct refused {
	const char *file;
	const char *message; /* a part of it */
};

static json_t *parse(const char *text)
{
	struct err e = ERR_INIT;
	json_t *value = json_parse_object(text, strlen(text), &e);

	assert_string_equal(e.msg, "");
	return value;
}

static void check_filled(const struct filled *table, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		AUTO_BUF struct buf out = BUF_INIT(PAGE_MAX);
		AUTO_JSON json_t *value = parse(table[i].value);
		struct err e = ERR_INIT;

		scratch_puts("page.html", table[i].file);
		if (template_render(-1, scratch_fd, "page.html", value, &out, &e) <
		    0)
			fail_msg("%s: %s", table[i].file, e.msg);
		assert_string_equal(buf_str(&out), table[i].page);
	}
}

/* Filling `file` with `text` fails so, and leaves what was there before. */
static void check_not_filled(const char *file, const char *text,
			     const char *message)
{
	AUTO_BUF struct buf out = BUF_INIT(PAGE_MAX);
	AUTO_JSON json_t *value = parse(text);
	struct err e = ERR_INIT;

	buf_puts(&out, "before");
	scratch_puts("page.html", file);
	if (template_render(-1, scratch_fd, "page.html", value, &out, &e) == 0)
		fail_msg("%s was filled in", file);
	if (e.code != ERR_DAMAGED || !strstr(e.msg, message))
		fail_msg("%s: %d, '%s' instead of '%s'", file, (int)e.code,
			 e.msg, message);
	assert_string_equal(buf_str(&out), "before");
}

static void values_print_by_their_type(void **state)
{
	static const struct filled table[] = {
		{ "", "{}", "" },
		{ "no tag", "{}", "no tag" },
		{ "{{a}}", "{\"a\": \"x\"}", "x" },
		{ "<{{ a\t}}>", "{\"a\": \"x\"}", "<x>" },
		{ "{{a}}", "{\"a\": \"\"}", "" },
		{ "{{a}}", "{\"a\": -12}", "-12" },
		{ "{{a}}", "{\"a\": 9223372036854775807}",
		  "9223372036854775807" },
		{ "{{a}}", "{\"a\": 0.1}", "0.1" },
		{ "{{a}}", "{\"a\": 2.0}", "2" },
		{ "{{a}}{{b}}", "{\"a\": true, \"b\": false}", "truefalse" },
		{ "[{{a}}]", "{\"a\": null}", "[]" },
		{ "{{a.b.c}}", "{\"a\": {\"b\": {\"c\": 3}}}", "3" },
		{ "{{a-b_C9}}", "{\"a-b_C9\": 1}", "1" },
		{ "{ {{a}} }} {", "{\"a\": 1}", "{ 1 }} {" },
		{ "{{a}}{{a}}", "{\"a\": \"\303\251\"}", "\303\251\303\251" },
	};

	(void)state;
	check_filled(table, ARRAY_LEN(table));
}

static void values_are_always_escaped(void **state)
{
	static const struct filled table[] = {
		{ "{{a}}", "{\"a\": \"&<>\\\"'\"}", "&amp;&lt;&gt;&quot;&#39;" },
		{ "{{a}}", "{\"a\": \"x<y\"}", "x&lt;y" },
		{ "{{a}}", "{\"a\": \"&amp;\"}", "&amp;amp;" },
		{ "{{#a}}{{.}}{{/a}}", "{\"a\": [\"<\", \">\"]}", "&lt;&gt;" },
		{ "{{a}}", "{\"a\": \"{{b}}\"}", "{{b}}" },
	};

	(void)state;
	check_filled(table, ARRAY_LEN(table));
}

static void sections_follow_what_they_name(void **state)
{
	static const struct filled table[] = {
		{ "{{#a}}x{{/a}}{{^a}}y{{/a}}", "{\"a\": true}", "x" },
		{ "{{#a}}x{{/a}}{{^a}}y{{/a}}", "{\"a\": false}", "y" },
		{ "{{#a}}x{{/a}}{{^a}}y{{/a}}", "{\"a\": null}", "y" },
		{ "{{#a}}x{{/a}}{{^a}}y{{/a}}", "{\"a\": \"\"}", "y" },
		{ "{{#a}}x{{/a}}{{^a}}y{{/a}}", "{\"a\": \"0\"}", "x" },
		{ "{{#a}}x{{/a}}{{^a}}y{{/a}}", "{\"a\": 0}", "y" },
		{ "{{#a}}x{{/a}}{{^a}}y{{/a}}", "{\"a\": -1}", "x" },
		{ "{{#a}}x{{/a}}{{^a}}y{{/a}}", "{\"a\": 0.0}", "y" },
		{ "{{#a}}x{{/a}}{{^a}}y{{/a}}", "{\"a\": -0.5}", "x" },
		{ "{{#a}}x{{/a}}{{^a}}y{{/a}}", "{\"a\": []}", "y" },
		{ "{{#a}}x{{/a}}{{^a}}y{{/a}}", "{\"a\": [false]}", "x" },
		{ "{{#a}}x{{/a}}{{^a}}y{{/a}}", "{\"a\": [1, 2]}", "xx" },
		{ "{{#a}}x{{/a}}{{^a}}y{{/a}}", "{\"a\": {}}", "x" },
		{ "{{#a}}{{.}},{{/a}}", "{\"a\": [1, \"b\", null, true]}",
		  "1,b,,true," },
		{ "{{#a}}({{#.}}{{.}}{{/.}}){{/a}}", "{\"a\": [[1, 2], []]}",
		  "(12)()" },
		{ "{{#a.b}}{{c}}{{/a.b}}", "{\"a\": {\"b\": {\"c\": 1}}}",
		  "1" },
		{ "{{#a}}{{#b}}{{.}}{{/b}}{{/a}}", "{\"a\": {\"b\": \"x\"}}",
		  "x" },
		{ "{{# a }}{{^ b }}x{{/ b }}{{/ a }}",
		  "{\"a\": 1, \"b\": 0}", "x" },
	};

	(void)state;
	check_filled(table, ARRAY_LEN(table));
}

static void names_are_looked_up_from_the_innermost_context(void **state)
{
	static const struct filled table[] = {
		{ "{{#a}}{{b}}{{/a}}", "{\"a\": {\"b\": 1}, \"b\": 2}", "1" },
		{ "{{#a}}{{b}}{{/a}}", "{\"a\": {\"c\": 1}, \"b\": 2}", "2" },
		{ "{{#a}}{{b}}{{/a}}", "{\"a\": \"text\", \"b\": 2}", "2" },
		{ "{{#a}}{{b}}{{/a}}", "{\"a\": {\"b\": null}, \"b\": 2}", "" },
		{ "{{#a}}{{a.c}}{{/a}}", "{\"a\": {\"c\": 1}}", "1" },
		{ "{{#a}}{{^b}}{{c}}{{/b}}{{/a}}",
		  "{\"a\": {\"b\": 0, \"c\": 1}, \"c\": 2}", "1" },
	};

	(void)state;
	check_filled(table, ARRAY_LEN(table));
}

static void a_tag_alone_on_its_line_leaves_no_line(void **state)
{
	static const struct filled table[] = {
		{ "a\n{{#b}}\nx\n{{/b}}\nc\n", "{\"b\": 1}", "a\nx\nc\n" },
		{ "a\n  {{#b}}  \n x\n\t{{/b}}", "{\"b\": 1}", "a\n x\n" },
		{ "{{! one\ntwo }}\nx", "{}", "x" },
		{ "x {{! c }} y", "{}", "x  y" },
		{ "x\r\n{{! c }}\r\ny", "{}", "x\r\ny" },
		{ " {{a}} \n", "{\"a\": 1}", " 1 \n" },
		{ "{{#b}}{{/b}}\nx", "{\"b\": 1}", "\nx" },
		{ "{{!}}", "{}", "" },
		{ "{{! a }}\r", "{}", "\r" },
	};

	(void)state;
	check_filled(table, ARRAY_LEN(table));
}

static void other_files_are_included(void **state)
{
	static const struct filled table[] = {
		{ "{{> part}}.{{>part }}", "{\"a\": \"<\"}", "&lt;\n.&lt;\n" },
		{ "{{#b}}\n  {{> part}}\n{{/b}}", "{\"a\": 0, \"b\": [1, 2]}",
		  "0\n0\n" },
		{ "{{#b}}{{> part}}{{/b}}", "{\"b\": [{\"a\": 1}, {\"a\": 2}]}",
		  "1\n2\n" },
		{ "{{> _x-9}}", "{}", "odd" },
		{ "{{> tree}}", "{\"next\": [{\"next\": [{\"next\": []}]}]}",
		  "(())" },
	};

	(void)state;
	scratch_puts("part.html", "{{a}}\n");
	scratch_puts("_x-9.html", "odd");
	scratch_puts("tree.html", "{{#next}}({{> tree}}){{/next}}");
	check_filled(table, ARRAY_LEN(table));
}

static void an_unknown_name_is_an_error_with_file_and_line(void **state)
{
	(void)state;
	check_not_filled("{{a}}", "{}", "page.html:1: 'a' is unknown");
	check_not_filled("\n\n{{a.b}}", "{\"a\": {}}",
			 "page.html:3: 'a.b' is unknown");
	check_not_filled("{{a.b}}", "{\"a\": null}", "'a.b' is unknown");
	check_not_filled("{{a.b}}", "{\"a\": \"text\"}", "'a.b' is unknown");
	check_not_filled("{{#a}}{{/a}}", "{}", "'a' is unknown");
	check_not_filled("x\n{{^a}}{{/a}}", "{}", "page.html:2: 'a'");
	check_not_filled("{{! \n }}\n{{#a}}\n{{b}}{{/a}}", "{\"a\": 1}",
			 "page.html:4: 'b' is unknown");
	check_not_filled("{{#a}}{{b.c}}{{/a}}",
			 "{\"a\": {\"b\": 1}, \"b\": {\"c\": 1}}",
			 "'b.c' is unknown");
}

static void an_object_or_a_list_is_no_value(void **state)
{
	(void)state;
	check_not_filled("{{a}}", "{\"a\": {}}", "page.html:1: 'a' is an obj");
	check_not_filled("\n{{a}}", "{\"a\": [1]}", "page.html:2: 'a' is an");
	check_not_filled("{{.}}", "{}", "'.' is an object or a list");
}

static void a_malformed_template_is_an_error_with_file_and_line(void **state)
{
	static const struct refused table[] = {
		{ "\n{{a", "page.html:2: {{ without }}" },
		{ "{{", "page.html:1: {{ without }}" },
		{ "{{}", "page.html:1: {{ without }}" },
		{ "{{}}", "'' is no name" },
		{ "{{#}}", "'' is no name" },
		{ "{{a b}}", "'a b' is no name" },
		{ "{{a\n}}", "is no name" },
		{ "{{.a}}", "'.a' is no name" },
		{ "{{a.}}", "'a.' is no name" },
		{ "{{a..b}}", "'a..b' is no name" },
		{ "{{..}}", "'..' is no name" },
		{ "{{{a}}}", "'{a' is no name" },
		{ "{{&a}}", "'&a' is no name" },
		{ "{{=<% %>=}}", "is no name" },
		{ "\n{{#a}}\n", "page.html:2: section a is not closed" },
		{ "{{^a}}", "page.html:1: section a is not closed" },
		{ "{{#.}}", "section . is not closed" },
		{ "x\n{{/a}}", "page.html:2: {{/a}} closes nothing" },
		{ "{{#a}}\n{{/b}}", "page.html:2: {{/b}} in section a of line 1" },
		{ "{{#a}}{{/a.b}}", "{{/a}} in section a" },
		{ "{{#a}}{{#b}}{{/a}}{{/b}}", "{{/a}} in section b" },
		{ "\377", "page.html:1: not in UTF-8" },
		{ "{{> ../page}}", "'../page' cannot be included" },
		{ "{{> Part}}", "'Part' cannot be included" },
		{ "{{> part.html}}", "cannot be included" },
		{ "{{>}}", "'' cannot be included" },
		{ "{{> missing}}", "missing.html does not exist" },
		{ "{{> page}}", "more than 8 files in each other" },
		{ "{{> opens}}", "opens.html:1: section a is not closed" },
	};

	(void)state;
	scratch_puts("opens.html", "{{#a}}");
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		check_not_filled(table[i].file, "{\"a\": 1, \"b\": 1}",
				 table[i].message);
}

static void a_name_of_64_bytes_can_be_included_and_no_longer_one(void **state)
{
	char name[65];
	char file[80];
	char page[80];
	struct filled filled = { page, "{}", "there" };

	(void)state;
	memset(name, 'n', 64);
	name[64] = '\0';
	snprintf(file, sizeof(file), "%s.html", name);
	scratch_puts(file, "there");
	snprintf(page, sizeof(page), "{{> %s}}", name);
	check_filled(&filled, 1);
	snprintf(page, sizeof(page), "{{> %sn}}", name);
	check_not_filled(page, "{}", "cannot be included");
}

static void sections_nest_16_deep_and_no_deeper(void **state)
{
	AUTO_BUF struct buf page = BUF_INIT(PAGE_MAX);
	struct filled filled = { .value = "{\"a\": 1}", .page = "x" };

	(void)state;
	for (int i = 0; i < 16; i++)
		buf_puts(&page, "{{#a}}");
	buf_puts(&page, "x");
	for (int i = 0; i < 16; i++)
		buf_puts(&page, "{{/a}}");
	filled.file = buf_str(&page);
	check_filled(&filled, 1);
	buf_reset(&page);
	for (int i = 0; i < 17; i++)
		buf_puts(&page, "{{#a}}\n");
	check_not_filled(buf_str(&page), "{\"a\": 1}",
			 "page.html:17: more than 16 sections");
}

static void a_template_that_would_take_for_ever_is_refused(void **state)
{
	AUTO_BUF struct buf page = BUF_INIT(PAGE_MAX);

	(void)state;
	for (int i = 0; i < 16; i++)
		buf_puts(&page, "{{#a}}");
	for (int i = 0; i < 16; i++)
		buf_puts(&page, "{{/a}}");
	check_not_filled(buf_str(&page), "{\"a\": [1, 2, 3, 4, 5, 6]}",
			 "too much to fill in");
}

static void a_missing_or_unreadable_template_is_damage(void **state)
{
	AUTO_BUF struct buf out = BUF_INIT(PAGE_MAX);
	AUTO_JSON json_t *value = parse("{}");
	AUTO_FREE char *large = calloc(1, 262146);
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(
		template_render(-1, scratch_fd, "none.html", value, &out, &e), -1);
	assert_int_equal(e.code, ERR_DAMAGED);
	assert_string_equal(e.msg, "none.html does not exist");
	assert_int_equal(mkdirat(scratch_fd, "dir.html", 0700), 0);
	assert_int_equal(
		template_render(-1, scratch_fd, "dir.html", value, &out, &e), -1);
	assert_int_equal(e.code, ERR_DAMAGED);
	assert_string_equal(e.msg, "dir.html is no regular file");
	assert_non_null(large);
	memset(large, 'x', 262145);
	large[262144] = '\0';
	scratch_puts("page.html", large);
	assert_int_equal(
		template_render(-1, scratch_fd, "page.html", value, &out, &e), 0);
	assert_int_equal(out.len, 262144);
	large[262144] = 'x';
	scratch_puts("page.html", large);
	assert_int_equal(
		template_render(-1, scratch_fd, "page.html", value, &out, &e), -1);
	assert_int_equal(e.code, ERR_DAMAGED);
	assert_string_equal(e.msg, "page.html is too large");
}

static void
a_page_beyond_the_ceiling_is_an_error_and_leaves_nothing(void **state)
{
	AUTO_BUF struct buf out = BUF_INIT(8);
	AUTO_JSON json_t *value = parse("{\"a\": \"&x\"}");
	struct err e = ERR_INIT;

	(void)state;
	scratch_puts("page.html", "{{a}}yz");
	assert_int_equal(
		template_render(-1, scratch_fd, "page.html", value, &out, &e), 0);
	assert_string_equal(buf_str(&out), "&amp;xyz");
	scratch_puts("page.html", "{{a}}yz.");
	buf_reset(&out);
	assert_int_equal(
		template_render(-1, scratch_fd, "page.html", value, &out, &e), -1);
	assert_int_equal(e.code, ERR_SYSTEM);
	assert_non_null(strstr(e.msg, "page.html: more than 8 bytes"));
	assert_string_equal(buf_str(&out), "");
}

static void a_page_may_have_32_files_and_not_more(void **state)
{
	AUTO_BUF struct buf page = BUF_INIT(PAGE_MAX);
	struct filled filled = { .value = "{}", .page = "" };

	(void)state;
	for (int i = 0; i < 32; i++) {
		char name[32];

		snprintf(name, sizeof(name), "f%d.html", i);
		scratch_puts(name, "");
		if (i < 31)
			buf_printf(&page, "{{> f%d}}", i);
	}
	filled.file = buf_str(&page);
	check_filled(&filled, 1);
	buf_puts(&page, "{{> f31}}");
	check_not_filled(buf_str(&page), "{}", "more than 32 files");
}

static void a_style_sheet_is_escaped_too(void **state)
{
	AUTO_BUF struct buf out = BUF_INIT(PAGE_MAX);
	AUTO_JSON json_t *value = parse("{\"a\": \"</style>\"}");
	struct err e = ERR_INIT;

	(void)state;
	scratch_puts("page.css", "a { b: {{a}}; }");
	assert_int_equal(
		template_render(-1, scratch_fd, "page.css", value, &out, &e), 0);
	assert_string_equal(buf_str(&out), "a { b: &lt;/style&gt;; }");
}

/* *.txt: for mails, not for browsers. */
static void plain_text_is_not_escaped_and_values_stay_in_their_line(
	void **state)
{
	AUTO_BUF struct buf out = BUF_INIT(PAGE_MAX);
	AUTO_JSON json_t *value = parse(
		"{\"a\": \"<b> & \\\"q\\\" \\u00e9\\r\\nBcc: x\\t\\u001b[1m\\u007f\","
		" \"n\": 7}");
	struct err e = ERR_INIT;

	(void)state;
	scratch_puts("mail.txt", "{{a}}\n{{#n}}\n{{n}}\n{{/n}}\n");
	assert_int_equal(template_render(-1, scratch_fd, "mail.txt", value, &out,
					 &e),
			 0);
	assert_string_equal(buf_str(&out), "<b> & \"q\" \xc3\xa9  Bcc: x  [1m "
					   "\n7\n");
	assert_int_equal(template_check(-1, scratch_fd, "mail.txt", &e), 0);
	scratch_puts("part.html", "x");
	scratch_puts("mail.txt", "a\n{{> part}}\n");
	assert_int_equal(template_render(-1, scratch_fd, "mail.txt", value, &out,
					 &e),
			 -1);
	assert_string_equal(e.msg, "mail.txt:2: plain text includes nothing");
	e = (struct err)ERR_INIT;
	assert_int_equal(template_check(-1, scratch_fd, "mail.txt", &e), -1);
	assert_string_equal(e.msg, "mail.txt:2: plain text includes nothing");
	/* A page is none, whatever its name holds. */
	scratch_puts("page.txt.html", "{{a}}");
	buf_reset(&out);
	assert_int_equal(template_render(-1, scratch_fd, "page.txt.html", value,
					 &out, &e),
			 0);
	assert_true(text_starts(buf_str(&out), "&lt;b&gt;"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_print_by_their_type),
		cmocka_unit_test(values_are_always_escaped),
		cmocka_unit_test(sections_follow_what_they_name),
		cmocka_unit_test(names_are_looked_up_from_the_innermost_context),
		cmocka_unit_test(a_tag_alone_on_its_line_leaves_no_line),
		cmocka_unit_test(other_files_are_included),
		cmocka_unit_test(an_unknown_name_is_an_error_with_file_and_line),
		cmocka_unit_test(an_object_or_a_list_is_no_value),
		cmocka_unit_test(
			a_malformed_template_is_an_error_with_file_and_line),
		cmocka_unit_test(
			a_name_of_64_bytes_can_be_included_and_no_longer_one),
		cmocka_unit_test(sections_nest_16_deep_and_no_deeper),
		cmocka_unit_test(a_template_that_would_take_for_ever_is_refused),
		cmocka_unit_test(a_missing_or_unreadable_template_is_damage),
		cmocka_unit_test(
			a_page_beyond_the_ceiling_is_an_error_and_leaves_nothing),
		cmocka_unit_test(a_page_may_have_32_files_and_not_more),
		cmocka_unit_test(a_style_sheet_is_escaped_too),
		cmocka_unit_test(
			plain_text_is_not_escaped_and_values_stay_in_their_line),
	};

	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
