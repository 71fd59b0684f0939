#include "ctl/check.h"

#include <pwd.h>
#include <stdarg.h>
#include <sys/stat.h>

void check_say(struct check *k, enum check_level level, const char *fmt, ...)
{
	static const char *const words[] = { "ok", "note", "warning", "error" };
	AUTO_FREE char *text = NULL;
	va_list ap;

	k->found[level]++;
	if (level < k->least)
		return;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	if (k->list)
		json_array_append_new(k->list,
				      json_pack("{ss ss}", "level",
						words[level], "text",
						text ? text : "no memory"));
	else
		printf("%s: %s\n", words[level], text ? text : "no memory");
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
