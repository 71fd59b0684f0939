#include "ctl/table.h"

#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include "base/text.h"

static void add_cell(struct table *t, char *cell)
{
	char **cells = cell ? reallocarray(t->cells, t->count + 1,
					   sizeof(*cells)) :
			      NULL;

	if (!cells) {
		free(cell);
		t->failed = 1;
		return;
	}
	t->cells = cells;
	t->cells[t->count++] = cell;
}

static void take_cell(struct table *t, char *cell)
{
	if (cell)
		text_make_printable(cell);
	add_cell(t, cell);
}

void table_add(struct table *t, const char *text)
{
	take_cell(t, strdup(text));
}

void table_addf(struct table *t, const char *fmt, ...)
{
	char *cell;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&cell, fmt, ap) < 0)
		cell = NULL;
	va_end(ap);
	take_cell(t, cell);
}

/* Characters of UTF-8 text. */
static size_t width_of(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

static size_t column_width(const struct table *t, size_t column)
{
	size_t widest = 0;

	for (size_t i = column; i < t->count; i += t->columns) {
		size_t width = width_of(t->cells[i]);

		if (width > widest)
			widest = width;
	}
	return widest;
}

void table_print(const struct table *t, int indent, FILE *out)
{
	for (size_t i = 0; i < t->count && !t->failed; i++) {
		size_t column = i % t->columns;
		bool last = column + 1 == t->columns || i + 1 == t->count;
		size_t fill = column_width(t, column) - width_of(t->cells[i]);

		fprintf(out, "%*s%s", column ? 2 : indent, "", t->cells[i]);
		if (last)
			fputc('\n', out);
		else
			fprintf(out, "%*s", (int)fill, "");
	}
}

void table_release(struct table *t)
{
	for (size_t i = 0; i < t->count; i++)
		free(t->cells[i]);
	free(t->cells);
	*t = (struct table){ 0 };
}
