/*
 * The job of a session on a cluster's node: the batch script that Slurm
 * starts becomes this (farm/slurm.h).  It claims the job's directory, gives
 * the session a place in a store of the node's own (below slurm_scratch),
 * starts its ordinary owner (run/owner.h), which is its child, opens the way
 * to the display (farm/tunnel.h), and says in the directory what becomes of
 * it.  It needs neither Slurm nor the web host to end: the owner has the
 * session's lifetime, and a directory that is gone ends it too.
 *
 *     SIGTERM  Slurm ends the job: so does the session, at once
 *     SIGUSR1  Slurm's limit of time is near: the guest is powered off
 *     SIGUSR2  the owner on the web host knocks: look at its wish now
 */
#ifndef QWD_RUN_JOB_H
#define QWD_RUN_JOB_H

/* main() of the job: argv is PROGRAM --session-job DIR.  Refused outside of
 * Slurm, and if any job has claimed DIR before. */
int job_main(int argc, char **argv);

#endif
