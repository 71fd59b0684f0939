/* How much memory the machine uses. */
#include "run/owner_state.h"
#include "sys/hostload.h"

/*
 * How much of its memory does the machine use?  Admission counts the rest as
 * promised (session/admission.h), so it is worth a new record now and then.
 */
void guest_watch_memory(struct owner *o)
{
	long long step = o->s.memory_mb / 32;
	long long mb = o->sandboxed ?
			       hostload_child_mb(o->inside) :
			       hostload_process_mb(o->qemu);

	if (step < 16)
		step = 16;
	if (mb < o->s.touched_mb + step && mb > o->s.touched_mb - step)
		return;
	o->s.touched_mb = mb;
	owner_save(o);
}
