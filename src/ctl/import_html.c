#include "ctl/import_html.h"

#include <string.h>
#include <strings.h>

#include "base/text.h"

void import_drop_comments(char *html)
{
	char *to = html;

	while (*html) {
		const char *end;

		if (strncmp(html, "<!--", 4) != 0) {
			*to++ = *html++;
			continue;
		}
		end = strstr(html + 4, "-->");
		if (!end)
			break;
		html += end - html + 3;
	}
	*to = '\0';
}

bool import_has_field(const char *html, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = html; (at = strcasestr(at, "name=")) != NULL;) {
		at += strlen("name=");
		if ((*at == '"' || *at == '\'') &&
		    strncmp(at + 1, name, len) == 0 && at[len + 1] == *at)
			return true;
	}
	return false;
}

/* `len` bytes with the entities that pages use resolved. */
static void add_plain(struct buf *out, const char *html, size_t len)
{
	static const struct {
		const char *entity;
		char plain;
	} entities[] = { { "&amp;", '&' }, { "&lt;", '<' }, { "&gt;", '>' },
			 { "&quot;", '"' }, { "&nbsp;", ' ' } };
	AUTO_FREE char *copy = NULL;
	char *trimmed;

	for (size_t i = 0; i < len;) {
		size_t k = 0;

		while (k < ARRAY_LEN(entities) &&
		       strncmp(html + i, entities[k].entity,
			       strlen(entities[k].entity)) != 0)
			k++;
		if (k < ARRAY_LEN(entities)) {
			buf_putc(out, entities[k].plain);
			i += strlen(entities[k].entity);
		} else {
			/* A line of the page is none of ours. */
			buf_putc(out, html[i] < ' ' && html[i] >= 0 ? ' ' :
								       html[i]);
			i++;
		}
	}
	copy = strdup(buf_str(out));
	trimmed = copy ? text_trim(copy) : NULL;
	buf_reset(out);
	buf_puts(out, trimmed ? trimmed : "");
}

bool import_next_option(const char **at, struct buf *value, struct buf *text)
{
	const char *tag = *at;

	buf_reset(value);
	buf_reset(text);
	while ((tag = strcasestr(tag, "<option")) != NULL) {
		const char *end = strchr(tag, '>');
		const char *given = strcasestr(tag, "value=");
		size_t len;

		if (!end)
			return false;
		tag = end + 1;
		if (!given || given > end)
			continue;
		given += strlen("value=");
		if (*given != '"' && *given != '\'')
			continue;
		len = strcspn(given + 1, *given == '"' ? "\"" : "'");
		add_plain(value, given + 1, len);
		add_plain(text, tag, strcspn(tag, "<"));
		*at = tag;
		return true;
	}
	return false;
}
