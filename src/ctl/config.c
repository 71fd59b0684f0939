/* qwdctl config: the options as a configuration file. */
#include "ctl/ctl.h"

#include <string.h>

int ctl_config(const struct config *c, int argc, char **argv)
{
	bool defaults = argc == 2 && strcmp(argv[1], "--defaults") == 0;

	if (argc > 1 && !defaults) {
		fprintf(stderr,
			"qwdctl config: %s: unknown; usage: qwdctl "
			"config [--defaults]\n",
			argv[argc - 1]);
		return CTL_USAGE;
	}
	config_print(c, defaults, stdout);
	return fflush(stdout) == 0 ? CTL_DONE : CTL_FAILED;
}
