#include "farm/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/text.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/json.h"
#include "sys/random.h"

enum { SKIP_FILE_MAX = 32 * 1024 };

static int open_folder(const struct store *st, struct err *e)
{
	return file_private_dir(st->dir, "farm", e);
}

/* ---- Who we are ---- */

static bool is_id(const struct buf *text)
{
	return text->len == FARM_ID_SIZE - 1 && text_only(buf_str(text), "");
}

/* Of several that make one at the same time, one has made it. */
static int make_id(int dir, struct err *e)
{
	char id[FARM_ID_SIZE];
	AUTO_CLOSE int fd = -1;
	char link[64];

	if (random_text(id, FARM_ID_SIZE - 1, e) < 0)
		return -1;
	fd = openat(dir, ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);
	if (fd < 0 || file_write_all(fd, id, FARM_ID_SIZE - 1) < 0)
		return err_sys(e, "cannot make this server's id");
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (linkat(AT_FDCWD, link, dir, "id", AT_SYMLINK_FOLLOW) < 0 &&
	    errno != EEXIST)
		return err_sys(e, "cannot make this server's id");
	return 0;
}

int peer_id(const struct store *st, char ret[FARM_ID_SIZE], struct err *e)
{
	AUTO_CLOSE int dir = open_folder(st, e);
	AUTO_BUF struct buf text = BUF_INIT(FARM_ID_SIZE);
	struct err missing = ERR_INIT;

	if (dir < 0)
		return -1;
	if (file_read(dir, "id", false, &text, &missing) < 0) {
		if (missing.code != ERR_NOT_FOUND) {
			*e = missing;
			return -1;
		}
		buf_reset(&text);
		if (make_id(dir, e) < 0 ||
		    file_read(dir, "id", false, &text, e) < 0)
			return -1;
	}
	if (!is_id(&text))
		return err_set(e, ERR_DAMAGED, "farm/id: no id");
	memcpy(ret, buf_str(&text), FARM_ID_SIZE);
	return 0;
}

/* ---- Whom we do not ask ---- */

/* The file as an object; an empty one if there is none of this boot that is
 * whole. */
static json_t *load(int dir)
{
	AUTO_BUF struct buf text = BUF_INIT(SKIP_FILE_MAX);
	struct err ignored = ERR_INIT;
	char boot[CLOCK_BOOT_ID_SIZE];
	const char *of;
	json_t *file = NULL;

	clock_boot_id(boot);
	if (dir >= 0 && file_read(dir, "skip", false, &text, &ignored) == 0)
		file = json_parse_object(buf_str(&text), text.len, &ignored);
	if (file &&
	    json_get_string(file, "boot_id", sizeof(boot) - 1, &of,
			    &ignored) == 0 &&
	    strcmp(of, boot) == 0 &&
	    json_is_object(json_object_get(file, "servers")))
		return file;
	json_decref(file);
	return json_pack("{ss s{}}", "boot_id", boot, "servers");
}

/* Its entry, if that counts now. */
static const json_t *entry_of(const json_t *file, const char *origin)
{
	const json_t *entry = json_object_get(
		json_object_get(file, "servers"), origin);
	struct err ignored = ERR_INIT;
	long long until;

	if (!entry || json_get_int(entry, "until_ms", 0, 1LL << 60, &until,
				   &ignored) < 0)
		return NULL;
	return clock_boot_ms() < until ? entry : NULL;
}

bool peer_is_skipped(const struct store *st, const char *origin,
		     char ret_reason[PEER_REASON_SIZE])
{
	struct err ignored = ERR_INIT;
	AUTO_CLOSE int dir = open_folder(st, &ignored);
	AUTO_JSON json_t *file = load(dir);
	const json_t *entry = entry_of(file, origin);
	const char *reason;

	if (!entry || json_get_string(entry, "reason", PEER_REASON_SIZE - 1,
				      &reason, &ignored) < 0)
		return false;
	memcpy(ret_reason, reason, strlen(reason) + 1);
	return true;
}

/* Servers that are asked again, or not at all any more, go. */
static void drop_old(json_t *file)
{
	json_t *servers = json_object_get(file, "servers");
	const char *origin;
	json_t *entry;
	void *next;

	json_object_foreach_safe(servers, next, origin, entry)
		if (!entry_of(file, origin))
			json_object_del(servers, origin);
}

/* The writer of the file is alone. */
static int lock(int dir, struct err *e)
{
	int fd = openat(dir, "lock",
			O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(e, "cannot open farm/lock");
	while (flock(fd, LOCK_EX) < 0) {
		if (errno == EINTR)
			continue;
		err_sys(e, "cannot lock farm/lock");
		close(fd);
		return -1;
	}
	return fd;
}

/* Is there anything to write? */
static bool is_news(int dir, const char *origin, long long seconds)
{
	AUTO_JSON json_t *file = load(dir);

	return seconds || json_object_get(json_object_get(file, "servers"),
					  origin);
}

int peer_skip(const struct store *st, const char *origin, const char *reason,
	      long long seconds, struct err *e)
{
	AUTO_CLOSE int dir = open_folder(st, e);
	AUTO_CLOSE int alone = -1;
	AUTO_JSON json_t *file = NULL;
	AUTO_FREE char *text = NULL;
	json_t *servers;
	int failed;

	if (dir < 0 || !is_news(dir, origin, seconds))
		return dir < 0 ? -1 : 0;
	alone = lock(dir, e);
	if (alone < 0)
		return -1;
	file = load(dir);
	servers = json_object_get(file, "servers");
	drop_old(file);
	failed = seconds ?
			 json_object_set_new(
				 servers, origin,
				 json_pack("{sI ss}", "until_ms",
					   (json_int_t)(clock_boot_ms() +
							seconds * 1000),
					   "reason", reason)) :
			 0;
	if (!seconds)
		json_object_del(servers, origin);
	text = json_text(file);
	if (failed || !text)
		return err_set(e, ERR_SYSTEM, "no memory");
	return file_replace(dir, "skip", text, strlen(text), 0600, false, e);
}
