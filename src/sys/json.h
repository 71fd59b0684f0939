/*
 * Strict reading of JSON objects over jansson: every getter asks for one type
 * and one range.  Loading refuses duplicate keys, trailing junk and NUL.
 */
#ifndef QWD_SYS_JSON_H
#define QWD_SYS_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define AUTO_JSON __attribute__((cleanup(auto_json)))

static inline void auto_json(json_t **j)
{
	json_decref(*j);
}

/* Parse an object.  ERR_DAMAGED with the position, or ERR_SYSTEM.  The caller
 * owns the result. */
MUST_CHECK json_t *json_parse_object(const char *text, size_t len,
				     struct err *e);

/* A value as compact JSON text, whole (the caller frees); NULL if no memory, or
 * if `value` is NULL.  For all that is kept: json_dumps() may write less. */
char *json_text(const json_t *value);

/*
 * Members of `object`.  A missing member or one of another type or range is
 * ERR_DAMAGED naming the key.  Strings stay owned by the object; `max` is the
 * longest accepted length in bytes.  The _or_null forms accept JSON's null,
 * and give NULL.
 */
MUST_CHECK int json_get_string(const json_t *object, const char *key,
			       size_t max, const char **ret, struct err *e);
MUST_CHECK int json_get_string_or_null(const json_t *object, const char *key,
				       size_t max, const char **ret,
				       struct err *e);
MUST_CHECK int json_get_int(const json_t *object, const char *key,
			    long long min, long long max, long long *ret,
			    struct err *e);
MUST_CHECK int json_get_bool(const json_t *object, const char *key, bool *ret,
			     struct err *e);

#endif
