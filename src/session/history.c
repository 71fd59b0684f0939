#include "session/history.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/text.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/json.h"

enum { AGAIN_MS = 10 };

/* ---- A line ---- */

static long long life_of(const struct session *s)
{
	long long life_ms = s->ended_boot_ms - s->started_boot_ms;

	/* It has waited, and had nothing. */
	if (s->step == STEP_ACCEPTED)
		return 0;
	if (s->started_boot_ms && life_ms >= 0)
		return life_ms / 1000;
	/* After a restart of the host only the wall clock knows. */
	return s->ended > s->started ? s->ended - s->started : 0;
}

static void line_of(const struct session *s, struct history_line *ret)
{
	*ret = (struct history_line){
		.cpu = s->cpu,
		.memory_mb = s->memory_mb,
		.started = s->started,
		.ended = s->ended,
		.seconds = life_of(s),
		.job = s->job,
	};
	memcpy(ret->session, s->name, sizeof(ret->session));
	memcpy(ret->user, s->user, sizeof(ret->user));
	memcpy(ret->machine, s->machine, sizeof(ret->machine));
	memcpy(ret->reason, s->reason, sizeof(ret->reason));
	memcpy(ret->account, s->account, sizeof(ret->account));
	memcpy(ret->partition, s->partition, sizeof(ret->partition));
	memcpy(ret->qos, s->qos, sizeof(ret->qos));
	snprintf(ret->state, sizeof(ret->state), "%s",
		 session_state_name(s->state));
}

static const char *text_or_null(const char *text)
{
	return *text ? text : NULL;
}

json_t *history_line_value(const struct history_line *line)
{
	char started[32];
	char ended[32];

	clock_rfc3339(line->started, started, sizeof(started));
	clock_rfc3339(line->ended, ended, sizeof(ended));
	return json_pack("{ss ss ss sI sI ss ss sI ss ss so ss? ss? ss?}",
			 "session",
			 line->session, "user", line->user, "machine",
			 line->machine, "cpu", (json_int_t)line->cpu,
			 "memory_mb", (json_int_t)line->memory_mb, "started",
			 started, "ended", ended, "seconds",
			 (json_int_t)line->seconds, "state", line->state,
			 "reason", line->reason, "job",
			 line->job ? json_integer(line->job) : json_null(),
			 "account", text_or_null(line->account), "partition",
			 text_or_null(line->partition), "qos",
			 text_or_null(line->qos));
}

static int get_text(const json_t *object, const char *key, size_t size,
		    char *ret, struct err *e)
{
	const char *text;

	if (json_get_string(object, key, size - 1, &text, e) < 0)
		return -1;
	memcpy(ret, text, strlen(text) + 1);
	return 0;
}

static int get_time(const json_t *object, const char *key, long long *ret,
		    struct err *e)
{
	const char *text;

	if (json_get_string(object, key, 31, &text, e) < 0)
		return -1;
	if (!clock_read(text, ret))
		return err_set(e, ERR_DAMAGED, "%s: no time", key);
	return 0;
}

/* What lines have only of jobs, and old ones not at all. */
static bool has(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return value && !json_is_null(value);
}

static int get_choice(const json_t *object, const char *key,
		      char ret[SESSION_CLUSTER_SIZE], struct err *e)
{
	return has(object, key) ? get_text(object, key, SESSION_CLUSTER_SIZE,
					   ret, e) :
				  0;
}

static int read_line(const char *text, size_t len, struct history_line *ret,
		     struct err *e)
{
	AUTO_JSON json_t *object = json_parse_object(text, len, e);

	memset(ret, 0, sizeof(*ret));
	if (!object ||
	    get_text(object, "session", sizeof(ret->session), ret->session,
		     e) < 0 ||
	    get_text(object, "user", sizeof(ret->user), ret->user, e) < 0 ||
	    get_text(object, "machine", sizeof(ret->machine), ret->machine,
		     e) < 0 ||
	    get_text(object, "state", sizeof(ret->state), ret->state, e) < 0 ||
	    get_text(object, "reason", sizeof(ret->reason), ret->reason, e) <
		    0 ||
	    get_time(object, "started", &ret->started, e) < 0 ||
	    get_time(object, "ended", &ret->ended, e) < 0 ||
	    json_get_int(object, "cpu", 0, 1 << 20, &ret->cpu, e) < 0 ||
	    json_get_int(object, "memory_mb", 0, 1LL << 40, &ret->memory_mb,
			 e) < 0 ||
	    json_get_int(object, "seconds", 0, 1LL << 40, &ret->seconds, e) <
		    0 ||
	    (has(object, "job") &&
	     json_get_int(object, "job", 1, 1LL << 31, &ret->job, e) < 0) ||
	    get_choice(object, "account", ret->account, e) < 0 ||
	    get_choice(object, "partition", ret->partition, e) < 0 ||
	    get_choice(object, "qos", ret->qos, e) < 0)
		return -1;
	return 0;
}

/* ---- Appending ---- */

/* Has another one written since? */
static bool has_grown(int dir, struct stat *was)
{
	struct stat now = { .st_size = 0 };
	bool grown;

	(void)!fstatat(dir, "history", &now, AT_SYMLINK_NOFOLLOW);
	grown = now.st_ino != was->st_ino || now.st_size != was->st_size;
	*was = now;
	return grown;
}

