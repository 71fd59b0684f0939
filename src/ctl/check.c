/* qwdctl check: what is wrong with this installation, and what to do. */
#include "ctl/check.h"

#include <pwd.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include "conf/options_table.h"
#include "ctl/ctl.h"

void check_say(struct check *k, enum check_level level, const char *fmt, ...)
{
	static const char *const words[] = { "ok", "note", "warning", "error" };
	va_list ap;

	k->found[level]++;
	printf("%s: ", words[level]);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

static bool owner_of(const char *path, struct check *k)
{
	struct stat st;

	if (!*path || stat(path, &st) < 0 || st.st_uid == 0)
		return false;
	k->user = st.st_uid;
	k->group = st.st_gid;
	return true;
}

void check_find_user(struct check *k)
{
	const struct passwd *found;

	k->user = geteuid();
	k->group = getegid();
	if (k->user == 0 && !owner_of(k->config->dir_cfg, k) &&
	    !owner_of(k->config->dir_snapshots, k)) {
		found = getpwnam("www-data");
		if (found) {
			k->user = found->pw_uid;
			k->group = found->pw_gid;
		}
	}
	found = getpwuid(k->user);
	if (found)
		snprintf(k->user_name, sizeof(k->user_name), "%s",
			 found->pw_name);
	else
		snprintf(k->user_name, sizeof(k->user_name), "%u",
			 (unsigned)k->user);
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
	if (!*c->service_url)
		check_say(k, CHECK_NOTE,
			  "links are built on the web server's own name; set "
			  "service_url to the address that visitors use");
}

/* There is no login yet: who is let in is one option's affair. */
static void check_login(struct check *k)
{
	if (k->config->allow_anonymous)
		check_say(k, CHECK_WARNING,
			  "whoever reaches the page can start machines; "
			  "remove allow_anonymous, or let the web server ask "
			  "for a password");
	else
		check_say(k, CHECK_WARNING,
			  "no login is configured, so only requests from this "
			  "host itself are served; set allow_anonymous if "
			  "everybody may start machines");
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
	check_files(&k);
	check_pages(&k);
	check_host(&k);
	return k.found[CHECK_ERROR] ? CTL_FAILED : CTL_DONE;
}
