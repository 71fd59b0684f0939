#include "run/hung.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/log.h"
#include "run/control.h"
#include "run/stray.h"
#include "sys/child.h"
#include "sys/clock.h"
#include "sys/file.h"

enum { END_MS = 5000 };

/* Should the owner be gone by now?  By this boot's clock alone. */
static bool is_overdue(const struct store *st, const struct session *s)
{
	char boot_id[CLOCK_BOOT_ID_SIZE];
	long long end = s->ends_boot_ms;
	long long grace = HUNG_GRACE_MS +
			  st->config->service_stop_grace * 1000;

	clock_boot_id(boot_id);
	if (strcmp(boot_id, s->boot_id) != 0)
		return false;
	if (session_is_final(s) && s->ended)
		end = s->ended_boot_ms;
	return end > 0 && clock_boot_ms() - end > grace;
}

/* 1 if it was killed, 0 if there is none to be killed, -1. */
static int end_owner(const struct store *st, const char *name, struct err *e)
{
	pid_t pid = control_peer(st, name, e);
	AUTO_CLOSE int handle = -1;

	if (pid < 0)
		return -1;
	if (pid <= 1 || pid == getpid())
		return 0;
	handle = child_handle(pid);
	if (handle < 0)
		return errno == ESRCH ? 0 : err_sys(e, "pidfd_open");
	/* Looked at through its number, but after the handle was taken: if it
	 * is the owner now, the handle is the owner's. */
	if (!stray_is_owner(pid, name) || !store_is_alive(st, name))
		return 0;
	log_event("owner-hangs", "session", name, "message",
		  "it is killed: its session should have ended", NULL);
	return child_handle_end(handle, END_MS, e) < 0 ? -1 : 1;
}

static int visit(const struct store *st, const char *name, struct err *e)
{
	struct err unread = ERR_INIT;
	struct session s;

	if (!session_name_ok(name) || !store_is_alive(st, name) ||
	    store_read(st, name, &s, &unread) < 0 || !is_overdue(st, &s))
		return 0;
	return end_owner(st, name, e);
}

int hung_end(const struct store *st, struct err *e)
{
	DIR *dir = file_entries(
		openat(st->locks, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	const struct dirent *entry;
	bool failed = false;
	int count = 0;

	if (!dir)
		return err_sys(e, "cannot read the locks");
	while ((entry = readdir(dir)) != NULL) {
		struct err one = ERR_INIT;
		int result = visit(st, entry->d_name, &one);

		if (result > 0)
			count += result;
		if (result < 0 && !failed) {
			*e = one;
			failed = true;
		}
	}
	closedir(dir);
	return failed ? -1 : count;
}
