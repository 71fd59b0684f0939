/*
 * What is read of the Perl service's web pages: the machines of its list, and
 * which optional fields of its form are switched on, which there means that
 * they are not commented out.
 */
#ifndef QWD_CTL_IMPORT_HTML_H
#define QWD_CTL_IMPORT_HTML_H

#include <stdbool.h>

#include "base/buf.h"

/* Remove <!-- comments --> from the text, in place. */
void import_drop_comments(char *html);

/* True if the text has a field of this name: name="NAME" in any tag. */
bool import_has_field(const char *html, const char *name);

/*
 * The next <option value="VALUE">TEXT of the text from *at on, which is moved
 * behind it.  Both are unescaped and without blanks at their ends.  False if
 * there is none.
 */
bool import_next_option(const char **at, struct buf *value, struct buf *text);

#endif
