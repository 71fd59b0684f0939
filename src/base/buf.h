/*
 * A growing byte buffer with a ceiling and a sticky failure.
 *
 * Add what you like and test buf_failed() once at the end: after the first
 * failure (ceiling reached, no memory) additions do nothing.  `data` is
 * always NUL-terminated behind `len` bytes, also when empty.
 */
#ifndef QWD_BASE_BUF_H
#define QWD_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"

struct buf {
	char *data;
	size_t len;
	size_t room; /* bytes allocated */
	size_t max;  /* ceiling for len */
	bool failed;
};

#define BUF_INIT(ceiling) { .data = NULL, .max = (ceiling) }
#define AUTO_BUF __attribute__((cleanup(buf_release)))

void buf_add(struct buf *b, const void *bytes, size_t len);
void buf_puts(struct buf *b, const char *text);
void buf_putc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Forget the content, keep the memory, clear the failure. */
void buf_reset(struct buf *b);

/* The content as a string, valid until the next change; "" when empty. */
const char *buf_str(const struct buf *b);

static inline bool buf_failed(const struct buf *b)
{
	return b->failed;
}

/* Hand the content over (caller frees); NULL if it failed or no memory. */
char *buf_take(struct buf *b);

void buf_release(struct buf *b);

#endif
