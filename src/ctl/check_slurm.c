/* What launcher = slurm needs: doc/slurm.md. */
#include "ctl/check.h"

#include <grp.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "conf/options_slurm.h"
#include "farm/slurm.h"
#include "farm/slurm_run.h"
#include "farm/slurm_words.h"
#include "sys/child.h"
#include "sys/file.h"

enum { CONTROL_MS = 20 * 1000, NODE_S = 10, NODE_MS = 40 * 1000, WHY_SIZE = 512 };

/* Run one of Slurm's commands; its status, or -1, and why it failed. */
static int run(const struct check *k, const struct argv *argv, int deadline_ms,
	       char ret_why[WHY_SIZE])
{
	AUTO_BUF struct buf errors = BUF_INIT(8192);
	struct err e = ERR_INIT;
	int status;

	if (slurm_run(k->config, argv, deadline_ms, NULL, &errors, &status,
		      &e) < 0) {
		snprintf(ret_why, WHY_SIZE, "%s", e.msg);
		return -1;
	}
	slurm_refusal(buf_str(&errors), ret_why, WHY_SIZE);
	return status;
}

static bool check_control(struct check *k)
{
	AUTO_ARGV struct argv argv = { 0 };
	char why[WHY_SIZE];

	argv_add(&argv, "/usr/bin/env");
	argv_add(&argv, "squeue");
	argv_add(&argv, "--noheader");
	argv_add(&argv, "--me");
	if (run(k, &argv, CONTROL_MS, why) == 0) {
		check_say(k, CHECK_OK, "Slurm's control answers");
		return true;
	}
	check_say(k, CHECK_ERROR,
		  "launcher = slurm: Slurm's control does not answer (%s); "
		  "look at munge and slurmctld, and set slurm_conf if Slurm's "
		  "configuration is not in its own place",
		  why);
	return false;
}

/* File systems that other hosts may have, too (statfs(2)). */
static bool is_shared(const char *path)
{
	static const unsigned long types[] = {
		0x6969,	    /* NFS */
		0x00c36400, /* Ceph */
		0x0bd00bd0, /* Lustre */
		0x47504653, /* GPFS */
		0x19830326, /* BeeGFS */
		0x5346414f, /* AFS */
		0xff534d42, /* CIFS */
		0x01021997, /* 9P */
		0x65735546, /* FUSE: Gluster and others */
		0x01161970, /* GFS2 */
		0x7461636f, /* OCFS2 */
	};
	struct statfs st;

	if (statfs(path, &st) < 0)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if ((unsigned long)st.f_type == types[i])
			return true;
	return false;
}

/* Who is in this group reads what each visitor's machine says. */
static void check_readers(struct check *k, gid_t id)
{
	const struct group *group = getgrgid(id);

	for (char **who = group ? group->gr_mem : NULL; who && *who; who++)
		if (strcmp(*who, k->user_name) != 0) {
			check_say(k, CHECK_ERROR,
				  "dir_slurm: %s is in group %s, and may read "
				  "in the directory of each visitor's job; "
				  "choose a group that only %s is in",
				  *who, group->gr_name, k->user_name);
			return;
		}
}

