#include "conf/options_table.h"

#include <string.h>

#include "base/text.h"
#include "conf/mounts.h"
#include "conf/options_mail.h"
#include "conf/options_slurm.h"
#include "conf/servers.h"
#include "conf/url.h"
#include "sys/pci_gpu.h"

#define COMMON(name, kind, help_, text_, number_, min_, max_)                  \
	{ #name, OPTION_##kind, offsetof(struct config, name), text_,          \
	  number_, min_, max_, help_ },
#define ENTRY_STR(name, def, min, max, help)                                   \
	COMMON(name, STR, help, def, 0, min, max)
#define ENTRY_PATH(name, def, min, max, help)                                  \
	COMMON(name, PATH, help, def, 0, min, max)
#define ENTRY_ENUM(name, def, min, max, help)                                  \
	COMMON(name, ENUM, help, def, 0, min, max)
#define ENTRY_COLOUR(name, def, min, max, help)                                \
	COMMON(name, COLOUR, help, def, 0, min, max)
#define ENTRY_INT(name, def, min, max, help)                                   \
	COMMON(name, INT, help, NULL, def, min, max)
#define ENTRY_MILLI(name, def, min, max, help)                                 \
	COMMON(name, MILLI, help, NULL, def, min, max)
#define ENTRY_BOOL(name, def, min, max, help)                                  \
	COMMON(name, BOOL, help, NULL, def, min, max)
#define ENTRY_LIST(name, def, min, max, help)                                  \
	COMMON(name, LIST, help, NULL, 0, min, max)
#define ENTRY_NOTE(name, def, min, max, help)                                  \
	{ #name, OPTION_NOTE, 0, NULL, 0, 0, 0, help },
#define ENTRY(kind, name, def, min, max, help)                                 \
	ENTRY_##kind(name, def, min, max, help)

const struct option option_table[CONFIG_OPTION_COUNT] = {
	CONFIG_OPTIONS(ENTRY)
};

enum { PATH_BYTES_MAX = 1024 };

/*
 * The form that one option's text must have.  `value` may be rewritten in
 * place, never longer.  Returns NULL, or the end of a sentence that says what
 * is wrong.
 */
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

static void *member(const struct option *o, struct config *c)
{
	return (char *)c + o->offset;
}

static bool is_number(const struct option *o)
{
	return o->kind == OPTION_INT || o->kind == OPTION_MILLI;
}

static bool is_text(const struct option *o)
{
	return !is_number(o) && o->kind != OPTION_BOOL &&
	       o->kind != OPTION_NOTE && o->kind != OPTION_LIST;
}

static void format_milli(long long value, struct buf *out)
{
	char fraction[5];
	size_t len = 4;

	snprintf(fraction, sizeof(fraction), ".%03u",
		 (unsigned)(value % 1000) % 1000U);
	while (len > 1 && fraction[len - 1] == '0')
		len--;
	buf_printf(out, "%lld", value / 1000);
	if (len > 1)
		buf_add(out, fraction, len);
}

void option_format(const struct option *o, const struct config *c,
		   struct buf *out)
{
	const void *m = (const char *)c + o->offset;

	if (is_text(o))
		buf_puts(out, *(char *const *)m);
	else if (o->kind == OPTION_INT)
		buf_printf(out, "%lld", *(const long long *)m);
	else if (o->kind == OPTION_MILLI)
		format_milli(*(const long long *)m, out);
	else if (o->kind == OPTION_BOOL)
		buf_puts(out, *(const bool *)m ? "yes" : "no");
}

void option_release(const struct option *o, struct config *c)
{
	char **text = member(o, c);

	if (o->kind == OPTION_LIST)
		text_list_clear(member(o, c));
	if (!is_text(o))
		return;
	free(*text);
	*text = NULL;
}

int option_default(const struct option *o, struct config *c, struct err *e)
{
	void *m = member(o, c);

	if (is_number(o))
		*(long long *)m = o->number;
	else if (o->kind == OPTION_BOOL)
		*(bool *)m = o->number != 0;
	else if (is_text(o)) {
		char *copy = strdup(o->text);

		if (!copy)
			return err_set(e, ERR_SYSTEM, "no memory");
		*(char **)m = copy;
	}
	return 0;
}

static int refuse(const struct option *o, const char *value,
		  const char *problem, struct err *e)
{
	return err_set(e, ERR_CONFIG, "%s: '%.80s' %s", o->name, value,
		       problem);
}

static int set_number(const struct option *o, struct config *c,
		      const char *value, struct err *e)
{
	AUTO_BUF struct buf problem = BUF_INIT(200);
	long long number;
	bool good;

	if (o->kind == OPTION_INT) {
		good = text_long(value, o->min, o->max, &number);
		buf_printf(&problem, "is not a whole number from %lld to %lld",
			   o->min, o->max);
	} else {
		good = text_milli(value, o->min, o->max, &number);
		buf_puts(&problem, "is not a number from ");
		format_milli(o->min, &problem);
		buf_puts(&problem, " to ");
		format_milli(o->max, &problem);
	}
	if (!good)
		return refuse(o, value, buf_str(&problem), e);
	*(long long *)member(o, c) = number;
	return 0;
}

/* True if `value` is one of the words that `help` begins with. */
static bool is_word(const char *value, const char *help)
{
	size_t len = strlen(value);

	if (strpbrk(value, "|:"))
		return false;
	for (;;) {
		size_t word = strcspn(help, "|:");

		if (word == len && memcmp(help, value, len) == 0)
			return true;
		if (help[word] != '|')
			return false;
		help += word + 1;
	}
}

static const char *check_text(const struct option *o, char *value)
{
	size_t len = strlen(value);

	if (!text_is_utf8(value, len) || text_has_control(value))
		return "holds a control character or invalid UTF-8";
	if (o->kind == OPTION_STR && len < (size_t)o->min)
		return "must not be empty";
	if (o->kind == OPTION_STR && len > (size_t)o->max)
		return "is too long";
	if (o->kind == OPTION_COLOUR && !text_is_colour(value))
		return "is not a colour, as #12ab9f";
	if (o->kind == OPTION_PATH && *value != '/' && (*value || *o->text))
		return "is not an absolute path";
	if (o->kind == OPTION_PATH && len > PATH_BYTES_MAX)
		return "is too long";
	while (o->kind == OPTION_PATH && len > 1 && value[len - 1] == '/')
		value[--len] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(forms); i++)
		if (o == &option_table[forms[i].option])
			return forms[i].form(value);
	return NULL;
}

