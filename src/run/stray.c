#include "run/stray.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "sys/child.h"
#include "sys/file.h"

enum {
	END_MS = 5000,
	PASSES = 3, /* what was just being started shows up in the next */
	STATUS_MAX = 4096,
	WORDS_MAX = 128 << 10,
};

static bool read_proc(pid_t pid, const char *what, struct buf *ret)
{
	struct err ignored = ERR_INIT;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, what);
	return file_read(AT_FDCWD, path, false, ret, &ignored) == 0;
}

/* proc(5), /proc/PID/status: the directory's owner is root where a process
 * leaves no core. */
static bool is_ours(pid_t pid)
{
	AUTO_BUF struct buf status = BUF_INIT(STATUS_MAX);
	const char *line;

	if (!read_proc(pid, "status", &status))
		return false;
	line = strstr(buf_str(&status), "\nUid:\t");
	return line && strtoul(line + 6, NULL, 10) == geteuid();
}

/* The argument behind `from`, or NULL. */
static const char *next_word(const struct buf *words, const char *from)
{
	const char *next = from + strlen(from) + 1;

	return next < words->data + words->len ? next : NULL;
}

/*
 * The session of this store for whose guest bubblewrap makes a sandbox with
 * these arguments; false if there is none.  By the directory that it binds,
 * STORE/run/NAME/vm: a session of another store of the same user is its own
 * store's affair.
 */
static bool guest_of(const struct store *st, const struct buf *words,
		     char ret[SESSION_NAME_SIZE])
{
	static const char run[] = "/run/";
	size_t prefix = strlen(st->path);
	const char *word = words->len ? words->data : NULL;

	for (; word; word = next_word(words, word)) {
		const char *name = word + prefix + strlen(run);
		size_t len;

		if (!text_starts(word, st->path) ||
		    !text_starts(word + prefix, run) || !text_ends(word, "/vm"))
			continue;
		len = strlen(name) - strlen("/vm");
		if (strlen(name) <= strlen("/vm") || len >= SESSION_NAME_SIZE)
			continue;
		memcpy(ret, name, len);
		ret[len] = '\0';
		if (session_name_ok(ret))
			return true;
	}
	return false;
}

static bool is_stray(const struct store *st, const char *name, pid_t pid)
{
	AUTO_BUF struct buf words = BUF_INIT(WORDS_MAX);
	char guest[SESSION_NAME_SIZE];

	if (!read_proc(pid, "cmdline", &words) || !guest_of(st, &words, guest))
		return false;
	if (name ? strcmp(name, guest) != 0 : store_is_alive(st, guest))
		return false;
	return is_ours(pid);
}

/* 1 if it was killed, 0 if it is none of them, -1. */
static int end_one(const struct store *st, const char *name, pid_t pid,
		   struct err *e)
{
	AUTO_CLOSE int handle = -1;
	char number[16];

	if (!is_stray(st, name, pid))
		return 0;
	handle = child_handle(pid);
	if (handle < 0)
		return errno == ESRCH ? 0 : err_sys(e, "pidfd_open");
	if (!is_stray(st, name, pid))
		return 0;
	snprintf(number, sizeof(number), "%d", (int)pid);
	log_event("stray", "pid", number, "message",
		  "a guest without an owner is killed", NULL);
	return child_handle_end(handle, END_MS, e) < 0 ? -1 : 1;
}

static int pass(const struct store *st, const char *name, struct err *e)
{
	DIR *dir = opendir("/proc");
	const struct dirent *entry;
	int count = 0;

	if (!dir)
		return err_sys(e, "cannot read /proc");
	while (count >= 0 && (entry = readdir(dir)) != NULL) {
		long long pid;
		int one;

		if (!text_long(entry->d_name, 2, 1 << 30, &pid) ||
		    pid == getpid())
			continue;
		one = end_one(st, name, (pid_t)pid, e);
		count = one < 0 ? -1 : count + one;
	}
	closedir(dir);
	return count;
}

int stray_end(const struct store *st, const char *name, struct err *e)
{
	int count = 0;

	for (int i = 0; i < PASSES; i++) {
		int found = pass(st, name, e);

		if (found < 0)
			return -1;
		if (found == 0)
			break;
		count += found;
	}
	return count;
}

bool stray_is_owner(pid_t pid, const char *name)
{
	AUTO_BUF struct buf words = BUF_INIT(WORDS_MAX);
	const char *role;
	const char *session;

	if (!is_ours(pid) || !read_proc(pid, "cmdline", &words) || !words.len)
		return false;
	role = next_word(&words, words.data);
	session = role ? next_word(&words, role) : NULL;
	return session && strcmp(role, "--session-owner") == 0 &&
	       strcmp(session, name) == 0;
}
