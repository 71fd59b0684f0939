/* qwdctl: finds the command, reads the configuration, runs the command. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "base/version.h"
#include "ctl/ctl.h"

static bool asks_for_help(const char *arg)
{
	return strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0;
}

static int print_help_of(const struct command *command)
{
	printf("%s: %s\nUsage: qwdctl %s ", command->name, command->help,
	       command->name);
	command_print_usage(command, stdout);
	printf("\n");
	return CTL_DONE;
}

static int help_of(const struct given *g, const char *name)
{
	const struct command *command = command_find(name);

	if (!command || !command->help)
		return command_usage(g->command, "%.60s: there is no such "
						 "command",
				     name);
	return print_help_of(command);
}

int ctl_help(const struct config *c, const struct given *g)
{
	(void)c;
	if (g->count)
		return help_of(g, g->words[0]);
	printf("Usage: qwdctl [--config=FILE] COMMAND [ARGUMENTS]\n\n");
	for (size_t i = 0; i < command_count; i++)
		if (commands[i].help)
			printf("  %-14s %s\n", commands[i].name,
			       commands[i].help);
	printf("\n'qwdctl help COMMAND' tells how it is used, qwdctl(8) all "
	       "of it.\n"
	       "The configuration is FILE, or the file that QWD_CONFIG names, "
	       "or\n%s.\n"
	       "Exit status: 0 done, 1 failed, 2 wrong arguments, 3 nothing "
	       "to do.\n",
	       CONFIG_DEFAULT_FILE);
	return CTL_DONE;
}

int ctl_version(const struct config *c, const struct given *g)
{
	(void)c;
	if (g->json)
		return command_print_json(g, json_pack("{ss}", "version",
						       QWD_VERSION));
	printf("qwdctl %s\n", QWD_VERSION);
	return CTL_DONE;
}

static int unknown(const char *name)
{
	const struct command *nearest = command_nearest(name);

	fprintf(stderr, "qwdctl: there is no command %.60s", name);
	if (nearest)
		fprintf(stderr, "; did you mean %s?\n", nearest->name);
	else
		fprintf(stderr, "; see 'qwdctl help'\n");
	return CTL_USAGE;
}

static int run(const struct given *g, const char *file)
{
	AUTO_CONFIG struct config c = { .file = NULL };
	struct err e = ERR_INIT;

	if (!g->command->needs_config) {
		/* Where it would be. */
		c.file = strdup(file ? file : CONFIG_DEFAULT_FILE);
		return g->command->run(&c, g);
	}
	if (command_read_config(&c, file ? file : CONFIG_DEFAULT_FILE,
				file != NULL, &e) < 0) {
		fprintf(stderr, "qwdctl: %s\n", e.msg);
		return CTL_FAILED;
	}
	return g->command->run(&c, g);
}

int main(int argc, char **argv)
{
	static const char config[] = "--config=";
	const char *file = secure_getenv("QWD_CONFIG");
	const struct command *command;
	struct given given;
	int first = 1;
	int status;

	while (first < argc && text_starts(argv[first], config))
		file = argv[first++] + strlen(config);
	if (first >= argc) {
		fprintf(stderr, "Usage: qwdctl [--config=FILE] COMMAND; see "
				"'qwdctl help'\n");
		return CTL_USAGE;
	}
	command = command_find(argv[first]);
	if (!command)
		return unknown(argv[first]);
	if (command->help && first + 1 < argc && asks_for_help(argv[first + 1]))
		return print_help_of(command);
	status = command_read(command, argc - first, argv + first, &given);
	return status == CTL_DONE ? run(&given, file) : status;
}
