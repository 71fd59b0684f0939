/*
 * A table of text for a terminal: columns as wide as their widest cell.
 */
#ifndef QWD_CTL_TABLE_H
#define QWD_CTL_TABLE_H

#include <stddef.h>
#include <stdio.h>

#include "base/macros.h"

struct table {
	size_t columns;
	char **cells; /* row by row */
	size_t count;
	int failed;   /* no memory; nothing is printed then */
};

#define AUTO_TABLE __attribute__((cleanup(table_release)))

/* Add one cell, a copy of `text` without control characters
 * (text_make_printable()); rows fill from left to right. */
void table_add(struct table *t, const char *text);
void table_addf(struct table *t, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Print all rows, each behind `indent` blanks, with two between columns. */
void table_print(const struct table *t, int indent, FILE *out);
void table_release(struct table *t);

#endif
