/*
 * qwdctl's commands.  Each gets the configuration and its own arguments
 * (argv[0] is the command's name, as "download"), prints for a person on
 * standard output, complaints on standard error, and returns the exit status.
 */
#ifndef QWD_CTL_CTL_H
#define QWD_CTL_CTL_H

#include "conf/options.h"

enum ctl_status {
	CTL_DONE = 0,
	CTL_FAILED = 1,
	CTL_USAGE = 2, /* the arguments are wrong; a sentence said how */
	CTL_NOTHING = 3, /* there was nothing to do */
};

/* download [--force] [--jobs=N] [--dry-run] [--quiet] [NAME...]: fetch images,
 * then refresh. */
MUST_CHECK int ctl_download(const struct config *c, int argc, char **argv);

/* refresh: examine the images and write the catalogue. */
MUST_CHECK int ctl_refresh(const struct config *c, int argc, char **argv);

/* config [--defaults]: print all options as a configuration file. */
MUST_CHECK int ctl_config(const struct config *c, int argc, char **argv);

/* check: what is wrong with this installation, and what to do. */
MUST_CHECK int ctl_check(const struct config *c, int argc, char **argv);

/* status [--json]: the configuration, the machines, the sessions. */
MUST_CHECK int ctl_status(const struct config *c, int argc, char **argv);

/* start MACHINE|FILE [--OPTION=VALUE...] [--count=N] [--keep] [--quiet]: start
 * sessions as by hand, and follow them; a signal ends them. */
MUST_CHECK int ctl_start(const struct config *c, int argc, char **argv);

/* stop NAME...|--all [--now] [--yes]: stop sessions, asking on a terminal. */
MUST_CHECK int ctl_stop(const struct config *c, int argc, char **argv);

/* gpu [VENDOR:DEVICE,... [--dry-run] [--root=DIR]]: list the graphics cards,
 * or prepare the host for handing out those of a kind. */
MUST_CHECK int ctl_gpu(const struct config *c, int argc, char **argv);

/* gpu_unlock [--dry-run] [--root=DIR]: undo that. */
MUST_CHECK int ctl_gpu_unlock(const struct config *c, int argc, char **argv);

/* extend NAME [SECONDS]: give a session more time. */
MUST_CHECK int ctl_extend(const struct config *c, int argc, char **argv);

/* report [--since=DAY] [--until=DAY] [--user=NAME] [--json]: sessions that have
 * ended. */
MUST_CHECK int ctl_report(const struct config *c, int argc, char **argv);

/* log NAME: the session's lines of the log. */
MUST_CHECK int ctl_log(const struct config *c, int argc, char **argv);

/* secret: make the service's secret, unless it is there. */
MUST_CHECK int ctl_secret(const struct config *c, int argc, char **argv);

/* add FILE|URL [--name=NAME] [--description=TEXT]: put an image into
 * dir_machines and offer it. */
MUST_CHECK int ctl_add(const struct config *c, int argc, char **argv);

/* capture SESSION MACHINE.qcow2 [--description=TEXT]: a copy of a running
 * session's disk becomes a machine. */
MUST_CHECK int ctl_capture(const struct config *c, int argc, char **argv);

/* flatten SESSION, for capture: its disk as one file in dir_snapshots, made
 * while the guest stands still. */
MUST_CHECK int ctl_flatten(const struct config *c, int argc, char **argv);

/* edit machines|config: with an editor, checked before it counts.  Of `c` only
 * `file` is used, and it need not exist or be right. */
MUST_CHECK int ctl_edit(const struct config *c, int argc, char **argv);

/* import-config CONFIG.PL [--list=...] [--machines=...] [--form=...]
 * [--output=DIR] [--replace]: write config.conf and machines.conf by the
 * settings of the Perl service. */
MUST_CHECK int ctl_import_config(const struct config *c, int argc,
				 char **argv);

/* names machines|sessions: a name a line, for completion by the shell. */
MUST_CHECK int ctl_names(const struct config *c, int argc, char **argv);

/* purge: remove what has expired or lost its owner.  Nothing to do is fine. */
MUST_CHECK int ctl_purge(const struct config *c, int argc, char **argv);

#endif
