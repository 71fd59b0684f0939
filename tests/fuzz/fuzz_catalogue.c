/* The catalogue's reader, and that what it reads can be written again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "conf/catalogue_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(const struct catalogue *cat)
{
	AUTO_CATALOGUE struct catalogue again = { .list = NULL };
	AUTO_BUF struct buf text = BUF_INIT(1 << 24);
	struct err e = ERR_INIT;

	catalogue_format(cat, &text);
	if (catalogue_parse(buf_str(&text), text.len, &again, &e) < 0 ||
	    again.count != cat->count)
		abort();
	for (size_t i = 0; i < cat->count; i++)
		if (strcmp(cat->list[i].reason, again.list[i].reason) != 0 ||
		    cat->list[i].mtime != again.list[i].mtime)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_CATALOGUE struct catalogue cat = { .list = NULL };
	AUTO_FREE char *text = malloc(size + 1);
	struct err e = ERR_INIT;

	if (!text)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	if (catalogue_parse(text, size, &cat, &e) == 0)
		check_round_trip(&cat);
	else if (e.code != ERR_DAMAGED || cat.list)
		abort();
	return 0;
}
