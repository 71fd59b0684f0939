/*
 * Pages from template files: a strict subset of Mustache over JSON values.
 *
 *     {{name}} {{a.b}}       the value, always escaped for HTML (& < > " ');
 *                            null prints nothing, an object or a list is an
 *                            error
 *     {{#name}}...{{/name}}  a list: once for each item; false, null, "", 0
 *                            and an empty list: nothing; else once.  The item
 *                            or value becomes the innermost context
 *     {{^name}}...{{/name}}  once if {{#name}} would print nothing
 *     {{.}}                  the innermost context itself
 *     {{> name}}             the file name.html of the same directory
 *     {{! text }}            nothing
 *
 * The first part of a name is looked up from the innermost context outwards,
 * the further parts in what was found; an unknown name is an error.  There is
 * no raw form.  A line that holds one tag other than a value, and blanks,
 * leaves nothing behind.  Sections close in the file that opens them.
 *
 * A page *.txt is for the plain part of a mail, never for a browser: values
 * stand in it as they are, but for control characters, which become spaces, so
 * that no value makes a line of its own.  It includes nothing.
 *
 * Templates are the project's and the administrator's, and the visitor has no
 * part in their errors: each is ERR_DAMAGED ("FILE:LINE: what") or ERR_SYSTEM,
 * also when a file is missing or longer than 256 kB.
 */
#ifndef QWD_WEB_TEMPLATE_H
#define QWD_WEB_TEMPLATE_H

#include <jansson.h>

#include "base/buf.h"
#include "base/err.h"

/*
 * Append to `out` the template `file` of `dirfd`, filled with `value`, an
 * object.  ERR_SYSTEM if the page is longer than the buffer's ceiling.  On
 * failure `out` holds what it held before.
 *
 * Files of the directory `site` (-1: none) stand in for those of the same name
 * in `dirfd`; they must pass template_check().
 *
 * A style sheet is escaped in the same way, which keeps a value from leaving
 * a <style> element but not from ending a declaration: give it checked
 * values only.
 */
MUST_CHECK int template_render(int site, int dirfd, const char *file,
			       const json_t *value, struct buf *out,
			       struct err *e);

/*
 * The lint: parse `file` and what it includes, and refuse values anywhere but
 * where escaping makes them harmless: in element text and in double-quoted
 * attributes.  So not in tags and names, other attributes, on..., style and
 * srcdoc attributes, script and style elements, comments.  A section must
 * begin and end in the same kind of place, and the file must end in text.
 * *.txt must only include nothing.  In
 * *.css a value stands only between the ':' and the ';' of a declaration.
 * Markup that this reader finds dubious is refused too.
 */
MUST_CHECK int template_check(int site, int dirfd, const char *file,
			      struct err *e);

/*
 * Does `file` of `site`, with what it includes of it, use only names that the
 * `shipped` templates of `dirfd` (NULL-terminated) use?  ERR_DAMAGED if not.  A
 * name may be right and stand on another page: that the page itself tells.
 */
MUST_CHECK int template_check_names(int site, int dirfd,
				    const char *const *shipped,
				    const char *file, struct err *e);

#endif
