/*
 * A guest whose disk cannot be read or written: QEMU has stopped it, and has
 * kept what it wanted (werror=stop, rerror=stop of vm/qemu.c).  When it goes
 * on, QEMU tries that again; so it is told to from time to time.
 */
#include <string.h>

#include "base/log.h"
#include "run/owner_state.h"

void stall_begin(struct owner *o, bool no_space)
{
	o->stall_again = true;
	if (o->stalled)
		return;
	o->stalled = true;
	memcpy(o->notice_before, o->s.notice, sizeof(o->notice_before));
	if (guest_may_complain(o))
		log_event("disk-error", "session", o->s.name, "reason",
			  no_space ? "no-space" : "other", NULL);
	snprintf(o->s.notice, sizeof(o->s.notice), SESSION_STANDS_STILL ": %s",
		 no_space ? "there is no room left on the server's disk. It "
			    "goes on by itself when there is some. Tell the "
			    "administrator." :
			    "the server cannot read or write its disk. It is "
			    "tried again all the time. Tell the "
			    "administrator.");
	owner_save(o);
}

void stall_end(struct owner *o)
{
	if (!o->stalled)
		return;
	o->stalled = false;
	memcpy(o->s.notice, o->notice_before, sizeof(o->s.notice));
}

void stall_look(struct owner *o)
{
	struct err e = ERR_INIT;

	/* Whoever copies the disk lets the guest go on at the end. */
	if (!o->stalled || o->freezer >= 0 || o->qmp.fd < 0)
		return;
	if (!o->stall_again) {
		if (guest_may_complain(o))
			log_event("disk-again", "session", o->s.name, NULL);
		stall_end(o);
		owner_save(o);
		return;
	}
	o->stall_again = false;
	if (qmp_send(&o->qmp, "cont", 0, &e) < 0)
		log_error("qmp", &e);
}
