/*
 * qwdctl's commands, a file each; ctl/commands.c has their options, and
 * qwdctl(8) what they do.
 */
#ifndef QWD_CTL_CTL_H
#define QWD_CTL_CTL_H

#include "ctl/command.h"

command_run ctl_add;
command_run ctl_capture;
command_run ctl_check;
command_run ctl_config;
command_run ctl_download;
command_run ctl_edit; /* of the configuration only `file` is used, and it need
			 not exist or be right */
command_run ctl_extend;
command_run ctl_gpu;
command_run ctl_gpu_unlock;
command_run ctl_help;
command_run ctl_import_config;
command_run ctl_log;
command_run ctl_purge;
command_run ctl_refresh;
command_run ctl_report;
command_run ctl_secret;
command_run ctl_start;
command_run ctl_status;
command_run ctl_stop;
command_run ctl_sudo_rule;
command_run ctl_version;

/* For ourselves: a session's disk as one file in dir_snapshots, made while the
 * guest stands still; what a shell completes. */
command_run ctl_flatten;
command_run ctl_names;

#endif
