/*
 * A session: one virtual machine of one user, from its reservation until its
 * record is forgotten.  The record's state is the only truth; it moves one
 * way, and only its owner moves it:
 *
 *     starting -> preparing -> booting -> running -> stopping -> ended
 *
 * Any live state may go to stopping, ended or failed.  `queued` is for
 * launchers that wait for a place.  ended and failed are final.
 */
#ifndef QWD_SESSION_SESSION_H
#define QWD_SESSION_SESSION_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"

enum session_state {
	SESSION_STARTING,
	SESSION_QUEUED,
	SESSION_PREPARING,
	SESSION_BOOTING,
	SESSION_RUNNING,
	SESSION_STOPPING,
	SESSION_ENDED,
	SESSION_FAILED,
};

/* The steps that a visitor sees, in their order. */
enum session_step {
	STEP_ACCEPTED,
	STEP_DISK,
	STEP_SCRIPT, /* only of a session with boot scripts */
	STEP_QEMU,
	STEP_DISPLAY,
	STEP_GUEST,
	STEP_COUNT,
};

enum {
	SESSION_NAME_SIZE = 64,  /* service, '-', 20 random characters, NUL */
	SESSION_USER_SIZE = 129,
	SESSION_EMAIL_SIZE = 255,
	SESSION_MACHINE_SIZE = 256,
	SESSION_TOKEN_SIZE = 33, /* 32 characters of 5 bits: 160 bits */
	SESSION_PASSWORD_SIZE = 9, /* VNC looks at 8 characters: RFC 6143 */
	SESSION_REASON_SIZE = 400,
	SESSION_ORIGIN_SIZE = 300,
	SESSION_OPTIONS_SIZE = 512,
	SESSION_GPU_SIZE = 16,
	SESSION_NODE_SIZE = 64,
	SESSION_JOB_REASON_SIZE = 64,
	SESSION_CLUSTER_SIZE = 65, /* a name of Slurm's */
};

/* All members are plain values: copy with =, nothing to release. */
struct session { /* NOLINT(clang-analyzer-optin.performance.Padding) */
	char name[SESSION_NAME_SIZE];
	char user[SESSION_USER_SIZE];
	char email[SESSION_EMAIL_SIZE]; /* of the user, "" if not known */
	char machine[SESSION_MACHINE_SIZE]; /* file name in dir_machines */
	char title[SESSION_MACHINE_SIZE];   /* its description, cut */
	char format[16];                    /* QEMU's driver for the image */
	bool iso;
	long long virtual_size; /* bytes of the image as the guest sees it */
	long long cpu;          /* cores */
	long long memory_mb;
	long long touched_mb; /* memory that it was seen to use */
	long long disk_mb; /* of the empty disk beside an ISO; of an image's
			      overlay, if larger than the image; 0 otherwise */
	bool oneshot;
	bool own_port; /* the display has a port, and a password, of its own */
	enum session_state state;
	enum session_step step; /* the step under way, or that failed */
	bool guest_seen;        /* the guest was seen reading its disk */
	bool kvm;               /* runs with KVM, not TCG */
	char network[24];       /* as guest_network, or "failed"; before its
				   owner took over "" is the site's */
	char firmware[12];      /* "", bios, uefi, uefi-secure */
	char arch[12];          /* "" is the host's; x86_64, aarch64 */
	bool tpm;
	char gpu[SESSION_GPU_SIZE]; /* PCI address of its graphics card; "";
				       "any" until it has its place */
	bool master; /* writes to the image itself, which it has alone */
	char qemu_options[SESSION_OPTIONS_SIZE]; /* of machines.conf */
	char mounts[SESSION_OPTIONS_SIZE]; /* conf/mounts.h; "" is none */
	bool scripted;          /* has boot scripts */
	char notice[SESSION_REASON_SIZE]; /* what went wrong although it goes
					     on, a sentence; or "" */
	char reason[SESSION_REASON_SIZE]; /* a sentence; "" while it lives */
	char token[SESSION_TOKEN_SIZE];   /* opens the display: a secret */
	char password[SESSION_PASSWORD_SIZE]; /* VNC's; "" without; a secret */
	char origin[SESSION_ORIGIN_SIZE]; /* "https://host[:port]" for links */
	long long started;      /* wall clock, seconds */
	long long started_boot_ms; /* the same on this boot's clock */
	long long ends;         /* wall clock, for people; 0 = no limit */
	long long ends_boot_ms; /* on this boot's clock, what counts; 0 = no limit */
	long long warn_boot_ms; /* when its user is warned; 0 = never */
	long long ended;        /* wall clock; 0 while it lives */
	long long ended_boot_ms;
	long long port; /* TCP port of the display; 0 until known */
	char boot_id[37];
	bool remote; /* for another host: its display has no gateway here */
	long long job; /* Slurm's number; 0: runs on this host, or not yet
			  submitted */
	char node[SESSION_NODE_SIZE]; /* of the cluster; "" until known */
	char job_reason[SESSION_JOB_REASON_SIZE]; /* Slurm's, why it waits */
	long long job_start; /* wall clock, expected while it waits; 0 = not
				known */
	bool job_away; /* Slurm's control does not answer */
	bool display_away; /* nor does the display, from the web host */
	/* What its job is submitted with, and what Slurm says that it has;
	 * "" is Slurm's default, or no job. */
	char account[SESSION_CLUSTER_SIZE];
	char partition[SESSION_CLUSTER_SIZE];
	char qos[SESSION_CLUSTER_SIZE];
};

/* "starting", "running", ... as programs see it. */
const char *session_state_name(enum session_state state);

/* True for ended and failed. */
bool session_is_final(const struct session *s);

/* True if `name` can be a session's name; ask before any path is built. */
bool session_name_ok(const char *name);

/* True if `user` can be a user's name: 1 to 128 bytes of UTF-8 without
 * control characters, blanks at the ends, '/', quotes, '<', '>' or '\\', not
 * beginning with '-' or '.', and without wildcards, parentheses or commas. */
bool session_user_ok(const char *user);

/*
 * The end on the wall clock, 0 if there is none.  While the session lives its
 * end is on this boot's clock: if the wall clock was set since, this is where
 * that end lies on it now.
 */
long long session_ends(const struct session *s);

/* How the notice begins of a machine that waits for its disk. */
#define SESSION_STANDS_STILL "The machine stands still"
bool session_stands_still(const struct session *s);

/* True if it lives and the time for the warning has come. */
bool session_is_ending(const struct session *s);

/* The record as JSON (caller owns), NULL if no memory. */
json_t *session_to_record(const struct session *s);

/*
 * Read a record strictly: unknown version, missing or wrong members are
 * ERR_DAMAGED.  Sessions outlive upgrades, and their owners go on writing what
 * the program wrote that started them: a member that comes after the first
 * release must be one that may be missing.
 */
MUST_CHECK int session_from_record(const json_t *record, struct session *ret,
				   struct err *e);

/*
 * The public face, as the API promises: name, user, machine, state, reason,
 * notice, cpu, memory_mb, gpu, oneshot, started, ends, ending, cluster, job,
 * url.  `url` (may be NULL) is shown only while running; cluster is
 * session_cluster_value(); job is of a session on a cluster: its id, node,
 * reason (why it waits), expected_start, control (does Slurm's control
 * answer?).  The caller owns the result; NULL if no memory.
 */
json_t *session_to_public(const struct session *s, const char *url);

/* {"account", "partition", "qos"} of a session whose job has, or is submitted
 * with, one of them, each a text or null; otherwise null.  The same. */
json_t *session_cluster_value(const struct session *s);

#endif