/* What farm/visitor.h wants of it. */
static bool check_open_directory(struct check *k)
{
	const char *dir = k->config->dir_slurm;
	struct group *group = getgrgid(k->group);
	const char *name = group ? group->gr_name : k->user_name;
	AUTO_FREE char *reg = file_join(dir, "register");
	struct stat st;

	if (lstat(dir, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != 0 ||
	    (st.st_mode & 07733) != 03733) {
		check_say(k, CHECK_ERROR,
			  "dir_slurm: %s is not root's directory for all "
			  "visitors' jobs; install -d -m 3733 -o root -g %s %s",
			  dir, name, dir);
		return false;
	}
	check_readers(k, st.st_gid);
	if (!reg || lstat(reg, &st) < 0 || !S_ISDIR(st.st_mode) ||
	    st.st_uid != k->user || (st.st_mode & 077)) {
		check_say(k, CHECK_ERROR,
			  "dir_slurm: %s/register is not a private directory "
			  "of user %s's; install -d -m 700 -o %s %s/register",
			  dir, k->user_name, k->user_name, dir);
		return false;
	}
	return true;
}

static bool check_private_directory(struct check *k)
{
	const char *dir = k->config->dir_slurm;
	struct stat st;

	if (lstat(dir, &st) < 0 || !S_ISDIR(st.st_mode) ||
	    st.st_uid != k->user || (st.st_mode & 077)) {
		check_say(k, CHECK_ERROR,
			  "dir_slurm: %s is not a private directory of user "
			  "%s's; install -d -m 700 -o %s %s",
			  dir, k->user_name, k->user_name, dir);
		return false;
	}
	return true;
}

static bool check_directory(struct check *k)
{
	const char *dir = k->config->dir_slurm;

	if (!(config_has_visitors(k->config) ? check_open_directory(k) :
					       check_private_directory(k)))
		return false;
	if (is_shared(dir))
		check_say(k, CHECK_OK, "dir_slurm %s", dir);
	else
		check_say(k, CHECK_NOTE,
			  "dir_slurm: %s is on a file system of this host; "
			  "the cluster's nodes must have it at the same path",
			  dir);
	return true;
}

static const struct choice {
	const char *option;
	const char *flag; /* of sbatch and srun */
	size_t offset;	  /* of struct config */
} choices[] = {
	{ "slurm_account", "--account", offsetof(struct config, slurm_account) },
	{ "slurm_partition", "--partition",
	  offsetof(struct config, slurm_partition) },
	{ "slurm_qos", "--qos", offsetof(struct config, slurm_qos) },
};

/* Its names; what is read is well-formed. */
static void names_of(const struct config *c, const struct choice *choice,
		     struct slurm_names *ret)
{
	const char *value =
		*(char *const *)(const void *)((const char *)c +
					       choice->offset);

	(void)slurm_names_parse(value, ret);
}

static void add_choice(const struct config *c, const struct choice *choice,
		       size_t which, struct argv *argv)
{
	struct slurm_names names;

	names_of(c, choice, &names);
	if (which < names.count)
		argv_addf(argv, "%s=%s", choice->flag, names.list[which]);
}

/* Would Slurm take a job with this name, and the usual ones beside it? */
static void check_choice(struct check *k, const struct choice *choice,
			 size_t which, const char *name)
{
	AUTO_ARGV struct argv argv = { 0 };
	char why[WHY_SIZE];

	argv_add(&argv, "/usr/bin/env");
	argv_add(&argv, "sbatch");
	argv_add(&argv, "--test-only");
	argv_add(&argv, "--time=1");
	for (size_t i = 0; i < ARRAY_LEN(choices); i++)
		add_choice(k->config, &choices[i],
			   choice == &choices[i] ? which : 0, &argv);
	argv_add(&argv, "--wrap=:");
	if (run(k, &argv, CONTROL_MS, why) == 0)
		return;
	if (slurm_is_limit(why))
		check_say(k, CHECK_NOTE,
			  "%s: Slurm would take no further job with %s now, "
			  "for a limit (%s)",
			  choice->option, name, why);
	else
		check_say(k, CHECK_NOTE,
			  "%s: Slurm would not take a job with %s (%s); leave "
			  "it out, or mend it there",
			  choice->option, name, why);
}

static void check_choices(struct check *k)
{
	struct slurm_names names;

	/* Slurm looks at whose job it would be. */
	if (geteuid() != k->user || config_has_visitors(k->config))
		return;
	for (size_t i = 0; i < ARRAY_LEN(choices); i++) {
		names_of(k->config, &choices[i], &names);
		for (size_t n = 0; n < names.count; n++)
			check_choice(k, &choices[i], n, names.list[n]);
	}
}

/* A node is asked, as jobs are: by the service's user. */
static void check_node(struct check *k)
{
	const struct config *c = k->config;
	AUTO_ARGV struct argv argv = { 0 };
	char why[WHY_SIZE];
	int status;

	if (geteuid() != k->user) {
		check_say(k, CHECK_NOTE,
			  "what the cluster's nodes have is not looked at; run "
			  "qwdctl check as user %s",
			  k->user_name);
		return;
	}
	argv_add(&argv, "/usr/bin/env");
	argv_add(&argv, "srun");
	argv_addf(&argv, "--immediate=%d", NODE_S);
	argv_add(&argv, "--ntasks=1");
	argv_add(&argv, "--time=1");
	argv_add(&argv, "--chdir=/");
	argv_add(&argv, "--export=PATH=/usr/bin:/bin");
	for (size_t i = 0; i < ARRAY_LEN(choices); i++)
		add_choice(c, &choices[i], 0, &argv);
	argv_add(&argv, "/usr/bin/test");
	argv_add(&argv, "-w");
	argv_add(&argv, c->dir_slurm);
	status = run(k, &argv, NODE_MS, why);
	if (status == 0)
		check_say(k, CHECK_OK, "a node of the cluster has dir_slurm");
	else if (strstr(why, "Exited with exit code 1"))
		check_say(k, CHECK_ERROR,
			  "dir_slurm: a node of the cluster has no %s that "
			  "user %s may write to; mount it there at the same "
			  "path",
			  c->dir_slurm, k->user_name);
	else
		check_say(k, CHECK_NOTE,
			  "no node of the cluster could be looked at (%s); try "
			  "again when one is free",
			  why);
}

/* ---- slurm_user = visitor ---- */

/* The helper reads it as the visitor, and believes only root. */
static void check_config(struct check *k)
{
	const char *file = *k->config->file ? k->config->file :
					      CONFIG_DEFAULT_FILE;
	struct stat st;

	if (stat(file, &st) < 0)
		return; /* told elsewhere */
	if (st.st_uid != 0 || (st.st_mode & 022) || !(st.st_mode & 04))
		check_say(k, CHECK_ERROR,
			  "slurm_user = visitor: %s must be root's to write "
			  "and everybody's to read; chown root %s && chmod 644 "
			  "%s",
			  file, file, file);
}

/* What sudo lets the service's user do. */
static void check_rule(struct check *k, const char *helper)
{
	AUTO_FREE char *sudo = NULL;
	AUTO_BUF struct buf said = BUF_INIT(65536);
	AUTO_ARGV struct argv argv = { 0 };
	struct child c = CHILD_INIT;
	struct err e = ERR_INIT;
	int status = -1;

	if (!check_program(k, "sudo", "sudo"))
		return;
	sudo = child_find_program("sudo", &e);
	if (!sudo || (geteuid() != 0 && geteuid() != k->user))
		return;
	argv_add(&argv, sudo);
	argv_add(&argv, "-n");
	argv_add(&argv, "-l");
	if (geteuid() == 0) {
		argv_add(&argv, "-U");
		argv_add(&argv, k->user_name);
	}
	c.argv = &argv;
	if (child_run(&c, NULL, &said, NULL, CONTROL_MS, &status, &e) == 0 &&
	    strstr(buf_str(&said), helper))
		check_say(k, CHECK_OK, "sudo has a rule for %s", helper);
	else
		check_say(k, CHECK_ERROR,
			  "slurm_user = visitor: sudo has no rule for %s; "
			  "qwdctl sudo-rule GROUP "
			  ">/etc/sudoers.d/qemu-web-desktop, with the group of "
			  "all who may have machines",
			  helper);
}

/* Where sessions are systemd's: the units as we ship them let nobody write to
 * dir_slurm or call sudo. */
static void check_units(struct check *k)
{
	static const char *const more[] = {
		"/etc/systemd/system/qemu-web-desktop-session@.service.d",
		"/etc/systemd/system/qemu-web-desktop-purge.service.d",
	};
	AUTO_FREE char *path = file_join(k->config->dir_launcher, "session");
	bool visitors = config_has_visitors(k->config);
	struct stat st;

	if (!path || lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return;
	for (size_t i = 0; i < ARRAY_LEN(more); i++)
		if (access(more[i], F_OK) < 0)
			check_say(k, CHECK_WARNING,
				  "launcher = slurm: systemd's unit keeps "
				  "sessions from %s; install the example %s "
				  "in %s",
				  visitors ? "calling sudo" :
					     "writing to dir_slurm",
				  visitors ? "slurm-visitor.conf" : "slurm.conf",
				  more[i]);
}

static void check_visitors(struct check *k)
{
	AUTO_FREE char *helper = file_join(k->config->dir_libexec,
					   "qwd-visitor");

	if (!helper || access(helper, X_OK) < 0) {
		check_say(k, CHECK_ERROR,
			  "dir_libexec: there is no %s/qwd-visitor, so "
			  "visitors cannot have jobs of their own; install it, "
			  "or correct dir_libexec",
			  k->config->dir_libexec);
		return;
	}
	check_config(k);
	check_rule(k, helper);
}

void check_slurm(struct check *k)
{
	bool there;

	if (!config_has_slurm(k->config))
		return;
	there = check_program(k, "sbatch", "slurm-client");
	check_program(k, "stunnel", "stunnel4");
	check_program(k, "openssl", "openssl");
	if (config_has_visitors(k->config))
		check_visitors(k);
	check_units(k);
	if (!there || !check_control(k))
		return;
	/* Which names a visitor's job may have is between him and Slurm. */
	if (!config_has_visitors(k->config))
		check_choices(k);
	if (check_directory(k))
		check_node(k);
}