static int take_lock(int dir, struct err *e)
{
	long long until = clock_boot_ms() + HISTORY_WAIT_MS;
	struct stat was = { .st_size = 0 };
	AUTO_CLOSE int fd = openat(dir, "lock",
				   O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
				   0600);

	while (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_sys(e, "cannot take the history's lock");
		if (has_grown(dir, &was))
			until = clock_boot_ms() + HISTORY_WAIT_MS;
		if (clock_boot_ms() >= until)
			return err_set(e, ERR_TIMEOUT,
				       "dir_history: another process holds "
				       "its lock");
		(void)!poll(NULL, 0, AGAIN_MS);
	}
	return fd < 0 ? err_sys(e, "cannot open the history's lock") :
			TAKE_FD(fd);
}

/* Room for `len` bytes more: a history that would grow too long is moved. */
static int rotate(const struct config *c, int dir, size_t len, struct err *e)
{
	struct stat stat;

	if (fstatat(dir, "history", &stat, AT_SYMLINK_NOFOLLOW) < 0 ||
	    stat.st_size + (off_t)len <= c->history_size << 20)
		return 0;
	if (renameat(dir, "history", dir, "history.1") < 0)
		return err_sys(e, "cannot move the history");
	return 0;
}

/* True if the file ends within a line, as a crash may have left it. */
static bool ends_in_line(int fd, off_t size)
{
	char last;

	return size > 0 && pread(fd, &last, 1, size - 1) == 1 && last != '\n';
}

static int append(int dir, const struct buf *line, struct err *e)
{
	AUTO_CLOSE int fd = file_open(
		dir, "history", O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW, e);
	struct stat stat;

	if (fd < 0)
		return err_prefix(e, "dir_history");
	if (fstat(fd, &stat) < 0)
		return err_sys(e, "cannot look at the history");
	if (ends_in_line(fd, stat.st_size) &&
	    file_write_all(fd, "\n", 1) < 0)
		return err_sys(e, "cannot write the history");
	if (fstat(fd, &stat) == 0 &&
	    file_write_all(fd, line->data, line->len) == 0 &&
	    fdatasync(fd) == 0)
		return 0;
	err_sys(e, "cannot write the history");
	(void)!ftruncate(fd, stat.st_size);
	return -1;
}

int history_append(const struct config *c, const struct session *s,
		   struct err *e)
{
	AUTO_BUF struct buf line = BUF_INIT(HISTORY_LINE_MAX);
	AUTO_JSON json_t *value = NULL;
	AUTO_FREE char *text = NULL;
	struct history_line l;
	AUTO_CLOSE int lock = -1;
	AUTO_CLOSE int dir = -1;

	line_of(s, &l);
	value = history_line_value(&l);
	text = json_text(value);
	buf_puts(&line, text ? text : "");
	buf_putc(&line, '\n');
	if (!text || buf_failed(&line))
		return err_set(e, ERR_SYSTEM, "no memory for the history");
	dir = file_private_dir(AT_FDCWD, c->dir_history, e);
	if (dir < 0)
		return err_prefix(e, "dir_history");
	lock = take_lock(dir, e);
	if (lock < 0 || rotate(c, dir, line.len, e) < 0)
		return -1;
	return append(dir, &line, e);
}

/* ---- Reading ---- */

struct reader {
	history_visit *visit;
	void *arg;
	size_t damaged;
	json_t *seen; /* {session: true} */
};

static int read_one(struct reader *r, const char *text, size_t len,
		    struct err *e)
{
	struct history_line line;
	struct err ignored = ERR_INIT;

	if (read_line(text, len, &line, &ignored) < 0) {
		r->damaged++;
		return 0;
	}
	if (json_object_get(r->seen, line.session))
		return 0;
	if (json_object_set_new(r->seen, line.session, json_true()) < 0)
		return err_set(e, ERR_SYSTEM, "no memory");
	return r->visit(&line, r->arg, e);
}

static int read_file(struct reader *r, int dir, const char *name,
		     struct err *e)
{
	struct err failure = ERR_INIT;
	int fd = file_open(dir, name, O_RDONLY | O_NOFOLLOW, &failure);
	FILE *in = fd < 0 ? NULL : fdopen(fd, "r");
	char *line = NULL;
	size_t room = 0;
	ssize_t len;
	int result = 0;

	if (fd < 0 && failure.code == ERR_NOT_FOUND)
		return 0;
	if (fd < 0) {
		*e = failure;
		return err_prefix(e, "dir_history");
	}
	if (!in) {
		close(fd);
		return err_set(e, ERR_SYSTEM, "no memory");
	}
	while (result == 0 && (len = getline(&line, &room, in)) > 0) {
		if (line[len - 1] == '\n')
			len--;
		result = read_one(r, line, (size_t)len, e);
	}
	if (result == 0 && ferror(in))
		result = err_sys(e, "cannot read the history");
	free(line);
	(void)!fclose(in);
	return result;
}

int history_read(const struct config *c, history_visit *visit, void *arg,
		 size_t *ret_damaged, struct err *e)
{
	AUTO_JSON json_t *seen = json_object();
	struct reader r = { .visit = visit, .arg = arg, .seen = seen };
	AUTO_CLOSE int dir = open(c->dir_history,
				  O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	*ret_damaged = 0;
	if (!seen)
		return err_set(e, ERR_SYSTEM, "no memory");
	if (dir < 0)
		return errno == ENOENT ?
			       0 :
			       err_sys(e, "cannot open %s", c->dir_history);
	if (read_file(&r, dir, "history.1", e) < 0 ||
	    read_file(&r, dir, "history", e) < 0)
		return -1;
	*ret_damaged = r.damaged;
	return 0;
}
