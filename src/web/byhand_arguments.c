#include "web/byhand_arguments.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "base/version.h"
#include "conf/arguments.h"

int by_hand_complain(const struct err *e)
{
	fprintf(stderr, "qemu-web-desktop: %s\n", e->msg);
	return BY_HAND_FAILED;
}

int by_hand_usage(const char *arg, const char *why)
{
	fprintf(stderr,
		"qemu-web-desktop: %s: %s\n"
		"Try 'qemu-web-desktop --help'.\n",
		arg, why);
	return BY_HAND_USAGE;
}

static void help(void)
{
	printf("Usage: qemu-web-desktop --machine=NAME [--OPTION=VALUE...]\n"
	       "       qemu-web-desktop --session_stop=NAME\n"
	       "       qemu-web-desktop --service_purge=1\n"
	       "       qemu-web-desktop --service_monitor=1 > FILE.html\n"
	       "       qemu-web-desktop --help | --version\n"
	       "\n"
	       "Starts a virtual machine and prints the address of its "
	       "screen, stops one or\nall, or prints the page with all of "
	       "them.  --session_purge=1 is the same as\n--service_purge=1.  "
	       "--config=FILE reads another configuration.  All options of "
	       "the\nconfiguration may be given:\n\n");
	config_help(stdout);
}

/* Paths may be relative here, to where the user is. */
static void add_option(struct argv *arguments, const char *arg)
{
	AUTO_FREE char *here = getcwd(NULL, 0);
	const char *value = strchr(arg, '=') + 1;
	bool path = text_starts(arg, "--dir_") || text_starts(arg, "--dir-") ||
		    text_starts(arg, "--machines_conf=") ||
		    text_starts(arg, "--config=");

	/* A program's bare name is looked up. */
	if (text_starts(arg, "--dir_websockify") && !strchr(value, '/'))
		path = false;
	if (path && here && *value && *value != '/')
		argv_addf(arguments, "%.*s%s/%s", (int)(value - arg), arg, here,
			  value);
	else
		argv_add(arguments, arg);
}

/* What is not an option of the configuration: true if `arg` is such. */
static bool read_task(struct by_hand *b, const char *arg)
{
	static const struct {
		const char *name;
		enum task task;
	} tasks[] = {
		{ "--service_purge", TASK_PURGE },
		{ "--session_purge", TASK_PURGE },
		{ "--service_monitor", TASK_MONITOR },
	};

	if (text_starts(arg, "--session_stop=")) {
		b->task = TASK_STOP;
		b->session = strchr(arg, '=') + 1;
		return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(tasks); i++) {
		size_t len = strlen(tasks[i].name);
		bool wanted = true;

		if (strncmp(arg, tasks[i].name, len) != 0 ||
		    (arg[len] && (arg[len] != '=' ||
				  !text_bool(arg + len + 1, &wanted))))
			continue;
		if (wanted)
			b->task = tasks[i].task;
		return true;
	}
	return false;
}

/* Try the option on a configuration that is thrown away, so as to tell a
 * wrong argument from a wrong file. */
static int check_option(const char *arg, struct err *e)
{
	AUTO_CONFIG struct config scratch = { .file = NULL };
	const char *equals = strchr(arg, '=');
	AUTO_FREE char *name = NULL;

	if (text_starts(arg, "--config="))
		return 0;
	if (!text_starts(arg, "--") || !equals)
		return err_set(e, ERR_CONFIG, "not of the form --name=value");
	name = strndup(arg + 2, (size_t)(equals - arg) - 2);
	if (!name || config_init(&scratch, e) < 0)
		return err_set(e, ERR_SYSTEM, "no memory");
	return config_set(&scratch, name, equals + 1, e);
}

int by_hand_arguments(int argc, char **argv, struct by_hand *b)
{
	const char *file = secure_getenv("QWD_CONFIG");
	struct err e = ERR_INIT;

	argv_add(&b->arguments, argc ? argv[0] : "qemu-web-desktop");
	if (file)
		argv_addf(&b->arguments, "--config=%s", file);
	for (int i = 1; i < argc; i++) {
		const char *last;

		if (strcmp(argv[i], "--help") == 0) {
			b->task = TASK_SHOW;
			help();
			return BY_HAND_DONE;
		}
		if (strcmp(argv[i], "--version") == 0) {
			b->task = TASK_SHOW;
			printf("qemu-web-desktop %s\n", QWD_VERSION);
			return BY_HAND_DONE;
		}
		if (read_task(b, argv[i]))
			continue;
		if (!strchr(argv[i], '='))
			return by_hand_usage(argv[i],
					     "not of the form --name=value");
		add_option(&b->arguments, argv[i]);
		if (b->arguments.failed)
			return by_hand_usage(argv[i], "too many arguments");
		last = b->arguments.list[b->arguments.count - 1];
		if (check_option(last, &e) < 0)
			return by_hand_usage(argv[i], e.msg);
	}
	if (arguments_config((int)b->arguments.count, b->arguments.list, 1,
			     &b->config, &e) < 0)
		return by_hand_complain(&e);
	return BY_HAND_DONE;
}

void by_hand_release(struct by_hand *b)
{
	config_release(&b->config);
	argv_release(&b->arguments);
}
