#include "session/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/text.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/json.h"

enum {
	RECORD_MAX_BYTES = 65536,
	LOG_MAX_BYTES = 1 << 20,
};

/* What is at `path`: 1 a directory of ours that nobody else may enter, 0 what
 * others may, or nothing; -1 with errno if that cannot be found out. */
static int is_private(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
	return S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
	       (st.st_mode & 077) == 0;
}

static bool is_missing(const char *path)
{
	return access(path, F_OK) < 0 && errno == ENOENT;
}

/* The path of the store's own directory (caller frees).  Never one for
 * another: there would be two stores, each with places of its own. */
static char *choose_path(const struct config *c, struct err *e)
{
	const char *base = c->dir_cfg[0] ? c->dir_cfg : "/tmp";
	int private = c->dir_cfg[0] ? is_private(base) : 0;
	char *path = NULL;

	if (private < 0) {
		err_sys(e, "dir_cfg: cannot look at %s", base);
		return NULL;
	}
	if (c->dir_cfg[0] && (private || is_missing(base)))
		path = strdup(base);
	else if (asprintf(&path, "%s/%s-%u", base, c->service,
			  (unsigned)geteuid()) < 0)
		path = NULL;
	if (!path)
		err_set(e, ERR_SYSTEM, "no memory");
	return path;
}

int store_open(const struct config *config, struct store *ret, struct err *e)
{
	struct store st = STORE_INIT;

	st.config = config;
	st.path = choose_path(config, e);
	if (!st.path)
		return -1;
	st.dir = file_private_dir(AT_FDCWD, st.path, e);
	if (st.dir >= 0)
		st.locks = file_private_dir(st.dir, "locks", e);
	if (st.locks >= 0)
		st.run = file_private_dir(st.dir, "run", e);
	if (st.run < 0) {
		store_release(&st);
		return err_prefix(e, "dir_cfg");
	}
	*ret = st;
	return 0;
}

int store_open_log(const struct store *st)
{
	struct stat stat;
	int fd = openat(st->dir, "log",
			O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
			0600);

	if (fd >= 0 && fstat(fd, &stat) == 0 && stat.st_size > LOG_MAX_BYTES)
		(void)!renameat(st->dir, "log", st->dir, "log.1");
	return fd;
}

void store_release(struct store *st)
{
	free(st->path);
	if (st->dir >= 0)
		close(st->dir);
	if (st->locks >= 0)
		close(st->locks);
	if (st->run >= 0)
		close(st->run);
	*st = (struct store)STORE_INIT;
}

/* NAME.json; names are at most SESSION_NAME_SIZE - 1 bytes. */
struct record_name {
	char text[SESSION_NAME_SIZE + 8];
};

static struct record_name record_of(const char *name)
{
	struct record_name r;

	snprintf(r.text, sizeof(r.text), "%s.json", name);
	return r;
}

/* Move a record that cannot be read out of everybody's way. */
static void set_aside(const struct store *st, const char *file,
		      const struct err *why)
{
	struct err e = ERR_INIT;
	AUTO_CLOSE int damaged = file_private_dir(st->dir, "damaged", &e);
	int result = damaged < 0 ? -1 :
				   renameat(st->dir, file, damaged, file);

	/* Somebody else was faster. */
	if (result < 0 && damaged >= 0 && errno == ENOENT)
		return;
	/* The name is taken there: one is enough. */
	if (result < 0 && damaged >= 0 &&
	    (errno == EEXIST || errno == ENOTEMPTY || errno == EISDIR ||
	     errno == ENOTDIR))
		result = file_remove_tree(st->dir, file, &e);
	else if (result < 0 && damaged >= 0)
		err_sys(&e, "cannot set %s aside", file);
	if (result < 0)
		log_error("record-damaged", &e);
	log_event("record-damaged", "file", file, "message", why->msg, NULL);
}

/*
 * Can this record be the session of a user whose name is `needle` as a JSON
 * string?  Only a record as we write it is refused without being parsed.
 */
static bool may_be_of(const struct buf *text, const char *needle)
{
	static const char start[] = "{\"version\":1,";

	return !needle || !text_starts(buf_str(text), start) ||
	       text->data[text->len - 1] != '}' ||
	       strstr(text->data, needle) != NULL;
}

/* A record that we may not even read is not ours. */
static bool is_foreign(const struct store *st, const char *file,
		       const struct err *e)
{
	struct stat stat;

	return e->code == ERR_SYSTEM && e->sys == EACCES &&
	       fstatat(st->dir, file, &stat, AT_SYMLINK_NOFOLLOW) == 0 &&
	       stat.st_uid != geteuid();
}

/* store_read(), which gives up with ERR_FORBIDDEN on another user's. */
static int read_record(const struct store *st, const char *name,
		       const char *needle, struct session *ret, struct err *e)
{
	AUTO_BUF struct buf text = BUF_INIT(RECORD_MAX_BYTES);
	AUTO_JSON json_t *record = NULL;
	struct record_name file;

	if (!session_name_ok(name))
		return err_set(e, ERR_NOT_FOUND, "no such session");
	file = record_of(name);
	if (file_read(st->dir, file.text, false, &text, e) < 0) {
		if (e->code == ERR_DAMAGED || e->code == ERR_TOO_LARGE ||
		    is_foreign(st, file.text, e))
			goto damaged;
		return -1;
	}
	if (!may_be_of(&text, needle))
		return err_set(e, ERR_FORBIDDEN, "another user's session");
	record = json_parse_object(buf_str(&text), text.len, e);
	if (!record && e->code == ERR_SYSTEM)
		return -1; /* no memory says nothing about the record */
	if (!record || session_from_record(record, ret, e) < 0)
		goto damaged;
	if (strcmp(ret->name, name) != 0) {
		err_set(e, ERR_DAMAGED, "the record holds another name");
		goto damaged;
	}
	return 0;

damaged:
	set_aside(st, file.text, e);
	e->code = ERR_DAMAGED;
	return -1;
}

