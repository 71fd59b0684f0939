#include "web/template_css.h"

#include <stddef.h>

static void step_comment(struct css *s, char c)
{
	if (s->before == '*' && c == '/') {
		s->comment = false;
		c = '\0';
	}
	s->before = c;
}

static const char *step_string(struct css *s, char c)
{
	if (c == '\n')
		return "a string does not end on its line";
	if (s->before == '\\')
		c = '\0';
	else if (c == s->quote)
		s->quote = '\0';
	s->before = c;
	return NULL;
}

/* Braces, and what ends a declaration. */
static const char *step_block(struct css *s, char c)
{
	if (s->parentheses)
		return "a parenthesis is not closed";
	if (s->filled && c != ';')
		return "a value is not followed by ';'";
	if (c == '}' && !s->braces)
		return "a } too many";
	if (c == '{')
		s->braces++;
	if (c == '}')
		s->braces--;
	s->value = false;
	s->filled = false;
	return NULL;
}

const char *css_step(struct css *s, char c)
{
	char before = s->before;

	if (s->comment) {
		step_comment(s, c);
		return NULL;
	}
	if (s->quote)
		return step_string(s, c);
	s->before = c;
	if (before == '\\') {
		s->before = '\0';
		return NULL;
	}
	switch (c) {
	case '*':
		if (before == '/') {
			s->comment = true;
			s->before = '\0';
		}
		return NULL;
	case '"':
	case '\'':
		s->quote = c;
		return NULL;
	case '(':
		s->parentheses++;
		return NULL;
	case ')':
		if (!s->parentheses)
			return "a ) too many";
		s->parentheses--;
		return NULL;
	case ':':
		s->value = s->value || s->braces;
		return NULL;
	case '{':
	case '}':
		return step_block(s, c);
	case ';':
		/* In url(data:...;...) it ends nothing. */
		return s->parentheses ? NULL : step_block(s, c);
	default:
		return NULL;
	}
}

const char *css_value(struct css *s)
{
	if (s->comment)
		return "a value in a comment";
	if (s->quote || s->parentheses || s->before == '\\')
		return "a value in a string or in parentheses";
	if (!s->value)
		return "a value that is no declaration's";
	s->filled = true;
	s->before = '\0';
	return NULL;
}

const char *css_section(struct css *s, const struct css *opened)
{
	if (s->before == '\\' || (s->before == '/' && !s->comment))
		return "a section begins or ends inside a token";
	s->before = '\0';
	if (opened &&
	    (s->braces != opened->braces ||
	     s->parentheses != opened->parentheses ||
	     s->comment != opened->comment || s->quote != opened->quote ||
	     s->value != opened->value))
		return "a section ends in another place than it begins";
	return NULL;
}

const char *css_end(const struct css *s)
{
	return s->braces || s->parentheses || s->comment || s->quote ||
			       s->filled ?
		       "the file ends inside a rule" :
		       NULL;
}
