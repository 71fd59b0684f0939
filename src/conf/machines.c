#include "conf/machines.h"

#include <string.h>

#include "base/text.h"
#include "conf/ini.h"
#include "conf/machines_keys.h"

enum { MACHINES_FILE_MAX = 1024 * 1024 };

const struct machine *machines_find(const struct machines *m, const char *name)
{
	for (size_t i = 0; i < m->count; i++)
		if (strcmp(m->list[i].name, name) == 0)
			return &m->list[i];
	return NULL;
}

bool machine_url(const struct machine *machine, size_t n,
		 char ret[URL_MAX + 1])
{
	const char *at = machine->url;
	size_t len;

	for (;; at += len) {
		at += strspn(at, " \t");
		len = strcspn(at, " \t");
		if (!len || len > URL_MAX)
			return false;
		if (n-- == 0)
			break;
	}
	memcpy(ret, at, len);
	ret[len] = '\0';
	return true;
}

static int begin_machine(struct machines *m, const char *name, struct err *e)
{
	struct machine *list;

	if (!text_is_file_name(name) || strlen(name) > MACHINE_NAME_MAX)
		return err_set(e, ERR_CONFIG,
			       "[%.80s] is not a file name of letters, digits "
			       "and ._+@=,- of at most %d bytes",
			       name, MACHINE_NAME_MAX);
	if (machines_find(m, name))
		return err_set(e, ERR_CONFIG, "[%s] is there twice", name);
	if (m->count >= MACHINES_MAX)
		return err_set(e, ERR_CONFIG, "more than %d machines",
			       MACHINES_MAX);
	list = reallocarray(m->list, m->count + 1, sizeof(*list));
	if (!list)
		return err_set(e, ERR_SYSTEM, "no memory");
	m->list = list;
	list[m->count] = (struct machine){ .name = strdup(name) };
	if (!list[m->count].name)
		return err_set(e, ERR_SYSTEM, "no memory");
	m->count++;
	return 0;
}

#define MACHINE_OFFSET(key) { #key, offsetof(struct machine, key) },

static const struct {
	const char *name;
	size_t offset;
} keys[] = { MACHINE_KEYS(MACHINE_OFFSET) };

static char **member(struct machine *machine, size_t key)
{
	return (void *)((char *)machine + keys[key].offset);
}

static int unknown_key(const char *key, struct err *e)
{
	AUTO_BUF struct buf all = BUF_INIT(1024);

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		buf_printf(&all, "%s, ", keys[i].name);
	return err_set(e, ERR_CONFIG,
		       "%.60s: there is no such key; there are "
		       "%sconfig_script",
		       key, buf_str(&all));
}

static int add_script(struct machine *machine, const struct ini_line *line,
		      struct err *e)
{
	AUTO_FREE char *where = NULL;

	if (!*line->value)
		return err_set(e, ERR_CONFIG, "config_script: is empty");
	if (asprintf(&where, "%s:%d", line->file, line->number) < 0) {
		where = NULL;
		return err_set(e, ERR_SYSTEM, "no memory");
	}
	if (text_list_add(&machine->scripts, line->value, where, e) < 0)
		return err_prefix(e, "config_script");
	return 0;
}

static int set_key(struct machine *machine, const struct ini_line *line,
		   struct err *e)
{
	if (strcmp(line->key, "config_script") == 0)
		return add_script(machine, line, e);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		AUTO_BUF struct buf problem = BUF_INIT(400);

		if (strcmp(line->key, keys[i].name) != 0)
			continue;
		if (*member(machine, i))
			return err_set(e, ERR_CONFIG, "%s: set twice for [%s]",
				       line->key, machine->name);
		if (!machine_key_ok(line->key, line->value, &problem))
			return err_set(e, ERR_CONFIG, "%s: '%.80s' %s",
				       line->key, line->value,
				       buf_str(&problem));
		*member(machine, i) = strdup(line->value);
		if (!*member(machine, i))
			return err_set(e, ERR_SYSTEM, "no memory");
		return 0;
	}
	return unknown_key(line->key, e);
}

static int read_entry(void *arg, const struct ini_line *line, struct err *e)
{
	struct machines *m = arg;

	if (!line->key)
		return begin_machine(m, line->section, e);
	if (m->count == 0)
		return err_set(e, ERR_CONFIG,
			       "%.60s: stands before the first [machine]",
			       line->key);
	return set_key(&m->list[m->count - 1], line, e);
}

/* Give the keys that are missing their values. */
static int complete_one(struct machine *machine, struct err *e)
{
	if (!machine->description)
		machine->description = strdup(machine->name);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		if (!*member(machine, i))
			*member(machine, i) = strdup("");
		if (!*member(machine, i))
			return err_set(e, ERR_SYSTEM, "no memory");
	}
	for (char *c = machine->sha256; *c; c++)
		if (*c >= 'A' && *c <= 'F')
			*c = (char)(*c - 'A' + 'a');
	return 0;
}

static int complete(const char *file, struct machines *m, struct err *e)
{
	for (size_t i = 0; i < m->count; i++) {
		const char *problem;

		if (complete_one(&m->list[i], e) < 0)
			return -1;
		problem = machine_problem(&m->list[i]);
		if (problem)
			return err_set(e, ERR_CONFIG, "%s: [%s] %s", file,
				       m->list[i].name, problem);
	}
	return 0;
}

int machines_read(const char *file, struct machines *ret, struct err *e)
{
	AUTO_MACHINES struct machines m = { .list = NULL };

	if (ini_read(file, MACHINES_FILE_MAX, read_entry, &m, e) < 0 ||
	    complete(file, &m, e) < 0)
		return -1;
	*ret = m;
	m = (struct machines){ .list = NULL };
	return 0;
}

int machines_parse(const char *name, const char *text, size_t len,
		   struct machines *ret, struct err *e)
{
	AUTO_MACHINES struct machines m = { .list = NULL };

	if (ini_parse(name, text, len, read_entry, &m, e) < 0 ||
	    complete(name, &m, e) < 0)
		return -1;
	*ret = m;
	m = (struct machines){ .list = NULL };
	return 0;
}

void machines_release(struct machines *m)
{
	for (size_t i = 0; i < m->count; i++) {
		free(m->list[i].name);
		text_list_clear(&m->list[i].scripts);
		for (size_t k = 0; k < ARRAY_LEN(keys); k++)
			free(*member(&m->list[i], k));
	}
	free(m->list);
	m->list = NULL;
	m->count = 0;
}
