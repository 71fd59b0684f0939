/* A guest that stands still as long as somebody asks for it: run/control.h. */
#include <sys/socket.h>

#include "base/log.h"
#include "run/owner_state.h"

static void answer(int fd, bool ok)
{
	(void)!send(fd, ok ? "ok" : "no", 2, MSG_NOSIGNAL);
}

static void command(struct owner *o, const char *word, long long id)
{
	struct err e = ERR_INIT;

	if (qmp_send(&o->qmp, word, id, &e) < 0)
		log_error("qmp", &e);
}

int freeze_begin(struct owner *o, int client, struct err *e)
{
	if (o->freezer >= 0 || o->s.state != SESSION_RUNNING ||
	    o->qmp.fd < 0)
		return err_set(e, ERR_CONFLICT, "it cannot be frozen now");
	/* Its writes are done and on the disk when QEMU answers. */
	if (qmp_send(&o->qmp, "stop", QMP_ID_FREEZE, e) < 0)
		return -1;
	o->freezer = client;
	return 0;
}

void freeze_answered(struct owner *o, bool ok)
{
	if (o->freezer < 0)
		return;
	log_event("freeze", "session", o->s.name, "result",
		  ok ? "ok" : "failed", NULL);
	answer(o->freezer, ok);
	if (!ok)
		close(TAKE_FD(o->freezer));
}

void freeze_end(struct owner *o)
{
	if (o->freezer < 0)
		return;
	close(TAKE_FD(o->freezer));
	if (o->qmp.fd >= 0)
		command(o, "cont", 0);
	log_event("freeze", "session", o->s.name, "result", "over", NULL);
}
