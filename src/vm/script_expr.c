#include "vm/script_expr.h"

#include <limits.h>
#include <string.h>

#include "base/text.h"

enum { TEXT_MAX = 4096 }; /* of one text, its symbols replaced */

struct parser {
	const char *begin;
	const char *at;
	const struct script_facts *facts;
	script_matcher *match;
	unsigned depth;
	bool active; /* the result depends on what comes now */
};

/* A text (not NULL), or a truth. */
struct value {
	char *text;
	bool truth;
};

#define AUTO_VALUE __attribute__((cleanup(value_release)))

static void value_release(struct value *v)
{
	free(v->text);
	v->text = NULL;
}

static void set_truth(struct value *v, bool truth)
{
	value_release(v);
	v->truth = truth;
}

static bool is_true(const struct value *v)
{
	if (!v->text)
		return v->truth;
	return *v->text && strcmp(v->text, "0") != 0;
}

static int parse_or(struct parser *p, struct value *ret, struct err *e);
static int parse_not(struct parser *p, struct value *ret, struct err *e);

static int complain(const struct parser *p, const char *what, struct err *e)
{
	return err_set(e, ERR_INPUT,
		       "has a condition that %s, at byte %d: '%.20s'", what,
		       (int)(p->at - p->begin) + 1, p->at);
}

static void skip(struct parser *p)
{
	p->at += strspn(p->at, " \t\r\n");
}

static bool is_word_byte(char c)
{
	const char word[] = { c, '\0' };

	return text_only(word, "_");
}

/* Take an operator; a word must end where it does. */
static bool take(struct parser *p, const char *op)
{
	size_t len = strlen(op);

	skip(p);
	if (!text_starts(p->at, op) ||
	    (is_word_byte(*op) && is_word_byte(p->at[len])))
		return false;
	p->at += len;
	return true;
}

static int check_size(const struct parser *p, struct err *e)
{
	if (p->at - p->begin > SCRIPT_EXPR_MAX)
		return err_set(e, ERR_INPUT,
			       "has a condition of more than %d bytes",
			       SCRIPT_EXPR_MAX);
	return 0;
}

static int deeper(struct parser *p, struct err *e)
{
	if (check_size(p, e) < 0)
		return -1;
	if (++p->depth > SCRIPT_EXPR_DEPTH)
		return complain(p, "is nested too deeply", e);
	return 0;
}

/* ---- Texts and patterns ---- */

/* The characters of a fact as they are, for a pattern. */
static void add_literal(struct buf *out, const char *fact)
{
	for (; *fact; fact++) {
		if ((unsigned char)*fact < 0x80 && !is_word_byte(*fact))
			buf_putc(out, '\\');
		buf_putc(out, *fact);
	}
}

/* Put in the fact of the symbol that comes, if one does.  1 if so. */
static int add_symbol(struct parser *p, bool pattern, struct buf *out,
		      struct err *e)
{
	size_t len;
	enum script_symbol symbol = script_symbol_at(p->at, &len);
	const char *fact = "";

	if (symbol == SYMBOL_COUNT)
		return 0;
	if (symbol == SYMBOL_PW)
		return complain(p, "asks for the password", e);
	if (p->facts)
		fact = p->facts->value[symbol];
	if (!fact)
		return err_set(e, ERR_INPUT,
			       "needs %s for its condition, which is not known",
			       script_symbol_name(symbol));
	if (pattern)
		add_literal(out, fact);
	else
		buf_puts(out, fact);
	p->at += len;
	return 1;
}

/* Up to the closing `quote`, whose opening is behind us. */
static int read_quoted(struct parser *p, char quote, struct buf *out,
		       struct err *e)
{
	bool pattern = quote == '/';

	while (*p->at != quote) {
		int taken = add_symbol(p, pattern, out, e);

		if (taken < 0)
			return -1;
		if (taken)
			continue;
		if (check_size(p, e) < 0)
			return -1;
		if (!*p->at)
			return complain(p, "ends within a text", e);
		if (*p->at == '\\') {
			p->at++;
			if (pattern ? !*p->at :
				      !*p->at || !strchr("\\\"'", *p->at))
				return complain(p, "has a '\\' that is none",
						e);
			if (pattern && *p->at != '/')
				buf_putc(out, '\\');
		}
		buf_putc(out, *p->at++);
	}
	p->at++;
	return buf_failed(out) ? complain(p, "has a text that is too long", e) :
				 0;
}

static int parse_text(struct parser *p, char quote, struct value *ret,
		      struct err *e)
{
	AUTO_BUF struct buf out = BUF_INIT(TEXT_MAX);

	p->at++;
	if (read_quoted(p, quote, &out, e) < 0)
		return -1;
	value_release(ret);
	ret->text = strdup(buf_str(&out));
	return ret->text ? 0 : err_set(e, ERR_SYSTEM, "no memory");
}

static int parse_pattern(struct parser *p, bool wanted, struct value *v,
			 struct err *e)
{
	AUTO_BUF struct buf pattern = BUF_INIT(2 * TEXT_MAX);
	bool any_case = false;
	bool matches = false;

