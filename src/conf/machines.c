#include "conf/machines.h"

#include <string.h>

#include "base/text.h"
#include "conf/ini.h"
#include "conf/url.h"

enum {
	MACHINES_FILE_MAX = 1024 * 1024,
	DESCRIPTION_MAX = 200,
	NAMES_MAX = 4096,
};

const struct machine *machines_find(const struct machines *m, const char *name)
{
	for (size_t i = 0; i < m->count; i++)
		if (strcmp(m->list[i].name, name) == 0)
			return &m->list[i];
	return NULL;
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

static const char *check_description(const char *value)
{
	if (!*value)
		return "is empty";
	return strlen(value) > DESCRIPTION_MAX ? "is too long" : NULL;
}

static const char *check_url(const char *value)
{
	struct url url;

	return url_parse(value, &url);
}

static const char *check_sha256(const char *value)
{
	if (strlen(value) != 64 ||
	    strspn(value, "0123456789abcdefABCDEF") != 64)
		return "is not 64 hexadecimal digits";
	return NULL;
}

/* Names with commas between, none of them empty. */
static const char *check_names(const char *value)
{
	const char *at = value;

	if (strlen(value) > NAMES_MAX)
		return "is too long";
	for (;;) {
		size_t len;

		at += strspn(at, " \t");
		len = strcspn(at, ",");
		if (len == 0 || strcspn(at, " \t,") == 0)
			return "is not a list of names separated by commas";
		at += len;
		if (!*at)
			return NULL;
		at++;
	}
}

static int set_key(struct machine *machine, const struct ini_line *line,
		   struct err *e)
{
	const struct {
		const char *name;
		char **member;
		const char *(*check)(const char *value);
	} keys[] = {
		{ "description", &machine->description, check_description },
		{ "url", &machine->url, check_url },
		{ "sha256", &machine->sha256, check_sha256 },
		{ "users", &machine->users, check_names },
		{ "groups", &machine->groups, check_names },
	};

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const char *problem;

		if (strcmp(line->key, keys[i].name) != 0)
			continue;
		if (*keys[i].member)
			return err_set(e, ERR_CONFIG, "%s: set twice for [%s]",
				       line->key, machine->name);
		problem = keys[i].check(line->value);
		if (problem)
			return err_set(e, ERR_CONFIG, "%s: '%.80s' %s",
				       line->key, line->value, problem);
		*keys[i].member = strdup(line->value);
		if (!*keys[i].member)
			return err_set(e, ERR_SYSTEM, "no memory");
		return 0;
	}
	return err_set(e, ERR_CONFIG,
		       "%.60s: there is no such key; there are description, "
		       "url, sha256, users and groups",
		       line->key);
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
static int complete(struct machines *m, struct err *e)
{
	for (size_t i = 0; i < m->count; i++) {
		struct machine *one = &m->list[i];

		if (!one->description)
			one->description = strdup(one->name);
		if (!one->url)
			one->url = strdup("");
		if (!one->sha256)
			one->sha256 = strdup("");
		if (!one->users)
			one->users = strdup("");
		if (!one->groups)
			one->groups = strdup("");
		if (!one->description || !one->url || !one->sha256 ||
		    !one->users || !one->groups)
			return err_set(e, ERR_SYSTEM, "no memory");
		for (char *c = one->sha256; *c; c++)
			if (*c >= 'A' && *c <= 'F')
				*c = (char)(*c - 'A' + 'a');
	}
	return 0;
}

int machines_read(const char *file, struct machines *ret, struct err *e)
{
	AUTO_MACHINES struct machines m = { .list = NULL };

	if (ini_read(file, MACHINES_FILE_MAX, read_entry, &m, e) < 0 ||
	    complete(&m, e) < 0)
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
	    complete(&m, e) < 0)
		return -1;
	*ret = m;
	m = (struct machines){ .list = NULL };
	return 0;
}

void machines_release(struct machines *m)
{
	for (size_t i = 0; i < m->count; i++) {
		free(m->list[i].name);
		free(m->list[i].description);
		free(m->list[i].url);
		free(m->list[i].sha256);
		free(m->list[i].users);
		free(m->list[i].groups);
	}
	free(m->list);
	m->list = NULL;
	m->count = 0;
}
