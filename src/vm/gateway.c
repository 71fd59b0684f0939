#include "vm/gateway.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>

#include "base/text.h"
#include "session/launcher.h"
#include "sys/child.h"
#include "sys/file.h"

enum { TOKENS_MAX_BYTES = 16 << 20 };

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

static int start_keeper(const struct store *st, int lock, const char *origin,
			const char *const *options, struct err *e)
{
	AUTO_ARGV struct argv argv = { 0 };
	AUTO_CLOSE int log = store_open_log(st);
	struct child keeper = CHILD_INIT;

	argv_add(&argv, "/proc/self/exe");
	argv_add(&argv, "--gateway-keeper");
	argv_addf(&argv, "%d", lock);
	argv_add(&argv, origin);
	for (size_t i = 0; options && options[i]; i++)
		argv_add(&argv, options[i]);
	keeper.argv = &argv;
	keeper.err = log;
	keeper.keep = &lock;
	keeper.keep_count = 1;
	return launcher_start(st->config, LAUNCHER_GATEWAY, &keeper, 0, e);
}

int gateway_ensure(const struct store *st, const char *origin,
		   const char *const *options, struct err *e)
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
	return start_keeper(st, lock, origin, options, e);
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

static bool line_is_dead(const struct store *st, const char *line, size_t len)
{
	static const char mark[] = " unix_socket:";
	char name[SESSION_NAME_SIZE];
	const char *from = memmem(line, len, mark, sizeof(mark) - 1);
	size_t left;

	if (!from)
		return true;
	from += sizeof(mark) - 1;
	left = len - (size_t)(from - line);
	if (left < 5 || left - 4 >= sizeof(name))
		return true;
	memcpy(name, from, left - 4);
	name[left - 4] = '\0';
	return !session_name_ok(name) || !store_is_alive(st, name);
}

/* Which lines of the token file go, and which one comes. */
struct change {
	const char *drop;	   /* the session of this name, or NULL */
	bool drop_dead;		   /* all sessions that do not live */
	const struct session *add; /* or NULL */
	int dropped;
};

static void filter(const struct store *st, const char *text,
		   struct change *change, struct buf *ret)
{
	while (*text) {
		size_t len = strcspn(text, "\n");

		if ((change->drop && line_is_of(text, len, change->drop)) ||
		    (change->drop_dead && line_is_dead(st, text, len))) {
			change->dropped++;
		} else {
			buf_add(ret, text, len);
			buf_putc(ret, '\n');
		}
		text += len + (text[len] == '\n');
	}
	if (change->add)
		buf_printf(ret, "%s: unix_socket:%s/vnc\n", change->add->token,
			   change->add->name);
}

static int change_tokens(const struct store *st, struct change *change,
			 struct err *e)
{
	AUTO_BUF struct buf before = BUF_INIT(TOKENS_MAX_BYTES);
	AUTO_BUF struct buf after = BUF_INIT(TOKENS_MAX_BYTES);
	AUTO_CLOSE int dir = open_dir(st, e);
	AUTO_CLOSE int lock = -1;
	struct err missing = ERR_INIT;

	if (dir < 0)
		return -1;
	lock = open_locked(dir, "tokens.lock", LOCK_EX);
	if (lock < 0)
		return err_sys(e, "cannot lock the tokens");
	if (file_read(dir, "tokens", false, &before, &missing) < 0 &&
	    missing.code != ERR_NOT_FOUND) {
		*e = missing;
		return -1;
	}
	filter(st, buf_str(&before), change, &after);
	if (buf_failed(&after))
		return err_set(e, ERR_SYSTEM, "too many tokens");
	if (!change->add && !change->dropped && before.len) {
		/* Of a writer that was killed. */
		if (unlinkat(dir, "tokens.tmp", 0) < 0 && errno != ENOENT)
			return err_sys(e, "cannot remove tokens.tmp");
		return 0;
	}
	return file_replace(dir, "tokens", buf_str(&after), after.len, 0600,
			    false, e);
}

int gateway_admit(const struct store *st, const struct session *s,
		  struct err *e)
{
	struct change change = { .drop = s->name, .add = s };

	return change_tokens(st, &change, e);
}

int gateway_revoke(const struct store *st, const char *name, struct err *e)
{
	struct change change = { .drop = name };

	return change_tokens(st, &change, e);
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
	struct change change = { .drop_dead = true };

	forget_port(st);

	if (change_tokens(st, &change, e) < 0)
		return -1;
	return change.dropped;
}