	skip(p);
	if (*p->at != '/')
		return complain(p, "has no /pattern/ behind =~ or !~", e);
	p->at++;
	if (read_quoted(p, '/', &pattern, e) < 0)
		return -1;
	if (*p->at == 'i') {
		any_case = true;
		p->at++;
	}
	if (is_word_byte(*p->at))
		return complain(p, "has a pattern with another letter than i "
				   "behind it", e);
	if (!v->text)
		return complain(p, "has no text in front of =~ or !~", e);
	if (p->match &&
	    p->match(buf_str(&pattern), any_case,
		     p->active && p->facts ? v->text : NULL, &matches, e) < 0)
		return -1;
	set_truth(v, matches == wanted);
	return 0;
}

/* ---- The levels, the tightest first ---- */

static int parse_primary(struct parser *p, struct value *ret, struct err *e)
{
	skip(p);
	if (*p->at == '"' || *p->at == '\'')
		return parse_text(p, *p->at, ret, e);
	if (*p->at == '!' && p->at[1] != '~' && p->at[1] != '=') {
		p->at++;
		if (deeper(p, e) < 0 || parse_primary(p, ret, e) < 0)
			return -1;
		p->depth--;
		set_truth(ret, !is_true(ret));
		return 0;
	}
	if (*p->at != '(')
		return complain(p, "has something else than a text, a '(' or a "
				   "'!'", e);
	p->at++;
	if (deeper(p, e) < 0 || parse_or(p, ret, e) < 0)
		return -1;
	p->depth--;
	if (!take(p, ")"))
		return complain(p, "has no ')'", e);
	return 0;
}

static int parse_match(struct parser *p, struct value *ret, struct err *e)
{
	if (parse_primary(p, ret, e) < 0)
		return -1;
	if (take(p, "=~"))
		return parse_pattern(p, true, ret, e);
	if (take(p, "!~"))
		return parse_pattern(p, false, ret, e);
	return 0;
}

static bool is_same(const char *a, const char *b, bool numbers)
{
	long long x;
	long long y;

	if (numbers && text_long(a, LLONG_MIN, LLONG_MAX, &x) &&
	    text_long(b, LLONG_MIN, LLONG_MAX, &y))
		return x == y;
	return strcmp(a, b) == 0;
}

static int parse_comparison(struct parser *p, struct value *ret, struct err *e)
{
	static const struct {
		const char *op;
		bool numbers;
		bool same;
	} ops[] = {
		{ "==", true, true },
		{ "!=", true, false },
		{ "eq", false, true },
		{ "ne", false, false },
	};
	AUTO_VALUE struct value other = { .text = NULL };
	size_t i = 0;

	if (parse_match(p, ret, e) < 0)
		return -1;
	while (i < ARRAY_LEN(ops) && !take(p, ops[i].op))
		i++;
	if (i == ARRAY_LEN(ops))
		return 0;
	if (parse_match(p, &other, e) < 0)
		return -1;
	if (!ret->text || !other.text)
		return complain(p, "compares something else than texts", e);
	set_truth(ret, is_same(ret->text, other.text, ops[i].numbers) ==
			       ops[i].same);
	return 0;
}

typedef int level(struct parser *p, struct value *ret, struct err *e);

/* A op B op ...: once a part is `settles`, so is the whole, and the rest is
 * only read. */
static int parse_chain(struct parser *p, const char *op, bool settles,
		       level *part, struct value *ret, struct err *e)
{
	bool active = p->active;
	int result = part(p, ret, e);

	while (result == 0 && take(p, op)) {
		AUTO_VALUE struct value other = { .text = NULL };
		bool settled = is_true(ret) == settles;

		p->active = p->active && !settled;
		result = part(p, &other, e);
		set_truth(ret, settled ? settles : is_true(&other));
	}
	p->active = active;
	return result;
}

static int parse_tight_and(struct parser *p, struct value *ret, struct err *e)
{
	return parse_chain(p, "&&", false, parse_comparison, ret, e);
}

static int parse_tight_or(struct parser *p, struct value *ret, struct err *e)
{
	return parse_chain(p, "||", true, parse_tight_and, ret, e);
}

static int parse_not(struct parser *p, struct value *ret, struct err *e)
{
	if (!take(p, "not"))
		return parse_tight_or(p, ret, e);
	if (deeper(p, e) < 0 || parse_not(p, ret, e) < 0)
		return -1;
	p->depth--;
	set_truth(ret, !is_true(ret));
	return 0;
}

static int parse_and(struct parser *p, struct value *ret, struct err *e)
{
	return parse_chain(p, "and", false, parse_not, ret, e);
}

static int parse_or(struct parser *p, struct value *ret, struct err *e)
{
	return parse_chain(p, "or", true, parse_and, ret, e);
}

int script_expr(const char *text, const struct script_facts *facts,
		script_matcher *match, const char **ret_end, bool *ret,
		struct err *e)
{
	AUTO_VALUE struct value v = { .text = NULL };
	struct parser p = {
		.begin = text,
		.at = text,
		.facts = facts,
		.match = match,
		.active = true,
	};

	if (parse_or(&p, &v, e) < 0)
		return -1;
	if (check_size(&p, e) < 0)
		return -1;
	*ret_end = p.at;
	*ret = is_true(&v);
	return 0;
}
