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

/* The widest cell of each column (caller frees); NULL if no memory. */
static size_t *column_widths(const struct table *t)
{
	size_t *widths = calloc(t->columns, sizeof(*widths));

	for (size_t i = 0; widths && i < t->count; i++) {
		size_t width = width_of(t->cells[i]);

		if (width > widths[i % t->columns])
			widths[i % t->columns] = width;
	}
	return widths;
}

void table_print(const struct table *t, int indent, FILE *out)
{
	AUTO_FREE size_t *widths = column_widths(t);

	for (size_t i = 0; widths && i < t->count && !t->failed; i++) {
		size_t column = i % t->columns;
		bool last = column + 1 == t->columns || i + 1 == t->count;
		size_t fill = widths[column] - width_of(t->cells[i]);

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