bool config_allows(enum config_option option, const char *value)
{
	const struct option *o = &option_table[option];
	AUTO_FREE char *copy = strdup(value);

	return copy && is_text(o) &&
	       (o->kind != OPTION_ENUM || is_word(value, o->help)) &&
	       !check_text(o, copy);
}

static int set_text(const struct option *o, struct config *c, const char *value,
		    struct err *e)
{
	AUTO_FREE char *copy = strdup(value);
	const char *problem;

	if (!copy)
		return err_set(e, ERR_SYSTEM, "no memory");
	if (o->kind == OPTION_ENUM && !is_word(value, o->help))
		return err_set(e, ERR_CONFIG, "%s: '%.80s' is not one of %.*s",
			       o->name, value, (int)strcspn(o->help, ":"),
			       o->help);
	problem = check_text(o, copy);
	if (problem)
		return refuse(o, value, problem, e);
	option_release(o, c);
	*(char **)member(o, c) = TAKE(copy);
	return 0;
}

struct text_list *option_list(const struct option *o, struct config *c)
{
	return member(o, c);
}

int option_add(const struct option *o, struct config *c, const char *value,
	       const char *where, struct err *e)
{
	if (!text_is_utf8(value, strlen(value)) || text_has_control(value))
		return refuse(o, value,
			      "holds a control character or invalid UTF-8", e);
	if (strlen(value) > (size_t)o->max)
		return refuse(o, value, "is too long", e);
	if (!*value) {
		text_list_clear(option_list(o, c));
		return 0;
	}
	if (text_list_add(option_list(o, c), value, where, e) < 0)
		return err_prefix(e, "%s", o->name);
	return 0;
}

int option_set(const struct option *o, struct config *c, const char *value,
	       struct err *e)
{
	if (is_number(o))
		return set_number(o, c, value, e);
	if (is_text(o))
		return set_text(o, c, value, e);
	if (o->kind == OPTION_LIST)
		return option_add(o, c, value, o->name, e);
	if (o->kind == OPTION_BOOL && !text_bool(value, member(o, c)))
		return refuse(o, value, "is neither yes nor no", e);
	return 0;
}
