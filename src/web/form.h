/*
 * The fields of a form: a request body (application/x-www-form-urlencoded,
 * multipart/form-data after RFC 7578) or a query string.
 *
 * Parsing is strict and complete before anybody sees a field.  In a parsed
 * form names are FORM_NAME_MAX letters, digits and '_' at most, each occurs
 * once, and values are UTF-8 without NUL of FORM_VALUE_MAX bytes at most, in
 * the order in which they came.  Values may hold passwords: they are wiped on
 * release.
 */
#ifndef QWD_WEB_FORM_H
#define QWD_WEB_FORM_H

#include <stddef.h>

#include "base/err.h"

enum {
	FORM_BODY_MAX = 128 * 1024,
	FORM_FIELDS_MAX = 64,
	FORM_NAME_MAX = 64,
	FORM_VALUE_MAX = 65535,
};

/* The type to give for a query string. */
#define FORM_URLENCODED "application/x-www-form-urlencoded"

struct form_field {
	const char *name;
	const char *value;
};

struct form {
	struct form_field fields[FORM_FIELDS_MAX];
	size_t count;
	char *memory; /* of names and values */
	size_t size;
};

#define FORM_INIT { .count = 0 }
#define AUTO_FORM __attribute__((cleanup(form_release)))

/*
 * Parse `len` bytes of the given Content-Type (NULL: none) into *ret, which
 * is empty before.  ERR_TOO_LARGE beyond FORM_BODY_MAX, else ERR_INPUT naming
 * the field if it is one field's fault: it comes twice, is too long, is no
 * valid UTF-8 or wrongly encoded, or is a file.  Then *ret stays empty.  On
 * success release it with form_release().
 */
MUST_CHECK int form_parse(struct form *ret, const char *content_type,
			  const char *body, size_t len, struct err *e);

/* The value of a field, valid until the release; NULL if it is absent. */
const char *form_get(const struct form *form, const char *name);

/* Wipe and free; the form is empty then. */
void form_release(struct form *form);

#endif
