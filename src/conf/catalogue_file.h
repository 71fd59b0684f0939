/*
 * The catalogue as a file: JSON, one machine a line, in exactly one form, so
 * that a request reads 200 machines in a small part of a millisecond.  For
 * catalogue.c only; others include conf/catalogue.h.
 */
#ifndef QWD_CONF_CATALOGUE_FILE_H
#define QWD_CONF_CATALOGUE_FILE_H

#include "base/buf.h"
#include "conf/catalogue.h"

/* Append the file's content; control characters in texts become blanks. */
void catalogue_format(const struct catalogue *cat, struct buf *out);

/*
 * Read what catalogue_format() wrote.  ERR_DAMAGED with the line if it is
 * anything else, be it the same JSON in another form.
 */
MUST_CHECK int catalogue_parse(const char *text, size_t len,
			       struct catalogue *ret, struct err *e);

#endif
