#include "conf/mounts.h"

#include <stdio.h>
#include <string.h>

#include "base/macros.h"
#include "base/text.h"

static const char user_mark[] = "@USER@";

enum { ITEM_MAX = 300 };

/* One component of a path: no way up, nothing that QEMU or bubblewrap could
 * take for something else. */
static bool is_component(const char *at, size_t len)
{
	char text[ITEM_MAX + 1];

	if (len == 0 || len > ITEM_MAX || (len == 1 && *at == '.') ||
	    (len == 2 && at[0] == '.' && at[1] == '.'))
		return false;
	memcpy(text, at, len);
	text[len] = '\0';
	return text_only(text, "._+@=- ");
}

static bool is_path(const char *path)
{
	if (*path != '/')
		return false;
	while (*path == '/') {
		size_t len = strcspn(path + 1, "/");

		if (!is_component(path + 1, len))
			return false;
		path += 1 + len;
	}
	return true;
}

/* host_ and the last word that is not the user's name. */
static const char *make_tag(const char *path, char ret[MOUNT_TAG_SIZE])
{
	char copy[ITEM_MAX + 1];
	char *word;

	snprintf(copy, sizeof(copy), "%s", path);
	word = strrchr(copy, '/');
	while (word && strcmp(word + 1, user_mark) == 0) {
		*word = '\0';
		word = strrchr(copy, '/');
	}
	if (!word || strstr(word + 1, user_mark))
		return "names a directory whose tag would hold the user's "
		       "name";
	if (strlen(word + 1) > MOUNT_TAG_SIZE - sizeof("host_"))
		return "names a directory whose last word has more than 26 "
		       "bytes";
	snprintf(ret, MOUNT_TAG_SIZE, "host_%.26s", word + 1);
	return NULL;
}

/* The path with the user's name in it. */
static const char *fill_path(const char *path, const char *user,
			     struct mount *ret)
{
	const char *mark = strstr(path, user_mark);
	const char *slash;
	int len;

	if (!mark) {
		snprintf(ret->path, sizeof(ret->path), "%s", path);
		return NULL;
	}
	if (strstr(mark + 1, user_mark))
		return "names @USER@ twice";
	slash = mark;
	while (slash[-1] != '/')
		slash--;
	ret->fixed = (size_t)(slash - path);
	len = snprintf(ret->path, sizeof(ret->path), "%.*s%s%s",
		       (int)(mark - path), path, user,
		       mark + strlen(user_mark));
	return (size_t)len < sizeof(ret->path) ? NULL : "is too long";
}

/* One item: "/path", "/path:ro" or "/path:rw". */
static const char *read_item(char *item, const char *user, struct mounts *m)
{
	struct mount mount = { .fd = -1 };
	char *colon = strrchr(item, ':');
	const char *problem;

	if (colon) {
		mount.writable = strcmp(colon, ":rw") == 0;
		if (!mount.writable && strcmp(colon, ":ro") != 0)
			return "holds ':' with neither ro nor rw behind it";
		*colon = '\0';
	}
	if (!is_path(item))
		return "is not a list of absolute paths, as /srv/data:ro, "
		       "with commas between";
	if (m->count == MOUNTS_MAX)
		return "names more than 8 directories";
	problem = make_tag(item, mount.tag);
	if (!problem)
		problem = fill_path(item, user, &mount);
	if (problem)
		return problem;
	for (size_t i = 0; i < m->count; i++)
		if (strcmp(m->list[i].tag, mount.tag) == 0)
			return "names two directories with the same last word";
	m->list[m->count++] = mount;
	return NULL;
}

static const char *read_list(const char *text, const char *user,
			     struct mounts *ret)
{
	*ret = (struct mounts){ .count = 0 };
	while (*text) {
		size_t len = strcspn(text, ",");
		char item[ITEM_MAX + 1];
		const char *problem;

		if (len > ITEM_MAX)
			return "names a path that is too long";
		memcpy(item, text, len);
		item[len] = '\0';
		problem = read_item(text_trim(item), user, ret);
		if (problem)
			return problem;
		text += len;
		if (*text == ',' && !*++text)
			return "ends with a comma";
	}
	return NULL;
}

const char *mounts_problem(const char *text)
{
	struct mounts ignored;

	return read_list(text, "user", &ignored);
}

int mounts_parse(const char *text, const char *user, struct mounts *ret,
		 struct err *e)
{
	struct mounts mounts;
	const char *problem = read_list(text, user, &mounts);

	if (problem)
		return err_set(e, ERR_CONFIG, "mounts: '%.80s' %s", text,
			       problem);
	*ret = mounts;
	return 0;
}
