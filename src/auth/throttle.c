#include "auth/throttle.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/text.h"
#include "sys/clock.h"
#include "sys/file.h"

enum {
	FILE_BYTES_MAX = 32768,
	ENTRIES_MAX = 900, /* of at most 36 bytes each */
	NAME_MAX_BYTES = THROTTLE_NETWORK_SIZE,
};

struct entry {
	char key[THROTTLE_KEY_SIZE];
	long long ms;
};

/* A file that is open and locked, and what counts in it. */
struct bucket {
	int fd;
	char boot_id[CLOCK_BOOT_ID_SIZE];
	struct entry list[ENTRIES_MAX];
	size_t count;
};

/* ---- Files ---- */

/*
 * Open and lock a file; it is made if it is missing.  The lock may be that of
 * a file that a purge has removed meanwhile: then once more.
 */
static int open_locked(int dir, const char *name, struct err *e)
{
	for (;;) {
		AUTO_CLOSE int fd =
			openat(dir, name,
			       O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC |
				       O_NONBLOCK,
			       0600);
		struct stat st;

		if (fd < 0)
			return err_sys(e, "cannot open throttle/%s", name);
		while (flock(fd, LOCK_EX) < 0)
			if (errno != EINTR)
				return err_sys(e, "cannot lock throttle/%s",
					       name);
		if (fstat(fd, &st) == 0 && st.st_nlink == 1)
			return TAKE_FD(fd);
	}
}

/* "KEY MILLISECONDS", NUL behind it. */
static bool read_entry(const char *line, struct entry *ret)
{
	enum { KEY = THROTTLE_KEY_SIZE - 1 };

	if (strlen(line) < KEY + 2 || line[KEY] != ' ' ||
	    strspn(line, "0123456789abcdef") != KEY)
		return false;
	memcpy(ret->key, line, KEY);
	ret->key[KEY] = '\0';
	return text_long(line + KEY + 1, 0, 1LL << 60, &ret->ms);
}

/* Entries after `since` and not from the future; lines that are none are
 * left out. */
static void parse(struct bucket *b, char *text, long long since, long long now)
{
	char *line = strsep(&text, "\n");

	if (!line || strcmp(line, b->boot_id) != 0)
		return;
	while ((line = strsep(&text, "\n")) != NULL &&
	       b->count < ENTRIES_MAX) {
		struct entry *next = &b->list[b->count];

		if (read_entry(line, next) && next->ms > since &&
		    next->ms <= now)
			b->count++;
	}
}

static int load(struct bucket *b, const struct config *c, struct err *e)
{
	char text[FILE_BYTES_MAX + 1];
	long long now = clock_boot_ms();
	ssize_t got = pread(b->fd, text, FILE_BYTES_MAX, 0);

	if (got < 0)
		return err_sys(e, "cannot read a file of throttle/");
	text[got] = '\0';
	b->count = 0;
	clock_boot_id(b->boot_id);
	parse(b, text, now - c->login_failures_window * 1000, now);
	return 0;
}

static int save(const struct bucket *b, struct err *e)
{
	AUTO_BUF struct buf text = BUF_INIT(FILE_BYTES_MAX);

	buf_printf(&text, "%s\n", b->boot_id);
	for (size_t i = 0; i < b->count; i++)
		buf_printf(&text, "%s %lld\n", b->list[i].key, b->list[i].ms);
	if (buf_failed(&text))
		return err_set(e, ERR_SYSTEM, "no memory");
	if (pwrite(b->fd, text.data, text.len, 0) != (ssize_t)text.len ||
	    ftruncate(b->fd, (off_t)text.len) < 0)
		return err_sys(e, "cannot write a file of throttle/");
	return 0;
}

static int open_dir(const struct store *st, struct err *e)
{
	int fd = file_private_dir(st->dir, "throttle", e);

	if (fd < 0)
		err_prefix(e, "%s", st->path);
	return fd;
}

/* ---- Names ---- */

static void name_place(const struct secret *secret, const char *purpose,
		       const char *name, struct throttle_place *ret)
{
	char mac[SECRET_MAC_SIZE];

	secret_mac(secret, purpose, name, mac);
	*ret = (struct throttle_place){ .ms = 0 };
	memcpy(ret->file, mac, THROTTLE_FILE_SIZE - 1);
	memcpy(ret->key, mac + THROTTLE_FILE_SIZE - 1, THROTTLE_KEY_SIZE - 1);
}

/* Names that a login server takes for the same are the same here. */
static void fold_user(const char *user, char ret[NAME_MAX_BYTES])
{
	const char *first = user;
	size_t len = 0;

	for (; *user && len < NAME_MAX_BYTES - 1; user++) {
		char c = *user;

		if (c == '@' && user != first)
			break;
		if (c == ' ')
			continue;
		ret[len++] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
	}
	ret[len] = '\0';
}

