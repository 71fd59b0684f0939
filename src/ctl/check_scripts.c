/* Boot scripts: what is wrong with them, each with its place. */
#include "ctl/check.h"

#include <string.h>
#include <sys/stat.h>

#include "conf/machines.h"
#include "sys/child.h"
#include "sys/file.h"
#include "vm/script.h"
#include "vm/script_pattern.h"

/* What the scripts need of this host. */
struct needs {
	size_t count;
	bool fetch;	/* qwd-net */
	bool customize; /* libguestfs */
};

static bool may_read(const struct check *k, const struct stat *st)
{
	if (k->user == 0)
		return true;
	if (st->st_uid == k->user)
		return st->st_mode & 0400;
	return st->st_mode & (st->st_gid == k->group ? 0040 : 0004);
}

/* A path without symbols is there, a file, and not too long. */
static void check_path(struct check *k, const char *where,
		       const struct script *s)
{
	AUTO_FREE char *path = strndup(s->body, s->body_len);
	struct stat st;

	if (!path || strchr(path, '@'))
		return;
	if (stat(path, &st) < 0)
		check_say(k, CHECK_ERROR, "%s: there is no %s; make it", where,
			  path);
	else if (!S_ISREG(st.st_mode))
		check_say(k, CHECK_ERROR, "%s: %s is no file; name a script", where,
			  path);
	else if (!may_read(k, &st))
		check_say(k, CHECK_ERROR,
			  "%s: %s cannot be read by user %s; chmod a+r %s",
			  where, path, k->user_name, path);
	else if (st.st_size > k->config->service_max_script_length)
		check_say(k, CHECK_ERROR,
			  "%s: %s is longer than %lld bytes; see "
			  "service_max_script_length",
			  where, path, k->config->service_max_script_length);
}

static bool is_plain_http(const struct script *s)
{
	return s->kind == SCRIPT_URL && strncmp(s->body, "http:", 5) == 0 &&
	       !s->sha256;
}

static void check_meaning(struct check *k, const struct text_item *item,
			  const struct script *s)
{
	if (script_uses(s->body, SYMBOL_PW) && !k->config->script_password)
		check_say(k, CHECK_ERROR,
			  "%s: the script uses @PW@; set script_password, or "
			  "do without",
			  item->where);
	if (is_plain_http(s) && !k->config->script_http)
		check_say(k, CHECK_ERROR,
			  "%s: the script is not fetched by http; use https, "
			  "or add its #sha256=, or set script_http",
			  item->where);
	else if (is_plain_http(s))
		check_say(k, CHECK_WARNING,
			  "%s: anybody on the way can change this script; use "
			  "https, or add its #sha256=",
			  item->where);
	if (s->kind == SCRIPT_PATH)
		check_path(k, item->where, s);
}

static void check_script(struct check *k, const struct text_item *item,
			 bool cloud_init, struct needs *needs)
{
	const char *end;
	struct err e = ERR_INIT;
	struct script s;
	bool ignored;

	needs->count++;
	/* With the patterns, but without anybody to match them with. */
	if (script_parse(item->text, &s, &e) < 0 ||
	    (s.condition && script_expr(s.condition, NULL, script_pattern,
					&end, &ignored, &e) < 0)) {
		check_say(k, CHECK_ERROR,
			  "%s: the script %s; sessions that it concerns do "
			  "not start: correct it",
			  item->where, e.msg);
		return;
	}
	needs->fetch |= s.kind == SCRIPT_URL;
	needs->customize |= s.kind == SCRIPT_CUSTOMIZE || !cloud_init;
	check_meaning(k, item, &s);
}

static void check_list(struct check *k, const struct text_list *l,
		       bool cloud_init, struct needs *needs)
{
	for (size_t i = 0; i < l->count; i++)
		check_script(k, &l->items[i], cloud_init, needs);
}

/* Those of each machine; *ret_plain: one is without cloud-init. */
static void check_machines(struct check *k, struct needs *needs,
			   bool *ret_plain)
{
	AUTO_MACHINES struct machines m = { .list = NULL };
	struct err e = ERR_INIT;

	if (machines_read(k->config->machines_conf, &m, &e) < 0)
		return; /* check_files() has told */
	for (size_t i = 0; i < m.count; i++) {
		bool cloud_init = strcmp(m.list[i].os, "cloud-init") == 0;

		*ret_plain |= !cloud_init;
		check_list(k, &m.list[i].scripts, cloud_init, needs);
	}
}

static void check_helper(struct check *k, const char *name)
{
	AUTO_FREE char *path = file_join(k->config->dir_libexec, name);

	if (path && access(path, X_OK) == 0)
		check_say(k, CHECK_OK, "program %s", path);
	else
		check_say(k, CHECK_ERROR,
			  "dir_libexec: program %s is missing, which boot "
			  "scripts need; put it there, or set dir_libexec",
			  name);
}

static void check_customize(struct check *k)
{
	struct err e = ERR_INIT;
	AUTO_FREE char *path = child_find_program("virt-customize", &e);
	AUTO_FREE char *dir = file_join(k->config->dir_service,
					"libguestfs/appliance");

	if (!path)
		check_say(k, CHECK_ERROR,
			  "program virt-customize is missing, so that boot "
			  "scripts reach only machines with os = cloud-init; "
			  "apt install libguestfs-tools linux-image-amd64");
	else if (dir && access(dir, F_OK) < 0)
		check_say(k, CHECK_NOTE,
			  "%s is made by the first session whose boot scripts "
			  "need it, which takes a minute; let user %s make it",
			  dir, k->user_name);
	else
		check_say(k, CHECK_OK, "program %s", path);
}

void check_scripts(struct check *k)
{
	struct needs needs = { .count = 0 };
	bool plain = false;

	check_machines(k, &needs, &plain);
	check_list(k, &k->config->config_script, !plain, &needs);
	if (k->config->form_config_script)
		check_say(k, CHECK_WARNING,
			  "form_config_script: visitors run what they like as "
			  "root of their machines");
	if (!needs.count && !k->config->form_config_script)
		return;
	check_helper(k, "qwd-script");
	if (needs.fetch)
		check_helper(k, "qwd-net");
	if (needs.customize || (plain && k->config->form_config_script))
		check_customize(k);
	check_say(k, CHECK_OK, "%zu boot scripts are configured", needs.count);
}
