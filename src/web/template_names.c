/* Names that a site's own template may use: those of the shipped ones. */
#include "web/template.h"

#include <string.h>

#include "web/template_parse.h"

enum { NAMES_MAX_BYTES = 256 * 1024 };

static bool has_name(const struct token *t)
{
	return t->kind == TOKEN_VALUE || t->kind == TOKEN_SECTION ||
	       t->kind == TOKEN_INVERSE;
}

/* The names of all files of the set, each in a line of its own. */
static void add_names(const struct template_set *set, struct buf *ret)
{
	for (size_t i = 0; i < set->count; i++) {
		const struct template_file *f = &set->files[i];

		for (size_t k = 0; k < f->count; k++) {
			const char *part = f->tokens[k].text;

			if (!has_name(&f->tokens[k]))
				continue;
			for (size_t n = 0; n < f->tokens[k].count; n++) {
				buf_printf(ret, "%s\n", part);
				part += strlen(part) + 1;
			}
		}
	}
}

static bool is_known(const struct buf *names, const char *name)
{
	size_t len = strlen(name);

	for (const char *line = buf_str(names); *line;
	     line += strcspn(line, "\n") + 1)
		if (strncmp(line, name, len) == 0 && line[len] == '\n')
			return true;
	return false;
}

static int check_file(const struct template_file *f, const struct buf *names,
		      struct err *e)
{
	for (size_t k = 0; k < f->count; k++) {
		const struct token *t = &f->tokens[k];
		const char *part = t->text;

		for (size_t n = 0; has_name(t) && n < t->count; n++) {
			if (!is_known(names, part))
				return template_error(f, t->line, e,
						      "'%s' is unknown", part);
			part += strlen(part) + 1;
		}
	}
	return 0;
}

int template_check_names(int site, int dirfd, const char *const *shipped,
			 const char *file, struct err *e)
{
	AUTO_BUF struct buf names = BUF_INIT(NAMES_MAX_BYTES);
	AUTO_TEMPLATE_SET struct template_set own = { .count = 0 };

	for (; *shipped; shipped++) {
		AUTO_TEMPLATE_SET struct template_set set = { .count = 0 };

		if (template_set_load(-1, dirfd, *shipped, &set, e) < 0)
			return -1;
		add_names(&set, &names);
	}
	if (buf_failed(&names))
		return err_set(e, ERR_SYSTEM, "no memory for names");
	if (template_set_load(site, dirfd, file, &own, e) < 0)
		return -1;
	for (size_t i = 0; i < own.count; i++)
		if (own.files[i].of_site &&
		    check_file(&own.files[i], &names, e) < 0)
			return -1;
	return 0;
}
