#include "ctl/check.h"

#include <pwd.h>
#include <stdarg.h>
#include <sys/stat.h>

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
