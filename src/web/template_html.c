#include "web/template_html.h"

#include <string.h>

#include "base/macros.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* `c` behind the text in `name`, cut at its end. */
static void append(char name[16], char c)
{
	size_t len = strlen(name);

	if (len < 15) {
		name[len] = lower(c);
		name[len + 1] = '\0';
	}
}

static bool is_one_of(const char *name, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(name, list[i]) == 0)
			return true;
	return false;
}

/* Text only, in which a browser decodes "&lt;": values may stand there. */
static bool is_text_element(const char *name)
{
	return strcmp(name, "title") == 0 || strcmp(name, "textarea") == 0;
}

static bool is_raw_element(const char *name)
{
	static const char *const raw[] = { "script", "style", "iframe", "xmp",
					   "noembed", "noframes",
					   "plaintext" };

	return is_text_element(name) || is_one_of(name, raw, ARRAY_LEN(raw));
}

/* Attributes whose value a browser reads as another language. */
static bool is_code_attribute(const char *name)
{
	return strncmp(name, "on", 2) == 0 || strcmp(name, "style") == 0 ||
	       strcmp(name, "srcdoc") == 0;
}

static const char *step_text(struct html *h, char c)
{
	if (c == '<') {
		h->place = HTML_LESS;
		h->closing = false;
	}
	return NULL;
}

static const char *step_less(struct html *h, char c)
{
	if (c == '/' && !h->closing) {
		h->closing = true;
	} else if (c == '!' && !h->closing) {
		h->place = HTML_MARKUP;
		h->seen = 0;
	} else if (is_letter(c)) {
		h->place = HTML_ELEMENT;
		h->element[0] = '\0';
		append(h->element, c);
	} else {
		return "a '<' that begins no tag";
	}
	return NULL;
}

/* The byte ends a tag, or a name or value in it; else false. */
static bool step_delimiter(struct html *h, char c)
{
	if (is_blank(c) || c == '/') {
		h->place = HTML_BLANK;
		return true;
	}
	if (c != '>')
		return false;
	h->seen = 0;
	h->place = !h->closing && is_raw_element(h->element) ? HTML_RAW :
							       HTML_TEXT;
	return true;
}

static const char *step_element(struct html *h, char c)
{
	if (step_delimiter(h, c))
		return NULL;
	if (!is_letter(c) && !(c >= '0' && c <= '9') && c != '-')
		return "an element's name is malformed";
	append(h->element, c);
	return NULL;
}

static const char *step_blank(struct html *h, char c)
{
	if (step_delimiter(h, c))
		return NULL;
	if (strchr("\"'<=`", c))
		return "an attribute without a name";
	h->place = HTML_ATTRIBUTE;
	h->attribute[0] = '\0';
	append(h->attribute, c);
	return NULL;
}

static const char *step_attribute(struct html *h, char c)
{
	if (step_delimiter(h, c))
		return NULL;
	if (c == '=')
		h->place = HTML_EQUALS;
	else if (strchr("\"'<`", c))
		return "an attribute's name is malformed";
	else
		append(h->attribute, c);
	return NULL;
}

static const char *step_equals(struct html *h, char c)
{
	if (is_blank(c) || strchr("><=`", c))
		return "an attribute without a value";
	h->place = c == '"'  ? HTML_QUOTED :
		   c == '\'' ? HTML_SINGLE_QUOTED :
			       HTML_UNQUOTED;
	return NULL;
}

static const char *step_unquoted(struct html *h, char c)
{
	if (c != '/' && step_delimiter(h, c))
		return NULL;
	return strchr("\"'<=`", c) ? "an attribute's value needs quotes" : NULL;
}

/* Up to "</name" and then a delimiter; `seen` bytes of it went by. */
static const char *step_raw(struct html *h, char c)
{
	size_t len = strlen(h->element) + 2;
	char due = '\0';

	if (h->seen == len) {
		h->closing = true;
		if (step_delimiter(h, c))
			return NULL;
		h->closing = false;
	} else {
		due = h->seen < 2 ? "</"[h->seen] : h->element[h->seen - 2];
	}
	if (due && lower(c) == due)
		h->seen++;
	else
		h->seen = c == '<';
	return NULL;
}

