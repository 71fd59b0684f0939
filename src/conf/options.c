#include "conf/options.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "conf/ini.h"
#include "conf/options_mail.h"
#include "conf/options_slurm.h"
#include "conf/options_table.h"
#include "conf/servers.h"
#include "sys/file.h"

enum { CONFIG_FILE_MAX = 1024 * 1024 };

struct one_file {
	struct config *config;
	int line[CONFIG_OPTION_COUNT]; /* where it was set, 0 = not yet */
};

int config_init(struct config *ret_config, struct err *e)
{
	AUTO_CONFIG struct config c = { .file = strdup("") };

	if (!c.file)
		return err_set(e, ERR_SYSTEM, "no memory");
	for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++)
		if (option_default(&option_table[i], &c, e) < 0)
			return -1;
	*ret_config = c;
	c = (struct config){ .file = NULL };
	return 0;
}

void config_release(struct config *c)
{
	for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++)
		option_release(&option_table[i], c);
	free(c->file);
	c->file = NULL;
}

/* Names with '-' for '_' and without regard to which. */
static bool same_name(const char *a, const char *b)
{
	for (; *a && *b; a++, b++)
		if ((*a == '-' ? '_' : *a) != *b)
			return false;
	return *a == *b;
}

/* The option's index, or -1. */
static int find(const char *name)
{
#define ALIAS(alias, name) { #alias, CONFIG_##name },
	static const struct {
		const char *alias;
		int index;
	} aliases[] = { CONFIG_ALIASES(ALIAS) };
#undef ALIAS

	for (int i = 0; i < CONFIG_OPTION_COUNT; i++)
		if (same_name(name, option_table[i].name))
			return i;
	for (size_t i = 0; i < ARRAY_LEN(aliases); i++)
		if (same_name(name, aliases[i].alias))
			return aliases[i].index;
	return -1;
}

/* One text more; the first one of a source takes the list over. */
static int add_text(struct config *c, int i, const char *value,
		    const char *where, struct err *e)
{
	const struct option *o = &option_table[i];

	if (c->list_source[i] != c->source) {
		text_list_clear(option_list(o, c));
		c->list_source[i] = c->source;
	}
	return option_add(o, c, value, where, e);
}

/* `where` is FILE:LINE, or NULL if it is said by hand. */
static int set(struct config *c, const char *name, const char *value,
	       const char *where, struct err *e)
{
	AUTO_FREE char *by_hand = NULL;
	int i = find(name);
	int result;

	if (i < 0)
		return err_set(e, ERR_CONFIG, "%.60s: there is no such option",
			       name);
	if (!where && asprintf(&by_hand, "--%s", option_table[i].name) < 0) {
		by_hand = NULL;
		return err_set(e, ERR_SYSTEM, "no memory");
	}
	if (option_table[i].kind == OPTION_LIST)
		result = add_text(c, i, value, where ? where : by_hand, e);
	else
		result = option_set(&option_table[i], c, value, e);
	if (result == 0)
		c->is_set[i] = true;
	return result;
}

int config_set(struct config *c, const char *name, const char *value,
	       struct err *e)
{
	return set(c, name, value, NULL, e);
}

static int set_line(void *arg, const struct ini_line *line, struct err *e)
{
	struct one_file *f = arg;
	AUTO_FREE char *where = NULL;
	int i;

	if (!line->key)
		return err_set(e, ERR_CONFIG, "there are no sections here");
	i = find(line->key);
	if (i >= 0 && f->line[i] && option_table[i].kind != OPTION_LIST)
		return err_set(e, ERR_CONFIG,
			       "%s: set already in line %d of this file",
			       line->key, f->line[i]);
	if (asprintf(&where, "%s:%d", line->file, line->number) < 0) {
		where = NULL;
		return err_set(e, ERR_SYSTEM, "no memory");
	}
	if (set(f->config, line->key, line->value, where, e) < 0)
		return -1;
	f->line[i] = line->number;
	return 0;
}

