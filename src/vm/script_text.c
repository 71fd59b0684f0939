#include "vm/script_text.h"

#include <string.h>

#include "base/text.h"

static const char *const variables[] = {
	[SYMBOL_USER] = "QWD_USER",
	[SYMBOL_SESSION_NAME] = "QWD_SESSION_NAME",
	[SYMBOL_VM] = "QWD_VM",
	[SYMBOL_EMAIL] = "QWD_EMAIL",
	[SYMBOL_PW] = "QWD_PW",
};

static int unknown(enum script_symbol symbol, struct err *e)
{
	if (symbol == SYMBOL_PW)
		return err_set(e, ERR_INPUT,
			       "needs the password (@PW@), which is not known "
			       "here: either script_password is not set, or no "
			       "password was typed with this request");
	return err_set(e, ERR_INPUT, "needs %s, which is not known",
		       script_symbol_name(symbol));
}

/* ---- Names, paths, addresses ---- */

static bool is_name(const char *fact)
{
	return text_only(fact, "._@+-");
}

static int add_fact(const char *fact, enum script_symbol symbol,
		    enum script_place place, struct buf *out, struct err *e)
{
	const char *name = script_symbol_name(symbol);

	if (place == PLACE_URL) {
		text_url_escape(out, fact);
		return 0;
	}
	if (place == PLACE_PATH &&
	    (!*fact || *fact == '.' || strchr(fact, '/')))
		return err_set(e, ERR_INPUT,
			       "has %s in a path, where '%.40s' cannot stand",
			       name, fact);
	if (place == PLACE_NAME && !is_name(fact))
		return err_set(e, ERR_INPUT,
			       "has %s where only letters, digits and ._@+- "
			       "can stand, and it holds others",
			       name);
	buf_puts(out, fact);
	return 0;
}

int script_text_fill(const char *text, size_t len, enum script_place place,
		     const struct script_facts *facts, struct buf *out,
		     struct err *e)
{
	const char *end = text + len;

	while (text < end) {
		size_t taken = 1;
		enum script_symbol symbol = script_symbol_at(text, &taken);

		if (symbol == SYMBOL_COUNT)
			buf_putc(out, *text);
		else if (!facts->value[symbol])
			return unknown(symbol, e);
		else if (add_fact(facts->value[symbol], symbol, place, out,
				  e) < 0)
			return -1;
		text += taken;
	}
	return buf_failed(out) ? err_set(e, ERR_INPUT, "is too long") : 0;
}

/* ---- The shell ---- */

static void add_quoted(struct buf *out, const char *fact)
{
	buf_putc(out, '\'');
	for (; *fact; fact++) {
		if (*fact == '\'')
			buf_puts(out, "'\\''");
		else
			buf_putc(out, *fact);
	}
	buf_putc(out, '\'');
}

int script_text_variables(const char *text, const struct script_facts *facts,
			  struct buf *out, struct err *e)
{
	const char *blank = "";

	for (int i = 0; i < SYMBOL_COUNT; i++) {
		const char *fact = facts->value[i];
		bool used = script_uses(text, (enum script_symbol)i);

		if (used && !fact)
			return unknown((enum script_symbol)i, e);
		if (!fact || (i == SYMBOL_PW && !used))
			continue;
		buf_printf(out, "%s%s=", blank, variables[i]);
		add_quoted(out, fact);
		blank = " ";
	}
	return 0;
}

/*
 * Where in a shell's text we are.  Should this be wrong about some corner of
 * the shell's grammar, a symbol becomes an odd text there, but its fact is
 * never in the script.
 */
enum quote { PLAIN, SINGLE, DOUBLE, COMMENT, HERE };

struct shell {
	const struct script_facts *facts;
	struct buf *out;
	enum quote quote;
	char before;   /* the byte before this one */
	char end[64];  /* of the here-document that begins at the next line */
	bool raw;      /* its end is quoted: nothing is replaced in it */
	bool tabs;     /* <<- */
	/* "$( ... )": open parentheses within, for each that is open. */
	unsigned parens[8];
	unsigned depth;
};

static void add_reference(struct shell *s, enum script_symbol symbol)
{
	static const char *const forms[] = {
		[PLAIN] = "\"${%s}\"",
		[SINGLE] = "'\"${%s}\"'",
		[DOUBLE] = "${%s}",
		[COMMENT] = "%s",
		[HERE] = "${%s}",
	};
	const char *form = forms[s->quote];
	const char *mark = strstr(form, "%s");

	if (s->quote == HERE && s->raw) {
		buf_puts(s->out, s->facts->value[symbol] ?
					 s->facts->value[symbol] :
					 "");
		return;
	}
	buf_add(s->out, form, (size_t)(mark - form));
	buf_puts(s->out, variables[symbol]);
	buf_puts(s->out, mark + 2);
}

/* `<<WORD`, `<<-'WORD'`: keep the word.  Nothing is taken. */
static void note_here(struct shell *s, const char *text, const char *stop)
{
	const char *at = text + 2;
	size_t len = 0;

	if (stop - text < 3 || *at == '<' || s->end[0])
		return;
	s->tabs = *at == '-';
	at += s->tabs;
	while (at < stop && (*at == ' ' || *at == '\t'))
		at++;
	s->raw = at < stop && strchr("'\"\\", *at) != NULL;
	for (; at < stop && len < sizeof(s->end) - 1; at++) {
		if (strchr("'\"\\", *at))
			continue;
		if (strchr(" \t\n;&|<>()", *at))
			break;
		s->end[len++] = *at;
	}
	s->end[len] = '\0';
}

