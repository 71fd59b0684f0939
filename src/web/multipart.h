/*
 * The parts of a multipart/form-data body (RFC 7578; RFC 2046, section 5.1).
 *
 * Nothing is copied or decoded: names and values are slices of the body.
 * Lines end with CRLF exactly.  Text before the first and behind the last
 * boundary is ignored, and so are a part's Content-Type and its charset.
 */
#ifndef QWD_WEB_MULTIPART_H
#define QWD_WEB_MULTIPART_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum { MULTIPART_BOUNDARY_MAX = 70 };

struct multipart {
	const char *at; /* behind the last delimiter read */
	const char *end;
	char delimiter[sizeof("\r\n--") + MULTIPART_BOUNDARY_MAX];
	size_t delimiter_len;
};

struct multipart_part {
	const char *name;
	size_t name_len;
	const char *value;
	size_t value_len;
	bool is_file; /* it has a file's name */
};

/*
 * Begin to read `len` bytes at `body`, which stay the caller's.  `parameters`
 * is what follows "multipart/form-data" in Content-Type.  ERR_INPUT if there
 * is no good boundary in it, or if the body never has it.
 */
MUST_CHECK int multipart_begin(struct multipart *m, const char *parameters,
			       const char *body, size_t len, struct err *e);

/*
 * The next part: 1, or 0 behind the last one.  ERR_INPUT if the body is
 * malformed or cut short.
 */
MUST_CHECK int multipart_next(struct multipart *m, struct multipart_part *ret,
			      struct err *e);

#endif
