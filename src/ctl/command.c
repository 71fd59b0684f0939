#include "ctl/command.h"

#include <stdarg.h>
#include <string.h>

#include "base/text.h"

static const struct {
	unsigned flag;
	const char *name;
	size_t offset;
} flags[] = {
	{ COMMAND_JSON, "--json", offsetof(struct given, json) },
	{ COMMAND_YES, "--yes", offsetof(struct given, yes) },
	{ COMMAND_QUIET, "--quiet", offsetof(struct given, quiet) },
	{ COMMAND_DRY_RUN, "--dry-run", offsetof(struct given, dry_run) },
};

/* ---- Finding one ---- */

/* As the Perl program's users write it. */
static const char *bare(const char *name)
{
	return text_starts(name, "--") ? name + 2 : name;
}

const struct command *command_find(const char *name)
{
	name = bare(name);
	for (size_t i = 0; i < command_count; i++)
		if (strcmp(commands[i].name, name) == 0 ||
		    (commands[i].other && strcmp(commands[i].other, name) == 0))
			return &commands[i];
	return NULL;
}

static size_t smallest(size_t a, size_t b, size_t c)
{
	size_t ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/* Letters to insert, remove or replace to make `a` into `b` (Levenshtein). */
static size_t distance(const char *a, const char *b)
{
	enum { LONGEST = 32 };
	size_t row[LONGEST + 1];
	size_t len = strnlen(b, LONGEST);

	for (size_t j = 0; j <= len; j++)
		row[j] = j;
	for (size_t i = 0; i < LONGEST && a[i]; i++) {
		size_t corner = row[0]++;

		for (size_t j = 0; j < len; j++) {
			size_t above = row[j + 1];

			row[j + 1] = smallest(above + 1, row[j] + 1,
					      corner + (a[i] != b[j]));
			corner = above;
		}
	}
	return row[len];
}

const struct command *command_nearest(const char *name)
{
	const struct command *nearest = NULL;
	/* What is more than half of the word's letters away is another one. */
	size_t least = smallest(4, 4, strlen(bare(name)) / 2 + 1);

	for (size_t i = 0; i < command_count; i++) {
		size_t d = distance(bare(name), commands[i].name);

		if (commands[i].help && d < least) {
			least = d;
			nearest = &commands[i];
		}
	}
	return nearest;
}

/* ---- Reading arguments ---- */

/* The length of an option's name; *ret_valued: it has a value. */
static size_t name_length(const char *option, bool *ret_valued)
{
	size_t len = strcspn(option, "=");

	*ret_valued = option[len] == '=';
	return len;
}

static bool read_flag(const char *arg, struct given *g)
{
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if ((g->command->flags & flags[i].flag) &&
		    strcmp(arg, flags[i].name) == 0) {
			*(bool *)((char *)g + flags[i].offset) = true;
			return true;
		}
	return false;
}

/* --NAME, --NAME=VALUE, or --NAME VALUE, which takes the next argument too. */
static bool read_own(char **argv, int *i, struct given *g)
{
	const char *arg = argv[*i];

	for (size_t k = 0; k < COMMAND_OPTIONS_MAX; k++) {
		const char *option = g->command->options[k];
		bool valued;
		size_t len;

		if (!option)
			break;
		len = name_length(option, &valued);
		if (strncmp(arg, option, len) != 0)
			continue;
		if (!valued && !arg[len])
			g->values[k] = "";
		else if (valued && arg[len] == '=')
			g->values[k] = arg + len + 1;
		else if (valued && !arg[len] && argv[*i + 1])
			g->values[k] = argv[++*i];
		else
			continue;
		return true;
	}
	return false;
}

static bool read_option(char **argv, int *i, struct given *g)
{
	return read_flag(argv[*i], g) || read_own(argv, i, g);
}

int command_read(const struct command *command, int argc, char **argv,
		 struct given *ret)
{
	struct given g = { .command = command, .words = argv };
	bool options = true;

	for (int i = 1; i < argc; i++) {
		char *arg = argv[i];

		if (options && arg[0] == '-' && arg[1]) {
			options = strcmp(arg, "--") != 0;
			if (!options || read_option(argv, &i, &g))
				continue;
			if (!command->any_option || !strchr(arg, '='))
				return command_usage(command,
						     "%.60s: unknown option",
						     arg);
		}
		g.words[g.count++] = arg;
	}
	g.words[g.count] = NULL;
	if (command->most == 0 && g.count)
		return command_usage(command, "%.60s: it takes options only",
				     g.words[0]);
	if (g.count < command->least || g.count > command->most)
		return command_usage(command, "%s", command->wanted);
	*ret = g;
	return CTL_DONE;
}

const char *given_value(const struct given *g, const char *option)
{
	size_t size = strlen(option);

	for (size_t k = 0; k < COMMAND_OPTIONS_MAX; k++) {
		const char *known = g->command->options[k];
		bool valued;

		if (known && strncmp(known + 2, option, size) == 0 &&
		    name_length(known, &valued) == size + 2)
			return g->values[k];
	}
	return NULL;
}

bool given_has(const struct given *g, const char *option)
{
	return given_value(g, option) != NULL;
}

int command_read_config(struct config *c, const char *file, bool named,
			struct err *e)
{
	if (config_init(c, e) < 0 || config_read(c, file, named, e) < 0)
		return -1;
	return config_finish(c, e);
}

/* ---- Printing ---- */

void command_print_usage(const struct command *command, FILE *out)
{
	const char *between = "";

	for (size_t k = 0; k < COMMAND_OPTIONS_MAX && command->options[k];
	     k++) {
		fprintf(out, "%s[%s]", between, command->options[k]);
		between = " ";
	}
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if (command->flags & flags[i].flag) {
			fprintf(out, "%s[%s]", between, flags[i].name);
			between = " ";
		}
	if (*command->words)
		fprintf(out, "%s%s", between, command->words);
}

void command_print_options(const struct command *command, FILE *out)
{
	for (size_t k = 0; k < COMMAND_OPTIONS_MAX && command->options[k];
	     k++) {
		bool valued;
		size_t len = name_length(command->options[k], &valued);

		fprintf(out, "%.*s%s\n", (int)len, command->options[k],
			valued ? "=" : "");
	}
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if (command->flags & flags[i].flag)
			fprintf(out, "%s\n", flags[i].name);
}

int command_usage(const struct command *command, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "qwdctl %s: ", command->name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\nUsage: qwdctl %s ", command->name);
	command_print_usage(command, stderr);
	fputc('\n', stderr);
	return CTL_USAGE;
}

int command_fail(const struct given *g, const struct err *e)
{
	fprintf(stderr, "qwdctl %s: %s\n", g->command->name, e->msg);
	return CTL_FAILED;
}

int command_print_json(const struct given *g, json_t *value)
{
	static const struct err no_output = { .code = ERR_SYSTEM,
					      .msg = "cannot print" };
	size_t how = JSON_INDENT(2) | JSON_ENSURE_ASCII |
		     JSON_REAL_PRECISION(10);
	int failed = !value || json_dumpf(value, stdout, how) < 0;

	json_decref(value);
	if (failed || putchar('\n') == EOF || fflush(stdout) == EOF)
		return command_fail(g, &no_output);
	return CTL_DONE;
}