int store_read(const struct store *st, const char *name, struct session *ret,
	       struct err *e)
{
	return read_record(st, name, NULL, ret, e);
}

int store_write(const struct store *st, const struct session *s, struct err *e)
{
	AUTO_JSON json_t *record = session_to_record(s);
	AUTO_FREE char *text = json_text(record);
	struct record_name file = record_of(s->name);

	if (!text)
		return err_set(e, ERR_SYSTEM, "no memory");
	return file_replace(st->dir, file.text, text, strlen(text), 0600,
			    false, e);
}

/*
 * Try a session's lock: its descriptor; -1 with EWOULDBLOCK if it is held,
 * ENOENT if there is none, or what else kept us from finding out.  Who only looks takes it shared (LOCK_SH), so that
 * two lookers do not take each other for the owner.
 */
static int try_lock(const struct store *st, const char *name, int how)
{
	struct stat stat;
	int fd = openat(st->locks, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -1;
	if (flock(fd, how | LOCK_NB) < 0 || fstat(fd, &stat) < 0) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	if (stat.st_nlink != 1) {
		close(fd);
		errno = ENOENT;
		return -1;
	}
	return fd;
}

bool store_is_alive(const struct store *st, const char *name)
{
	int fd = try_lock(st, name, LOCK_SH);

	if (fd >= 0) {
		close(fd);
		return false;
	}
	/* Who cannot find out (no descriptor, no memory) says nobody dead. */
	return errno != ENOENT && errno != ELOOP && errno != EISDIR &&
	       errno != ENXIO;
}

int store_lock(const struct store *st, struct err *e)
{
	int fd = openat(st->dir, "lock",
			O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	int result;

	if (fd < 0)
		return err_sys(e, "cannot open the store's lock");
	do {
		result = flock(fd, LOCK_EX);
	} while (result < 0 && errno == EINTR);
	if (result < 0) {
		err_sys(e, "cannot take the store's lock");
		close(fd);
		return -1;
	}
	return fd;
}

int store_take_lock(const struct store *st, const char *name, struct err *e)
{
	int fd = try_lock(st, name, LOCK_EX);

	if (fd >= 0)
		return fd;
	if (errno == EWOULDBLOCK)
		return err_set(e, ERR_CONFLICT, "session %s lives", name);
	if (errno == ENOENT)
		return err_set(e, ERR_NOT_FOUND, "session %s has no lock",
			       name);
	return err_sys(e, "cannot lock session %s", name);
}

void store_show_dead(struct session *s)
{
	char boot_id[CLOCK_BOOT_ID_SIZE];

	clock_boot_id(boot_id);
	s->state = SESSION_FAILED;
	snprintf(s->reason, sizeof(s->reason), "%s",
		 strcmp(boot_id, s->boot_id) == 0 ?
			 "The process that looked after this machine has died." :
			 "The server was restarted.");
}

static int read_true(const struct store *st, const char *name,
		     const char *needle, struct session *ret, struct err *e)
{
	bool alive;

	if (read_record(st, name, needle, ret, e) < 0)
		return -1;
	if (session_is_final(ret))
		return 0;
	alive = store_is_alive(st, name);
	/* Once more: it may have ended between the two looks. */
	if (!alive && store_read(st, name, ret, e) < 0)
		return -1;
	if (!alive && !session_is_final(ret))
		store_show_dead(ret);
	return 0;
}

int store_read_true(const struct store *st, const char *name,
		    struct session *ret, struct err *e)
{
	return read_true(st, name, NULL, ret, e);
}

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

bool store_name_of_record(const char *file, char ret[SESSION_NAME_SIZE])
{
	size_t len = strlen(file);

	if (!text_ends(file, ".json") || len - 5 >= SESSION_NAME_SIZE)
		return false;
	memcpy(ret, file, len - 5);
	ret[len - 5] = '\0';
	return session_name_ok(ret);
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
		    read_true(st, name, needle, &s, &ignored) < 0)
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

int store_forget(const struct store *st, const char *name, struct err *e)
{
	struct record_name file = record_of(name);
	int result = file_remove_tree(st->run, name, e);

	if (unlinkat(st->dir, file.text, 0) < 0 && errno != ENOENT)
		result = err_sys(e, "cannot remove record %s", name);
	if (result == 0 && unlinkat(st->locks, name, 0) < 0 &&
	    errno != ENOENT)
		result = err_sys(e, "cannot remove lock %s", name);
	return result;
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

char *store_overlay_path(const struct store *st, const char *name)
{
	char *path;

	if (asprintf(&path, "%s/%s.qcow2", st->config->dir_snapshots,
		     name) < 0)
		return NULL;
	return path;
}
