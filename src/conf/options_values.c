#include "conf/options_table.h"

#include <string.h>

#include "base/text.h"

#define COMMON(name, kind, help_, text_, number_, min_, max_)                  \
	{ #name, OPTION_##kind, offsetof(struct config, name), text_,          \
	  number_, min_, max_, help_ },
#define ENTRY_STR(name, def, min, max, help)                                   \
	COMMON(name, STR, help, def, 0, min, max)
#define ENTRY_PATH(name, def, min, max, help)                                  \
	COMMON(name, PATH, help, def, 0, min, max)
#define ENTRY_ENUM(name, def, min, max, help)                                  \
	COMMON(name, ENUM, help, def, 0, min, max)
#define ENTRY_COLOUR(name, def, min, max, help)                                \
	COMMON(name, COLOUR, help, def, 0, min, max)
#define ENTRY_INT(name, def, min, max, help)                                   \
	COMMON(name, INT, help, NULL, def, min, max)
#define ENTRY_MILLI(name, def, min, max, help)                                 \
	COMMON(name, MILLI, help, NULL, def, min, max)
#define ENTRY_BOOL(name, def, min, max, help)                                  \
	COMMON(name, BOOL, help, NULL, def, min, max)
#define ENTRY_LIST(name, def, min, max, help)                                  \
	COMMON(name, LIST, help, NULL, 0, min, max)
