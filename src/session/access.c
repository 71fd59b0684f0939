#include "session/access.h"

#include <string.h>

#include "base/text.h"

bool access_logins_checked(const struct config *c)
{
	return c->check_user_with_email || c->check_user_remote ||
	       access_passwords_checked(c);
}

bool access_passwords_checked(const struct config *c)
{
	return c->check_user_with_imap || c->check_user_with_smtp ||
	       c->check_user_with_ldap || c->check_user_with_local ||
	       *c->check_user_custom;
}

/* Is the name of `len` bytes one of `groups`? */
static bool is_member(const char *groups, const char *name, size_t len)
{
	while (*groups) {
		size_t word = strcspn(groups, "\n");

		if (len && word == len && memcmp(groups, name, len) == 0)
			return true;
		groups += word + (groups[word] == '\n');
	}
	return false;
}

/* Take the next name off a list with commas; false at its end. */
static bool next_name(const char **list, const char **ret_name, size_t *ret_len)
{
	*list += strspn(*list, ", ");
	*ret_name = *list;
	*ret_len = strcspn(*list, ",");
	*list += *ret_len;
	while (*ret_len && (*ret_name)[*ret_len - 1] == ' ')
		--*ret_len;
	return *ret_len > 0;
}

static bool is_user(const struct identity *who, const char *name, size_t len)
{
	return len && strlen(who->user) == len &&
	       memcmp(who->user, name, len) == 0;
}

bool access_is_admin(const struct config *c, const struct identity *who)
{
	const char *list = c->user_admin;
	const char *name;
	size_t len;

	if (!access_logins_checked(c) || !who->user[0])
		return false;
	while (next_name(&list, &name, &len))
		if (name[0] == '@' ?
			    is_member(who->groups, name + 1, len - 1) :
			    is_user(who, name, len))
			return true;
	return false;
}

int access_check_machine(const struct config *c, const struct identity *who,
			 const char *users, const char *groups, struct err *e)
{
	bool kept = *users || *groups;
	const char *name;
	size_t len;

	if (!kept || (access_logins_checked(c) && who->admin))
		return 0;
	while (access_logins_checked(c) && next_name(&users, &name, &len))
		if (is_user(who, name, len))
			return 0;
	while (access_logins_checked(c) && next_name(&groups, &name, &len))
		if (is_member(who->groups, name, len))
			return 0;
	err_set(e, ERR_FORBIDDEN, "This machine is not for everybody, and you "
				  "are not among those who may use it.");
	snprintf(e->field, sizeof(e->field), "machine");
	return -1;
}

void access_add_group(struct identity *who, const char *group)
{
	size_t used = strlen(who->groups);
	size_t len = strlen(group);

	if (!len || text_has_control(group) || strchr(group, ',') ||
	    used + len + 2 > sizeof(who->groups))
		return;
	snprintf(who->groups + used, sizeof(who->groups) - used, "%s\n",
		 group);
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
	case ACTION_EXTEND:
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
