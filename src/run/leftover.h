/*
 * Jobs whose session's owner has died, or could not reach Slurm when it ended:
 * their directories in dir_slurm tell of them (farm/job_dir.h).
 */
#ifndef QWD_RUN_LEFTOVER_H
#define QWD_RUN_LEFTOVER_H

#include "session/store.h"

/*
 * Cancel the job of each directory that this host has made and of which no
 * session lives, by its name, and remove the directory, which ends a job that
 * Slurm has lost sight of.  Does nothing without launcher = slurm.  Where
 * Slurm's control does not answer, the directory stays for the next time.
 * Does nothing with slurm_user = visitor.
 * Returns how many were removed, or -1 with the first failure.
 */
MUST_CHECK int leftover_end(const struct store *st, struct err *e);

/*
 * The same with slurm_user = visitor, where the register tells of them
 * (farm/visitor.h).  The helpers that do it are the visitors' processes, and
 * may take their time: only for who has it, and one visitor's keep no other's
 * from their turn: whose could not be removed the last time, or took long,
 * comes last, the longest ago first among these.  What cannot be removed for a day is left to its visitor.
 */
MUST_CHECK int leftover_end_visitors(const struct store *st, struct err *e);

#endif
