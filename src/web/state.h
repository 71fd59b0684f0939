/*
 * The state of the service on this host, read once: for the host's page, the
 * answer to a monitor, and the metrics.
 */
#ifndef QWD_WEB_STATE_H
#define QWD_WEB_STATE_H

#include "conf/catalogue.h"
#include "session/store.h"
#include "sys/hostload.h"

/* A directory that must not become full. */
struct state_disk {
	const char *what; /* its name for people */
	const char *option;
	const char *path;
	struct hostdisk use; /* zeros if it cannot be asked */
};

enum { STATE_DISKS = 2, STATE_DISK_MIN_MB = 512 };

struct state {
	struct hostload load;
	struct session_list sessions;
	struct catalogue machines;    /* empty if there is none yet */
	struct state_disk disks[STATE_DISKS];
	long long live;
	long long cpus;	     /* promised to live sessions */
	long long memory_mb; /* the same */
	long long users;     /* who have live sessions */
};

#define AUTO_STATE __attribute__((cleanup(state_release)))

/*
 * Read it; its sessions are the living, or also the ended that are still kept,
 * which costs a record read for each: not for whoever asks without a login.
 * ERR_SYSTEM if the host or the store does not tell.
 */
MUST_CHECK int state_read(const struct store *st, bool with_ended,
			  struct state *ret, struct err *e);
void state_release(struct state *s);

/* Is there a machine that can be started? */
bool state_has_machines(const struct state *s);

/* Has each disk room for what sessions write? */
bool state_has_disk(const struct state *s);

/* Are the programs there that every session needs? */
bool state_has_programs(const struct config *c);

/* Would a small session find a place now, as far as the host is concerned? */
bool state_has_place(const struct config *c, const struct state *s);

#endif
