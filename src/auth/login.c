#include "auth/login.h"

#include <errno.h>
#include <fcntl.h>
#include <sha256.h>
#include <string.h>
#include <sys/stat.h>

#include "auth/login_room.h"
#include "base/text.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/json.h"
#include "sys/random.h"

enum {
	LOGIN_FILE_MAX = 65536,
	TEMPORARY_MAX_S = 60, /* no writer takes longer */
};

struct hash {
	char text[SHA256_DIGEST_STRING_LENGTH];
};

/* The file's name; false if `cookie` cannot be one of ours. */
static bool hash_of(const char *cookie, struct hash *ret)
{
	size_t len = strlen(cookie);

	return len == LOGIN_COOKIE_SIZE - 1 &&
	       strspn(cookie, "abcdefghijklmnopqrstuvwxyz234567") == len &&
	       SHA256Data((const uint8_t *)cookie, len, ret->text) != NULL;
}

static int open_logins(const struct store *st, struct err *e)
{
	int fd = file_private_dir(st->dir, "logins", e);

	if (fd < 0)
		err_prefix(e, "%s", st->path);
	return fd;
}

static long long boot_s(void)
{
	return clock_boot_ms() / 1000;
}

/* The login `file` is used now.  ENOENT if there is none. */
static int set_use(int dir, const char *file)
{
	const struct timespec now[2] = { { .tv_sec = boot_s() },
					 { .tv_sec = boot_s() } };

	return utimensat(dir, file, now, AT_SYMLINK_NOFOLLOW);
}

int login_start(const struct store *st, const struct identity *who,
		char ret_cookie[LOGIN_COOKIE_SIZE], struct err *e)
{
	AUTO_CLOSE int dir = open_logins(st, e);
	AUTO_JSON json_t *login = NULL;
	AUTO_FREE char *text = NULL;
	char cookie[LOGIN_COOKIE_SIZE];
	char boot_id[CLOCK_BOOT_ID_SIZE];
	struct hash hash;

	if (dir < 0 || login_room(dir, e) < 0 ||
	    random_text(cookie, LOGIN_COOKIE_SIZE - 1, e) < 0)
		return -1;
	clock_boot_id(boot_id);
	login = json_pack("{si ss ss ss ss sI sI ss}", "version", 1, "user",
			  who->user, "mail", who->mail, "method", who->method,
			  "groups", who->groups, "created",
			  (json_int_t)clock_wall(), "expires_boot_ms",
			  (json_int_t)(clock_boot_ms() +
				       st->config->login_lifetime * 1000),
			  "boot_id", boot_id);
	text = json_text(login);
	if (!text || !hash_of(cookie, &hash))
		return err_set(e, ERR_SYSTEM, "cannot make a login");
	if (file_replace(dir, hash.text, text, strlen(text), 0600, false, e) <
	    0)
		return -1;
	if (set_use(dir, hash.text) < 0) {
		err_sys(e, "cannot note that a login is used");
		unlinkat(dir, hash.text, 0);
		return -1;
	}
	memcpy(ret_cookie, cookie, sizeof(cookie));
	return 0;
}

/* The strings of a login: member, key, longest. */
static int read_identity(const json_t *login, struct identity *ret,
			 struct err *e)
{
	const struct {
		const char *key;
		char *member;
		size_t size;
	} texts[] = {
		{ "user", ret->user, sizeof(ret->user) },
		{ "mail", ret->mail, sizeof(ret->mail) },
		{ "method", ret->method, sizeof(ret->method) },
		{ "groups", ret->groups, sizeof(ret->groups) },
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		const char *text;

		if (json_get_string(login, texts[i].key, texts[i].size - 1,
				    &text, e) < 0)
			return -1;
		memcpy(texts[i].member, text, strlen(text) + 1);
	}
	return 0;
}

/* ERR_LOGIN if the login `file` was last used login_idle seconds ago, or
 * more.  One that is just being made bears the wall's time, and passes. */
static int check_use(const struct store *st, int dir, const char *file,
		     struct err *e)
{
	struct stat stat;

