#include "session/access.h"

#include <string.h>

bool access_logins_checked(const struct config *c)
{
	/* No method of login exists yet; each adds its option here. */
	(void)c;
	return false;
}

bool access_is_admin(const struct config *c, const char *user)
{
	const char *at = c->user_admin;
	size_t len = strlen(user);

	if (!access_logins_checked(c) || len == 0)
		return false;
	while (*at) {
		size_t word;

		at += strspn(at, ", ");
		word = strcspn(at, ",");
		while (word && at[word - 1] == ' ')
			word--;
		if (word == len && memcmp(at, user, len) == 0)
			return true;
		at += strcspn(at, ",");
	}
	return false;
}

int access_check(const struct identity *who, enum action action,
		 const struct session *s, struct err *e)
{
	bool owner = s && strcmp(s->user, who->user) == 0;
	bool allowed = false;

	if (!who->user[0])
		return err_set(e, ERR_LOGIN, "nobody is logged in");
	switch (action) {
	case ACTION_CREATE:
	case ACTION_MANAGE:
		allowed = true;
		break;
	case ACTION_VIEW:
	case ACTION_STOP:
		allowed = owner || who->admin;
		break;
	case ACTION_OVERSEE:
	case ACTION_STOP_ALL:
		allowed = who->admin;
		break;
	}
	if (allowed)
		return 0;
	return err_set(e, ERR_FORBIDDEN, "%s may not do this", who->user);
}
