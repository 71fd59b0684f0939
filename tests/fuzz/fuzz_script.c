/*
 * A boot script's description: its condition is evaluated twice and for
 * syntax alone, and what it says goes into a program or lines of
 * virt-customize with a fact that would be noticed as code.
 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/macros.h"
#include "vm/script.h"
#include "vm/script_customize.h"
#include "vm/script_expr.h"
#include "vm/script_pattern.h"
#include "vm/script_text.h"
#include "vm/seed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct script_facts facts = {
	.value = { "u'\"$(x)`y`", "desktop-abc", "Debian 12.iso",
		   "ann@lab.example", "p\\w" },
};

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void fuzz_condition(const char *condition)
{
	struct err e = ERR_INIT;
	const char *ends[3];
	bool values[3];

	/* The parser has passed it. */
	require(script_expr(condition, NULL, NULL, &ends[0], &values[0], &e) ==
		0);
	if (script_expr(condition, &facts, script_pattern, &ends[1], &values[1],
			&e) < 0) {
		require(e.code == ERR_INPUT && e.msg[0]);
		return;
	}
	require(script_expr(condition, &facts, script_pattern, &ends[2],
			    &values[2], &e) == 0);
	require(ends[1] == ends[0] && ends[2] == ends[0]);
	require(values[1] == values[2]);
}

/* Behind the assignments the fact is nowhere, but in a here-document. */
static void fuzz_program(const char *text)
{
	AUTO_BUF struct buf out = BUF_INIT(1 << 20);
	AUTO_BUF struct buf again = BUF_INIT(1 << 20);
	struct err e = ERR_INIT;
	const char *fact;

	if (strstr(text, "QWD_"))
		return; /* what it says itself is not looked for */
	if (script_text_program(text, "/bin/sh", &facts, &out, &e) < 0) {
		require(e.code == ERR_INPUT && e.msg[0]);
		return;
	}
	if (strncmp(text, "#!", 2) == 0 && !strstr(buf_str(&out), "QWD_USER"))
		return; /* another language: names only, so no such fact */
	fact = strstr(buf_str(&out), "QWD_USER='u'\\''\"$(x)`y`'");
	require(fact != NULL);
	fact = strchr(fact, '\n');
	require(fact != NULL);
	if (!strstr(text, "<<") && !strstr(text, "$(x)`y`"))
		require(!strstr(fact, "$(x)`y`"));
	seed_user_data(&out, 1, &again);
}

static void fuzz_lines(const struct script *s)
{
	AUTO_BUF struct buf out = BUF_INIT(1 << 20);
	AUTO_ARGV struct argv files = { .list = NULL };
	struct err e = ERR_INIT;
	bool visitor = script_check_visitor(s, &e) == 0;

	if (script_customize_fill(s->body, s->body_len, &facts, &out, &files,
				  &e) < 0)
		require(e.code == ERR_INPUT && e.msg[0]);
	/* P34 */
	if (visitor)
		require(files.count == 0);
	for (size_t i = 0; i < files.count; i++)
		require(files.list[i][0] == '/');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = strndup((const char *)data, size);
	struct err e = ERR_INIT;
	struct script s;

	require(text != NULL);
	fuzz_program(text);
	if (script_parse(text, &s, &e) < 0) {
		require(e.code == ERR_INPUT && e.msg[0]);
		return 0;
	}
	require(s.body >= text && s.body + s.body_len <= text + size);
	require(s.body_len > 0);
	if (s.condition)
		fuzz_condition(s.condition);
	if (s.kind == SCRIPT_CUSTOMIZE)
		fuzz_lines(&s);
	return 0;
}
