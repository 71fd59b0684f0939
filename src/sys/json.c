#include "sys/json.h"

#include <string.h>

/*
 * Jansson 2.14 does not notice everywhere that there was no memory: a text
 * that it reads or writes may then lack a piece.  So we ask malloc.
 */
static bool no_memory;

static void *note_malloc(size_t size)
{
	void *p = malloc(size);

	if (!p && size)
		no_memory = true;
	return p;
}

static void watch_memory(void)
{
	json_set_alloc_funcs(note_malloc, free);
	no_memory = false;
}

json_t *json_parse_object(const char *text, size_t len, struct err *e)
{
	json_error_t where;
	json_t *object;

	watch_memory();
	object = json_loadb(text, len, JSON_REJECT_DUPLICATES, &where);
	if (no_memory) {
		json_decref(object);
		err_set(e, ERR_SYSTEM, "no memory");
		return NULL;
	}
	if (!object) {
		err_set(e, ERR_DAMAGED, "JSON line %d: %s", where.line,
			where.text);
		return NULL;
	}
	if (!json_is_object(object)) {
		json_decref(object);
		err_set(e, ERR_DAMAGED, "JSON: not an object");
		return NULL;
	}
	return object;
}

char *json_text(const json_t *value)
{
	char *text;

	watch_memory();
	text = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
	if (!no_memory)
		return text;
	free(text);
	return NULL;
}

int json_get_string(const json_t *object, const char *key, size_t max,
		    const char **ret, struct err *e)
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_string(value) || json_string_length(value) > max)
		return err_set(e, ERR_DAMAGED,
			       "%s: not a string of at most %zu bytes", key,
			       max);
	*ret = json_string_value(value);
	return 0;
}

int json_get_string_or_null(const json_t *object, const char *key, size_t max,
			    const char **ret, struct err *e)
{
	if (json_is_null(json_object_get(object, key))) {
		*ret = NULL;
		return 0;
	}
	return json_get_string(object, key, max, ret, e);
}

int json_get_int(const json_t *object, const char *key, long long min,
		 long long max, long long *ret, struct err *e)
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_integer(value) || json_integer_value(value) < min ||
	    json_integer_value(value) > max)
		return err_set(e, ERR_DAMAGED,
			       "%s: not an integer within %lld and %lld", key,
			       min, max);
	*ret = json_integer_value(value);
	return 0;
}

int json_get_bool(const json_t *object, const char *key, bool *ret,
		  struct err *e)
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_boolean(value))
		return err_set(e, ERR_DAMAGED, "%s: not true or false", key);
	*ret = json_is_true(value);
	return 0;
}
