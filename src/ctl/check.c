/* qwdctl check: what is wrong with this installation, and what to do. */
#include "ctl/check.h"

#include "base/text.h"
#include "conf/options_table.h"
#include "ctl/ctl.h"

static void check_address(struct check *k)
{
	const char *url = k->config->service_url;

	if (!*url)
		check_say(k, CHECK_NOTE,
			  "links are built on the web server's own name; set "
			  "service_url to the address that visitors use");
	else if (text_starts(url, "http://") &&
		 !text_starts(url, "http://localhost"))
		check_say(k, CHECK_WARNING,
			  "service_url: passwords and screens cross the "
			  "network in the clear; give the web server a "
			  "certificate (certbot --apache), and set service_url "
			  "to an address with https");
}

static void check_config(struct check *k)
{
	const struct config *c = k->config;

	if (*c->file)
		check_say(k, CHECK_OK, "configuration %s", c->file);
	else
		check_say(k, CHECK_NOTE,
			  "there is no configuration file, the defaults are "
			  "used; write %s",
			  CONFIG_DEFAULT_FILE);
	for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++)
		if (option_table[i].kind == OPTION_NOTE && c->is_set[i])
			check_say(k, CHECK_NOTE,
				  "option %s has no effect: %s; remove it",
				  option_table[i].name, option_table[i].help);
	check_address(k);
}

int ctl_check(const struct config *c, int argc, char **argv)
{
	struct check k = { .config = c };

	if (argc > 1) {
		fprintf(stderr, "qwdctl check: %s: there are no arguments\n",
			argv[1]);
		return CTL_USAGE;
	}
	check_find_user(&k);
	check_config(&k);
	check_login(&k);
	check_mail(&k);
	check_files(&k);
	check_pages(&k);
	check_scripts(&k);
	check_install(&k);
	check_display(&k);
	check_host(&k);
	return k.found[CHECK_ERROR] ? CTL_FAILED : CTL_DONE;
}
