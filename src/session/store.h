/*
 * The store: where sessions are kept (dir_cfg), and their locks.
 *
 *     DIR/NAME.json   the record, replaced atomically
 *     locks/NAME      the session's lock: flock(2) held by its owner as long
 *                     as the session lives; never replaced
 *     run/NAME/       sockets of the session, private; QEMU sees of it only
 *                     vm/, which it may write to
 *     damaged/        records that could not be read, set aside
 *     logins/         who is logged in (auth/login.h)
 *     tickets/        login links that were mailed (auth/ticket.h)
 *     throttle/       failed logins (auth/throttle.h)
 *     farm/           what this server knows of others (farm/peer.h)
 *     gpus/           leases of graphics cards (session/gpu_lease.h)
 *     gateway/        the shared display gateway (vm/gateway.h)
 *     lock            held while a place is decided and reserved
 *     log             what owners have to say
 *
 * Liveness is the lock: whoever can take it, and finds the file still linked,
 * knows that the session has no owner.
 */
#ifndef QWD_SESSION_STORE_H
#define QWD_SESSION_STORE_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/options.h"
#include "session/session.h"

enum {
	STORE_KEEP_ENDED_S = 600, /* how long an ended session stays readable */
	STORE_KEEP_DAMAGED_S = 7 * 86400, /* and a record that was set aside */
};

/* NAME + this in dir_snapshots: a copy of its disk that is being made. */
#define STORE_CAPTURE ".capture"

struct store {
	const struct config *config; /* not owned */
	char *path;                  /* of the private directory */
	int dir;                     /* descriptors of it and of its folders */
	int locks;
	int run;
};

#define AUTO_STORE __attribute__((cleanup(store_release)))
#define STORE_INIT { .dir = -1, .locks = -1, .run = -1 }

/*
 * Open the store, made where it is missing: dir_cfg itself if that is a
 * private directory of ours (0700) or can be made as one; where it is shared
 * (such as /tmp), the private directory SERVICE-UID below it; by default
 * /tmp/SERVICE-UID.  Checked for owner, mode and symbolic links at each use.
 * `config` must outlive the store.
 */
MUST_CHECK int store_open(const struct config *config, struct store *ret,
			  struct err *e);
void store_release(struct store *st);

/* Read session `name`.  ERR_NOT_FOUND if there is none (also if the name is
 * malformed), ERR_DAMAGED if its record is set aside by this call, ERR_SYSTEM
 * if it could not be read: no memory, no descriptor. */
MUST_CHECK int store_read(const struct store *st, const char *name,
			  struct session *ret, struct err *e);

/* Replace the record.  Only the holder of the session's lock may call this. */
MUST_CHECK int store_write(const struct store *st, const struct session *s,
			   struct err *e);

/* True if the session's lock is held, that is, its owner lives; also if that
 * cannot be found out. */
bool store_is_alive(const struct store *st, const char *name);

/*
 * store_read(), and a session whose owner has died is shown as failed with
 * the reason.  Nothing is written: the next purge does.
 */
MUST_CHECK int store_read_true(const struct store *st, const char *name,
			       struct session *ret, struct err *e);

/* Make *s, which has lost its owner, failed with that as its reason. */
void store_show_dead(struct session *s);

/*
 * Take the store's lock, under which places are decided and reserved; waits.
 * While it is held no session is half reserved: one has a lock that nobody
 * holds for a moment, and then no record yet.  Returns its descriptor (close
 * it to let go), or -1.
 */
MUST_CHECK int store_lock(const struct store *st, struct err *e);

/*
 * Take a dead session's lock.  Returns its descriptor (close it to let go),
 * or -1 with ERR_CONFLICT if its owner lives, ERR_NOT_FOUND if it is gone.
 */
MUST_CHECK int store_take_lock(const struct store *st, const char *name,
			       struct err *e);

/* "NAME.json" -> NAME into `ret`; false if it is not a record's name. */
bool store_name_of_record(const char *file, char ret[SESSION_NAME_SIZE]);

struct session_list {
	struct session *list; /* the living first, the newest of each */
	size_t count;
};

#define AUTO_SESSION_LIST __attribute__((cleanup(session_list_release)))

/* All sessions, as store_read_true() shows them.  Damaged records are set
 * aside and left out.  With `user` (not NULL) only that user's. */
MUST_CHECK int store_list(const struct store *st, const char *user,
			  struct session_list *ret, struct err *e);

/* The sessions that live and are not final: all of them, or ERR_SYSTEM.  Costs
 * a look at each lock, and reads only the records of the living. */
MUST_CHECK int store_list_alive(const struct store *st,
				struct session_list *ret, struct err *e);

void session_list_release(struct session_list *list);

/* Remove record, lock, sockets of a session whose lock the caller holds. */
MUST_CHECK int store_forget(const struct store *st, const char *name,
			    struct err *e);

/* Open the store's log for appending; -1 if that cannot be done.  A log past 1 MiB is
 * kept once, as log.1. */
MUST_CHECK int store_open_log(const struct store *st);

/*
 * Who lives long writes to the log by `fd`, standard error, that it was opened
 * as: if that file has gone since (as log.1, when the next one came), let `fd`
 * be the log of now.
 */
void store_follow_log(const struct store *st, int fd);

/* Sessions whose lock is held. */
size_t store_count_alive(const struct store *st);

/* Path of the overlay in dir_snapshots (caller frees); NULL if no memory. */
char *store_overlay_path(const struct store *st, const char *name);

#endif
