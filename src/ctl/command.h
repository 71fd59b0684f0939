/*
 * The table of qwdctl's commands, and what one was given.  The table is the
 * one place that knows options: arguments are read, refused, explained and
 * completed by it.
 *
 * A command gets the configuration and what it was given, prints for a person
 * on standard output, complaints on standard error, and returns the exit
 * status.
 */
#ifndef QWD_CTL_COMMAND_H
#define QWD_CTL_COMMAND_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "conf/options.h"

enum ctl_status {
	CTL_DONE = 0,
	CTL_FAILED = 1,
	CTL_USAGE = 2, /* the arguments are wrong; a sentence said how */
	CTL_NOTHING = 3, /* there was nothing to do */
};

/* Options that mean the same for each command that has them. */
enum command_flag {
	COMMAND_JSON = 1,    /* --json: facts as one JSON value */
	COMMAND_YES = 2,     /* --yes: do not ask */
	COMMAND_QUIET = 4,   /* --quiet: tell only what goes wrong */
	COMMAND_DRY_RUN = 8, /* --dry-run: say what would be done */
};

enum { COMMAND_OPTIONS_MAX = 8, COMMAND_WORDS_MANY = 1000 };

struct given;
typedef int command_run(const struct config *c, const struct given *g);

struct command {
	const char *name;
	const char *other; /* another name of it, or NULL */
	command_run *run;
	/* Its words, for people: "NAME...|--all", or "" where it has none. */
	const char *words;
	const char *wanted; /* said where there are too few or too many */
	size_t least, most;
	/* Options of its own: "--force", or "--jobs=N" for one with a value. */
	const char *options[COMMAND_OPTIONS_MAX];
	unsigned flags;    /* enum command_flag */
	bool any_option;   /* takes --NAME=VALUE of every name as a word */
	bool needs_config; /* the configuration is read before */
	const char *help;  /* NULL: of no use to people */
};

extern const struct command commands[];
extern const size_t command_count;

/* What it was given. */
struct given {
	const struct command *command;
	bool json, yes, quiet, dry_run;
	const char *values[COMMAND_OPTIONS_MAX]; /* NULL: not given */
	char **words; /* NULL-terminated; not owned */
	size_t count;
};

/* By its name, with or without "--"; NULL if there is none. */
const struct command *command_find(const char *name);

/* The command whose name is most like this one, or NULL. */
const struct command *command_nearest(const char *name);

/*
 * Sort the arguments behind the command's name: *ret points into `argv`, whose
 * order changes.  "--" ends the options.  CTL_DONE, or CTL_USAGE with the
 * complaint printed.
 */
MUST_CHECK int command_read(const struct command *command, int argc,
			    char **argv, struct given *ret);

/* Was this option of its own given ("force")?  Its value, "" if it has none. */
bool given_has(const struct given *g, const char *option);
const char *given_value(const struct given *g, const char *option);

/* Read the configuration `file`, whole; `named`: it must exist. */
MUST_CHECK int command_read_config(struct config *c, const char *file,
				   bool named, struct err *e);

/* "qwdctl NAME: WHAT" and how it is used, on standard error.  CTL_USAGE. */
int command_usage(const struct command *command, const char *fmt, ...)
	PRINTF_LIKE(2, 3);

/* "qwdctl NAME: ..." on standard error.  CTL_FAILED. */
int command_fail(const struct given *g, const struct err *e);

/* Print `value` (taken over; NULL: no memory).  CTL_DONE or CTL_FAILED. */
int command_print_json(const struct given *g, json_t *value);

/* How it is used, without its name: "[--now] [--yes] NAME...|--all". */
void command_print_usage(const struct command *command, FILE *out);

/* Its options, a line each: "--now", "--jobs=". */
void command_print_options(const struct command *command, FILE *out);

#endif