static const char *step_markup(struct html *h, char c)
{
	if (c == '-' && ++h->seen == 2)
		h->place = HTML_COMMENT;
	else if (c != '-' && h->seen == 1)
		return "a comment begins with <!--";
	else if (c != '-')
		h->place = HTML_DECLARATION;
	if (c == '>' && h->place == HTML_DECLARATION)
		return "an empty declaration";
	return NULL;
}

static const char *step_comment(struct html *h, char c)
{
	if (h->seen >= 2 && c == '!')
		return "--! in a comment";
	if (h->seen >= 2 && c == '>')
		h->place = HTML_TEXT;
	h->seen = c == '-' ? h->seen + 1 : 0;
	return NULL;
}

const char *html_step(struct html *h, char c)
{
	switch (h->place) {
	case HTML_TEXT:
		return step_text(h, c);
	case HTML_LESS:
		return step_less(h, c);
	case HTML_ELEMENT:
		return step_element(h, c);
	case HTML_BLANK:
		return step_blank(h, c);
	case HTML_EDGE:
		return step_delimiter(h, c) ? NULL : "a blank is missing";
	case HTML_ATTRIBUTE:
		return step_attribute(h, c);
	case HTML_EQUALS:
		return step_equals(h, c);
	case HTML_QUOTED:
		if (c == '"')
			h->place = HTML_EDGE;
		return NULL;
	case HTML_SINGLE_QUOTED:
		if (c == '\'')
			h->place = HTML_EDGE;
		return NULL;
	case HTML_UNQUOTED:
		return step_unquoted(h, c);
	case HTML_RAW:
		return step_raw(h, c);
	case HTML_MARKUP:
		return step_markup(h, c);
	case HTML_COMMENT:
		return step_comment(h, c);
	case HTML_DECLARATION:
		if (c == '>')
			h->place = HTML_TEXT;
		return NULL;
	}
	return NULL;
}

const char *html_value(struct html *h)
{
	switch (h->place) {
	case HTML_TEXT:
		return NULL;
	case HTML_QUOTED:
		return is_code_attribute(h->attribute) ?
			       "a value in an attribute that holds code" :
			       NULL;
	case HTML_RAW:
		h->seen = 0;
		return is_text_element(h->element) ?
			       NULL :
			       "a value in a script or style element";
	case HTML_COMMENT:
	case HTML_MARKUP:
	case HTML_DECLARATION:
		return "a value in a comment or declaration";
	case HTML_EQUALS:
	case HTML_SINGLE_QUOTED:
	case HTML_UNQUOTED:
		return "a value in an attribute without double quotes";
	case HTML_LESS:
	case HTML_ELEMENT:
	case HTML_BLANK:
	case HTML_EDGE:
	case HTML_ATTRIBUTE:
		break;
	}
	return "a value in a tag";
}

static bool is_same_place(const struct html *a, const struct html *b)
{
	if (a->place != b->place)
		return false;
	if (a->place == HTML_TEXT || a->place == HTML_COMMENT ||
	    a->place == HTML_DECLARATION)
		return true;
	return a->closing == b->closing && strcmp(a->element, b->element) == 0 &&
	       (a->place != HTML_QUOTED ||
		strcmp(a->attribute, b->attribute) == 0);
}

const char *html_section(struct html *h, const struct html *opened)
{
	struct html now;

	h->seen = 0;
	if (h->place == HTML_LESS || h->place == HTML_MARKUP ||
	    h->place == HTML_EQUALS)
		return "a section begins or ends inside markup";
	if (h->place == HTML_ELEMENT || h->place == HTML_ATTRIBUTE)
		h->place = HTML_EDGE;
	if (!opened)
		return NULL;
	/* With or without the section: what may follow both is what may
	 * follow the stricter one. */
	now = *h;
	if (h->place == HTML_BLANK && opened->place == HTML_EDGE)
		now.place = h->place = HTML_EDGE;
	else if (h->place == HTML_EDGE && opened->place == HTML_BLANK)
		now.place = HTML_BLANK;
	return is_same_place(&now, opened) ?
		       NULL :
		       "a section ends in another place than it begins";
}

const char *html_end(const struct html *h)
{
	return h->place == HTML_TEXT ? NULL : "the page ends inside markup";
}
