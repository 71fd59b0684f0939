#include "ctl/check.h"

#include <pwd.h>
#include <string.h>
#include <sys/stat.h>

static bool may_read(const struct check *k, const struct stat *st)
{
	const struct passwd *service = getpwuid(k->user);

	return st->st_uid == k->user || st->st_gid == k->group ||
	       (service && st->st_gid == service->pw_gid);
}

static void check_password_file(struct check *k, const char *path)
{
	struct stat st;

	if (!*path)
		return;
	if (stat(path, &st) < 0)
		check_say(k, CHECK_ERROR,
			  "email_passwd_file: %s cannot be looked at; put the "
			  "mail server's password there, mode 0640, group %s's",
			  path, k->user_name);
	else if (!S_ISREG(st.st_mode) || (st.st_mode & 027))
		check_say(k, CHECK_ERROR,
			  "email_passwd_file: others may use %s, so no mail is "
			  "sent; chmod 0640 it, and change the password",
			  path);
	else if (!may_read(k, &st))
		check_say(k, CHECK_ERROR,
			  "email_passwd_file: %s cannot be read by %s; give "
			  "it to that user's group",
			  path, k->user_name);
}

void check_mail(struct check *k)
{
	const struct config *c = k->config;

	if (!c->check_user_with_email)
		return;
	check_password_file(k, c->email_passwd_file);
	if (!*c->service_url)
		check_say(k, CHECK_WARNING,
			  "links in mails are built on the name that the web "
			  "server gives itself, which without "
			  "'UseCanonicalName On' a visitor chooses; set "
			  "service_url");
	if (strcmp(c->email_domains, "any") == 0)
		check_say(k, CHECK_WARNING,
			  "everybody who has a mail address can log in; name "
			  "your domains in email_domains");
}
