#include "farm/heard.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>

#include "base/buf.h"
#include "base/text.h"
#include "sys/clock.h"
#include "sys/file.h"

enum { WINDOW_S = 60 };

#define GIVEN_UP "-"

/* ---- Once ---- */

/* Minutes whose assertions nobody takes, nor asks about, any more. */
static void forget_old(int folder)
{
	long long now = clock_wall();
	DIR *dir = file_entries(
		openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	const struct dirent *entry;
	struct err ignored = ERR_INIT;
	long long window;

	while (dir && (entry = readdir(dir)) != NULL)
		if (text_long(entry->d_name, 0, 1LL << 50, &window) &&
		    (window + 1) * WINDOW_S + FARM_SKEW_S + FARM_SETTLE_S <
			    now)
			(void)!file_remove_tree(folder, entry->d_name,
						&ignored);
	if (dir)
		closedir(dir);
}

static size_t count(int folder)
{
	DIR *dir = file_entries(
		openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	size_t found = 0;

	while (dir && readdir(dir) != NULL)
		found++;
	if (dir)
		closedir(dir);
	return found;
}

/* The folder of the minute in which what is asked about ends. */
static int open_minute(const struct store *st, long long expires, struct err *e)
{
	AUTO_CLOSE int farm = file_private_dir(st->dir, "farm", e);
	AUTO_CLOSE int nonces =
		farm < 0 ? -1 : file_private_dir(farm, "nonces", e);
	char window[24];

	if (nonces < 0)
		return -1;
	snprintf(window, sizeof(window), "%lld", expires / WINDOW_S);
	if (faccessat(nonces, window, F_OK, 0) < 0)
		forget_old(nonces);
	return file_private_dir(nonces, window, e);
}

int heard_once(const struct store *st, const struct assertion *a,
	       struct err *e)
{
	AUTO_CLOSE int dir = open_minute(st, a->expires, e);
	AUTO_CLOSE int fd = -1;

	if (dir < 0)
		return -1;
	if (count(dir) > FARM_NONCES_MAX)
		return err_set(e, ERR_BUSY,
			       "The other servers ask too often. Try again in "
			       "a minute.");
	fd = openat(dir, a->nonce, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
		    0600);
	if (fd >= 0)
		return 0;
	return errno == EEXIST ? err_set(e, ERR_FORBIDDEN,
					 "assertion: used before") :
				 err_sys(e, "cannot note an assertion");
}

/* ---- What became of an order ---- */

void order_id_text(const struct order_id *o, char ret[ORDER_ID_TEXT_SIZE])
{
	snprintf(ret, ORDER_ID_TEXT_SIZE, "%lld.%s", o->expires, o->nonce);
}

int order_id_parse(const char *text, struct order_id *ret, struct err *e)
{
	const char *dot = strchr(text, '.');
	char number[24];
	long long expires;

	if (!dot || (size_t)(dot - text) >= sizeof(number) ||
	    strlen(dot + 1) != FARM_NONCE_SIZE - 1 || !text_only(dot + 1, ""))
		return err_field(e, "order", "This is no order.");
	memcpy(number, text, (size_t)(dot - text));
	number[dot - text] = '\0';
	if (!text_long(number, 0, 1LL << 50, &expires))
		return err_field(e, "order", "This is no order.");
	ret->expires = expires;
	memcpy(ret->nonce, dot + 1, FARM_NONCE_SIZE);
	return 0;
}

/* Its file, locked. */
static int open_order(int dir, const char *nonce, int flags, struct err *e)
{
	AUTO_CLOSE int fd = openat(
		dir, nonce, O_RDWR | O_NOFOLLOW | O_CLOEXEC | flags, 0600);

	if (fd < 0)
		return err_sys(e, "cannot open the note of an order");
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return err_sys(e, "cannot lock the note of an order");
	return TAKE_FD(fd);
}

/* What its file holds: what is there already, or else `mine`. */
static int settle(int fd, const char *mine, char ret[SESSION_NAME_SIZE],
		  struct err *e)
{
	ssize_t got = pread(fd, ret, SESSION_NAME_SIZE - 1, 0);

	if (got < 0)
		return err_sys(e, "cannot read the note of an order");
	ret[got] = '\0';
	if (got == 0 && file_write_all(fd, mine, strlen(mine)) < 0)
		return err_sys(e, "cannot write the note of an order");
	if (got == 0)
		snprintf(ret, SESSION_NAME_SIZE, "%s", mine);
	return 0;
}

int heard_order_done(const struct store *st, const struct assertion *a,
		     const char *name, struct err *e)
{
	AUTO_CLOSE int dir = open_minute(st, a->expires, e);
	AUTO_CLOSE int fd = dir < 0 ? -1 : open_order(dir, a->nonce, 0, e);
	char held[SESSION_NAME_SIZE];

	if (fd < 0 || settle(fd, name, held, e) < 0)
		return -1;
	return strcmp(held, name) == 0 ?
		       0 :
		       err_set(e, ERR_CONFLICT,
			       "The server that has sent this has given it up.");
}

int heard_order_settle(const struct store *st, const struct order_id *o,
		       char ret_name[SESSION_NAME_SIZE], struct err *e)
{
	long long left = o->expires - clock_wall();
	AUTO_CLOSE int dir = -1;
	AUTO_CLOSE int fd = -1;
	char held[SESSION_NAME_SIZE];

	if (left < -(FARM_SKEW_S + FARM_SETTLE_S) ||
	    left > FARM_LIFE_S + FARM_SKEW_S)
		return err_set(e, ERR_FORBIDDEN,
			       "assertion: its order is of another time");
	dir = open_minute(st, o->expires, e);
	fd = dir < 0 ? -1 : open_order(dir, o->nonce, O_CREAT, e);
	if (fd < 0 || settle(fd, GIVEN_UP, held, e) < 0)
		return -1;
	if (!session_name_ok(held))
		return err_set(e, ERR_NOT_FOUND,
			       "Nothing has come of this order.");
	memcpy(ret_name, held, sizeof(held));
	return 0;
}
