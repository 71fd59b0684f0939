/*
 * What a response's headers say about its body: which version of the file it
 * is of, and which part of that.
 */
#ifndef QWD_CTL_FETCH_HEADERS_H
#define QWD_CTL_FETCH_HEADERS_H

#include <stdbool.h>
#include <stddef.h>

#include "ctl/fetch.h"

struct fetch_headers {
	char etag[FETCH_TAG_SIZE];     /* as sent, "" if none */
	char modified[FETCH_TAG_SIZE]; /* Last-Modified, "" if none */
	char range[FETCH_TAG_SIZE];    /* Content-Range, "" if none */
};

/* Take one line of `len` bytes, with or without its end.  A status line begins
 * another response and forgets the one before. */
void fetch_headers_add(struct fetch_headers *h, const char *line, size_t len);

/* What can stand in If-Range (RFC 9110, 13.1.5): the entity tag if it is a
 * strong one, else the date, else "". */
const char *fetch_headers_validator(const struct fetch_headers *h);

/* True if a body with these headers goes on at byte `have` of the file that
 * `validator` names. */
bool fetch_headers_continue(const struct fetch_headers *h, long long have,
			    const char *validator);

#endif
