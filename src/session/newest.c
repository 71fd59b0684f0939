#include "session/newest.h"

#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>

#include "base/text.h"
#include "sys/file.h"
#include "sys/json.h"

enum { RECORD_MAX_BYTES = 65536 };

/* What a look at a record's text tells. */
struct glance {
	char name[SESSION_NAME_SIZE];
	long long started;
	bool over;
};

struct glances {
	struct glance *list;
	size_t count;
	size_t room;
};

/*
 * Look at one record.  False if it is another user's (`quoted` is the name as
 * a JSON string, or NULL for anybody).  A record that is not written as we
 * do it counts as not over, so that it is read in earnest.
 */
static bool look(const struct store *st, const char *file, const char *quoted,
		 struct glance *ret)
{
	AUTO_BUF struct buf text = BUF_INIT(RECORD_MAX_BYTES);
	struct err ignored = ERR_INIT;
	const char *started;

	ret->started = 0;
	ret->over = false;
	if (file_read(st->dir, file, false, &text, &ignored) < 0 ||
	    !text_starts(buf_str(&text), "{\"version\":1,"))
		return true;
	if (quoted && !strstr(text.data, quoted))
		return false;
	started = strstr(text.data, "\"started\":");
	if (started)
		ret->started = strtoll(started + 10, NULL, 10);
	ret->over = strstr(text.data, "\"state\":\"ended\"") ||
		    strstr(text.data, "\"state\":\"failed\"");
	return true;
}

static int add(struct glances *all, const struct glance *g, struct err *e)
{
	if (all->count == all->room) {
		size_t room = all->room ? all->room * 2 : 64;
		struct glance *grown = reallocarray(all->list, room,
						    sizeof(*grown));

		if (!grown)
			return err_set(e, ERR_SYSTEM, "no memory");
		all->list = grown;
		all->room = room;
	}
	all->list[all->count++] = *g;
	return 0;
}

static int look_at_all(const struct store *st, const char *quoted,
		       struct glances *ret, struct err *e)
{
	DIR *dir = file_entries(
		openat(st->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	const struct dirent *entry;
	int result = 0;

	if (!dir)
		return err_sys(e, "cannot read %s", st->path);
	while (result == 0 && (entry = readdir(dir)) != NULL) {
		struct glance g;

		if (store_name_of_record(entry->d_name, g.name) &&
		    look(st, entry->d_name, quoted, &g))
			result = add(ret, &g, e);
	}
	closedir(dir);
	return result;
}

/* As store_list() has it: what is not over first, the newest of each. */
static int in_order(const void *a, const void *b)
{
	const struct glance *x = a;
	const struct glance *y = b;

	if (x->over != y->over)
		return x->over ? 1 : -1;
	if (x->started != y->started)
		return x->started < y->started ? 1 : -1;
	return strcmp(x->name, y->name);
}

/* Read the first ones in earnest, as many as `limit` and what is not over. */
static int read_first(const struct store *st, const char *user,
		      const struct glances *all, size_t limit,
		      struct session_list *ret, size_t *ret_older,
		      struct err *e)
{
	size_t at;

	ret->list = calloc(all->count + 1, sizeof(*ret->list));
	if (!ret->list)
		return err_set(e, ERR_SYSTEM, "no memory");
	for (at = 0; at < all->count; at++) {
		struct err ignored = ERR_INIT;
		struct session *s = &ret->list[ret->count];

		if (all->list[at].over && ret->count >= limit)
			break;
		if (store_read_true(st, all->list[at].name, s, &ignored) == 0 &&
		    (!user || strcmp(user, s->user) == 0))
			ret->count++;
	}
	*ret_older = all->count - at;
	return 0;
}

int newest_list(const struct store *st, const char *user, size_t limit,
		struct session_list *ret, size_t *ret_older, struct err *e)
{
	json_t *string = user ? json_string(user) : NULL;
	AUTO_FREE char *quoted = json_text(string);
	struct glances all = { .list = NULL };
	int result;

	json_decref(string);
	*ret = (struct session_list){ .list = NULL };
	result = look_at_all(st, quoted, &all, e);
	if (all.count)
		qsort(all.list, all.count, sizeof(*all.list), in_order);
	if (result == 0)
		result = read_first(st, user, &all, limit, ret, ret_older, e);
	free(all.list);
	return result;
}