#define ENTRY_NOTE(name, def, min, max, help)                                  \
	{ #name, OPTION_NOTE, 0, NULL, 0, 0, 0, help },
#define ENTRY(kind, name, def, min, max, help)                                 \
	ENTRY_##kind(name, def, min, max, help)

const struct option option_table[CONFIG_OPTION_COUNT] = {
	CONFIG_OPTIONS(ENTRY)
};

enum { PATH_BYTES_MAX = 1024 };

static void *member(const struct option *o, struct config *c)
{
	return (char *)c + o->offset;
}

static bool is_number(const struct option *o)
{
	return o->kind == OPTION_INT || o->kind == OPTION_MILLI;
}

static bool is_text(const struct option *o)
{
	return !is_number(o) && o->kind != OPTION_BOOL &&
	       o->kind != OPTION_NOTE && o->kind != OPTION_LIST;
}

static void format_milli(long long value, struct buf *out)
{
	char fraction[5];
	size_t len = 4;

	snprintf(fraction, sizeof(fraction), ".%03u",
		 (unsigned)(value % 1000) % 1000U);
	while (len > 1 && fraction[len - 1] == '0')
		len--;
	buf_printf(out, "%lld", value / 1000);
	if (len > 1)
		buf_add(out, fraction, len);
}

void option_format(const struct option *o, const struct config *c,
		   struct buf *out)
{
	const void *m = (const char *)c + o->offset;

	if (is_text(o))
		buf_puts(out, *(char *const *)m);
	else if (o->kind == OPTION_INT)
		buf_printf(out, "%lld", *(const long long *)m);
	else if (o->kind == OPTION_MILLI)
		format_milli(*(const long long *)m, out);
	else if (o->kind == OPTION_BOOL)
		buf_puts(out, *(const bool *)m ? "yes" : "no");
}

void option_release(const struct option *o, struct config *c)
{
	char **text = member(o, c);

	if (o->kind == OPTION_LIST)
		text_list_clear(member(o, c));
	if (!is_text(o))
		return;
	free(*text);
	*text = NULL;
}

int option_default(const struct option *o, struct config *c, struct err *e)
{
	void *m = member(o, c);

	if (is_number(o))
		*(long long *)m = o->number;
	else if (o->kind == OPTION_BOOL)
		*(bool *)m = o->number != 0;
	else if (is_text(o)) {
		char *copy = strdup(o->text);

		if (!copy)
			return err_set(e, ERR_SYSTEM, "no memory");
		*(char **)m = copy;
	}
	return 0;
}

static int refuse(const struct option *o, const char *value,
		  const char *problem, struct err *e)
{
	return err_set(e, ERR_CONFIG, "%s: '%.80s' %s", o->name, value,
		       problem);
}

static int set_number(const struct option *o, struct config *c,
		      const char *value, struct err *e)
{
	AUTO_BUF struct buf problem = BUF_INIT(200);
	long long number;
	bool good;

	if (o->kind == OPTION_INT) {
		good = text_long(value, o->min, o->max, &number);
		buf_printf(&problem, "is not a whole number from %lld to %lld",
			   o->min, o->max);
	} else {
		good = text_milli(value, o->min, o->max, &number);
		buf_puts(&problem, "is not a number from ");
		format_milli(o->min, &problem);
		buf_puts(&problem, " to ");
		format_milli(o->max, &problem);
	}
	if (!good)
		return refuse(o, value, buf_str(&problem), e);
	*(long long *)member(o, c) = number;
	return 0;
}

/* True if `value` is one of the words that `help` begins with. */
static bool is_word(const char *value, const char *help)
{
	size_t len = strlen(value);

	if (strpbrk(value, "|:"))
		return false;
	for (;;) {
		size_t word = strcspn(help, "|:");

		if (word == len && memcmp(help, value, len) == 0)
			return true;
		if (help[word] != '|')
			return false;
		help += word + 1;
	}
}

static const char *check_text(const struct option *o, char *value)
{
	size_t len = strlen(value);

	if (!text_is_utf8(value, len) || text_has_control(value))
		return "holds a control character or invalid UTF-8";
	if (o->kind == OPTION_STR && len < (size_t)o->min)
		return "must not be empty";
	if (o->kind == OPTION_STR && len > (size_t)o->max)
		return "is too long";
	if (o->kind == OPTION_COLOUR && !text_is_colour(value))
		return "is not a colour, as #12ab9f";
	if (o->kind == OPTION_PATH && *value != '/' && (*value || *o->text))
		return "is not an absolute path";
	if (o->kind == OPTION_PATH && len > PATH_BYTES_MAX)
		return "is too long";
	while (o->kind == OPTION_PATH && len > 1 && value[len - 1] == '/')
		value[--len] = '\0';
	return option_form(o, value);
}

bool config_allows(enum config_option option, const char *value)
{
	const struct option *o = &option_table[option];
	AUTO_FREE char *copy = strdup(value);

	return copy && is_text(o) &&
	       (o->kind != OPTION_ENUM || is_word(value, o->help)) &&
	       !check_text(o, copy);
}

static int set_text(const struct option *o, struct config *c, const char *value,
		    struct err *e)
{
	AUTO_FREE char *copy = strdup(value);
	const char *problem;

	if (!copy)
		return err_set(e, ERR_SYSTEM, "no memory");
	if (o->kind == OPTION_ENUM && !is_word(value, o->help))
		return err_set(e, ERR_CONFIG, "%s: '%.80s' is not one of %.*s",
			       o->name, value, (int)strcspn(o->help, ":"),
			       o->help);
	problem = check_text(o, copy);
	if (problem)
		return refuse(o, value, problem, e);
	option_release(o, c);
	*(char **)member(o, c) = TAKE(copy);
	return 0;
}

struct text_list *option_list(const struct option *o, struct config *c)
{
	return member(o, c);
}

int option_add(const struct option *o, struct config *c, const char *value,
	       const char *where, struct err *e)
{
	if (!text_is_utf8(value, strlen(value)) || text_has_control(value))
		return refuse(o, value,
			      "holds a control character or invalid UTF-8", e);
	if (strlen(value) > (size_t)o->max)
		return refuse(o, value, "is too long", e);
	if (!*value) {
		text_list_clear(option_list(o, c));
		return 0;
	}
	if (text_list_add(option_list(o, c), value, where, e) < 0)
		return err_prefix(e, "%s", o->name);
	return 0;
}

int option_set(const struct option *o, struct config *c, const char *value,
	       struct err *e)
{
	if (is_number(o))
		return set_number(o, c, value, e);
	if (is_text(o))
		return set_text(o, c, value, e);
	if (o->kind == OPTION_LIST)
		return option_add(o, c, value, o->name, e);
	if (o->kind == OPTION_BOOL && !text_bool(value, member(o, c)))
		return refuse(o, value, "is neither yes nor no", e);
	return 0;
}
