/*
 * The INI dialect of config.conf and machines.conf, read strictly.
 *
 *     # a comment, also with ';', at the start of a line only
 *     [section]
 *     key = value
 *
 * A value is the rest of its line without the blanks at both ends; quotes
 * have no meaning.  Lines end with LF or CR LF.  Refused, as ERR_CONFIG with
 * "FILE:LINE: sentence": NUL, invalid UTF-8, a control character, a byte-order
 * mark, a line of more than INI_LINE_MAX bytes, a line that is neither
 * comment nor section nor `key = value`, a key with other characters than
 * letters, digits, '_', '-' and '.'.
 */
#ifndef QWD_CONF_INI_H
#define QWD_CONF_INI_H

#include <stddef.h>

#include "base/err.h"

enum { INI_LINE_MAX = 8192 };

/* One event; the strings are valid during the call only. */
struct ini_line {
	const char *file;
	int number;          /* of the line, from 1 */
	const char *section; /* "" before the first one */
	const char *key;     /* NULL: the section begins here */
	const char *value;   /* NULL with key */
};

/*
 * What is called for each section and each key.  Returns 0, or -1 with *e,
 * which ends the reading; the place is put in front of its message.
 */
typedef int ini_handler(void *arg, const struct ini_line *line, struct err *e);

/* Parse `len` bytes; `file` stands for their origin in messages. */
MUST_CHECK int ini_parse(const char *file, const char *text, size_t len,
			 ini_handler *handler, void *arg, struct err *e);

/*
 * Read and parse `file`, at most `max` bytes of it; symbolic links are
 * followed.  ERR_NOT_FOUND if it does not exist, ERR_CONFIG if it is too long
 * or no regular file, ERR_SYSTEM if it cannot be read.
 */
MUST_CHECK int ini_read(const char *file, size_t max, ini_handler *handler,
			void *arg, struct err *e);

#endif
