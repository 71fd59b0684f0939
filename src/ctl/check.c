/* qwdctl check: what is wrong with this installation, and what to do. */
#include "ctl/check.h"

#include "base/text.h"
#include "conf/options_table.h"
#include "ctl/ctl.h"
#include "sys/json.h"

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

static json_t *value_of(const struct check *k)
{
	return json_pack("{sO sI sI}", "checks", k->list, "errors",
			 (json_int_t)k->found[CHECK_ERROR], "warnings",
			 (json_int_t)k->found[CHECK_WARNING]);
}

int ctl_check(const struct config *c, const struct given *g)
{
	AUTO_JSON json_t *list = g->json ? json_array() : NULL;
	struct check k = {
		.config = c,
		.list = list,
		.least = g->quiet ? CHECK_WARNING : CHECK_OK,
	};

	check_find_user(&k);
	check_config(&k);
	check_login(&k);
	check_mail(&k);
	check_files(&k);
	check_pages(&k);
	check_scripts(&k);
	check_install(&k);
	check_slurm(&k);
	check_display(&k);
	check_host(&k);
	check_farm(&k);
	if (g->json && command_print_json(g, value_of(&k)) != CTL_DONE)
		return CTL_FAILED;
	return k.found[CHECK_ERROR] ? CTL_FAILED : CTL_DONE;
}
