/* qwdctl config: the options as a configuration file. */
#include "ctl/ctl.h"

int ctl_config(const struct config *c, const struct given *g)
{
	bool defaults = given_has(g, "defaults");

	if (g->json)
		return command_print_json(g, config_value(c, defaults));
	config_print(c, defaults, stdout);
	return fflush(stdout) == 0 ? CTL_DONE : CTL_FAILED;
}
