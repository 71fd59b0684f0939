#include "conf/arguments.h"

#include <string.h>

#include "base/text.h"

static const char config_flag[] = "--config=";

static int set_option(struct config *c, const char *arg, struct err *e)
{
	AUTO_FREE char *name = NULL;
	const char *equals = strchr(arg, '=');

	if (!text_starts(arg, "--") || !equals)
		return err_set(e, ERR_CONFIG, "%s: not of the form --name=value",
			       arg);
	name = strndup(arg + 2, (size_t)(equals - arg) - 2);
	if (!name)
		return err_set(e, ERR_SYSTEM, "no memory");
	return config_set(c, name, equals + 1, e);
}

int arguments_config(int argc, char **argv, int first, struct config *ret,
		     struct err *e)
{
	const char *file = NULL;

	for (int i = first; i < argc; i++)
		if (text_starts(argv[i], config_flag))
			file = argv[i] + sizeof(config_flag) - 1;
	if (config_init(ret, e) < 0)
		return -1;
	if (config_read(ret, file ? file : CONFIG_DEFAULT_FILE, file != NULL,
			e) < 0)
		goto failed;
	for (int i = first; i < argc; i++)
		if (!text_starts(argv[i], config_flag) &&
		    set_option(ret, argv[i], e) < 0)
			goto failed;
	if (config_finish(ret, e) == 0)
		return 0;
failed:
	config_release(ret);
	return -1;
}