/* Does the line that begins here end the here-document? */
static bool ends_here(const struct shell *s, const char *line,
		      const char *stop)
{
	size_t len = strlen(s->end);

	while (s->tabs && line < stop && *line == '\t')
		line++;
	return (size_t)(stop - line) >= len &&
	       memcmp(line, s->end, len) == 0 &&
	       (line + len == stop || line[len] == '\n');
}

static void turn_plain(struct shell *s, const char *at, const char *stop)
{
	switch (*at) {
	case '\'':
		s->quote = SINGLE;
		break;
	case '"':
		s->quote = DOUBLE;
		break;
	case '#':
		if (strchr(" \t\n;&|()", s->before))
			s->quote = COMMENT;
		break;
	case '(':
		if (s->depth)
			s->parens[s->depth - 1]++;
		break;
	case ')':
		if (s->depth && --s->parens[s->depth - 1] == 0) {
			s->depth--;
			s->quote = DOUBLE;
		}
		break;
	case '<':
		if (at + 1 < stop && at[1] == '<' && s->before != '<')
			note_here(s, at, stop);
		break;
	default:
		break;
	}
}

/* What comes behind this byte, which is no symbol. */
static void turn(struct shell *s, const char *at, const char *stop)
{
	if (*at == '\n' && s->quote != SINGLE && s->quote != DOUBLE) {
		if (s->quote == HERE && !ends_here(s, at + 1, stop))
			return;
		if (s->quote == HERE)
			s->end[0] = '\0'; /* its line is harmless as PLAIN */
		s->quote = s->end[0] ? HERE : PLAIN;
		/* One without a line. */
		if (s->quote == HERE && ends_here(s, at + 1, stop)) {
			s->quote = PLAIN;
			s->end[0] = '\0';
		}
		return;
	}
	if (s->quote == PLAIN)
		turn_plain(s, at, stop);
	else if (s->quote == DOUBLE && *at == '(' && s->before == '$' &&
		 s->depth < ARRAY_LEN(s->parens)) {
		s->parens[s->depth++] = 1;
		s->quote = PLAIN;
	} else if ((s->quote == SINGLE && *at == '\'') ||
		 (s->quote == DOUBLE && *at == '"'))
		s->quote = PLAIN;
}

void script_text_references(const char *text, size_t len,
			    const struct script_facts *facts, struct buf *out)
{
	struct shell s = { .facts = facts, .out = out, .before = '\n' };
	const char *stop = text + len;

	while (text < stop) {
		size_t taken = 1;
		enum script_symbol symbol = script_symbol_at(text, &taken);

		if (symbol != SYMBOL_COUNT) {
			add_reference(&s, symbol);
			s.before = '@';
		} else if (*text == '\\' && stop - text > 1 &&
			   (s.quote == PLAIN || s.quote == DOUBLE) &&
			   text[1] != '\n') {
			buf_add(out, text, 2);
			taken = 2;
			s.before = '\\';
		} else {
			buf_putc(out, *text);
			turn(&s, text, stop);
			s.before = *text;
		}
		text += taken;
	}
}

/* Does the first line name a shell, or no interpreter? */
static bool is_shell(const char *text)
{
	static const char *const shells[] = { "sh",  "bash", "dash",
					      "ksh", "zsh",  "ash" };
	const char *at = text + 2;
	const char *end = text + strcspn(text, "\r\n");

	if (!text_starts(text, "#!"))
		return true;
	while (at < end) {
		size_t len;
		const char *word;

		at += strspn(at, " \t");
		len = strcspn(at, " \t\r\n");
		word = memrchr(at, '/', len);
		word = word ? word + 1 : at;
		len -= (size_t)(word - at);
		at = word + len;
		if (len == 3 && memcmp(word, "env", 3) == 0)
			continue;
		if (len == 7 && memcmp(word, "busybox", 7) == 0)
			continue;
		for (size_t i = 0; i < ARRAY_LEN(shells); i++)
			if (strlen(shells[i]) == len &&
			    memcmp(word, shells[i], len) == 0)
				return true;
		return false;
	}
	return false;
}

int script_text_program(const char *text, const char *shell,
			const struct script_facts *facts, struct buf *out,
			struct err *e)
{
	size_t first = 0;

	if (!is_shell(text))
		return script_text_fill(text, strlen(text), PLACE_NAME, facts,
					out, e);
	if (text_starts(text, "#!")) {
		first = strcspn(text, "\n");
		buf_add(out, text, first);
		first += text[first] == '\n';
	} else {
		buf_printf(out, "#!%s", shell);
	}
	buf_puts(out, "\nexport QWD_USER QWD_SESSION_NAME QWD_VM QWD_EMAIL; ");
	if (script_text_variables(text, facts, out, e) < 0)
		return -1;
	buf_putc(out, '\n');
	script_text_references(text + first, strlen(text + first), facts, out);
	return buf_failed(out) ? err_set(e, ERR_INPUT, "is too long") : 0;
}
