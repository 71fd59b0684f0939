/*
 * The option table as data: what options.c, options_values.c,
 * options_forms.c and options_print.c share.  Others include conf/options.h.
 */
#ifndef QWD_CONF_OPTIONS_TABLE_H
#define QWD_CONF_OPTIONS_TABLE_H

#include <stddef.h>

#include "base/buf.h"
#include "conf/options.h"

enum option_kind {
	OPTION_STR,
	OPTION_PATH,
	OPTION_INT,
	OPTION_MILLI,
	OPTION_BOOL,
	OPTION_ENUM,
	OPTION_COLOUR,
	OPTION_LIST,
	OPTION_NOTE,
};

struct option {
	const char *name;
	enum option_kind kind;
	size_t offset;    /* of the member in struct config */
	const char *text; /* default of the text kinds, else NULL */
	long long number; /* default of the number kinds */
	long long min, max;
	const char *help;
};

/* In the order of enum config_option. */
extern const struct option option_table[CONFIG_OPTION_COUNT];

/* Set the default, which is not checked.  ERR_SYSTEM if no memory. */
MUST_CHECK int option_default(const struct option *o, struct config *c,
			      struct err *e);

/* Check `value` and set it.  ERR_CONFIG "NAME: sentence"; *c as before. */
MUST_CHECK int option_set(const struct option *o, struct config *c,
			  const char *value, struct err *e);

/* The same of a LIST: one text more, written at `where`; "" empties it. */
MUST_CHECK int option_add(const struct option *o, struct config *c,
			  const char *value, const char *where, struct err *e);

/*
 * Has a text the form that this option's must have?  `value` may be rewritten
 * in place, never longer.  NULL, or the end of a sentence that says what is
 * wrong.
 */
const char *option_form(const struct option *o, char *value);

/* The list of a LIST. */
struct text_list *option_list(const struct option *o, struct config *c);

/* Free what the member owns. */
void option_release(const struct option *o, struct config *c);

/* The member's value as option_set() reads it. */
void option_format(const struct option *o, const struct config *c,
		   struct buf *out);

#endif
