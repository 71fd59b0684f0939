/*
 * Bars for what is under way, a line each at the bottom of the terminal, and
 * lines of text that appear above them.  For several threads.  Where standard
 * error is no terminal there are only the lines of text.
 */
#ifndef QWD_CTL_PROGRESS_H
#define QWD_CTL_PROGRESS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/buf.h"

enum { PROGRESS_BARS = 8 };

struct progress_bar {
	const char *name; /* not owned; NULL where nothing is under way */
	const char *word; /* shown in place of a bar, or NULL */
	long long done;
	long long total; /* 0 = not known */
	long long first; /* what was there when it began */
	long long began_ms;
};

struct progress {
	pthread_mutex_t lock;
	bool show;
	size_t drawn; /* lines on the screen */
	long long drawn_ms;
	struct progress_bar bars[PROGRESS_BARS];
};

void progress_init(struct progress *p, bool show);
void progress_release(struct progress *p);

/* A bar for `name`, which must stay; its number, -1 if all are taken. */
int progress_begin(struct progress *p, const char *name);
void progress_set(struct progress *p, int bar, long long done,
		  long long total);
/* "unpacking" and the like. */
void progress_word(struct progress *p, int bar, const char *word);
void progress_end(struct progress *p, int bar);

/* A line of text, to `out`, above the bars. */
void progress_say(struct progress *p, FILE *out, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

/*
 * One bar as text of at most `width` columns, without the end of the line:
 *
 *     debian.qcow2   [#####.....]  42 %  12.3 MB/s  1:20 left
 *
 * `now_ms` is on the clock of began_ms.  Narrow terminals get less of it.
 */
void progress_line(const struct progress_bar *b, long long now_ms,
		   size_t width, struct buf *out);

#endif
