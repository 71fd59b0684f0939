#include "auth/ticket.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "auth/ticket_file.h"
#include "base/text.h"
#include "sys/file.h"
#include "sys/random.h"

enum { TEMPORARY_MAX_S = 60 }; /* no writer takes longer */

static const char is_unknown[] =
	"This link does not work any more: it is too old, or was not copied "
	"whole. Ask for a new mail by the form.";
static const char was_used[] =
	"This link has been used already: each works once. Ask for a new mail "
	"by the form.";

/* Between counting the tickets and making one more nobody else does.  The
 * caller closes the descriptor. */
static int lock_folder(int dir, struct err *e)
{
	int fd = openat(dir, "lock",
			O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(e, "cannot open the lock of the tickets");
	while (flock(fd, LOCK_EX) < 0) {
		if (errno == EINTR)
			continue;
		err_sys(e, "cannot lock the tickets");
		close(fd);
		return -1;
	}
	return fd;
}

static int write_ticket(int dir, const char *name, const struct ticket *t,
			const char *remote, long long lifetime_s, struct err *e)
{
	struct ticket_file f = {
		.ticket = *t,
		.created_boot_ms = clock_boot_ms(),
	};

	f.ticket.created = clock_wall();
	f.ticket.expires = f.ticket.created + lifetime_s;
	f.expires_boot_ms = f.created_boot_ms + lifetime_s * 1000;
	clock_boot_id(f.boot_id);
	snprintf(f.remote, sizeof(f.remote), "%s", remote);
	return ticket_file_write(dir, name, &f, e);
}

int ticket_make(const struct store *st, const struct ticket *t,
		const char *remote, long long lifetime_s,
		char ret_token[TICKET_TOKEN_SIZE], struct err *e)
{
	AUTO_CLOSE int dir = ticket_folder(st, e);
	AUTO_CLOSE int lock = dir < 0 ? -1 : lock_folder(dir, e);
	char token[TICKET_TOKEN_SIZE];
	struct ticket_name name;

	if (lock < 0 || random_text(token, TICKET_TOKEN_SIZE - 1, e) < 0)
		return -1;
	if (t->order && strlen(t->order) > TICKET_ORDER_MAX)
		return err_set(e, ERR_TOO_LARGE, "The form is too long.");
	if (!ticket_name_of(token, &name))
		return err_set(e, ERR_SYSTEM, "cannot make a ticket");
	if (ticket_limit_check(dir, t->user, remote, e) < 0 ||
	    write_ticket(dir, name.text, t, remote, lifetime_s, e) < 0)
		return -1;
	memcpy(ret_token, token, sizeof(token));
	return 0;
}

static int not_found(int dir, const char *name, struct err *e)
{
	char used[sizeof(struct ticket_name) + sizeof(TICKET_USED)];

	snprintf(used, sizeof(used), "%s" TICKET_USED, name);
	return err_set(e, ERR_NOT_FOUND, "%s",
		       faccessat(dir, used, F_OK, 0) == 0 ? was_used :
							    is_unknown);
}

/* Read what the token stands for, and the name of its file. */
static int look(int dir, const char *token, struct ticket_name *ret_name,
		struct ticket *ret, struct err *e)
{
	AUTO_TICKET_FILE struct ticket_file f = { .ticket = TICKET_INIT };
	struct err failure = ERR_INIT;

	if (!ticket_name_of(token, ret_name))
		return err_set(e, ERR_NOT_FOUND, "%s", is_unknown);
	if (ticket_file_read(dir, ret_name->text, &f, &failure) < 0) {
		if (failure.code != ERR_SYSTEM)
			return not_found(dir, ret_name->text, e);
		*e = failure;
		return -1;
	}
	if (!ticket_file_is_recent(&f, false))
		return err_set(e, ERR_NOT_FOUND, "%s", is_unknown);
	*ret = f.ticket;
	f.ticket.order = NULL;
	/* Where its end lies on the wall clock of now. */
	ret->expires =
		clock_wall() + (f.expires_boot_ms - clock_boot_ms()) / 1000;
	return 0;
}

int ticket_look(const struct store *st, const char *token, struct ticket *ret,
		struct err *e)
{
	AUTO_CLOSE int dir = ticket_folder(st, e);
	struct ticket_name name;

	return dir < 0 ? -1 : look(dir, token, &name, ret, e);
}

int ticket_use(const struct store *st, const char *token, struct ticket *ret,
	       struct err *e)
{
	AUTO_CLOSE int dir = ticket_folder(st, e);
	AUTO_TICKET struct ticket t = TICKET_INIT;
	char used[sizeof(struct ticket_name) + sizeof(TICKET_USED)];
	struct ticket_name name;

	if (dir < 0 || look(dir, token, &name, &t, e) < 0)
		return -1;
	snprintf(used, sizeof(used), "%s" TICKET_USED, name.text);
	if (renameat(dir, name.text, dir, used) < 0)
		return errno == ENOENT ? not_found(dir, name.text, e) :
					 err_sys(e, "cannot use a ticket");
	*ret = t;
	t.order = NULL;
	return 0;
}

int ticket_drop(const struct store *st, const char *token, struct err *e)
{
	AUTO_CLOSE int dir = ticket_folder(st, e);
	struct ticket_name name;

	if (dir < 0)
		return -1;
	if (ticket_name_of(token, &name) && unlinkat(dir, name.text, 0) < 0 &&
	    errno != ENOENT)
		return err_sys(e, "cannot remove a ticket");
	return 0;
}

/* True if `name` neither works nor counts any more. */
static bool is_stale(int dir, const char *name, const void *unused)
{
	AUTO_TICKET_FILE struct ticket_file f = { .ticket = TICKET_INIT };
	struct err e = ERR_INIT;
	struct stat stat;

	(void)unused;
	if (strcmp(name, "lock") == 0)
		return false;
	if (text_ends(name, ".tmp"))
		return fstatat(dir, name, &stat, AT_SYMLINK_NOFOLLOW) == 0 &&
		       clock_wall() - stat.st_mtime > TEMPORARY_MAX_S;
	if (ticket_file_read(dir, name, &f, &e) < 0)
		return e.code != ERR_SYSTEM && e.code != ERR_NOT_FOUND;
	return !ticket_file_is_recent(&f, true) &&
	       !ticket_file_is_recent(&f, false);
}

int ticket_purge(const struct store *st, size_t *removed, struct err *e)
{
	int fd = ticket_folder(st, e);

	*removed = 0;
	return fd < 0 ? -1 : file_remove_those(fd, is_stale, NULL, removed, e);
}

void ticket_release(struct ticket *t)
{
	free(t->order);
	t->order = NULL;
}
