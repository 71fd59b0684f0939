/*
 * Where in a style sheet a byte stands: just enough of a reader for
 * template_check() to see that values are whole values of declarations.
 * Start with all zero.
 */
#ifndef QWD_WEB_TEMPLATE_CSS_H
#define QWD_WEB_TEMPLATE_CSS_H

#include <stdbool.h>

struct css {
	unsigned braces;
	unsigned parentheses;
	bool comment;
	char quote;  /* which, or 0 */
	bool value;  /* between ':' and ';' */
	bool filled; /* and a template's value was there */
	char before; /* the byte before, or 0 */
};

/* Move on by one byte.  NULL, or what is wrong with it. */
const char *css_step(struct css *s, char c);

/* NULL, or why no value may stand here; move on past the value. */
const char *css_value(struct css *s);

/*
 * A section begins (`opened` is NULL) or ends here; `opened` is what was here
 * when it began.  NULL, or why it may not.
 */
const char *css_section(struct css *s, const struct css *opened);

/* NULL, or why the file may not end here. */
const char *css_end(const struct css *s);

#endif