	if (fstatat(dir, file, &stat, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? err_set(e, ERR_LOGIN,
						 "no such login") :
					 err_sys(e, "cannot look at a login");
	if (boot_s() - stat.st_mtime >= st->config->login_idle)
		return err_set(e, ERR_LOGIN, "the login was not used");
	return 0;
}

/* ERR_LOGIN unless the login's lifetime is going on. */
static int check_lifetime(const struct store *st, const json_t *login,
			  struct err *e)
{
	char boot_id[CLOCK_BOOT_ID_SIZE];
	const char *boot;
	long long expires;
	long long left;

	if (json_get_int(login, "expires_boot_ms", 0, 1LL << 60, &expires, e) <
		    0 ||
	    json_get_string(login, "boot_id", CLOCK_BOOT_ID_SIZE - 1, &boot,
			    e) < 0)
		return err_set(e, ERR_LOGIN, "the login is damaged");
	clock_boot_id(boot_id);
	left = expires - clock_boot_ms();
	/* The last test is for a lifetime that was made shorter. */
	if (strcmp(boot, boot_id) != 0 || left <= 0 ||
	    left > st->config->login_lifetime * 1000)
		return err_set(e, ERR_LOGIN, "the login has expired");
	return 0;
}

/* Read the login `file`: ERR_LOGIN unless it is whole and valid now. */
static int read_login(const struct store *st, int dir, const char *file,
		      struct identity *ret, struct err *e)
{
	AUTO_BUF struct buf text = BUF_INIT(LOGIN_FILE_MAX);
	AUTO_JSON json_t *login = NULL;
	struct identity who = { .user = "" };
	long long version;

	if (file_read(dir, file, false, &text, e) < 0)
		return e->code == ERR_SYSTEM ? -1 :
					       err_set(e, ERR_LOGIN,
						       "no such login");
	login = json_parse_object(buf_str(&text), text.len, e);
	if (!login || json_get_int(login, "version", 1, 1, &version, e) < 0 ||
	    read_identity(login, &who, e) < 0 ||
	    !session_user_ok(who.user))
		return err_set(e, ERR_LOGIN, "the login is damaged");
	if (check_lifetime(st, login, e) < 0)
		return -1;
	if (!who.method[0] && access_logins_checked(st->config))
		return err_set(e, ERR_LOGIN, "the login was never checked");
	if (check_use(st, dir, file, e) < 0)
		return -1;
	*ret = who;
	ret->admin = access_is_admin(st->config, &who);
	return 0;
}

int login_find(const struct store *st, const char *cookie,
	       struct identity *ret, struct err *e)
{
	AUTO_CLOSE int dir = -1;
	struct hash hash;

	if (!hash_of(cookie, &hash))
		return err_set(e, ERR_LOGIN, "no such login");
	dir = open_logins(st, e);
	if (dir < 0)
		return -1;
	return read_login(st, dir, hash.text, ret, e);
}

int login_use(const struct store *st, const char *cookie, struct err *e)
{
	AUTO_CLOSE int dir = open_logins(st, e);
	long long step = st->config->login_idle / 4;
	long long now = boot_s();
	struct stat stat;
	struct hash hash;

	if (dir < 0)
		return -1;
	if (step > LOGIN_STEP_S)
		step = LOGIN_STEP_S;
	if (!hash_of(cookie, &hash) ||
	    fstatat(dir, hash.text, &stat, AT_SYMLINK_NOFOLLOW) < 0)
		return 0; /* it has ended */
	if (stat.st_mtime <= now && now - stat.st_mtime < step)
		return 0;
	if (set_use(dir, hash.text) < 0 && errno != ENOENT)
		return err_sys(e, "cannot note that a login is used");
	return 0;
}

int login_end(const struct store *st, const char *cookie, struct err *e)
{
	AUTO_CLOSE int dir = -1;
	struct hash hash;

	if (!hash_of(cookie, &hash))
		return 0;
	dir = open_logins(st, e);
	if (dir < 0)
		return -1;
	if (unlinkat(dir, hash.text, 0) < 0 && errno != ENOENT)
		return err_sys(e, "cannot remove a login");
	return 0;
}

/* True if `file` is of no use to anybody any more. */
static bool is_stale(int dir, const char *file, const void *st)
{
	struct err e = ERR_INIT;
	struct identity ignored;
	struct stat stat;

	if (text_ends(file, ".tmp"))
		return fstatat(dir, file, &stat, AT_SYMLINK_NOFOLLOW) == 0 &&
		       clock_wall() - stat.st_mtime > TEMPORARY_MAX_S;
	return read_login(st, dir, file, &ignored, &e) < 0 &&
	       e.code == ERR_LOGIN;
}

int login_purge(const struct store *st, size_t *removed, struct err *e)
{
	int fd = open_logins(st, e);

	*removed = 0;
	return fd < 0 ? -1 : file_remove_those(fd, is_stale, st, removed, e);
}