static int read_file(struct config *c, const char *file, struct err *e)
{
	struct one_file f = { .config = c };

	c->source++;
	return ini_read(file, CONFIG_FILE_MAX, set_line, &f, e);
}

/* `name` in the directory of `file`; NULL if no memory. */
static char *beside(const char *file, const char *name)
{
	const char *slash = strrchr(file, '/');
	char *path;

	if (asprintf(&path, "%.*s%s", slash ? (int)(slash - file + 1) : 0, file,
		     name) < 0)
		return NULL;
	return path;
}

static int is_fragment(const struct dirent *entry)
{
	return entry->d_name[0] != '.' && text_ends(entry->d_name, ".conf");
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int read_fragments(struct config *c, const char *file, struct err *e)
{
	AUTO_FREE char *dir = beside(file, "config.d");
	struct dirent **list;
	int result = 0;
	int count;

	if (!dir)
		return err_set(e, ERR_SYSTEM, "no memory");
	count = scandir(dir, &list, is_fragment, by_bytes);
	if (count < 0 && errno == ENOENT)
		return 0;
	if (count < 0)
		return err_sys(e, "cannot read directory %s", dir);
	for (int i = 0; i < count; i++) {
		AUTO_FREE char *path = file_join(dir, list[i]->d_name);

		if (result == 0 && !path)
			result = err_set(e, ERR_SYSTEM, "no memory");
		if (result == 0)
			result = read_file(c, path, e);
		free(list[i]);
	}
	free(list);
	return result;
}

int config_read(struct config *c, const char *file, bool must_exist,
		struct err *e)
{
	struct err failure = ERR_INIT;
	char *copy;

	if (read_file(c, file, &failure) == 0) {
		copy = strdup(file);
		if (!copy)
			return err_set(e, ERR_SYSTEM, "no memory");
		free(c->file);
		c->file = copy;
	} else if (must_exist || failure.code != ERR_NOT_FOUND) {
		*e = failure;
		return -1;
	}
	if (read_fragments(c, file, e) < 0)
		return -1;
	c->source++; /* what follows is said by hand */
	return 0;
}

/* Fill an empty path; takes `value` over. */
static int derive(char **member, char *value, struct err *e)
{
	if (**member) {
		free(value);
		return 0;
	}
	if (!value)
		return err_set(e, ERR_SYSTEM, "no memory");
	free(*member);
	*member = value;
	return 0;
}

/* True if `path` is `dir` or lies below it, by their names. */
static bool is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 &&
	       (path[len] == '\0' || path[len] == '/');
}

/* lab.example -> dc=lab,dc=example; NULL if no memory. */
static char *base_of_domain(const char *domain)
{
	AUTO_BUF struct buf base = BUF_INIT(4096);

	while (*domain) {
		size_t len = strcspn(domain, ".");

		buf_puts(&base, base.len ? ",dc=" : "dc=");
		buf_add(&base, domain, len);
		domain += len + (domain[len] == '.');
	}
	return buf_failed(&base) ? NULL : strdup(buf_str(&base));
}

/* A way to log in needs to know where to ask. */
static int check_logins(const struct config *c, struct err *e)
{
	const struct {
		bool on;
		const char *method;
		const char *needed; /* a value */
		const char *option;
	} needs[] = {
		{ c->check_user_with_imap, "check_user_with_imap",
		  c->imap_server, "imap_server" },
		{ c->check_user_with_smtp, "check_user_with_smtp",
		  c->smtp_server, "smtp_server" },
		{ c->check_user_with_ldap, "check_user_with_ldap",
		  c->ldap_server, "ldap_server" },
		{ c->check_user_with_local, "check_user_with_local",
		  c->saslauthd_socket, "saslauthd_socket" },
		{ strcmp(c->ldap_groups, "none") != 0, "ldap_groups",
		  c->ldap_group_base, "ldap_group_base" },
		{ *c->ldap_bind_dn, "ldap_bind_dn", c->ldap_bind_password_file,
		  "ldap_bind_password_file" },
	};

	for (size_t i = 0; i < ARRAY_LEN(needs); i++)
		if (needs[i].on && !*needs[i].needed)
			return err_set(e, ERR_CONFIG,
				       "%s: %s is not set, and it is needed",
				       needs[i].method, needs[i].option);
	return 0;
}