void throttle_network(const char *address, char ret[THROTTLE_NETWORK_SIZE])
{
	struct in6_addr six;

	if (inet_pton(AF_INET6, address, &six) == 1) {
		if (IN6_IS_ADDR_V4MAPPED(&six)) {
			inet_ntop(AF_INET, &six.s6_addr[12], ret,
				  THROTTLE_NETWORK_SIZE);
			return;
		}
		memset(&six.s6_addr[8], 0, 8);
		inet_ntop(AF_INET6, &six, ret, THROTTLE_NETWORK_SIZE);
		return;
	}
	snprintf(ret, THROTTLE_NETWORK_SIZE, "%s", address);
}

/* ---- Reserving ---- */

/* Too many: when will the oldest that counts be forgotten? */
static int refuse(const struct config *c, long long oldest, struct err *e)
{
	long long ms = oldest + c->login_failures_window * 1000 -
		       clock_boot_ms();

	err_set(e, ERR_THROTTLED,
		"There were too many failed logins. Wait before you try "
		"again.");
	e->retry_after = ms > 0 ? (long)(ms + 999) / 1000 : 1;
	return -1;
}

static void add(struct bucket *b, struct throttle_place *place)
{
	if (b->count == ENTRIES_MAX) {
		b->count--;
		memmove(b->list, b->list + 1, b->count * sizeof(*b->list));
	}
	place->ms = clock_boot_ms();
	b->list[b->count].ms = place->ms;
	memcpy(b->list[b->count++].key, place->key, THROTTLE_KEY_SIZE);
}

static int reserve_place(const struct store *st, int dir, long long limit,
			 struct throttle_place *place, struct err *e)
{
	AUTO_CLOSE int fd = open_locked(dir, place->file, e);
	struct bucket b = { .fd = fd };
	long long used = 0;

	if (fd < 0 || load(&b, st->config, e) < 0)
		return -1;
	/* Back from the newest: a place is free when that one is forgotten. */
	for (size_t i = b.count; i-- > 0;)
		if (strcmp(b.list[i].key, place->key) == 0 && ++used == limit)
			return refuse(st->config, b.list[i].ms, e);
	add(&b, place);
	return save(&b, e);
}

static int return_place(const struct store *st, int dir,
			const struct throttle_place *place, struct err *e)
{
	AUTO_CLOSE int fd = open_locked(dir, place->file, e);
	struct bucket b = { .fd = fd };

	if (fd < 0 || load(&b, st->config, e) < 0)
		return -1;
	for (size_t i = 0; i < b.count; i++) {
		if (b.list[i].ms != place->ms ||
		    strcmp(b.list[i].key, place->key) != 0)
			continue;
		b.count--;
		memmove(&b.list[i], &b.list[i + 1],
			(b.count - i) * sizeof(*b.list));
		return save(&b, e);
	}
	return 0; /* forgotten already */
}

int throttle_reserve(const struct store *st, const struct secret *secret,
		     const char *user, const char *address,
		     struct throttle *ret, struct err *e)
{
	AUTO_CLOSE int dir = open_dir(st, e);
	char name[NAME_MAX_BYTES];
	struct err ignored = ERR_INIT;
	struct throttle t;

	if (dir < 0)
		return -1;
	fold_user(user, name);
	name_place(secret, "throttle-user", name, &t.user);
	throttle_network(address, name);
	name_place(secret, "throttle-address", name, &t.address);
	if (reserve_place(st, dir, st->config->login_failures_address,
			  &t.address, e) < 0)
		return -1;
	if (reserve_place(st, dir, st->config->login_failures_user, &t.user,
			  e) < 0) {
		(void)!return_place(st, dir, &t.address, &ignored);
		return -1;
	}
	*ret = t;
	return 0;
}

int throttle_return(const struct store *st, const struct throttle *t,
		    struct err *e)
{
	AUTO_CLOSE int dir = open_dir(st, e);

	if (dir < 0 || return_place(st, dir, &t->user, e) < 0)
		return -1;
	return return_place(st, dir, &t->address, e);
}

/* ---- Purging ---- */

/* True if the file was of no use any more and is removed.  One that is in use
 * now is left alone. */
static bool remove_if_stale(const struct store *st, int dir, const char *name)
{
	AUTO_CLOSE int fd = openat(dir, name,
				   O_RDWR | O_NOFOLLOW | O_CLOEXEC |
					   O_NONBLOCK);
	struct err ignored = ERR_INIT;
	struct bucket b = { .fd = fd };

	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 &&
	       load(&b, st->config, &ignored) == 0 && b.count == 0 &&
	       unlinkat(dir, name, 0) == 0;
}

int throttle_purge(const struct store *st, size_t *removed, struct err *e)
{
	int fd = open_dir(st, e);
	DIR *dir = fd < 0 ? NULL : file_entries(fd);
	const struct dirent *entry;

	*removed = 0;
	if (!dir)
		return fd < 0 ? -1 :
				err_sys(e, "cannot read %s/throttle", st->path);
	while ((entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.' &&
		    remove_if_stale(st, fd, entry->d_name))
			++*removed;
	closedir(dir);
	return 0;
}
