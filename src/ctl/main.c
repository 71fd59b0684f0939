/* qwdctl: finds the command, reads the configuration, runs the command. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "base/version.h"
#include "ctl/ctl.h"
#include "ctl/unpack.h"

static int help(const struct config *c, int argc, char **argv);
static int version(const struct config *c, int argc, char **argv);

static const struct command {
	const char *name;
	int (*run)(const struct config *c, int argc, char **argv);
	bool needs_config;
	const char *help; /* NULL: another name of the one before */
} commands[] = {
	{ "download", ctl_download, true,
	  "[--force] [--jobs=N] [--dry-run] [--quiet] [NAME...]\n"
	  "                                  fetch machines, then refresh" },
	{ "update", ctl_download, true, NULL },
	{ "refresh", ctl_refresh, true,
	  "                      examine the machines and list them" },
	{ "status", ctl_status, true,
	  "[--json]              configuration, machines, sessions" },
	{ "start", ctl_start, true,
	  "MACHINE|FILE [--OPTION=VALUE...] [--count=N] [--keep]\n"
	  "                                  start sessions and follow them" },
	{ "launch", ctl_start, true, NULL },
	{ "stop", ctl_stop, true,
	  "NAME...|--all [--now] [--yes]   stop sessions" },
	{ "extend", ctl_extend, true,
	  "NAME [SECONDS]        give a session more time, from now on" },
	{ "report", ctl_report, true,
	  "[--since=DAY] [--until=DAY] [--user=NAME] [--json]   who had what" },
	{ "log", ctl_log, true,
	  "NAME                  what the log says of a session" },
	{ "purge", ctl_purge, true,
	  "                      remove what has expired or lost its owner" },
	{ "add", ctl_add, true,
	  "FILE|URL [--name=NAME] [--description=TEXT]   offer a machine" },
	{ "capture", ctl_capture, true,
	  "SESSION MACHINE.qcow2 [--description=TEXT]   make a machine of it" },
	{ "edit", ctl_edit, false,
	  "machines|config       change a file, and check it" },
	{ "import-config", ctl_import_config, false,
	  "CONFIG.PL [...]   take over the settings of the Perl service" },
	{ "check", ctl_check, true,
	  "                      what is wrong here, and what to do" },
	{ "gpu", ctl_gpu, true,
	  "[VENDOR:DEVICE [--dry-run]]   list graphics cards, or prepare the "
	  "host for one" },
	{ "gpu_unlock", ctl_gpu_unlock, true,
	  "[--dry-run]      undo what gpu has prepared" },
	{ "secret", ctl_secret, true,
	  "                      make the service's secret, once" },
	{ "config", ctl_config, true,
	  "[--defaults]          print all options and their values" },
	{ "flatten", ctl_flatten, true, NULL },
	{ "names", ctl_names, true, NULL },
	{ "unpack-worker", ctl_unpack_worker, false, NULL },
	{ "help", help, false, "                      this text" },
	{ "version", version, false, "                      the version" },
};

static int help(const struct config *c, int argc, char **argv)
{
	(void)c;
	(void)argc;
	(void)argv;
	printf("Usage: qwdctl [--config=FILE] COMMAND [ARGUMENTS]\n\n");
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (commands[i].help)
			printf("  %-9s %s\n", commands[i].name,
			       commands[i].help);
	printf("\nThe configuration is FILE, or the file that QWD_CONFIG "
	       "names, or\n%s.\n"
	       "Exit status: 0 done, 1 failed, 2 wrong arguments, 3 nothing "
	       "to do.\nSee qwdctl(8).\n",
	       CONFIG_DEFAULT_FILE);
	return CTL_DONE;
}

static int version(const struct config *c, int argc, char **argv)
{
	(void)c;
	(void)argc;
	(void)argv;
	printf("qwdctl %s\n", QWD_VERSION);
	return CTL_DONE;
}

/* ---- Finding the command ---- */

static const struct command *find(const char *name)
{
	if (text_starts(name, "--"))
		name += 2; /* as the Perl program's users write it */
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (strcmp(commands[i].name, name) == 0)
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

static int unknown(const char *name)
{
	const char *bare = text_starts(name, "--") ? name + 2 : name;
	const char *nearest = NULL;
	size_t least = 4;

	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		size_t d = distance(bare, commands[i].name);

		if (d < least && d < strlen(commands[i].name)) {
			least = d;
			nearest = commands[i].name;
		}
	}
	fprintf(stderr, "qwdctl: there is no command %.60s", name);
	if (nearest)
		fprintf(stderr, "; did you mean %s?\n", nearest);
	else
		fprintf(stderr, "; see 'qwdctl help'\n");
	return CTL_USAGE;
}

/* ---- Running it ---- */

static int run(const struct command *command, const char *file, int argc,
	       char **argv)
{
	AUTO_CONFIG struct config c = { .file = NULL };
	struct err e = ERR_INIT;

	if (!command->needs_config) {
		/* Where it would be. */
		c.file = strdup(file ? file : CONFIG_DEFAULT_FILE);
		return command->run(&c, argc, argv);
	}
	if (config_init(&c, &e) < 0 ||
	    config_read(&c, file ? file : CONFIG_DEFAULT_FILE, file != NULL,
			&e) < 0 ||
	    config_finish(&c, &e) < 0) {
		fprintf(stderr, "qwdctl: %s\n", e.msg);
		return CTL_FAILED;
	}
	return command->run(&c, argc, argv);
}

int main(int argc, char **argv)
{
	static const char config[] = "--config=";
	const char *file = secure_getenv("QWD_CONFIG");
	const struct command *command;
	char **rest;
	int first = 1;

	while (first < argc && text_starts(argv[first], config))
		file = argv[first++] + strlen(config);
	if (first >= argc) {
		fprintf(stderr, "Usage: qwdctl [--config=FILE] COMMAND; see "
				"'qwdctl help'\n");
		return CTL_USAGE;
	}
	rest = argv + first;
	command = find(rest[0]);
	if (!command)
		return unknown(rest[0]);
	return run(command, file, argc - first, rest);
}
