/* Who gets in: the methods of login, their servers and their files. */
#include "ctl/check.h"

#include <string.h>
#include <sys/stat.h>

#include "session/access.h"

/* Is a file of ours there, for the service's user and nobody else? */
static bool check_private_file(struct check *k, const char *option,
			       const char *path, const char *advice)
{
	struct stat st;

	if (stat(path, &st) < 0) {
		check_say(k, CHECK_ERROR, "%s: %s cannot be looked at; %s",
			  option, path, advice);
		return false;
	}
	if (!S_ISREG(st.st_mode) || (st.st_mode & 027)) {
		check_say(k, CHECK_ERROR,
			  "%s: others may use %s; chmod 0600 it, and replace "
			  "its content",
			  option, path);
		return false;
	}
	if (st.st_uid != k->user && st.st_uid != 0 && st.st_gid != k->group) {
		check_say(k, CHECK_ERROR, "%s: %s cannot be read by %s; chown "
					  "it",
			  option, path, k->user_name);
		return false;
	}
	return true;
}

static void check_secret(struct check *k)
{
	const char *path = k->config->service_secret;
	struct stat st;

	if (!check_private_file(k, "service_secret", path,
				"run qwdctl secret"))
		return;
	if (stat(path, &st) == 0 && (st.st_size < 32 || st.st_mode & 077 ||
				     st.st_uid != k->user))
		check_say(k, CHECK_ERROR,
			  "service_secret: %s is no good (32 bytes or more, "
			  "mode 0600, owned by %s); remove it and run qwdctl "
			  "secret",
			  path, k->user_name);
	else
		check_say(k, CHECK_OK, "service_secret %s", path);
}

static void check_helper(struct check *k)
{
	AUTO_FREE char *path = NULL;

	if (asprintf(&path, "%s/qwd-net", k->config->dir_libexec) < 0)
		path = NULL;
	if (path && access(path, X_OK) == 0)
		check_say(k, CHECK_OK, "program %s", path);
	else
		check_say(k, CHECK_ERROR,
			  "dir_libexec: there is no %s/qwd-net, so no server "
			  "can be asked; install it, or correct dir_libexec",
			  k->config->dir_libexec);
}

static void check_authorities(struct check *k)
{
	const char *path = k->config->login_ca_file;

	if (*path && access(path, R_OK) < 0)
		check_say(k, CHECK_ERROR,
			  "login_ca_file: %s cannot be read; correct it", path);
}

/* ---- Methods ---- */

static void check_servers(struct check *k)
{
	const struct config *c = k->config;
	const struct {
		bool on;
		const char *name;
		const char *host;
		long long port;
		const char *tls;
	} list[] = {
		{ c->check_user_with_imap, "imap", c->imap_server,
		  c->imap_port, c->imap_tls },
		{ c->check_user_with_smtp, "smtp", c->smtp_server,
		  c->smtp_port, c->smtp_use_ssl },
		{ c->check_user_with_ldap, "ldap", c->ldap_server,
		  c->ldap_port, c->ldap_tls },
	};
	bool any = c->check_user_with_email;

	for (size_t i = 0; i < ARRAY_LEN(list); i++) {
		if (!list[i].on)
			continue;
		any = true;
		if (list[i].port)
			check_say(k, CHECK_OK, "logins by %s: %s, port %lld, "
					       "%s",
				  list[i].name, list[i].host, list[i].port,
				  list[i].tls);
		else
			check_say(k, CHECK_OK, "logins by %s: %s, %s",
				  list[i].name, list[i].host, list[i].tls);
	}
	if (!any)
		return;
	check_helper(k);
	check_authorities(k);
}

static void check_ldap(struct check *k)
{
	const struct config *c = k->config;

	if (!c->check_user_with_ldap)
		return;
	if (strcmp(c->ldap_tls, "none") == 0)
		check_say(k, CHECK_WARNING,
			  "ldap_tls = none: passwords go over the network in "
			  "the clear; set starttls or tls");
	if (!*c->ldap_base)
		check_say(k, CHECK_WARNING,
			  "ldap_domain: users are searched in the whole tree; "
			  "set ldap_domain or ldap_base");
	if (*c->ldap_bind_dn)
		check_private_file(k, "ldap_bind_password_file",
				   c->ldap_bind_password_file,
				   "put the password of ldap_bind_dn there");
}

static void check_local(struct check *k)
{
	const char *path = k->config->saslauthd_socket;
	struct stat st;

	if (!k->config->check_user_with_local)
		return;
	if (stat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
		check_say(k, CHECK_ERROR,
			  "saslauthd_socket: there is no socket %s; apt "
			  "install sasl2-bin, start saslauthd with MECHANISMS "
			  "= pam, adduser www-data sasl (the web server's "
			  "user), and restart the web server",
			  path);
	else
		check_say(k, CHECK_OK, "logins by local accounts: %s", path);
	if (access("/etc/pam.d/qemu-web-desktop", F_OK) < 0)
		check_say(k, CHECK_NOTE,
			  "there is no /etc/pam.d/qemu-web-desktop, so PAM "
			  "goes by its service 'other'; write one");
}

static void check_custom(struct check *k)
{
	const char *path = k->config->check_user_custom;
	struct stat st;

	if (!*path)
		return;
	if (stat(path, &st) < 0 || !S_ISREG(st.st_mode) ||
	    !(st.st_mode & 0111))
		check_say(k, CHECK_ERROR,
			  "check_user_custom: %s is no program; correct it, or "
			  "chmod +x it",
			  path);
	else if ((st.st_mode & 022) || (st.st_uid != 0 && st.st_uid == k->user))
		check_say(k, CHECK_WARNING,
			  "check_user_custom: more than root may change %s, "
			  "which decides who gets in; chown root and chmod "
			  "0755 it",
			  path);
	else
		check_say(k, CHECK_OK, "logins by %s", path);
}

static void check_none(struct check *k)
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
	if (*k->config->user_admin)
		check_say(k, CHECK_NOTE,
			  "user_admin has no effect: no login is configured");
}

/*
 * What is for this host alone goes by the connection and by the headers of
 * proxies (web/request.h).  Whether there is a proxy cannot be seen from here.
 */
static void warn_of_proxies(struct check *k, const char *what, const char *more)
{
	check_say(k, CHECK_WARNING,
		  "%s for requests from this host itself; behind a proxy on "
		  "it that sends neither X-Forwarded-For, Forwarded nor Via "
		  "everybody's look like that; if there is one, let it send "
		  "X-Forwarded-For%s",
		  what, more);
}

static void check_proxy(struct check *k)
{
	const struct config *c = k->config;

	if (!access_logins_checked(c) && !c->allow_anonymous)
		warn_of_proxies(k, "the service is", ", or configure a login");
	if (strcmp(c->service_metrics, "local") == 0)
		warn_of_proxies(k, "service_metrics = local: figures are", "");
}

void check_login(struct check *k)
{
	const struct config *c = k->config;

	check_proxy(k);
	if (!access_logins_checked(c)) {
		check_none(k);
		return;
	}
	if (c->allow_anonymous)
		check_say(k, CHECK_NOTE,
			  "allow_anonymous has no effect: logins are checked; "
			  "remove it");
	check_secret(k);
	check_servers(k);
	check_ldap(k);
	check_local(k);
	if (c->check_user_remote)
		check_say(k, CHECK_OK,
			  "logins by the web server; it must ask for one at "
			  "every address of the service");
	check_custom(k);
}
