/*
 * A form.  The first byte chooses: 'u' urlencoded, 'm' multipart with the
 * boundary "B", else the Content-Type is the first line.  What is accepted
 * keeps the promises of form.h, and is the same again when it is encoded in
 * both ways and parsed; what is refused leaves nothing.
 */
#include <stdint.h>
#include <string.h>

#include "base/text.h"
#include "web/form.h"

#define BOUNDARY "c7d1e1f0-boundary"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void check_promises(const struct form *form)
{
	require(form->count <= FORM_FIELDS_MAX);
	for (size_t i = 0; i < form->count; i++) {
		const struct form_field *f = &form->fields[i];
		size_t len = strlen(f->value);

		require(strlen(f->name) <= FORM_NAME_MAX);
		require(text_only(f->name, "_"));
		require(len <= FORM_VALUE_MAX);
		require(text_is_utf8(f->value, len));
		require(form_get(form, f->name) == f->value);
	}
}

static void check_refusal(const struct form *form, const struct err *e)
{
	require(e->code == ERR_INPUT || e->code == ERR_TOO_LARGE);
	require(e->msg[0] && text_is_utf8(e->msg, strlen(e->msg)));
	require(!e->field[0] || text_only(e->field, "_"));
	require(form->count == 0 && !form->memory);
}

static void check_same(const struct form *form, const char *type,
		       const struct buf *body)
{
	AUTO_FORM struct form again = FORM_INIT;
	struct err e = ERR_INIT;

	require(!buf_failed(body));
	if (body->len > FORM_BODY_MAX)
		return;
	require(form_parse(&again, type, body->data, body->len, &e) == 0);
	require(again.count == form->count);
	for (size_t i = 0; i < form->count; i++) {
		require(strcmp(again.fields[i].name, form->fields[i].name) ==
			0);
		require(strcmp(again.fields[i].value, form->fields[i].value) ==
			0);
	}
}

static void check_round_trips(const struct form *form)
{
	AUTO_BUF struct buf url = BUF_INIT(8 * FORM_BODY_MAX);
	AUTO_BUF struct buf parts = BUF_INIT(8 * FORM_BODY_MAX);

	for (size_t i = 0; i < form->count; i++) {
		const struct form_field *f = &form->fields[i];

		buf_printf(&url, "&%s=", f->name);
		text_url_escape(&url, f->value);
		if (strstr(f->value, "\r\n--" BOUNDARY))
			return;
		buf_printf(&parts,
			   "--" BOUNDARY "\r\nContent-Disposition: form-data; "
			   "name=\"%s\"\r\n\r\n%s\r\n",
			   f->name, f->value);
		if (text_starts(f->value, "--" BOUNDARY))
			return;
	}
	buf_puts(&parts, "--" BOUNDARY "--\r\n");
	check_same(form, FORM_URLENCODED, &url);
	check_same(form, "multipart/form-data; boundary=\"" BOUNDARY "\"",
		   &parts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *body = (const char *)data;
	AUTO_FORM struct form form = FORM_INIT;
	AUTO_FREE char *type = NULL;
	struct err e = ERR_INIT;
	const char *line;

	if (size == 0)
		return 0;
	if (body[0] == 'u') {
		type = strdup(FORM_URLENCODED);
		body++;
	} else if (body[0] == 'm') {
		type = strdup("multipart/form-data; boundary=B");
		body++;
	} else {
		line = memchr(body, '\n', size);
		if (!line)
			return 0;
		type = strndup(body, (size_t)(line - body));
		body = line + 1;
	}
	size -= (size_t)(body - (const char *)data);
	require(type != NULL);
	if (form_parse(&form, type, body, size, &e) == 0) {
		check_promises(&form);
		check_round_trips(&form);
	} else {
		check_refusal(&form, &e);
	}
	return 0;
}
