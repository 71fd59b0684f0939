#include "web/setup.h"

#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "sys/json.h"
#include "vm/accel.h"

/* Add one; `commands` is taken over. */
static int add(json_t *list, const char *what, const char *advice,
	       json_t *commands)
{
	return json_array_append_new(list,
				     json_pack("{ss ss so}", "what", what,
					       "advice", advice, "commands",
					       commands));
}

static int add_machines(json_t *list)
{
	return add(list, "No machine is installed.",
		   "List machines and fetch them, or add an image that you "
		   "have.",
		   json_pack("[sss]", "qwdctl edit machines",
			     "qwdctl download", "qwdctl add FILE"));
}

/* That there is none, every page says at its top (web/page.c). */
static int add_login(json_t *list)
{
	return add(list, "Logins:",
		   "switch on a way to log in, or set allow_anonymous = yes if "
		   "everybody may start machines.",
		   json_pack("[s]", "qwdctl edit config"));
}

/* Whoever this runs as is to be of group kvm. */
static json_t *group_command(void)
{
	const struct passwd *user = getpwuid(geteuid());

	return json_pack("[o]", json_sprintf("adduser %s kvm",
					     user ? user->pw_name : "USER"));
}

static int add_kvm(json_t *list, const struct config *c)
{
	AUTO_JSON json_t *what = NULL;
	const char *why = accel_why_not_kvm();

	if (!why || strcmp(c->accel, "tcg") == 0)
		return 0;
	what = json_sprintf("KVM does not work, so that machines %s: %s.",
			    strcmp(c->accel, "kvm") == 0 ?
				    "do not start" :
				    "are many times slower",
			    why);
	if (!what)
		return -1;
	if (access("/dev/kvm", F_OK) == 0 && access("/dev/kvm", W_OK) < 0)
		return add(list, json_string_value(what),
			   "Let the service's user use it.", group_command());
	return add(list, json_string_value(what),
		   "Switch on VT-x or AMD-V in the host's firmware (or nested "
		   "virtualisation, where the host is a guest itself), and "
		   "load the driver.",
		   json_pack("[ss]", "modprobe kvm_intel",
			     "modprobe kvm_amd"));
}

static int add_certificate(json_t *list, const struct visit *v)
{
	const char *url = v->config.service_url;

	if (v->request.https || text_starts(url, "https:"))
		return 0;
	return add(list,
		   "Nothing is encrypted: passwords and screens cross the "
		   "network in the clear.",
		   "Give the web server a certificate, and name the service's "
		   "address: service_url = https://…",
		   json_pack("[sss]", "apt install python3-certbot-apache",
			     "certbot --apache", "qwdctl edit config"));
}

json_t *setup_value(const struct visit *v, bool has_machines)
{
	const struct config *c = &v->config;
	bool has_login = access_logins_checked(c) || c->allow_anonymous;
	json_t *list = json_array();

	if (!list || (has_machines && has_login) ||
	    !(v->who.admin || request_is_of_host(&v->request, c)))
		return list;
	if ((has_machines || add_machines(list) == 0) &&
	    (has_login || add_login(list) == 0) && add_kvm(list, c) == 0 &&
	    add_certificate(list, v) == 0)
		return list;
	json_decref(list);
	return NULL;
}
