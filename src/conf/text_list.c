#include "conf/text_list.h"

#include <string.h>

int text_list_add(struct text_list *l, const char *text, const char *where,
		  struct err *e)
{
	struct text_item item = { .text = NULL };
	struct text_item *items;

	if (l->count >= TEXT_LIST_MAX)
		return err_set(e, ERR_CONFIG, "there are more than %d of them",
			       TEXT_LIST_MAX);
	items = reallocarray(l->items, l->count + 1, sizeof(*items));
	if (!items)
		return err_set(e, ERR_SYSTEM, "no memory");
	l->items = items;
	item.text = strdup(text);
	item.where = strdup(where);
	if (!item.text || !item.where) {
		free(item.text);
		free(item.where);
		return err_set(e, ERR_SYSTEM, "no memory");
	}
	items[l->count++] = item;
	return 0;
}

void text_list_clear(struct text_list *l)
{
	for (size_t i = 0; i < l->count; i++) {
		free(l->items[i].text);
		free(l->items[i].where);
	}
	free(l->items);
	*l = (struct text_list){ .items = NULL };
}
