/*
 * Where in an HTML page a byte stands: just enough of a reader for
 * template_check(), and stricter than a browser where a browser guesses
 * (HTML standard, section 13.2.5).  Start with all zero.
 */
#ifndef QWD_WEB_TEMPLATE_HTML_H
#define QWD_WEB_TEMPLATE_HTML_H

#include <stdbool.h>
#include <stddef.h>

enum html_place {
	HTML_TEXT,
	HTML_LESS,      /* behind '<' or "</" */
	HTML_ELEMENT,   /* in an element's name */
	HTML_BLANK,     /* in a tag, where a name may begin */
	HTML_EDGE,      /* in a tag, where a blank, '/' or '>' is due */
	HTML_ATTRIBUTE, /* in an attribute's name */
	HTML_EQUALS,    /* behind an attribute's '=' */
	HTML_QUOTED,
	HTML_SINGLE_QUOTED,
	HTML_UNQUOTED,
	HTML_RAW,    /* in an element that holds only text, to its end tag */
	HTML_MARKUP, /* behind "<!" */
	HTML_COMMENT,
	HTML_DECLARATION, /* <!DOCTYPE ...> */
};

struct html {
	enum html_place place;
	bool closing;       /* the tag is an end tag */
	size_t seen;        /* bytes of "</name", "--" and the like */
	char element[16];   /* the name of the tag or of the raw element, */
	char attribute[16]; /* and of the attribute; cut, in lower case */
};

/* Move on by one byte.  NULL, or what is wrong with it. */
const char *html_step(struct html *h, char c);

/* NULL, or why no value may stand here; move on past the value. */
const char *html_value(struct html *h);

/*
 * A section begins (`opened` is NULL) or ends here; `opened` is what was here
 * when it began, as this left it.  NULL, or why it may not.
 */
const char *html_section(struct html *h, const struct html *opened);

/* NULL, or why the file may not end here. */
const char *html_end(const struct html *h);

#endif
