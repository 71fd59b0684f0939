/*
 * What the parts of the owner share (run/owner.h): the state of one session's
 * processes.  Private to src/run.
 */
#ifndef QWD_RUN_OWNER_STATE_H
#define QWD_RUN_OWNER_STATE_H

#include <signal.h>

#include "session/store.h"
#include "sys/child.h"
#include "vm/qmp.h"
#include "vm/websockify.h"

/* What is given up when (milliseconds of clock_boot_ms(); 0 = no deadline). */
enum deadline {
	DEADLINE_STEP,	   /* the step under way has taken too long */
	DEADLINE_LIFETIME, /* the session's end */
	DEADLINE_WARNING,  /* its user is to be told of that */
	DEADLINE_LETTER,   /* the mail about it has taken too long */
	DEADLINE_STOP,	   /* the guest has not powered off: next means */
	DEADLINE_VIEWER,   /* a one-shot session without a viewer */
	DEADLINE_LOOK,	   /* time to look again: guest, gateway */
	DEADLINE_COUNT,
};

enum network_state {
	NETWORK_UNDECIDED,
	NETWORK_BRIDGING,  /* the bridge's port is being made; no QEMU yet */
	NETWORK_ATTACHING, /* slirp4netns is starting */
	NETWORK_ROUTING,   /* the host's addresses are being closed off */
	NETWORK_SETTLED,   /* as s.network says: the guest may start */
};

/* How far a stop has gone. */
enum stop_stage {
	STOP_NONE,
	STOP_POWERDOWN, /* the guest was asked */
	STOP_QUIT,	/* QEMU was told */
	STOP_KILL,
};

enum {
	OWNER_CLIENTS = 8,
	OWNER_WORDS_MAX = 8192, /* of what the children say */
};

/* Id of the command that freezes a guest; those of run/guest.c are below. */
enum { QMP_ID_FREEZE = 100 };

struct owner;

/*
 * What runs the guest: this host (guest_here, in run/guest.c), or a job of a
 * cluster (guest_on_cluster, in run/watch.c).  The rest of the owner does not
 * know which: record, lock, control socket, lifetime, warning.
 */
struct guest_place {
	void (*begin)(struct owner *o);
	void (*look)(struct owner *o); /* DEADLINE_LOOK has come */
	void (*on_child)(struct owner *o);
	void (*on_vnc)(struct owner *o);
	/* Somebody connects to what on_viewer's descriptor listens on. */
	void (*on_viewer)(struct owner *o);
	/* Something has come that `news` tells of. */
	void (*on_news)(struct owner *o);
	/* The record says stopping: end the guest, with its consent unless
	 * `now`; and the next means, when DEADLINE_STOP has come. */
	void (*stop)(struct owner *o, bool now);
	void (*stop_further)(struct owner *o);
	/* Let it live until `ends_boot_ms` (0: without an end).  0: so be it;
	 * 1: the answer comes later, to `client`, which is no longer the
	 * caller's; -1 with a sentence for people. */
	int (*extend)(struct owner *o, int client, long long ends_boot_ms,
		      const char *who, struct err *e);
	/* After the end: what there is beside the session's directory. */
	void (*clean)(struct owner *o);
};

extern const struct guest_place guest_here;
extern const struct guest_place guest_on_cluster;

struct owner {
	const struct guest_place *place;
	struct watch *watch; /* of a job on a cluster (run/watch.c) */
	int viewers;	     /* a listening socket for them; -1 */
	int news;	     /* of the job's directory, until it runs; -1 */
	struct config config;
	struct store st;
	struct session s;
	const char *const *options; /* for the gateway's keeper */

	int lock;
	int dir; /* run/NAME */
	char *dir_path;
	char *image;
	char *overlay;
	int overlay_fd; /* holds the overlay's flock */
	int image_fd;   /* and the image's */
	int gpu_fd;     /* and the lease of the graphics card */

	int signals;
	int control; /* listening */
	int clients[OWNER_CLIENTS];
	int freezer; /* whoever wants the guest to stand still; -1 */
	int said; /* standard error of our children */
	int said_write;
	struct buf words; /* the last of it */

	pid_t qemu_img;
	pid_t script;	   /* qwd-script; leads a process group */
	bool script_done;
	int order;	   /* for it, from the request; -1 */
	int seed;	   /* it writes, QEMU reads; -1 */
	int report;	   /* what it says at its end */
	pid_t qemu; /* or the bubblewrap around it */
	pid_t slirp;
	pid_t router; /* nsenter and ip, or qemu-bridge-helper */
	pid_t tpm;
	pid_t letter; /* which sends the warning */

	bool sandboxed;
	int info; /* bubblewrap's */
	struct buf info_text;
	pid_t inside;  /* pid 1 of the sandbox, in our namespace */
	int inside_fd; /* the same as a pidfd: readable when all in it is gone */
	enum network_state network;
	int network_ready; /* slirp4netns or qemu-bridge-helper speaks here */
	int network_watch; /* the host's addresses */
	bool network_changed; /* since the router has started */
	int tap;	      /* the bridge's port */

