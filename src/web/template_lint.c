#include "web/template.h"

#include <stdbool.h>

#include "base/text.h"
#include "web/template_css.h"
#include "web/template_html.h"
#include "web/template_parse.h"

enum { STEPS_MAX = 1000000 };

struct place {
	struct html html;
	struct css css;
};

struct lint {
	const struct template_set *set;
	bool is_css;
	struct place at;
	unsigned files; /* open at once */
	unsigned long steps;
	struct err *e;
};

static int lint_range(struct lint *l, const struct template_file *f,
		      size_t from, size_t to);

static int lint_text(struct lint *l, const struct template_file *f,
		     const struct token *t)
{
	unsigned line = t->line;

	for (size_t i = 0; i < t->count; i++) {
		const char *wrong = l->is_css ?
					    css_step(&l->at.css, t->text[i]) :
					    html_step(&l->at.html, t->text[i]);

		if (wrong)
			return template_error(f, line, l->e, "%s", wrong);
		line += t->text[i] == '\n';
	}
	return 0;
}

static const char *pass_section(struct lint *l, const struct place *opened)
{
	return l->is_css ?
		       css_section(&l->at.css, opened ? &opened->css : NULL) :
		       html_section(&l->at.html, opened ? &opened->html : NULL);
}

static int lint_section(struct lint *l, const struct template_file *f,
			size_t at)
{
	const struct token *t = &f->tokens[at];
	const char *wrong = pass_section(l, NULL);
	struct place opened = l->at;

	if (wrong)
		return template_error(f, t->line, l->e, "%s", wrong);
	if (lint_range(l, f, at + 1, t->target) < 0)
		return -1;
	wrong = pass_section(l, &opened);
	if (wrong)
		return template_error(f, f->tokens[t->target].line, l->e, "%s",
				      wrong);
	return 0;
}

static int lint_file(struct lint *l, const struct template_file *f)
{
	int result;

	if (l->files == TEMPLATE_DEPTH_MAX)
		return template_error(f, 1, l->e,
				      "more than %d files in each other",
				      TEMPLATE_DEPTH_MAX);
	l->files++;
	result = lint_range(l, f, 0, f->count);
	l->files--;
	return result;
}

static int lint_value(struct lint *l, const struct template_file *f,
		      const struct token *t)
{
	const char *wrong = l->is_css ? css_value(&l->at.css) :
					html_value(&l->at.html);

	return wrong ? template_error(f, t->line, l->e, "%s", wrong) : 0;
}

static int lint_token(struct lint *l, const struct template_file *f, size_t at)
{
	const struct token *t = &f->tokens[at];

	if (++l->steps > STEPS_MAX)
		return template_error(f, t->line, l->e, "too much to check");
	switch (t->kind) {
	case TOKEN_TEXT:
		return lint_text(l, f, t);
	case TOKEN_VALUE:
		return lint_value(l, f, t);
	case TOKEN_SECTION:
	case TOKEN_INVERSE:
		return lint_section(l, f, at);
	case TOKEN_INCLUDE:
		return lint_file(l, &l->set->files[t->target]);
	case TOKEN_END:
		break;
	}
	return 0;
}

static int lint_range(struct lint *l, const struct template_file *f,
		      size_t from, size_t to)
{
	for (size_t at = from; at < to; at++) {
		const struct token *t = &f->tokens[at];

		if (lint_token(l, f, at) < 0)
			return -1;
		if (t->kind == TOKEN_SECTION || t->kind == TOKEN_INVERSE)
			at = t->target;
	}
	return 0;
}

/* Plain text: a value is harmless anywhere. */
static int lint_plain(const struct template_file *f, struct err *e)
{
	for (size_t i = 0; i < f->count; i++)
		if (f->tokens[i].kind == TOKEN_INCLUDE)
			return template_error(f, f->tokens[i].line, e,
					      "plain text includes nothing");
	return 0;
}

int template_set_check(const struct template_set *set, struct err *e)
{
	const struct template_file *page = &set->files[0];
	struct lint l = {
		.set = set,
		.is_css = text_ends(page->name, ".css"),
		.e = e,
	};
	const char *wrong;

	if (text_ends(page->name, ".txt"))
		return lint_plain(page, e);
	if (lint_file(&l, page) < 0)
		return -1;
	wrong = l.is_css ? css_end(&l.at.css) : html_end(&l.at.html);
	return wrong ? template_error(page, 1, e, "%s", wrong) : 0;
}

int template_check(int site, int dirfd, const char *file, struct err *e)
{
	AUTO_TEMPLATE_SET struct template_set set = { .count = 0 };

	if (template_set_load(site, dirfd, file, &set, e) < 0)
		return -1;
	return template_set_check(&set, e);
}
