/* Room for one more login: see auth/login_room.h. */
#include "auth/login_room.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sha256.h>
#include <string.h>
#include <sys/stat.h>

#include "auth/login.h"
#include "base/log.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/json.h"

enum {
	LOGIN_FILE_MAX = 65536,
	FULL_RETRY_S = 300,
	PART = 20, /* of all, where nobody has more than one */
};

struct seat {
	char file[SHA256_DIGEST_STRING_LENGTH];
	char user[SESSION_USER_SIZE]; /* "" if it cannot be read */
	long long used;		      /* on this boot's clock, seconds */
};

struct seats {
	struct seat *list;
	size_t count;
};

static int by_user(const void *a, const void *b)
{
	const struct seat *x = a;
	const struct seat *y = b;
	int order = strcmp(x->user, y->user);

	return order ? order : (x->used > y->used) - (x->used < y->used);
}

static int by_use(const void *a, const void *b)
{
	const struct seat *x = a;
	const struct seat *y = b;

	return (x->used > y->used) - (x->used < y->used);
}

/* False if the file is none of the folder's, or has gone. */
static bool look(int dir, const char *name, struct seat *ret)
{
	AUTO_BUF struct buf text = BUF_INIT(LOGIN_FILE_MAX);
	AUTO_JSON json_t *login = NULL;
	struct err ignored = ERR_INIT;
	long long now = clock_boot_ms() / 1000;
	const char *user = "";
	struct stat stat;

	*ret = (struct seat){ .used = now };
	if (name[0] == '.' || strlen(name) >= sizeof(ret->file) ||
	    fstatat(dir, name, &stat, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	memcpy(ret->file, name, strlen(name) + 1);
	/* One that is just being made bears the wall's time. */
	if (stat.st_mtime < now)
		ret->used = stat.st_mtime;
	if (file_read(dir, name, false, &text, &ignored) == 0)
		login = json_parse_object(buf_str(&text), text.len, &ignored);
	if (login && json_get_string(login, "user", sizeof(ret->user) - 1,
				     &user, &ignored) == 0)
		memcpy(ret->user, user, strlen(user) + 1);
	return true;
}

static int read_all(int logins, struct seats *ret, struct err *e)
{
	DIR *dir = file_entries(
		openat(logins, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	const struct dirent *entry;

	if (!dir)
		return err_sys(e, "cannot read the logins");
	ret->list = calloc(LOGIN_MAX, sizeof(*ret->list));
	while (ret->list && ret->count < LOGIN_MAX &&
	       (entry = readdir(dir)) != NULL)
		ret->count += look(logins, entry->d_name,
				   &ret->list[ret->count]);
	closedir(dir);
	return ret->list ? 0 : err_set(e, ERR_SYSTEM, "no memory");
}

/* Those of whoever has most, the one unused for longest first. */
static struct seats find_most(struct seats *all)
{
	struct seats most = { .count = 0 };
	size_t start = 0;

	qsort(all->list, all->count, sizeof(*all->list), by_user);
	for (size_t i = 1; i <= all->count; i++) {
		if (i < all->count && strcmp(all->list[i].user,
					     all->list[start].user) == 0)
			continue;
		if (i - start > most.count)
			most = (struct seats){ all->list + start, i - start };
		start = i;
	}
	return most;
}

static size_t end_some(int logins, struct seats *all)
{
	struct seats most = find_most(all);
	size_t count = (most.count + 1) / 2;
	size_t ended = 0;

	if (most.count <= 1) {
		qsort(all->list, all->count, sizeof(*all->list), by_use);
		most = *all;
		count = (all->count + PART - 1) / PART;
	}
	for (size_t i = 0; i < count; i++)
		ended += unlinkat(logins, most.list[i].file, 0) == 0 ||
			 errno == ENOENT;
	return ended;
}

static int make(int logins, struct err *e)
{
	struct seats all = { .list = NULL };
	size_t ended = 0;
	char number[24];

	if (read_all(logins, &all, e) == 0 && all.list)
		ended = end_some(logins, &all);
	free(all.list);
	snprintf(number, sizeof(number), "%zu", ended);
	log_event("login", "result", "full", "ended", number, NULL);
	if (ended)
		return 0;
	err_set(e, ERR_BUSY,
		"Too many visitors are logged in. Try again in some minutes.");
	e->retry_after = FULL_RETRY_S;
	return -1;
}

int login_room(int logins, struct err *e)
{
	DIR *dir = file_entries(
		openat(logins, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	long count = -2; /* "." and ".." */

	if (!dir)
		return err_sys(e, "cannot count the logins");
	while (count < LOGIN_MAX && readdir(dir))
		count++;
	closedir(dir);
	return count < LOGIN_MAX ? 0 : make(logins, e);
}
