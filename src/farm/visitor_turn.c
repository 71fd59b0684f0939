/* Whose jobs are removed first: see farm/visitor.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "farm/visitor.h"
#include "sys/file.h"

#define LATE ".late"

void visitor_note_late(int reg, const char *user, bool late)
{
	AUTO_CLOSE int own = openat(reg, user,
				    O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
					    O_CLOEXEC);
	AUTO_CLOSE int fd = -1;
	struct timespec now[2];

	if (own < 0)
		return;
	if (!late) {
		(void)!unlinkat(own, LATE, 0);
		return;
	}
	fd = openat(own, LATE, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
		    0600);
	/* Finer than the file system's own clock. */
	if (fd < 0 || clock_gettime(CLOCK_REALTIME, &now[0]) < 0)
		return;
	now[1] = now[0];
	(void)!futimens(fd, now);
}

static int by_turn(const void *one, const void *other)
{
	const struct timespec *a = &((const struct visitor_turn *)one)->late;
	const struct timespec *b = &((const struct visitor_turn *)other)->late;

	if (a->tv_sec != b->tv_sec)
		return a->tv_sec < b->tv_sec ? -1 : 1;
	return (a->tv_nsec > b->tv_nsec) - (a->tv_nsec < b->tv_nsec);
}

static int add(struct visitor_turns *t, int reg, const char *user,
	       struct err *e)
{
	struct visitor_turn *list =
		reallocarray(t->list, t->count + 1, sizeof(*list));
	AUTO_FREE char *path = file_join(user, LATE);
	char *copy = strdup(user);
	struct stat file;

	if (list)
		t->list = list;
	if (!list || !path || !copy) {
		free(copy);
		return err_set(e, ERR_SYSTEM, "no memory");
	}
	list[t->count] = (struct visitor_turn){ .user = copy };
	if (fstatat(reg, path, &file, AT_SYMLINK_NOFOLLOW) == 0)
		list[t->count].late = file.st_mtim;
	t->count++;
	return 0;
}

int visitor_turns(int reg, struct visitor_turns *ret, struct err *e)
{
	DIR *users = file_entries(
		openat(reg, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	const struct dirent *entry;
	int result = 0;

	*ret = (struct visitor_turns){ .list = NULL };
	if (!users)
		return err_sys(e, "cannot read the register of jobs");
	while (result == 0 && (entry = readdir(users)) != NULL)
		if (entry->d_name[0] != '.')
			result = add(ret, reg, entry->d_name, e);
	closedir(users);
	if (result == 0 && ret->count)
		qsort(ret->list, ret->count, sizeof(*ret->list), by_turn);
	return result;
}

void visitor_turns_release(struct visitor_turns *t)
{
	for (size_t i = 0; i < t->count; i++)
		free(t->list[i].user);
	free(t->list);
	*t = (struct visitor_turns){ .list = NULL };
}
