/* What the store holds. */
#include "session/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "session/store_parts.h"
#include "sys/file.h"
#include "sys/json.h"

/* The living first, and the newest of each. */
static int in_order(const void *a, const void *b)
{
	const struct session *x = a;
	const struct session *y = b;

	if (session_is_final(x) != session_is_final(y))
		return session_is_final(x) ? 1 : -1;
	if (x->started != y->started)
		return x->started < y->started ? 1 : -1;
	return strcmp(x->name, y->name);
}

static int list_add(struct session_list *list, size_t *room,
		    const struct session *s, struct err *e)
{
	if (list->count == *room) {
		size_t more = *room ? *room * 2 : 16;
		struct session *grown = reallocarray(list->list, more,
						     sizeof(*grown));

		if (!grown)
			return err_set(e, ERR_SYSTEM, "no memory");
		list->list = grown;
		*room = more;
	}
	list->list[list->count++] = *s;
	return 0;
}

/* Open a directory of the store for reading its entries. */
static DIR *open_entries(int dirfd)
{
	return file_entries(
		openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

/* `user` as it stands in a record; NULL for NULL, or if no memory. */
static char *as_json(const char *user)
{
	AUTO_JSON json_t *string = user ? json_string(user) : NULL;

	return json_text(string);
}

static int end_list(struct session_list *list, DIR *dir, int result)
{
	closedir(dir);
	if (result < 0)
		session_list_release(list);
	else if (list->count)
		qsort(list->list, list->count, sizeof(*list->list), in_order);
	return result;
}

int store_list(const struct store *st, const char *user,
	       struct session_list *ret, struct err *e)
{
	AUTO_FREE char *needle = as_json(user);
	DIR *dir = open_entries(st->dir);
	const struct dirent *entry;
	size_t room = 0;
	int result = 0;

	*ret = (struct session_list){ 0 };
	if (!dir)
		return err_sys(e, "cannot read %s", st->path);
	while (result == 0 && (entry = readdir(dir)) != NULL) {
		char name[SESSION_NAME_SIZE];
		struct err ignored = ERR_INIT;
		struct session s;

		if (!store_name_of_record(entry->d_name, name) ||
		    store_read_true_of(st, name, needle, &s, &ignored) < 0)
			continue;
		if (!user || strcmp(user, s.user) == 0)
			result = list_add(ret, &room, &s, e);
	}
	return end_list(ret, dir, result);
}

int store_list_alive(const struct store *st, struct session_list *ret,
		     struct err *e)
{
	DIR *dir = open_entries(st->locks);
	const struct dirent *entry;
	size_t room = 0;
	int result = 0;

	*ret = (struct session_list){ 0 };
	if (!dir)
		return err_sys(e, "cannot read %s/locks", st->path);
	while (result == 0 && (entry = readdir(dir)) != NULL) {
		struct err one = ERR_INIT;
		struct session s;

		if (!session_name_ok(entry->d_name) ||
		    !store_is_alive(st, entry->d_name))
			continue;
		if (store_read(st, entry->d_name, &s, &one) == 0) {
			if (!session_is_final(&s))
				result = list_add(ret, &room, &s, e);
		} else if (one.code == ERR_SYSTEM) {
			/* It lives, and whoever counts must not miss it. */
			*e = one;
			result = -1;
		}
	}
	return end_list(ret, dir, result);
}

void session_list_release(struct session_list *list)
{
	free(list->list);
	*list = (struct session_list){ 0 };
}

size_t store_count_alive(const struct store *st)
{
	DIR *dir = open_entries(st->locks);
	const struct dirent *entry;
	size_t count = 0;

	if (!dir)
		return 0;
	while ((entry = readdir(dir)) != NULL)
		if (session_name_ok(entry->d_name) &&
		    store_is_alive(st, entry->d_name))
			count++;
	closedir(dir);
	return count;
}
