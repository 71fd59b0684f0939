#include "conf/ini.h"

#include <fcntl.h>
#include <string.h>

#include "base/text.h"
#include "sys/file.h"

struct reader {
	const char *file;
	int number;
	char section[INI_LINE_MAX + 1];
	ini_handler *handler;
	void *arg;
};

static int emit(struct reader *r, const char *key, const char *value,
		struct err *e)
{
	struct ini_line line = {
		.file = r->file,
		.number = r->number,
		.section = r->section,
		.key = key,
		.value = value,
	};

	return r->handler(r->arg, &line, e);
}

/* `text` begins with '['. */
static int read_section(struct reader *r, char *text, struct err *e)
{
	size_t len = strlen(text);
	char *name;

	if (text[len - 1] != ']')
		return err_set(e, ERR_CONFIG, "a section is written [name]");
	text[len - 1] = '\0';
	name = text_trim(text + 1);
	if (!*name || strpbrk(name, "[]"))
		return err_set(e, ERR_CONFIG, "a section is written [name]");
	memcpy(r->section, name, strlen(name) + 1);
	return emit(r, NULL, NULL, e);
}

static int read_key(struct reader *r, char *text, struct err *e)
{
	char *equal = strchr(text, '=');
	const char *key;

	if (!equal)
		return err_set(e, ERR_CONFIG,
			       "neither a comment nor `name = value'");
	*equal = '\0';
	key = text_trim(text);
	if (!text_only(key, "_-."))
		return err_set(e, ERR_CONFIG,
			       "a name before '=' is made of letters, digits "
			       "and '_'");
	return emit(r, key, text_trim(equal + 1), e);
}

static int read_line(struct reader *r, const char *bytes, size_t len,
		     struct err *e)
{
	char copy[INI_LINE_MAX + 1];
	char *text;

	if (len > INI_LINE_MAX)
		return err_set(e, ERR_CONFIG, "longer than %d bytes",
			       INI_LINE_MAX);
	if (r->number == 1 && len >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
		return err_set(e, ERR_CONFIG, "begins with a byte-order mark");
	if (!text_is_utf8(bytes, len))
		return err_set(e, ERR_CONFIG, "holds NUL or invalid UTF-8");
	memcpy(copy, bytes, len);
	copy[len] = '\0';
	text = text_trim(copy);
	if (*text == '\0' || *text == '#' || *text == ';')
		return 0;
	for (char *c = text; *c; c++)
		if (*c == '\t')
			*c = ' ';
	if (text_has_control(text))
		return err_set(e, ERR_CONFIG, "holds a control character");
	return *text == '[' ? read_section(r, text, e) : read_key(r, text, e);
}

int ini_parse(const char *file, const char *text, size_t len,
	      ini_handler *handler, void *arg, struct err *e)
{
	struct reader r = { .file = file, .handler = handler, .arg = arg };
	const char *end = text + len;

	while (text < end) {
		const char *eol = memchr(text, '\n', (size_t)(end - text));

		if (!eol)
			eol = end;
		r.number++;
		if (read_line(&r, text, (size_t)(eol - text), e) < 0)
			return err_prefix(e, "%s:%d", file, r.number);
		text = eol + 1;
	}
	return 0;
}

int ini_read(const char *file, size_t max, ini_handler *handler, void *arg,
	     struct err *e)
{
	AUTO_BUF struct buf content = BUF_INIT(max);

	if (file_read(AT_FDCWD, file, true, &content, e) < 0) {
		if (e->code == ERR_TOO_LARGE || e->code == ERR_DAMAGED)
			e->code = ERR_CONFIG;
		return -1;
	}
	return ini_parse(file, buf_str(&content), content.len, handler, arg, e);
}
