#include "web/form.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "web/multipart.h"

/* Filling form->memory, which form_parse() makes large enough. */
struct builder {
	struct form *form;
	char *at;
	struct err *e;
};

const char *form_get(const struct form *form, const char *name)
{
	for (size_t i = 0; i < form->count; i++)
		if (strcmp(form->fields[i].name, name) == 0)
			return form->fields[i].value;
	return NULL;
}

void form_release(struct form *form)
{
	if (form->memory)
		explicit_bzero(form->memory, form->size);
	free(form->memory);
	*form = (struct form)FORM_INIT;
}

/* A name of `len` bytes was put at b->at: take it. */
static int take_name(struct builder *b, size_t len)
{
	struct form *form = b->form;
	const char *name = b->at;

	b->at[len] = '\0';
	if (form->count == FORM_FIELDS_MAX)
		return err_set(b->e, ERR_INPUT,
			       "The form has more than %d fields.",
			       FORM_FIELDS_MAX);
	if (len > FORM_NAME_MAX || strlen(name) != len || !text_only(name, "_"))
		return err_set(b->e, ERR_INPUT,
			       "A field of the form has a wrong name.");
	if (form_get(form, name))
		return err_field(b->e, name, "%s is given twice.", name);
	form->fields[form->count].name = name;
	b->at += len + 1;
	return 0;
}

/* A value of `len` bytes was put at b->at, for the name taken last. */
static int take_value(struct builder *b, size_t len)
{
	struct form_field *field = &b->form->fields[b->form->count];

	b->at[len] = '\0';
	if (len > FORM_VALUE_MAX)
		return err_field(b->e, field->name,
				 "%s is longer than %d bytes.", field->name,
				 FORM_VALUE_MAX);
	if (!text_is_utf8(b->at, len))
		return err_field(b->e, field->name, "%s is no valid text.",
				 field->name);
	field->value = b->at;
	b->at += len + 1;
	b->form->count++;
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Decode into `to`: *ret_len bytes.  False if the encoding is wrong. */
static bool url_decode(const char *text, size_t len, char *to, size_t *ret_len)
{
	const char *start = to;

	for (size_t i = 0; i < len; i++) {
		int high;
		int low;

		if (text[i] != '%') {
			*to++ = text[i] == '+' ? ' ' : text[i];
			continue;
		}
		if (len - i < 3)
			return false;
		high = hex_digit(text[i + 1]);
		low = hex_digit(text[i + 2]);
		if (high < 0 || low < 0)
			return false;
		*to++ = (char)(high << 4 | low);
		i += 2;
	}
	*ret_len = (size_t)(to - start);
	return true;
}

/* "name=value", or "name" for an empty value (URL standard, section 5.1) */
static int add_pair(struct builder *b, const char *pair, size_t len)
{
	const char *equals = memchr(pair, '=', len);
	size_t name_len = equals ? (size_t)(equals - pair) : len;
	const char *value = equals ? equals + 1 : pair + len;
	size_t value_len = (size_t)(pair + len - value);

	if (!url_decode(pair, name_len, b->at, &name_len))
		return err_set(b->e, ERR_INPUT,
			       "A field's name is wrongly encoded.");
	if (take_name(b, name_len) < 0)
		return -1;
	if (!url_decode(value, value_len, b->at, &value_len)) {
		const char *name = b->form->fields[b->form->count].name;

		return err_field(b->e, name, "%s is wrongly encoded.", name);
	}
	return take_value(b, value_len);
}

static int add_pairs(struct builder *b, const char *body, size_t len)
{
	const char *end = body + len;

	while (body < end) {
		const char *stop = memchr(body, '&', (size_t)(end - body));

		if (!stop)
			stop = end;
		if (stop > body && add_pair(b, body, (size_t)(stop - body)) < 0)
			return -1;
		body = stop + (stop < end);
	}
	return 0;
}

static int add_part(struct builder *b, const struct multipart_part *part)
{
	memcpy(b->at, part->name, part->name_len);
	if (take_name(b, part->name_len) < 0)
		return -1;
	if (part->is_file) {
		const char *name = b->form->fields[b->form->count].name;

		return err_field(b->e, name, "%s cannot be a file.", name);
	}
	memcpy(b->at, part->value, part->value_len);
	return take_value(b, part->value_len);
}

static int add_parts(struct builder *b, const char *parameters,
		     const char *body, size_t len)
{
	struct multipart_part part;
	struct multipart m;
	int more;

	if (multipart_begin(&m, parameters, body, len, b->e) < 0)
		return -1;
	while ((more = multipart_next(&m, &part, b->e)) > 0)
		if (add_part(b, &part) < 0)
			return -1;
	return more;
}

static int add_fields(struct builder *b, const char *content_type,
		      const char *body, size_t len)
{
	static const char urlencoded[] = FORM_URLENCODED;
	static const char multipart[] = "multipart/form-data";
	const char *type = content_type ? content_type : "";
	size_t type_len = strcspn(type, "; \t");

	if (type_len == strlen(urlencoded) &&
	    strncasecmp(type, urlencoded, type_len) == 0)
		return add_pairs(b, body, len);
	if (type_len == strlen(multipart) &&
	    strncasecmp(type, multipart, type_len) == 0)
		return add_parts(b, type + type_len, body, len);
	return err_set(b->e, ERR_INPUT, "This is not sent as a form.");
}

int form_parse(struct form *ret, const char *content_type, const char *body,
	       size_t len, struct err *e)
{
	struct builder b = { .form = ret, .e = e };

	*ret = (struct form)FORM_INIT;
	if (len > FORM_BODY_MAX)
		return err_set(e, ERR_TOO_LARGE,
			       "The form is longer than %d bytes.",
			       FORM_BODY_MAX);
	/* All names and values come from the body, and end with a NUL each;
	 * one name more than fields is looked at. */
	ret->size = len + 2 * (FORM_FIELDS_MAX + 1);
	ret->memory = malloc(ret->size);
	if (!ret->memory)
		return err_set(e, ERR_SYSTEM, "no memory");
	b.at = ret->memory;
	if (add_fields(&b, content_type, len ? body : "", len) == 0)
		return 0;
	form_release(ret);
	return -1;
}