	struct qmp qmp;
	unsigned complaints; /* about QEMU, in the log */
	bool qmp_ready;
	bool kvm_suspect;  /* QEMU died with KVM; does it live without? */
	bool started;	   /* `cont` was answered */
	bool guest_off;	   /* the guest powered off by itself */
	bool stalled;	   /* it stands still for its disk's sake */
	bool stall_again;  /* and has since it was told to go on */
	char notice_before[SESSION_REASON_SIZE];
	int vnc;
	size_t vnc_read; /* bytes of the greeting */
	char vnc_greeting[12];
	bool vnc_greeted;
	bool viewer_seen;
	struct websockify web; /* of a session with a port of its own */

	enum stop_stage stop;
	bool finished;
	long long deadlines[DEADLINE_COUNT];
};

/* run/owner.c: the record.  Each writes it; a failure to write is logged.
 * States move one way: a step back, or after the end, is none. */
void owner_move(struct owner *o, enum session_state state,
		enum session_step step);
void owner_save(struct owner *o);
void owner_deadline(struct owner *o, enum deadline which, long long ms);

/* run/owner_loop.c: wait for what comes next, at most until the next deadline,
 * and do it. */
void owner_turn(struct owner *o);

/* run/ending.c: the ends.  A sentence for the record; the first one stays. */
void owner_fail(struct owner *o, const char *sentence);
void owner_end(struct owner *o, const char *sentence);
void owner_stop(struct owner *o, bool now, const char *sentence);
void owner_stop_further(struct owner *o);
void guest_stop(struct owner *o, bool now);
void owner_qemu_gone(struct owner *o, int status);
void owner_clean(struct owner *o);

/* run/owner.c: from the disk on. */
void guest_begin(struct owner *o);

/* run/owner_loop.c: the ends of its processes. */
void guest_on_child(struct owner *o);

/* run/owner.c: (re)make the overlay; what comes then is owner_turn()'s. */
MUST_CHECK int owner_start_disk(struct owner *o, struct err *e);

/* run/boot_script.c: boot scripts, between disk and QEMU. */
void boot_script_begin(struct owner *o);
void boot_script_ended(struct owner *o, int status);
void boot_script_late(struct owner *o);
void boot_script_close(struct owner *o); /* QEMU has the seed, and runs */

/* run/warning.c: the deadlines of the record's end and of the warning before
 * it, to be set anew when that moves; and what happens then. */
void warning_plan(struct owner *o);
void warning_give(struct owner *o);
void warning_letter_ended(struct owner *o, int status);
void warning_give_up(struct owner *o);

/* run/guest_start.c: QEMU's start (again: what was before is forgotten). */
void guest_start(struct owner *o);

/* run/guest.c: QEMU, its monitor and its screen. */
void guest_on_info(struct owner *o);
void guest_on_qmp(struct owner *o);
void guest_on_vnc(struct owner *o);
void guest_look(struct owner *o);
void guest_check_running(struct owner *o);

/* May one more be logged?  A QEMU that a guest has taken over, or a guest's own
 * driver, may give cause for as many as it likes. */
bool guest_may_complain(struct owner *o);

/* run/stall.c: the guest's disk has failed; and, when it is time to look, does
 * it go on?  The record's notice says so meanwhile. */
void stall_begin(struct owner *o, bool no_space);
void stall_look(struct owner *o);
void stall_end(struct owner *o); /* it waits no more */

/* run/guest_memory.c */
void guest_watch_memory(struct owner *o);

/* run/guest_display.c: the gateway, or the session's own port.  They fail the
 * session, or say whether the way is open (and if not, look again soon). */
void guest_display_begin(struct owner *o);
bool guest_display_is_open(struct owner *o);
void guest_display_look(struct owner *o);
void guest_display_on_child(struct owner *o);

/* run/guest_network.c: the way out for the guest.  _prepare: true if QEMU may
 * start; else guest_start() is called again.  _forget: QEMU is gone. */
bool guest_network_prepare(struct owner *o);
void guest_network_begin(struct owner *o);
void guest_network_on_ready(struct owner *o);
void guest_network_on_watch(struct owner *o);
void guest_network_on_child(struct owner *o);
void guest_network_failed(struct owner *o, const char *why);
void guest_network_forget(struct owner *o);

/*
 * run/freeze.c: the guest stands still from freeze_begin(), which takes the
 * client over, until that closes the connection: then comes freeze_end().
 */
int freeze_begin(struct owner *o, int client, struct err *e);
void freeze_answered(struct owner *o, bool ok);
void freeze_end(struct owner *o);

/* run/control_server.c: the answer to a message, which closes the connection;
 * -1 with ERR_CONFLICT carries its sentence. */
void control_answer(int client, int result, const struct err *e);

/* The session ends then; its record says so. */
MUST_CHECK int control_extended(struct owner *o, long long ends_boot_ms,
				const char *who, struct err *e);
void control_on_connect(struct owner *o);
void control_on_message(struct owner *o, int *client);

#endif