static int check_directories(const struct config *c, struct err *e)
{
	const char *const private[][2] = {
		{ "dir_service", c->dir_service },
		{ "dir_machines", c->dir_machines },
		{ "dir_snapshots", c->dir_snapshots },
		{ "dir_cfg", c->dir_cfg },
		{ "dir_history", c->dir_history },
	};

	for (size_t i = 0; i < ARRAY_LEN(private); i++)
		if (is_below(private[i][1], c -> dir_html))
			return err_set(e, ERR_CONFIG,
				       "%s: %s is below dir_html, which the "
				       "web server shows to everybody",
				       private[i][0], private[i][1]);
	return 0;
}

static int check_displays(const struct config *c, struct err *e)
{
	if (!*c->certificate_crt != !*c->certificate_key)
		return err_set(e, ERR_CONFIG,
			       "certificate_crt and certificate_key: one is "
			       "of no use without the other");
	if (c->service_port_multiple && *c->service_reverse_proxy)
		return err_set(e, ERR_CONFIG,
			       "service_port_multiple: the ports are not "
			       "reached through service_reverse_proxy; empty "
			       "that, or keep to one port");
	return 0;
}

/* What each server is allowed by another option. */
static int check_farm(const struct config *c, struct err *e)
{
	struct servers servers;

	if (servers_parse(c->fallback_servers, &servers))
		return err_set(e, ERR_SYSTEM, "no memory");
	for (size_t i = 0; i < servers.count; i++) {
		const struct server *s = &servers.list[i];

		if (s->perl && !s->https)
			return err_set(e, ERR_CONFIG,
				       "fallback_servers: %.200s gets "
				       "passwords, which go over https only; "
				       "write https",
				       s->url);
		if (s->perl && !c->farm_perl)
			return err_set(e, ERR_CONFIG,
				       "fallback_servers: %.200s is of the Perl "
				       "program, which gets the passwords of "
				       "users; set farm_perl if it may",
				       s->url);
		if (!s->https && !c->farm_http)
			return err_set(e, ERR_CONFIG,
				       "fallback_servers: %.200s is http, which "
				       "anybody on the way can read and change; "
				       "write https, or set farm_http",
				       s->origin);
	}
	return 0;
}

int config_finish(struct config *c, struct err *e)
{
	if (check_directories(c, e) < 0 || check_displays(c, e) < 0 || check_logins(c, e) < 0 ||
	    check_farm(c, e) < 0 ||
	    options_check_mail(c, e) < 0 || options_check_slurm(c, e) < 0 ||
	    derive(&c->dir_machines, file_join(c->dir_service, "machines"), e) <
		    0 ||
	    derive(&c->dir_history, file_join(c->dir_service, "history"), e) <
		    0 ||
	    derive(&c->dir_snapshots, file_join(c->dir_service, "snapshots"),
		   e) < 0 ||
	    derive(&c->machines_conf,
		   beside(*c->file ? c->file : CONFIG_DEFAULT_FILE,
			  "machines.conf"),
		   e) < 0 ||
	    derive(&c->ldap_base, base_of_domain(c->ldap_domain), e) < 0 ||
	    derive(&c->service_secret, file_join(c->dir_service, "secret"),
		   e) < 0 ||
	    derive(&c->farm_secret, file_join(c->dir_service, "farm-secret"),
		   e) < 0)
		return -1;
	if (strcmp(c->dir_machines, c->dir_snapshots) == 0)
		return err_set(e, ERR_CONFIG,
			       "dir_machines and dir_snapshots are both %s: "
			       "images and overlays must lie apart",
			       c->dir_machines);
	return 0;
}
