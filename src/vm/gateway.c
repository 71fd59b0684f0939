#include "vm/gateway.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>

#include "base/text.h"
#include "session/launcher.h"
#include "sys/child.h"
#include "sys/file.h"
#include "vm/display.h"

enum { FILE_MAX_BYTES = 16 << 20 };

static int open_dir(const struct store *st, struct err *e)
{
	return file_private_dir(st->dir, "gateway", e);
}

static int open_locked(int dir, const char *name, int how)
{
	int fd = openat(dir, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
			0600);

	if (fd >= 0 && flock(fd, how) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static int start_keeper(const struct store *st, int lock,
			const char *const *options, struct err *e)
{
	AUTO_ARGV struct argv argv = { 0 };
	AUTO_CLOSE int log = store_open_log(st);
	struct child keeper = CHILD_INIT;

	argv_add(&argv, "/proc/self/exe");
	argv_add(&argv, "--gateway-keeper");
	argv_addf(&argv, "%d", lock);
	for (size_t i = 0; options && options[i]; i++)
		argv_add(&argv, options[i]);
	keeper.argv = &argv;
	keeper.err = log;
	keeper.keep = &lock;
	keeper.keep_count = 1;
	return launcher_start(st->config, LAUNCHER_GATEWAY, &keeper, 0, e);
}

int gateway_ensure(const struct store *st, const char *const *options,
		   struct err *e)
{
	AUTO_CLOSE int dir = open_dir(st, e);
	AUTO_CLOSE int gate = -1;
	AUTO_CLOSE int lock = -1;

	if (dir < 0)
		return -1;
	gate = open_locked(dir, "gate", LOCK_EX);
	if (gate < 0)
		return err_sys(e, "cannot lock the gateway's gate");
	lock = open_locked(dir, "lock", LOCK_EX | LOCK_NB);
	if (lock < 0)
		return errno == EWOULDBLOCK ?
			       0 :
			       err_sys(e, "cannot lock the gateway");
	if (unlinkat(dir, "port", 0) < 0 && errno != ENOENT)
		return err_sys(e, "cannot remove the gateway's port");
	return start_keeper(st, lock, options, e);
}

int gateway_port(const struct store *st)
{
	AUTO_BUF struct buf text = BUF_INIT(16);
	struct err e = ERR_INIT;
	AUTO_CLOSE int dir = open_dir(st, &e);
	AUTO_CLOSE int gate = -1;
	AUTO_CLOSE int lock = -1;
	long long port;

	if (dir < 0)
		return -1;
	/* Behind the gate, so that gateway_ensure() does not take our look
	 * for a keeper. */
	gate = open_locked(dir, "gate", LOCK_SH);
	lock = open_locked(dir, "lock", LOCK_SH | LOCK_NB);
	if (lock >= 0)
		return -1;
	if (file_read(dir, "port", false, &text, &e) < 0 ||
	    !text_long(buf_str(&text), 1, 65535, &port))
		return 0;
	return (int)port;
}

/* Is this line of the token file the session's?  "TOKEN: unix_socket:NAME/vnc" */
static bool line_is_of(const char *line, size_t len, const char *name)
{
	/* Of no buffer: one that had no memory would be the end of any line. */
	char tail[SESSION_NAME_SIZE + 32];
	size_t tail_len;

	snprintf(tail, sizeof(tail), " unix_socket:%s/vnc", name);
	tail_len = strlen(tail);
	return len >= tail_len &&
	       memcmp(line + len - tail_len, tail, tail_len) == 0;
}

static bool is_dead(const struct store *st, const char *name, size_t len)
{
	char copy[SESSION_NAME_SIZE];

	if (len >= sizeof(copy))
		return true;
	memcpy(copy, name, len);
	copy[len] = '\0';
	return !session_name_ok(copy) || !store_is_alive(st, copy);
}

static bool line_is_dead(const struct store *st, const char *line, size_t len)
{
	static const char mark[] = " unix_socket:";
	const char *from = memmem(line, len, mark, sizeof(mark) - 1);
	size_t left;

	if (!from)
		return true;
	from += sizeof(mark) - 1;
	left = len - (size_t)(from - line);
	return left < 5 || is_dead(st, from, left - 4);
}

/* The same of the file of pages, "NAME: ORIGIN..." */
static bool page_is_of(const char *line, size_t len, const char *name)
{
	size_t name_len = strlen(name);

	return len > name_len && line[name_len] == ':' &&
	       memcmp(line, name, name_len) == 0;
}

static bool page_is_dead(const struct store *st, const char *line, size_t len)
{
	const char *colon = memchr(line, ':', len);

	return !colon || is_dead(st, line, (size_t)(colon - line));
}

static const struct gateway_file {
	const char *name;
	const char *leftover;
	bool (*is_of)(const char *line, size_t len, const char *session);
	bool (*is_dead)(const struct store *st, const char *line, size_t len);
} tokens_file = { "tokens", "tokens.tmp", line_is_of, line_is_dead },
  pages_file = { "pages", "pages.tmp", page_is_of, page_is_dead };

/* Which lines of a file go, and which one comes. */
struct change {
	const struct gateway_file *file;
	const char *drop; /* the session of this name, or NULL */
	bool drop_dead;	  /* all sessions that do not live */
	const char *add;  /* or NULL */
	int dropped;
};

static void filter(const struct store *st, const char *text,
		   struct change *change, struct buf *ret)
{
	while (*text) {
		size_t len = strcspn(text, "\n");

		if ((change->drop &&
		     change->file->is_of(text, len, change->drop)) ||
		    (change->drop_dead &&
		     change->file->is_dead(st, text, len))) {
			change->dropped++;
		} else {
			buf_add(ret, text, len);
			buf_putc(ret, '\n');
		}
		text += len + (text[len] == '\n');
	}
	if (change->add)
		buf_puts(ret, change->add);
}

/* Returns how many lines were dropped, or -1. */
static int change_lines(const struct store *st, struct change *change,
			struct err *e)
{
	AUTO_BUF struct buf before = BUF_INIT(FILE_MAX_BYTES);
	AUTO_BUF struct buf after = BUF_INIT(FILE_MAX_BYTES);
	AUTO_CLOSE int dir = open_dir(st, e);
	AUTO_CLOSE int lock = -1;
	struct err missing = ERR_INIT;

	if (dir < 0)
		return -1;
	lock = open_locked(dir, "tokens.lock", LOCK_EX);
	if (lock < 0)
		return err_sys(e, "cannot lock the tokens");
	if (file_read(dir, change->file->name, false, &before, &missing) < 0 &&
	    missing.code != ERR_NOT_FOUND) {
		*e = missing;
		return -1;
	}
	filter(st, buf_str(&before), change, &after);
	if (buf_failed(&after))
		return err_set(e, ERR_SYSTEM, "too many tokens");
	if (!change->add && !change->dropped && before.len) {
		/* Of a writer that was killed. */
		if (unlinkat(dir, change->file->leftover, 0) < 0 &&
		    errno != ENOENT)
			return err_sys(e, "cannot remove %s",
				       change->file->leftover);
		return 0;
	}
	if (file_replace(dir, change->file->name, buf_str(&after), after.len,
			 0600, false, e) < 0)
		return -1;
	return change->dropped;
}

static int change_file(const struct store *st, const struct gateway_file *file,
		       const char *session, const char *add, struct err *e)
{
	struct change change = { .file = file, .drop = session, .add = add };

	return change_lines(st, &change, e) < 0 ? -1 : 0;
}

static int clean_file(const struct store *st, const struct gateway_file *file,
		      struct err *e)
{
	struct change change = { .file = file, .drop_dead = true };

	return change_lines(st, &change, e);
}

int gateway_admit(const struct store *st, const struct session *s,
		  struct err *e)
{
	AUTO_BUF struct buf pages = BUF_INIT(4096);
	AUTO_BUF struct buf token = BUF_INIT(256);
	AUTO_BUF struct buf origins = BUF_INIT(4096);

	display_origins(st->config, s->origin, s->port, &origins);
	buf_printf(&pages, "%s: %s\n", s->name, buf_str(&origins));
	buf_printf(&token, "%s: unix_socket:%s/vnc\n", s->token, s->name);
	if (buf_failed(&origins) || buf_failed(&pages) || buf_failed(&token))
		return err_set(e, ERR_SYSTEM, "no memory for the token");
	if (change_file(st, &pages_file, s->name, buf_str(&pages), e) < 0)
		return -1;
	return change_file(st, &tokens_file, s->name, buf_str(&token), e);
}

int gateway_revoke(const struct store *st, const char *name, struct err *e)
{
	if (change_file(st, &tokens_file, name, NULL, e) < 0)
		return -1;
	return change_file(st, &pages_file, name, NULL, e);
}

/* The port of a keeper that was killed is nobody's. */
static void forget_port(const struct store *st)
{
	struct err ignored = ERR_INIT;
	AUTO_CLOSE int dir = open_dir(st, &ignored);
	AUTO_CLOSE int gate = -1;
	AUTO_CLOSE int lock = -1;

	if (dir < 0)
		return;
	gate = open_locked(dir, "gate", LOCK_EX);
	lock = gate < 0 ? -1 : open_locked(dir, "lock", LOCK_EX | LOCK_NB);
	if (lock < 0)
		return;
	unlinkat(dir, "port", 0);
	unlinkat(dir, "port.tmp", 0);
}

int gateway_clean(const struct store *st, struct err *e)
{
	int dropped = clean_file(st, &tokens_file, e);

	forget_port(st);
	if (dropped < 0 || clean_file(st, &pages_file, e) < 0)
		return -1;
	return dropped;
}
