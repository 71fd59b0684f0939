/* How many tickets there may be. */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#include "auth/throttle.h"
#include "auth/ticket_file.h"
#include "base/text.h"
#include "sys/file.h"

struct count {
	const char *user;
	char network[THROTTLE_NETWORK_SIZE];
	unsigned of_user;
	unsigned of_remote;
	unsigned in_all;
};

/* A file that cannot be read is one file more all the same. */
static void count_file(int dir, const char *name, struct count *c)
{
	AUTO_TICKET_FILE struct ticket_file f = { .ticket = TICKET_INIT };
	char network[THROTTLE_NETWORK_SIZE];
	struct err ignored = ERR_INIT;

	c->in_all++;
	if (ticket_file_read(dir, name, &f, &ignored) < 0)
		return;
	if (strcmp(f.ticket.user, c->user) == 0 &&
	    !text_ends(name, TICKET_USED) && ticket_file_is_recent(&f, false))
		c->of_user++;
	throttle_network(f.remote, network);
	if (strcmp(network, c->network) == 0 && ticket_file_is_recent(&f, true))
		c->of_remote++;
}

static int count_all(int folder, struct count *c, struct err *e)
{
	DIR *dir = file_entries(
		openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	const struct dirent *entry;

	if (!dir)
		return err_sys(e, "cannot read the folder of tickets");
	while ((entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.' &&
		    strcmp(entry->d_name, "lock") != 0)
			count_file(dirfd(dir), entry->d_name, c);
	closedir(dir);
	return 0;
}

static int refuse(struct err *e, enum err_code code, const char *sentence)
{
	err_set(e, code, "%s", sentence);
	e->retry_after = TICKET_WINDOW_S;
	return -1;
}

int ticket_limit_check(int dir, const char *user, const char *remote,
		       struct err *e)
{
	struct count c = { .user = user };

	throttle_network(remote, c.network);
	if (count_all(dir, &c, e) < 0)
		return -1;
	if (c.of_user >= TICKET_USER_MAX)
		return refuse(e, ERR_THROTTLED,
			      "Several mails have gone to this address "
			      "already. Look into your mail, also where "
			      "unwanted mail goes, and use the newest.");
	if (c.of_remote >= TICKET_REMOTE_MAX)
		return refuse(e, ERR_THROTTLED,
			      "Too many mails have been asked for from where "
			      "you are.");
	if (c.in_all >= TICKET_MAX)
		return refuse(e, ERR_BUSY,
			      "Too many mails have been asked for by all "
			      "visitors together.");
	return 0;
}
