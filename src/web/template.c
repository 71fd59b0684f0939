#include "web/template.h"

#include <string.h>

#include "base/text.h"
#include "web/template_parse.h"

enum {
	CONTEXTS_MAX = TEMPLATE_SECTIONS_MAX * TEMPLATE_DEPTH_MAX + 1,
	STEPS_MAX = 4000000, /* tokens and items: some 50 ms */
};

struct render {
	const struct template_set *set;
	struct buf *out;
	bool plain; /* no HTML */
	const json_t *contexts[CONTEXTS_MAX]; /* the innermost last */
	size_t depth;
	unsigned files; /* open at once */
	unsigned long steps;
	struct err *e;
};

static int render_range(struct render *r, const struct template_file *f,
			size_t from, size_t to);

static int unknown_name(const struct template_file *f, const struct token *t,
			struct err *e)
{
	AUTO_BUF struct buf name = BUF_INIT(128);
	const char *part = t->text;

	for (size_t i = 0; i < t->count; i++) {
		buf_puts(&name, i ? "." : "");
		buf_puts(&name, part);
		part += strlen(part) + 1;
	}
	return template_error(f, t->line, e, "'%s' is unknown", buf_str(&name));
}

/* The value that the token names. */
static int look_up(const struct render *r, const struct template_file *f,
		   const struct token *t, const json_t **ret)
{
	const json_t *value = NULL;
	const char *part = t->text;

	if (t->count == 0) {
		*ret = r->contexts[r->depth - 1];
		return 0;
	}
	for (size_t i = r->depth; i > 0 && !value; i--)
		value = json_object_get(r->contexts[i - 1], part);
	for (size_t i = 1; i < t->count && value; i++) {
		part += strlen(part) + 1;
		value = json_object_get(value, part);
	}
	if (!value)
		return unknown_name(f, t, r->e);
	*ret = value;
	return 0;
}

static const char *entity(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	default:
		return NULL;
	}
}

static void put_escaped(struct buf *out, const char *text, size_t len)
{
	size_t start = 0;

	for (size_t i = 0; i < len; i++) {
		const char *escaped = entity(text[i]);

		if (!escaped)
			continue;
		buf_add(out, text + start, i - start);
		buf_puts(out, escaped);
		start = i + 1;
	}
	buf_add(out, text + start, len - start);
}

static void put_plain(struct buf *out, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		bool control = (unsigned char)text[i] < ' ' || text[i] == 0x7f;

		buf_putc(out, (char)(control ? ' ' : text[i]));
	}
}

static int put_value(struct render *r, const struct template_file *f,
		     const struct token *t)
{
	const json_t *value;

	if (look_up(r, f, t, &value) < 0)
		return -1;
	switch (json_typeof(value)) {
	case JSON_STRING:
		(r->plain ? put_plain : put_escaped)(
			r->out, json_string_value(value),
			json_string_length(value));
		return 0;
	case JSON_INTEGER:
		buf_printf(r->out, "%lld", json_integer_value(value));
		return 0;
	case JSON_REAL:
		buf_printf(r->out, "%.15g", json_real_value(value));
		return 0;
	case JSON_TRUE:
		buf_puts(r->out, "true");
		return 0;
	case JSON_FALSE:
		buf_puts(r->out, "false");
		return 0;
	case JSON_NULL:
		return 0;
	case JSON_OBJECT:
	case JSON_ARRAY:
		break;
	}
	return template_error(f, t->line, r->e,
			      "'%s' is an object or a list, not a value",
			      t->count ? t->text : ".");
}

static bool is_empty(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_STRING:
		return json_string_length(value) == 0;
	case JSON_INTEGER:
		return json_integer_value(value) == 0;
	case JSON_REAL:
		return json_real_value(value) >= 0 &&
		       json_real_value(value) <= 0;
	case JSON_ARRAY:
		return json_array_size(value) == 0;
	case JSON_FALSE:
	case JSON_NULL:
		return true;
	case JSON_TRUE:
	case JSON_OBJECT:
		break;
	}
	return false;
}

