#include "conf/options.h"

#include <string.h>

#include "conf/options_table.h"

/*
 * Print words, each line with `indent` in front and at most 79 bytes; `column`
 * is where the first line stands already.
 */
static void wrap(FILE *out, const char *words, const char *indent,
		 size_t column)
{
	while (*words) {
		size_t len = strcspn(words, " ");

		if (column > strlen(indent) && column + 1 + len > 79) {
			fprintf(out, "\n%s", indent);
			column = strlen(indent);
		}
		column += (size_t)fprintf(out, " %.*s", (int)len, words);
		words += len;
		words += strspn(words, " ");
	}
	fputc('\n', out);
}

void config_notes(const struct config *c, FILE *out)
{
	for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++)
		if (option_table[i].kind == OPTION_NOTE && c->is_set[i])
			fprintf(out, "%s has no effect: %s\n",
				option_table[i].name, option_table[i].help);
}

static void print_list(const struct option *o, const struct config *c,
		       FILE *out)
{
	const struct text_list *l =
		(const void *)((const char *)c + o->offset);

	fputc('#', out);
	wrap(out, o->help, "#", 1);
	if (!l->count)
		fprintf(out, "%s =\n", o->name);
	for (size_t i = 0; i < l->count; i++)
		fprintf(out, "%s = %s\n", o->name, l->items[i].text);
	fputc('\n', out);
}

static void print_option(const struct option *o, const struct config *c,
			 FILE *out)
{
	AUTO_BUF struct buf value = BUF_INIT(8192);

	option_format(o, c, &value);
	fputc('#', out);
	wrap(out, o->help, "#", 1);
	fprintf(out, "%s =%s%s\n\n", o->name, value.len ? " " : "",
		buf_str(&value));
}

static void print_note(const struct option *o, FILE *out)
{
	int column = fprintf(out, "# %s has no effect:", o->name);

	wrap(out, o->help, "#", (size_t)column);
	fputc('\n', out);
}

void config_print(const struct config *c, bool defaults, FILE *out)
{
	AUTO_CONFIG struct config fresh = { .file = NULL };
	struct err e;

	if (defaults && config_init(&fresh, &e) < 0) {
		fprintf(out, "# %s\n", e.msg);
		return;
	}
	for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++) {
		const struct option *o = &option_table[i];

		if (o->kind == OPTION_NOTE)
			print_note(o, out);
		else if (o->kind == OPTION_LIST)
			print_list(o, defaults ? &fresh : c, out);
		else
			print_option(o, defaults ? &fresh : c, out);
	}
}

static json_t *option_value(const struct option *o, const struct config *c)
{
	AUTO_BUF struct buf value = BUF_INIT(8192);
	const struct text_list *l =
		(const void *)((const char *)c + o->offset);
	json_t *list;

	if (o->kind != OPTION_LIST) {
		option_format(o, c, &value);
		return json_string(buf_str(&value));
	}
	list = json_array();
	for (size_t i = 0; i < l->count; i++)
		json_array_append_new(list, json_string(l->items[i].text));
	return list;
}

json_t *config_value(const struct config *c, bool defaults)
{
	AUTO_CONFIG struct config fresh = { .file = NULL };
	json_t *all = json_object();
	struct err e = ERR_INIT;
	int failed = !all || (defaults && config_init(&fresh, &e) < 0);

	for (size_t i = 0; !failed && i < CONFIG_OPTION_COUNT; i++) {
		const struct option *o = &option_table[i];

		if (o->kind != OPTION_NOTE)
			failed = json_object_set_new(
				all, o->name,
				option_value(o, defaults ? &fresh : c));
	}
	if (!failed)
		return all;
	json_decref(all);
	return NULL;
}

void config_help(FILE *out)
{
	for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++) {
		const struct option *o = &option_table[i];

		if (o->kind == OPTION_NOTE)
			continue;
		fprintf(out, "  --%s=VALUE\n       ", o->name);
		wrap(out, o->help, "       ", 7);
	}
}
