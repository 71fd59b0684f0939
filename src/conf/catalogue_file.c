#include "conf/catalogue_file.h"

#include <limits.h>
#include <stddef.h>
#include <string.h>

#include "base/text.h"
#include "conf/machines.h"

#define HEAD "{\"version\": 1, \"machines\": ["
#define TAIL "\n]}\n"

enum kind { TEXT, NUMBER, TRUTH };

/* The members of an entry, in the file's order. */
static const struct member {
	const char *key; /* with what stands in front of the value */
	enum kind kind;
	size_t offset;
} members[] = {
#define MEMBER(key, kind, name)                                                \
	{ key ": ", kind, offsetof(struct catalogue_entry, name) }
	MEMBER("\n{\"name\"", TEXT, name),
	MEMBER(", \"description\"", TEXT, description),
	MEMBER(", \"format\"", TEXT, format),
	MEMBER(", \"iso\"", TRUTH, iso),
	MEMBER(", \"virtual_size\"", NUMBER, virtual_size),
	MEMBER(", \"size\"", NUMBER, size),
	MEMBER(", \"mtime\"", NUMBER, mtime),
	MEMBER(", \"usable\"", TRUTH, usable),
	MEMBER(", \"reason\"", TEXT, reason),
#define SETTING(key) MEMBER(", \"" #key "\"", TEXT, key),
	MACHINE_SETTINGS(SETTING)
#undef SETTING
#undef MEMBER
};

static void format_text(const char *text, struct buf *out)
{
	buf_putc(out, '"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			buf_putc(out, '\\');
		buf_putc(out, (unsigned char)*text < ' ' ? ' ' : *text);
	}
	buf_putc(out, '"');
}

static void format_entry(const struct catalogue_entry *entry, struct buf *out)
{
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		const void *m = (const char *)entry + members[i].offset;

		buf_puts(out, members[i].key);
		if (members[i].kind == TEXT)
			format_text(*(char *const *)m, out);
		else if (members[i].kind == NUMBER)
			buf_printf(out, "%lld", *(const long long *)m);
		else
			buf_puts(out, *(const bool *)m ? "true" : "false");
	}
	buf_putc(out, '}');
}

void catalogue_format(const struct catalogue *cat, struct buf *out)
{
	buf_puts(out, HEAD);
	for (size_t i = 0; i < cat->count; i++) {
		if (i)
			buf_putc(out, ',');
		format_entry(&cat->list[i], out);
	}
	buf_puts(out, TAIL);
}

/* Take `literal` off the text; false if something else is there. */
static bool take(const char **at, const char *literal)
{
	size_t len = strlen(literal);

	if (strncmp(*at, literal, len) != 0)
		return false;
	*at += len;
	return true;
}

static bool take_text(const char **at, char **ret)
{
	const char *begin = *at + 1;
	const char *end = begin;
	char *out;

	if (**at != '"')
		return false;
	for (; *end != '"'; end++) {
		if ((unsigned char)*end < ' ')
			return false;
		if (*end == '\\' && *++end != '"' && *end != '\\')
			return false;
	}
	out = malloc((size_t)(end - begin) + 1);
	if (!out)
		return false;
	*ret = out;
	for (; begin < end; begin++) {
		begin += *begin == '\\';
		*out++ = *begin;
	}
	*out = '\0';
	*at = end + 1;
	return true;
}

static bool take_number(const char **at, long long *ret)
{
	size_t len = strspn(*at, "-0123456789");
	char digits[24];

	if (len >= sizeof(digits))
		return false;
	memcpy(digits, *at, len);
	digits[len] = '\0';
	*at += len;
	return text_long(digits, LLONG_MIN, LLONG_MAX, ret);
}

static bool take_truth(const char **at, bool *ret)
{
	*ret = take(at, "true");
	return *ret || take(at, "false");
}

static bool take_entry(const char **at, struct catalogue_entry *entry)
{
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		void *m = (char *)entry + members[i].offset;

		if (!take(at, members[i].key) ||
		    (members[i].kind == TEXT && !take_text(at, m)) ||
		    (members[i].kind == NUMBER && !take_number(at, m)) ||
		    (members[i].kind == TRUTH && !take_truth(at, m)))
			return false;
	}
	return take(at, "}");
}

/* The number of lines that begin a machine; more is damage. */
static size_t count_lines(const char *text)
{
	size_t count = 0;

	while ((text = strchr(text, '\n')) != NULL)
		count += *++text == '{';
	return count;
}

int catalogue_parse(const char *text, size_t len, struct catalogue *ret,
		    struct err *e)
{
	AUTO_CATALOGUE struct catalogue cat = { .list = NULL };
	const char *at = text;
	size_t count = count_lines(text);
	bool good;

	if (count > MACHINES_MAX || !text_is_utf8(text, len))
		return err_set(e, ERR_DAMAGED, "not a catalogue");
	cat.list = calloc(count + 1, sizeof(*cat.list));
	if (!cat.list)
		return err_set(e, ERR_SYSTEM, "no memory");
	good = take(&at, HEAD);
	while (good && cat.count < count) {
		if (cat.count)
			good = take(&at, ",");
		good = good && take_entry(&at, &cat.list[cat.count++]);
	}
	if (!good || !take(&at, TAIL) || *at)
		return err_set(e, ERR_DAMAGED,
			       "damaged at machine %zu; run qwdctl refresh",
			       cat.count);
	*ret = cat;
	cat = (struct catalogue){ .list = NULL };
	return 0;
}