static int count_step(struct render *r, const struct template_file *f,
		      const struct token *t)
{
	if (++r->steps <= STEPS_MAX)
		return 0;
	return template_error(f, t->line, r->e, "too much to fill in");
}

/* The body of section `at`, with `value` as the innermost context. */
static int render_body(struct render *r, const struct template_file *f,
		       size_t at, const json_t *value)
{
	int result;

	if (count_step(r, f, &f->tokens[at]) < 0)
		return -1;
	if (r->depth == CONTEXTS_MAX)
		return template_error(f, f->tokens[at].line, r->e,
				      "too deep in sections");
	r->contexts[r->depth++] = value;
	result = render_range(r, f, at + 1, f->tokens[at].target);
	r->depth--;
	return result;
}

static int render_section(struct render *r, const struct template_file *f,
			  size_t at)
{
	const struct token *t = &f->tokens[at];
	const json_t *value;
	size_t items;

	if (look_up(r, f, t, &value) < 0)
		return -1;
	if (t->kind == TOKEN_INVERSE)
		return is_empty(value) ? render_range(r, f, at + 1, t->target) :
					 0;
	if (is_empty(value))
		return 0;
	if (!json_is_array(value))
		return render_body(r, f, at, value);
	items = json_array_size(value);
	for (size_t i = 0; i < items; i++)
		if (render_body(r, f, at, json_array_get(value, i)) < 0)
			return -1;
	return 0;
}

static int render_file(struct render *r, const struct template_file *f)
{
	int result;

	if (r->files == TEMPLATE_DEPTH_MAX)
		return template_error(f, 1, r->e,
				      "more than %d files in each other",
				      TEMPLATE_DEPTH_MAX);
	r->files++;
	result = render_range(r, f, 0, f->count);
	r->files--;
	return result;
}

static int render_token(struct render *r, const struct template_file *f,
			size_t at)
{
	const struct token *t = &f->tokens[at];

	switch (t->kind) {
	case TOKEN_TEXT:
		buf_add(r->out, t->text, t->count);
		return 0;
	case TOKEN_VALUE:
		return put_value(r, f, t);
	case TOKEN_SECTION:
	case TOKEN_INVERSE:
		return render_section(r, f, at);
	case TOKEN_INCLUDE:
		if (r->plain)
			return template_error(f, t->line, r->e,
					      "plain text includes nothing");
		return render_file(r, &r->set->files[t->target]);
	case TOKEN_END:
		break;
	}
	return 0;
}

static int render_range(struct render *r, const struct template_file *f,
			size_t from, size_t to)
{
	for (size_t at = from; at < to; at++) {
		const struct token *t = &f->tokens[at];

		if (count_step(r, f, t) < 0 || render_token(r, f, at) < 0)
			return -1;
		if (t->kind == TOKEN_SECTION || t->kind == TOKEN_INVERSE)
			at = t->target;
	}
	return 0;
}

/* What the site has written is not known to be harmless. */
static int check_site(const struct template_set *set, struct err *e)
{
	for (size_t i = 0; i < set->count; i++)
		if (set->files[i].of_site)
			return template_set_check(set, e);
	return 0;
}

int template_render(int site, int dirfd, const char *file, const json_t *value,
		    struct buf *out, struct err *e)
{
	AUTO_TEMPLATE_SET struct template_set set = { .count = 0 };
	struct render r = {
		.set = &set,
		.out = out,
		.plain = text_ends(file, ".txt"),
		.e = e,
	};
	size_t before = out->len;

	if (template_set_load(site, dirfd, file, &set, e) < 0 ||
	    check_site(&set, e) < 0)
		return -1;
	r.contexts[r.depth++] = value;
	if (render_file(&r, &set.files[0]) == 0) {
		if (!buf_failed(out))
			return 0;
		err_set(e, ERR_SYSTEM, "%s: more than %zu bytes or no memory",
			file, out->max);
	}
	out->len = before;
	if (out->data)
		out->data[before] = '\0';
	return -1;
}
