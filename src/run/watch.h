/*
 * The owner of a session that runs as a job of a cluster: it looks after the
 * job instead of a guest.  Private to src/run.
 *
 * One command of Slurm's runs at a time, as a child, its words in anonymous
 * memory; nothing waits for it.  Slurm's record is the truth about where the
 * job is and how it ended; that the machine runs, the job says itself, by its
 * mark (farm/job_dir.h), and the display's greeting has come through the
 * tunnel.  Where Slurm's control does not answer the session lives on, and its
 * record says so (job_away).
 *
 * A job under its visitor's account says what he likes: its mark decides
 * nothing but when his own display is ready, where Slurm says that it runs.
 *
 * Looks cost: squeue at most every third of a second until the display is
 * there, every 20 s then, and up to 10 s apart in the queue.
 *
 * The way to the display is opened, and somebody sent along it, as soon as the
 * job has started QEMU: the job lets him in when there is a display, and by
 * then his stunnel is loaded and connected.
 */
#ifndef QWD_RUN_WATCH_H
#define QWD_RUN_WATCH_H

#include "farm/job_dir.h"
#include "farm/slurm.h"
#include "farm/tunnel.h"
#include "run/owner_state.h"

enum tool {
	TOOL_NONE,
	TOOL_KEY,    /* openssl */
	TOOL_SUBMIT, /* sbatch */
	TOOL_LOOK,   /* squeue */
	TOOL_ADDRESS, /* sinfo */
	TOOL_KNOCK,  /* scancel --signal */
	TOOL_CANCEL, /* scancel */
	TOOL_LIMIT,  /* scontrol */
};

struct watch {
	char *path; /* the job's directory */
	int dir;    /* a visitor's: -1 until his helper has made it */
	bool visitor; /* the job is under his account (run/watch_visitor.c) */
	bool entered; /* it is in the register */
	uid_t uid;    /* his */
	int news_left; /* that are listened to: somebody may send many */
	long long lifetime_s; /* 0: without an end */

	enum tool tool;
	pid_t tool_pid;
	int tool_out, tool_err;
	long long tool_until;

	struct slurm_job job; /* Slurm's word, when it was asked last */
	bool missed;	      /* Slurm did not know it, once */
	bool over;	      /* it has ended, or never began */
	bool unsure; /* sbatch may have submitted it, without a word */
	struct job_mark mark;
	bool marked;
	bool hurried; /* Slurm was asked at once where it runs */
	bool doubted; /* that a mark is not believed is in the log */
	bool final; /* the mark says so; Slurm is asked, too */
	bool lingers; /* and says otherwise */
	char address[SESSION_NODE_SIZE]; /* the node's, on its network */
	struct tunnel tunnel;
	bool probing; /* o->vnc waits for the display's greeting */
	long long probe_until;

	/* When to do it (clock_boot_ms()). */
	long long look_at, look_wait;
	long long mark_at;
	long long probe_at;
	long long silence_at; /* the job runs, and has said nothing */
	long long boot_at;    /* its machine must have one */
	long long display_at; /* the display must have greeted */
	long long final_at;   /* Slurm has not confirmed the end */
	long long give_up_at; /* the job does not go away */

	struct job_wish wish;
	long long gateway_at;

	bool want_address, want_knock, want_cancel;
	bool want_limit; /* for `client`, who asked for more time */
	int client;
	long long client_ends_ms;
	char client_who[SESSION_USER_SIZE];
};

/* run/watch_tool.c: start what is wanted next, if nothing runs; end what has
 * taken too long; take up what has ended. */
void watch_start_key(struct owner *o);
void watch_next_tool(struct owner *o);
void watch_tool_ended(struct owner *o, int status);
void watch_tool_late(struct owner *o);
void watch_tool_end(struct owner *o);

/* run/watch.c: what they say. */
void watch_submitted(struct owner *o, long long job);
void watch_on_job(struct owner *o, const struct slurm_job *job);
void watch_on_away(struct owner *o, const char *why);
void watch_soon(struct owner *o);
bool watch_set(char *to, size_t size, const char *from); /* did it change? */

/* run/watch_end.c: struct guest_place's.  _await_end: it stops, but not for
 * ever.  _answer: to who has asked for more time, Slurm's word and ours. */
void watch_stop(struct owner *o, bool now);
void watch_stop_further(struct owner *o);
MUST_CHECK int watch_extend(struct owner *o, int client,
			    long long ends_boot_ms, const char *who,
			    struct err *e);
void watch_answer(struct owner *o, int result, struct err *e);
void watch_await_end(struct owner *o);
void watch_clean(struct owner *o);

/* run/watch_visitor.c: a job under its visitor's account.  _prepare: instead of
 * a directory of the service's; with a sentence for him if he has no account.
 * _command: the helper that does for him what `tool` would.  _open: his
 * directory, once it is there.  _end: his job and his directory go.  _strike:
 * there was none, so nobody needs to remove it. */
MUST_CHECK int watch_visitor_prepare(struct owner *o, struct err *e);
MUST_CHECK int watch_visitor_command(struct owner *o, enum tool tool,
				     const struct job_order *order,
				     struct argv *ret, int *ret_in,
				     struct err *e);
MUST_CHECK int watch_visitor_open(struct owner *o, struct err *e);
void watch_visitor_end(struct owner *o);
void watch_visitor_strike(struct owner *o);

/* run/watch_output.c: what has ended the job, and its own words in the log
 * where it has failed. */
enum slurm_state watch_cause(const struct owner *o);
void watch_log_output(const struct owner *o);

/* run/watch_mark.c: the job's mark and the display. */
void watch_await_mark(struct owner *o);
void watch_on_news(struct owner *o);
void watch_look_at_mark(struct owner *o);
void watch_probe(struct owner *o);
void watch_on_vnc(struct owner *o);
void watch_on_viewer(struct owner *o);

#endif
