/* The forms that the texts of options must have: conf/options_table.h. */
#include "conf/options_table.h"

#include <string.h>

#include "base/text.h"
#include "conf/mounts.h"
#include "conf/options_mail.h"
#include "conf/options_slurm.h"
#include "conf/servers.h"
#include "conf/url.h"
#include "sys/pci_gpu.h"

/* option_form() of one option. */
typedef const char *form(char *value);

static const char *form_service(char *value)
{
	if (strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789-") !=
		    strlen(value) ||
	    *value == '-')
		return "must be made of a-z, 0-9 and '-'";
	return NULL;
}

/* An http(s) URL of a host and nothing behind it; the last '/' is dropped. */
static const char *form_host_url(char *value)
{
	const char *problem;
	struct url url;

	if (!*value)
		return NULL;
	problem = url_parse(value, &url);
	if (problem)
		return problem;
	if (strcmp(url.path, "/") == 0)
		value[url.path - value] = '\0';
	else if (*url.path)
		return "must end with the host or its port: no path, no '?', "
		       "no '#'";
	return NULL;
}

static const char *form_reverse_proxy(char *value)
{
	long long port;

	if (!*value || url_is_path(value))
		return NULL;
	if (*value == ':' && text_long(value + 1, 1, 65535, &port))
		return NULL;
	return "must be empty, :PORT or a /path without '/' at its end";
}

static const char *form_url_path(char *value)
{
	if (!*value || url_is_path(value))
		return NULL;
	return "must be empty or a path on this server, as "
	       "/desktop/assets/logo.svg";
}

/* A program: an absolute path, or a name to be looked up. */
static const char *form_program(char *value)
{
	if (*value == '/' || text_is_file_name(value))
		return NULL;
	return "must be an absolute path or the name of a program";
}

static const char *form_addresses(char *value)
{
	if (gpu_blacklist_ok(value))
		return NULL;
	return "must be PCI addresses, as 0000:4c:00.0, separated by commas";
}

static const char *form_mounts(char *value)
{
	return *value ? mounts_problem(value) : NULL;
}

static const char *form_machine(char *value)
{
	if (!*value || text_is_file_name(value))
		return NULL;
	return "must be the name of a machine, not a path";
}

/* A host's name, or an address (IPv6 without brackets). */
static const char *form_host(char *value)
{
	if (!*value || (text_only(value, ".-:") && *value != '-'))
		return NULL;
	return "must be the name or the address of a host, without port";
}

static const char *form_domain(char *value)
{
	if (!*value || (text_only(value, ".-") && *value != '.' &&
			!text_ends(value, ".") && !strstr(value, "..")))
		return NULL;
	return "must be a domain, as lab.example";
}

static const char *form_network(char *value)
{
	static const char bridge[] = "bridge=";
	const char *name = value + strlen(bridge);

	if (strcmp(value, "user") == 0 || strcmp(value, "isolated") == 0 ||
	    strcmp(value, "none") == 0)
		return NULL;
	/* Linux gives an interface's name 15 bytes. */
	if (text_starts(value, bridge) && text_only(name, "._-") &&
	    strlen(name) <= 15 && *name != '-' && *name != '.')
		return NULL;
	return "must be user, isolated, none, or bridge= and the name of a "
	       "bridge";
}

static const char *form_attribute(char *value)
{
	return text_only(value, "-") ? NULL : "must be an attribute's name";
}

static const char *form_filter(char *value)
{
	if (!*value || (*value == '(' && text_ends(value, ")")))
		return NULL;
	return "must be a filter in parentheses, as (uid=%u)";
}

/* Texts with commas between, each of which must have this form; the blanks
 * around them are dropped. */
static const char *form_each(char *value, form *form_one)
{
	char *out = value;
	char *rest = value;
	char *one;

	if (!*value)
		return NULL;
	while ((one = strsep(&rest, ",")) != NULL) {
		const char *fault;
		size_t len;

		one = text_trim(one);
		fault = form_one(one);
		if (fault)
			return fault;
		if (out != value)
			*out++ = ',';
		len = strlen(one);
		memmove(out, one, len);
		out += len;
	}
	*out = '\0';
	return NULL;
}

static const char *form_user(char *value)
{
	if (text_only(value, "._@+\\-"))
		return NULL;
	return "must be exact user names, or @ and a group (letters, digits "
	       "and ._@+-), separated by commas";
}

static const char *form_users(char *value)
{
	return form_each(value, form_user);
}

static const char *form_one_host(char *value)
{
	if (*value && !form_host(value))
		return NULL;
	return "must be names or addresses of hosts, without ports, separated "
	       "by commas";
}

static const char *form_hosts(char *value)
{
	return form_each(value, form_one_host);
}

static const char *form_one_server(char *value)
{
	struct server ignored;

	return server_parse(value, &ignored);
}

static const char *form_servers(char *value)
{
	struct servers ignored;
	const char *problem = form_each(value, form_one_server);

	return problem ? problem : servers_parse(value, &ignored);
}

static const char *form_slurm_names(char *value)
{
	struct slurm_names ignored;
	const char *problem = form_each(value, option_form_slurm_name);

	return problem ? problem : slurm_names_parse(value, &ignored);
}

static const struct {
	enum config_option option;
	form *form;
} forms[] = {
	{ CONFIG_service, form_service },
	{ CONFIG_service_url, form_host_url },
	{ CONFIG_service_proxy, form_host_url },
	{ CONFIG_service_reverse_proxy, form_reverse_proxy },
	{ CONFIG_layout_logo, form_url_path },
	{ CONFIG_dir_websockify, form_program },
	{ CONFIG_qemu_exec, form_program },
	{ CONFIG_machine, form_machine },
	{ CONFIG_guest_network, form_network },
	{ CONFIG_dir_mounts, form_mounts },
	{ CONFIG_gpu_blacklist, form_addresses },
	{ CONFIG_user_admin, form_users },
	{ CONFIG_script_hosts, form_hosts },
	{ CONFIG_fallback_servers, form_servers },
	{ CONFIG_dir_slurm, option_form_slurm_dir },
	{ CONFIG_slurm_account, form_slurm_names },
	{ CONFIG_slurm_partition, form_slurm_names },
	{ CONFIG_slurm_qos, form_slurm_names },
	{ CONFIG_slurm_gres, option_form_slurm_gres },
	{ CONFIG_imap_server, form_host },
	{ CONFIG_smtp_server, form_host },
	{ CONFIG_email_from, option_form_address },
	{ CONFIG_email_domains, option_form_domains },
	{ CONFIG_email_deny, option_form_deny },
	{ CONFIG_ldap_server, form_host },
	{ CONFIG_ldap_domain, form_domain },
	{ CONFIG_ldap_attribute, form_attribute },
	{ CONFIG_ldap_filter, form_filter },
	{ CONFIG_ldap_group_filter, form_filter },
};

const char *option_form(const struct option *o, char *value)
{
	for (size_t i = 0; i < ARRAY_LEN(forms); i++)
		if (o == &option_table[forms[i].option])
			return forms[i].form(value);
	return NULL;
}
