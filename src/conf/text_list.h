/*
 * A list of texts, each with the place where it was written, for messages:
 * "FILE:LINE", or "--OPTION" if it was said by hand.
 */
#ifndef QWD_CONF_TEXT_LIST_H
#define QWD_CONF_TEXT_LIST_H

#include <stddef.h>

#include "base/err.h"

enum { TEXT_LIST_MAX = 100 };

struct text_item {
	char *text;
	char *where;
};

struct text_list {
	struct text_item *items;
	size_t count;
};

/* Add copies.  ERR_CONFIG if there are TEXT_LIST_MAX already. */
MUST_CHECK int text_list_add(struct text_list *l, const char *text,
			     const char *where, struct err *e);

/* Empty it; it owns nothing then. */
void text_list_clear(struct text_list *l);

#endif
