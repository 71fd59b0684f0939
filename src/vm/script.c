#include "vm/script.h"

#include <string.h>

#include "base/text.h"
#include "conf/url.h"
#include "vm/script_customize.h"
#include "vm/script_expr.h"

static const char *const symbols[] = {
	[SYMBOL_USER] = "@USER@",
	[SYMBOL_SESSION_NAME] = "@SESSION_NAME@",
	[SYMBOL_VM] = "@VM@",
	[SYMBOL_EMAIL] = "@EMAIL@",
	[SYMBOL_PW] = "@PW@",
};

static const struct {
	const char *prefix;
	enum script_kind kind;
	bool keep; /* the prefix is a part of the body */
} kinds[] = {
	{ "exec:", SCRIPT_EXEC, false },
	{ "bash:", SCRIPT_BASH, false },
	{ "virt-customize:", SCRIPT_CUSTOMIZE, false },
	{ "https://", SCRIPT_URL, true },
	{ "http://", SCRIPT_URL, true },
	{ "/", SCRIPT_PATH, true },
};

const char *script_symbol_name(enum script_symbol symbol)
{
	return symbols[symbol];
}

enum script_symbol script_symbol_at(const char *text, size_t *ret_len)
{
	if (*text != '@')
		return SYMBOL_COUNT;
	for (int i = 0; i < SYMBOL_COUNT; i++) {
		if (text_starts(text, symbols[i])) {
			*ret_len = strlen(symbols[i]);
			return (enum script_symbol)i;
		}
	}
	return SYMBOL_COUNT;
}

bool script_uses(const char *text, enum script_symbol symbol)
{
	return strstr(text, symbols[symbol]) != NULL;
}

static const char *skip_blanks(const char *text)
{
	return text + strspn(text, " \t\r\n");
}

/* `if(EXPR):` in front, if it is there. */
static int read_condition(const char **at, struct script *s, struct err *e)
{
	const char *text = *at;
	bool ignored;

	if (!text_starts(text, "if") || *skip_blanks(text + 2) != '(')
		return 0;
	s->condition = skip_blanks(text + 2) + 1;
	if (script_expr(s->condition, NULL, NULL, &text, &ignored, e) < 0)
		return -1;
	text = skip_blanks(text);
	if (*text != ')')
		return err_set(e, ERR_INPUT,
			       "has no ')' where its condition ends, at '%.20s'",
			       text);
	text = skip_blanks(text + 1);
	if (*text != ':')
		return err_set(e, ERR_INPUT,
			       "has no ':' behind its condition, at '%.20s'",
			       text);
	*at = skip_blanks(text + 1);
	return 0;
}

static int read_sha256(struct script *s, struct err *e)
{
	static const char mark[] = "#sha256=";
	const char *hash = memchr(s->body, '#', s->body_len);
	size_t left;

	if (!hash)
		return 0;
	left = s->body_len - (size_t)(hash - s->body);
	if (left != sizeof(mark) - 1 + SCRIPT_SHA256_HEX ||
	    !text_starts(hash, mark) ||
	    strspn(hash + sizeof(mark) - 1, "0123456789abcdefABCDEF") <
		    SCRIPT_SHA256_HEX)
		return err_set(e, ERR_INPUT,
			       "has a '#' that does not begin #sha256= and 64 "
			       "hexadecimal digits");
	s->sha256 = hash + sizeof(mark) - 1;
	s->body_len -= left;
	return 0;
}

static int check_url(struct script *s, struct err *e)
{
	AUTO_FREE char *copy = NULL;
	const char *problem;
	struct url url;

	if (read_sha256(s, e) < 0)
		return -1;
	copy = strndup(s->body, s->body_len);
	if (!copy)
		return err_set(e, ERR_SYSTEM, "no memory");
	problem = url_parse(copy, &url);
	if (problem)
		return err_set(e, ERR_INPUT, "is an address that %s", problem);
	/* A symbol chooses a file of that server, never another server. */
	if (strchr(copy, '@') && strchr(copy, '@') < url.path)
		return err_set(e, ERR_INPUT,
			       "is an address with a symbol in its host");
	return 0;
}

static int check_body(struct script *s, struct err *e)
{
	if (s->body_len == 0)
		return err_set(e, ERR_INPUT, "is empty behind its ':'");
	if (s->kind == SCRIPT_URL)
		return check_url(s, e);
	if (s->kind == SCRIPT_CUSTOMIZE)
		return script_customize_check(s->body, s->body_len, e);
	if (s->kind == SCRIPT_PATH && memchr(s->body, '\n', s->body_len))
		return err_set(e, ERR_INPUT,
			       "is a path of more than one line; commands "
			       "begin with exec:");
	return 0;
}

int script_parse(const char *text, struct script *ret, struct err *e)
{
	struct script s = { .kind = SCRIPT_EXEC };
	const char *at = skip_blanks(text);
	size_t i = 0;

	if (read_condition(&at, &s, e) < 0)
		return -1;
	while (i < ARRAY_LEN(kinds) && !text_starts(at, kinds[i].prefix))
		i++;
	if (i == ARRAY_LEN(kinds))
		return err_set(e, ERR_INPUT,
			       "begins with none of exec:, bash:, https://, "
			       "http://, virt-customize: and '/', but with "
			       "'%.20s'",
			       at);
	s.kind = kinds[i].kind;
	if (!kinds[i].keep)
		at = skip_blanks(at + strlen(kinds[i].prefix));
	s.body = at;
	s.body_len = strlen(at);
	while (s.body_len && strchr(" \t\r\n", at[s.body_len - 1]))
		s.body_len--;
	if (check_body(&s, e) < 0)
		return -1;
	*ret = s;
	return 0;
}

int script_check_visitor(const struct script *s, struct err *e)
{
	if (s->kind == SCRIPT_PATH)
		return err_set(e, ERR_INPUT,
			       "is a path on the server, which only the "
			       "administrator may name; begin commands with "
			       "exec:");
	if (s->kind == SCRIPT_CUSTOMIZE)
		return script_customize_check_visitor(s->body, s->body_len, e);
	return 0;
}
