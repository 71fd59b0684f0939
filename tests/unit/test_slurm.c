/* src/farm: Slurm's command lines, word for word, and what it says, read. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/text.h"
#include "conf/options_slurm.h"
#include "farm/job_dir.h"
#include "farm/slurm.h"
#include "farm/slurm_words.h"
#include "farm/tunnel.h"
#include "scratch.h"

#define N "svc-aaaaaaaaaaaaaaaaaaaa"
#define C "|physics|vms|normal"

static struct config config;
static const struct slurm_order order = { .program = "/usr/lib/it's",
					  .dir = "/shared/" N,
					  .lifetime_s = 3600 };

static int set_up(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	return config_init(&config, &e);
}

static int tear_down(void **state)
{
	(void)state;
	config_release(&config);
	return 0;
}

static void set(const char *name, const char *value)
{
	struct err e = ERR_INIT;

	if (config_set(&config, name, value, &e) < 0)
		fail_msg("%s: %s", name, e.msg);
}

static struct session small(void)
{
	return (struct session){ .name = N, .user = "ann",
				 .machine = "tiny.iso", .cpu = 2,
				 .memory_mb = 768 };
}

static void check(const struct argv *argv, const char *const *expected)
{
	size_t i;

	assert_false(argv->failed);
	for (i = 0; expected[i]; i++) {
		assert_non_null(argv->list[i]);
		assert_string_equal(argv->list[i], expected[i]);
	}
	assert_null(argv->list[i]);
}

static void a_small_job_asks_for_what_its_session_has(void **state)
{
	AUTO_ARGV struct argv argv = { 0 };
	struct session s = small();

	(void)state;
	slurm_submit_command("/usr/bin/sbatch", &config, &s, &order, &argv);
	check(&argv, (const char *const[]){
			     "/usr/bin/sbatch", "--parsable", "--no-requeue",
			     "--job-name=" N, "--nodes=1", "--ntasks=1",
			     "--cpus-per-task=2", "--mem=1280M", "--time=62",
			     "--signal=B:USR1@30",
			     "--export=ALL",
			     "--chdir=/", "--output=/shared/" N "/output",
			     "--open-mode=append", NULL });
}

static void a_job_asks_for_a_card_and_says_where_it_belongs(void **state)
{
	AUTO_ARGV struct argv argv = { 0 };
	struct slurm_order endless = order;
	struct session s = small();

	(void)state;
	snprintf(s.gpu, sizeof(s.gpu), "any");
	set("slurm_gres", "gpu:a100:1");
	snprintf(s.account, sizeof(s.account), "beamline");
	snprintf(s.partition, sizeof(s.partition), "vms");
	snprintf(s.qos, sizeof(s.qos), "interactive");
	set("slurm_memory_overhead", "100");
	endless.lifetime_s = 0;
	slurm_submit_command("/usr/bin/sbatch", &config, &s, &endless, &argv);
	check(&argv, (const char *const[]){
			     "/usr/bin/sbatch", "--parsable", "--no-requeue",
			     "--job-name=" N, "--nodes=1", "--ntasks=1",
			     "--cpus-per-task=2", "--mem=868M",
			     "--time=UNLIMITED", "--signal=B:USR1@30",
			     "--export=ALL",
			     "--chdir=/", "--output=/shared/" N "/output",
			     "--open-mode=append", "--gres=gpu:a100:1",
			     "--account=beamline", "--partition=vms",
			     "--qos=interactive", NULL });
}

static void the_batch_script_quotes_its_words(void **state)
{
	AUTO_BUF struct buf text = BUF_INIT(4096);

	(void)state;
	slurm_script(&order, &text);
	assert_string_equal(buf_str(&text),
			    "#!/bin/sh\nexec '/usr/lib/it'\\''s' "
			    "--session-job '/shared/" N "'\n");
}

static void the_limit_of_time_leaves_time_to_end(void **state)
{
	(void)state;
	/* 10 s for the guest, 60 s for the job, 30 s of warning. */
	assert_int_equal(slurm_minutes(&config, 60), 3);
	assert_int_equal(slurm_minutes(&config, 3600), 62);
	set("service_stop_grace", "3600");
	assert_int_equal(slurm_minutes(&config, 3600), 122);
}

static void only_a_number_is_a_submitted_job(void **state)
{
	static const char *const bad[] = {
		"", "\n", "17", "17 \n", " 17\n", "0\n", "-1\n", "17\n\n",
		"17;\nx", "17;a b\n", "4294967296\n", "99999999999999999999\n",
		"Submitted batch job 17\n", "17.5\n",
	};
	struct err e = ERR_INIT;
	long long job = 0;

	(void)state;
	assert_int_equal(slurm_read_submitted("17\n", &job, &e), 0);
	assert_int_equal(job, 17);
	assert_int_equal(slurm_read_submitted("18;big-one\n", &job, &e), 0);
	assert_int_equal(job, 18);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		e.code = ERR_NONE;
		assert_int_equal(slurm_read_submitted(bad[i], &job, &e), -1);
		assert_int_equal(e.code, ERR_DAMAGED);
	}
	assert_int_equal(job, 18);
}

static void a_refusal_is_the_reason_alone(void **state)
{
	static const struct {
		const char *said, *reason;
	} table[] = {
		{ "sbatch: error: Batch job submission failed: Invalid account "
		  "or account/partition combination specified\n",
		  "Invalid account or account/partition combination "
		  "specified" },
		{ "sbatch: error: Memory specification can not be satisfied\n"
		  "sbatch: error: Batch job submission failed: Requested node "
		  "configuration is not available\n",
		  "Requested node configuration is not available" },
		{ "slurm_load_jobs error: Invalid job id specified\n",
		  "Invalid job id specified" },
		{ "allocation failure: Invalid partition name specified\n",
		  "Invalid partition name specified" },
		{ "sbatch: error: QOSMaxSubmitJobPerUserLimit\n"
		  "sbatch: error: Batch job submission failed: Job violates "
		  "accounting/QOS policy (job submit limit, user's size and/or "
		  "time limits)\n",
		  "QOSMaxSubmitJobPerUserLimit" },
		{ "sbatch: error: No desktops on Sundays.\n"
		  "sbatch: error: Batch job submission failed: Unspecified "
		  "error\n",
		  "No desktops on Sundays" },
		{ "sbatch: error: Batch job submission failed: Unspecified "
		  "error\n",
		  "Unspecified error" },
		{ "odd\x1b[31m words\n", "odd [31m words" },
		{ "", "" },
		{ "\n\n", "" },
	};
	char reason[100];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		slurm_refusal(table[i].said, reason, sizeof(reason));
		assert_string_equal(reason, table[i].reason);
	}
	slurm_refusal("sbatch: error: 123456789", reason, 5);
	assert_string_equal(reason, "1234");
}

/* Which limit it is decides what helps; the names are Slurm 22.05's. */
static void each_limit_says_whose_it_is_and_what_helps(void **state)
{
	static const struct {
		const char *name, *waits, *refused;
	} table[] = {
		{ "AssocMaxJobsLimit",
		  "As many jobs as its account on the cluster may have at once "
		  "run already: it waits until one of them has ended.",
		  NULL },
		{ "QOSMaxJobsPerUserLimit",
		  "As many jobs as its quality of service may have at once run "
		  "already: it waits until one of them has ended.",
		  NULL },
		{ "MaxJobsPerAccount", "As many jobs as its account", NULL },
		{ "AssocMaxSubmitJobLimit", NULL,
		  "As many jobs as its account on the cluster may have run or "
		  "wait already. Try again when one of them has ended. "
		  "(Slurm: AssocMaxSubmitJobLimit)" },
		{ "QOSMaxSubmitJobPerUserLimit", NULL,
		  "As many jobs as its quality of service may have run or wait "
		  "already." },
		{ "AssocGrpCpuLimit",
		  "With it, its account on the cluster would have more "
		  "processors at once than it may: it waits until others have "
		  "ended. If none are there, stop it and ask for less.",
		  "It asks for more processors than its account on the cluster "
		  "lets it have. Ask for less." },
		{ "AssocGrpMemLimit",
		  "With it, its account on the cluster would have more memory",
		  NULL },
		{ "AssocGrpGRES",
		  "With it, its account on the cluster would have more graphics "
		  "cards",
		  NULL },
		{ "QOSMaxCpuPerUserLimit",
		  "With it, its quality of service would have more processors",
		  NULL },
		{ "QOSMaxMemoryPerUser",
		  "With it, its quality of service would have more memory",
		  NULL },
		{ "QOSMaxWallDurationPerJobLimit",
		  "It asks for more time than its quality of service lets one "
		  "machine have, and will not start: stop it and ask for less.",
		  "It asks for more time than its quality of service lets it "
		  "have. Ask for less." },
		{ "AssocMaxCpuPerJobLimit",
		  "It asks for more processors than its account on the cluster "
		  "lets one machine have",
		  "It asks for more processors than" },
		{ "AssocGrpCPUMinutesLimit",
		  "What its account on the cluster may use in the course of "
		  "time is used up or promised to others. Ask the "
		  "administrator.",
		  "What its account on the cluster may use" },
		{ "QOSGrpWallLimit", "What its quality of service may use",
		  NULL },
		{ "AssocMaxCPUMinutesPerJobLimit",
		  "It asks for more processors than its account", NULL },
		{ "QOSMinCpuNotSatisfied",
		  "Its quality of service wants more processors than it asks "
		  "for, so it will not start",
		  NULL },
		{ "QOSUsageThreshold",
		  "A limit of its quality of service is reached.", NULL },
		{ "InvalidAccount",
		  "The cluster does not let it use its account any more", NULL },
		{ "QOSNotAllowed",
		  "Its quality of service may not use this part of the cluster",
		  NULL },
		{ "Resources",
		  "It waits for free processors, memory or graphics cards.",
		  NULL },
		{ "MaxMemPerLimit",
		  "The cluster has not given it a place yet.",
		  "The cluster refused it: MaxMemPerLimit." },
		{ "", "The cluster has not given it a place yet.",
		  "The cluster refused it: it did not say why." },
	};
	const struct session s = { .name = N };
	char told[SESSION_REASON_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		slurm_wait_sentence(table[i].name, told);
		if (table[i].waits && !text_starts(told, table[i].waits))
			fail_msg("%s: %s", table[i].name, told);
		slurm_refusal_sentence(&s, table[i].name, told);
		if (table[i].refused && !text_starts(told, table[i].refused))
			fail_msg("%s: %s", table[i].name, told);
	}
}

static void a_limit_is_told_from_what_will_never_be_taken(void **state)
{
	(void)state;
	assert_true(slurm_is_limit("QOSMaxSubmitJobPerUserLimit"));
	assert_true(slurm_is_limit("AssocGrpSubmitJobsLimit"));
	assert_true(slurm_is_limit("Job violates accounting/QOS policy (job "
				   "submit limit, user's size and/or time "
				   "limits)"));
	assert_false(slurm_is_limit("Invalid qos specification"));
	assert_false(slurm_is_limit("Invalid account or account/partition "
				    "combination specified"));
	assert_false(slurm_is_limit(""));
}

static void a_choice_that_is_refused_is_named(void **state)
{
	static const char account[] = "Invalid account or account/partition "
				      "combination specified";
	struct session s = { .name = N, .account = "physics", .qos = "high",
			     .partition = "vms" };
	char told[SESSION_REASON_SIZE];

	(void)state;
	slurm_refusal_sentence(&s, account, told);
	assert_string_equal(told,
			    "The cluster does not let it use the account "
			    "physics in the part vms. Choose another one, or "
			    "ask the administrator. (Slurm: Invalid account or "
			    "account/partition combination specified)");
	slurm_refusal_sentence(&s, "Invalid qos specification", told);
	assert_string_equal(told,
			    "The cluster does not let it use the quality of "
			    "service high. Choose another one, or ask the "
			    "administrator. (Slurm: Invalid qos "
			    "specification)");
	slurm_refusal_sentence(&s, "Invalid partition name specified", told);
	assert_string_equal(told, "The cluster has no part vms. Choose another "
				  "one, or ask the administrator. (Slurm: "
				  "Invalid partition name specified)");
	s.account[0] = s.partition[0] = '\0';
	slurm_refusal_sentence(&s, account, told);
	assert_true(text_starts(told, "The cluster has no account for it."));
	slurm_refusal_sentence(&s, "Requested time limit is invalid (missing "
				   "or exceeds some limit)",
			       told);
	assert_true(text_starts(told, "It asks for more time than this part"));
}

/* What stands behind it is cut. */
static void a_refusal_of_the_greatest_length_fits(void **state)
{
	struct session s = { .name = N };
	char told[SESSION_REASON_SIZE];
	char why[256];

	(void)state;
	memset(s.account, 'a', sizeof(s.account) - 1);
	memset(s.partition, 'p', sizeof(s.partition) - 1);
	memset(why, 'w', sizeof(why) - 1);
	why[sizeof(why) - 1] = '\0';
	memcpy(why, "Invalid account", 15);
	slurm_refusal_sentence(&s, why, told);
	assert_int_equal(strlen(told), sizeof(told) - 1);
}

static struct slurm_job look(const char *text)
{
	struct slurm_job job;
	struct err e = ERR_INIT;

	if (slurm_read_look(text, 7, &job, &e) < 0)
		fail_msg("%s: %s", text, e.msg);
	return job;
}

static void squeue_is_read(void **state)
{
	struct slurm_job job = look("7|PENDING|Resources|n/a|1764089000|ann|" N C "\n");

	(void)state;
	assert_int_equal(job.state, SLURM_PENDING);
	assert_string_equal(job.reason, "Resources");
	assert_string_equal(job.node, "");
	assert_int_equal(job.start, 1764089000);
	/* A list of nodes may be long: it is cut. */
	job = look("7|PENDING|ReqNodeNotAvail, UnavailableNodes:node[1-3,5-7],"
		   "other[10-20],third[1-99]|n/a|N/A|ann|" N C "\n");
	assert_string_equal(job.reason,
			    "ReqNodeNotAvail, UnavailableNodes:node[1-3,5-7],"
			    "other[10-20],th");
	assert_int_equal(job.start, 0);
}

static void squeue_about_a_running_job_names_its_node(void **state)
{
	struct slurm_job job = look("7|RUNNING|None|node-2.lab|1764089000|ann|" N C "\n");

	(void)state;
	assert_int_equal(job.state, SLURM_RUNNING);
	assert_string_equal(job.reason, "");
	assert_string_equal(job.node, "node-2.lab");
	assert_false(slurm_has_ended(job.state));
	assert_true(slurm_has_ended(
		look("7|NODE_FAIL|NodeDown|node1|1764089000|ann|" N C "\n").state));
	assert_int_equal(look("").state, SLURM_MISSING);
}

/* Whose bill it is on is no reason not to believe where it is. */
static void what_a_job_counts_for_is_read_where_it_is_understood(void **state)
{
	struct slurm_job job = look("7|RUNNING|None|node1|1|ann|" N
				    "|beamline|vms|normal\n");

	(void)state;
	assert_string_equal(job.account, "beamline");
	assert_string_equal(job.partition, "vms");
	assert_string_equal(job.qos, "normal");
	job = look("7|RUNNING|None|node1|1|ann|" N "|(null)|vms,gpu|<b>\n");
	assert_string_equal(job.account, "");
	assert_string_equal(job.partition, "");
	assert_string_equal(job.qos, "");
	assert_string_equal(job.node, "node1");
}

static void what_squeue_never_says_is_no_answer(void **state)
{
	static const char *const bad[] = {
		"7|RUNNING|None|node2|1764089000",
		"8|RUNNING|None|node2|1764089000|ann|" N C "\n",
		"7|DANCING|None|node2|1764089000|ann|" N C "\n",
		"7|RUNNING|None|node2|1764089000|ann|" N "\n",
		"7|RUNNING|None|node2|1764089000|ann|" N C "|more\n",
		"7|RUNNING|None|node2\n",
		"7|RUNNING|None|node2|1764089000|x\n",
		"7|RUNNING|None|node2|yesterday\n",
		"7|RUNNING|None|node 2|1764089000|ann|" N C "\n",
		"7|RUNNING|<b>|node2|1764089000|ann|" N C "\n",
		"7|RUNNING|None|../../x|1764089000|ann|" N C "\n",
		"7|RUNNING|None|node2|1\n7|RUNNING|None|node2|1|ann|" N C "\n",
		"\n",
		"||||\n",
		"JOBID|STATE|REASON|EXEC_HOST|START_TIME\n",
	};
	struct slurm_job job = { .state = SLURM_SUSPENDED };
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		e.code = ERR_NONE;
		if (slurm_read_look(bad[i], 7, &job, &e) == 0)
			fail_msg("accepted: %s", bad[i]);
		assert_int_equal(e.code, ERR_DAMAGED);
	}
	assert_int_equal(job.state, SLURM_SUSPENDED);
}

static void every_end_has_a_sentence(void **state)
{
	bool failed;

	(void)state;
	for (int s = SLURM_COMPLETED; s <= SLURM_MISSING; s++)
		assert_non_null(slurm_end_sentence((enum slurm_state)s,
						   &failed));
	slurm_end_sentence(SLURM_TIMEOUT, &failed);
	assert_false(failed);
	slurm_end_sentence(SLURM_NODE_FAIL, &failed);
	assert_true(failed);
	slurm_end_sentence(SLURM_FAILED, &failed);
	assert_true(failed);
}

static void a_job_that_was_killed_for_its_memory_has_not_just_failed(
	void **state)
{
	static const char said[] =
		"slurmstepd-node1: error: StepId=1.batch exceeded memory limit "
		"(680828928 > 335544320), being killed\n"
		"slurmstepd-node1: error: Exceeded job memory limit\n";

	(void)state;
	assert_int_equal(slurm_cause(SLURM_FAILED, true, said),
			 SLURM_OUT_OF_MEMORY);
	assert_int_equal(slurm_cause(SLURM_FAILED, true, ""), SLURM_FAILED);
	assert_int_equal(slurm_cause(SLURM_FAILED, true, "memory limit\n"),
			 SLURM_FAILED);
	/* What Slurm says itself counts. */
	assert_int_equal(slurm_cause(SLURM_TIMEOUT, true, said), SLURM_TIMEOUT);
	assert_int_equal(slurm_cause(SLURM_COMPLETED, true, said),
			 SLURM_COMPLETED);
}

static void a_node_that_has_not_come_up_has_run_nothing(void **state)
{
	(void)state;
	assert_int_equal(slurm_cause(SLURM_NODE_FAIL, false, ""),
			 SLURM_BOOT_FAIL);
	assert_int_equal(slurm_cause(SLURM_NODE_FAIL, true, ""),
			 SLURM_NODE_FAIL);
}

static void a_node_has_one_address(void **state)
{
	static const char *const bad[] = { "", "\n", "a b\n", "-o\n", "$(id)\n" };
	char address[SESSION_NODE_SIZE];
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(slurm_read_address("10.82.0.11\n10.82.0.11\n", address,
					    &e),
			 0);
	assert_string_equal(address, "10.82.0.11");
	assert_int_equal(slurm_read_address("fd00::11 \n", address, &e), 0);
	assert_string_equal(address, "fd00::11");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		e.code = ERR_NONE;
		assert_int_equal(slurm_read_address(bad[i], address, &e), -1);
		assert_int_equal(e.code, ERR_DAMAGED);
	}
}

/* ---- The job's directory ---- */

static int made(char **path)
{
	static int serial;
	struct err e = ERR_INIT;
	char dir[4300];
	int fd;

	snprintf(dir, sizeof(dir), "%s/jobs%d", scratch_path, serial++);
	set("dir_slurm", dir);
	fd = job_dir_make(&config, "/store", N, path, &e);
	if (fd < 0)
		fail_msg("%s", e.msg);
	return fd;
}

static void a_directory_is_made_once_and_claimed_once(void **state)
{
	AUTO_FREE char *path = NULL;
	AUTO_CLOSE int dir = made(&path);
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(job_dir_make(&config, "/store", N, &path, &e), -1);
	assert_int_equal(e.code, ERR_CONFLICT);
	assert_true(job_dir_is_ours(dir, "/store"));
	assert_false(job_dir_is_ours(dir, "/other"));
	assert_int_equal(job_dir_claim(dir, 7, "node1", &e), 0);
	assert_int_equal(job_dir_claim(dir, 8, "node2", &e), -1);
	assert_int_equal(e.code, ERR_CONFLICT);
}

static void a_directory_that_others_may_enter_is_refused(void **state)
{
	AUTO_FREE char *path = NULL;
	AUTO_CLOSE int dir = made(&path);
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(fchmod(dir, 0750), 0);
	assert_int_equal(job_dir_open(path, geteuid(), &e), -1);
	assert_int_equal(e.code, ERR_DAMAGED);
}

static void a_directory_that_is_gone_is_noticed(void **state)
{
	AUTO_FREE char *path = NULL;
	AUTO_CLOSE int dir = made(&path);
	AUTO_FREE char *moved = NULL;

	(void)state;
	assert_true(job_dir_is_there(path, dir));
	assert_true(asprintf(&moved, "%s.moved", path) > 0);
	assert_int_equal(rename(path, moved), 0);
	assert_false(job_dir_is_there(path, dir));
	assert_int_equal(mkdir(path, 0700), 0);
	assert_false(job_dir_is_there(path, dir));
}

/* As a file that somebody has open keeps a directory on NFS. */
static void a_directory_that_cannot_be_removed_is_still_ours(void **state)
{
	AUTO_FREE char *path = NULL;
	AUTO_CLOSE int dir = made(&path);
	struct job_wish wish = { .stop = true };
	AUTO_FREE char *stays = NULL;
	struct err e = ERR_INIT;

	(void)state;
	assert_true(asprintf(&stays, "%s/stays", path) > 0);
	assert_int_equal(mkdir(stays, 0700), 0);
	if (mount("none", stays, "tmpfs", 0, NULL) < 0)
		skip(); /* not root */
	assert_int_equal(job_dir_write_wish(dir, &wish, &e), 0);
	assert_int_equal(job_dir_remove(AT_FDCWD, path, &e), -1);
	assert_int_equal(e.sys, EBUSY);
	assert_true(job_dir_is_there(path, dir));
	assert_true(job_dir_is_ours(dir, "/store"));
	assert_int_equal(umount(stays), 0);
	assert_int_equal(job_dir_remove(AT_FDCWD, path, &e), 0);
	assert_false(job_dir_is_there(path, dir));
}

static void what_is_said_is_read(void **state)
{
	AUTO_FREE char *path = NULL;
	AUTO_CLOSE int dir = made(&path);
	struct job_wish wish = { .stop = true, .who = "bob", .ends = 99 };
	struct job_wish wish2;
	struct job_order said = { .session = small(), .lifetime_s = 60,
				  .certificate = "PEM" };
	struct job_order read;
	struct job_mark mark = { .job = 7, .node = "node1", .port = 4000,
				 .left_ms = 5, .session = small() };
	struct job_mark mark2;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(job_dir_read_mark(dir, &mark2, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_int_equal(job_dir_write_wish(dir, &wish, &e), 0);
	assert_int_equal(job_dir_read_wish(dir, &wish2, &e), 0);
	assert_true(wish2.stop && !wish2.now && wish2.ends == 99);
	assert_string_equal(wish2.who, "bob");
	assert_int_equal(job_dir_write_order(dir, &config, &said, -1, &e), 0);
	assert_int_equal(job_dir_read_order(dir, &read, &e), 0);
	assert_int_equal(read.lifetime_s, 60);
	assert_string_equal(read.session.name, N);
	assert_int_equal(job_dir_open_script(dir, &e), 0);
	assert_int_equal(job_dir_write_mark(dir, &mark, &e), 0);
	assert_int_equal(job_dir_read_mark(dir, &mark2, &e), 0);
	assert_int_equal(mark2.port, 4000);
	assert_string_equal(mark2.node, "node1");
}

/* ---- The options ---- */

static void slurm_needs_its_directory_and_no_contradiction(void **state)
{
	static const char *const conflicts[][2] = {
		{ "snapshot_use_master", "yes" },
		{ "script_password", "yes" },
	};
	static const char *const odd[][2] = {
		{ "slurm_account", "a b" },
		{ "slurm_gres", "-x" },
		{ "dir_slurm", "/a/%j" },
	};
	struct err e = ERR_INIT;

	(void)state;
	set("launcher", "slurm");
	assert_int_equal(options_check_slurm(&config, &e), -1);
	assert_non_null(strstr(e.msg, "dir_slurm is not set"));
	set("dir_slurm", "/shared/jobs");
	assert_int_equal(options_check_slurm(&config, &e), 0);
	for (size_t i = 0; i < ARRAY_LEN(conflicts); i++) {
		set(conflicts[i][0], conflicts[i][1]);
		assert_int_equal(options_check_slurm(&config, &e), -1);
		assert_int_equal(e.code, ERR_CONFIG);
		assert_non_null(strstr(e.msg, conflicts[i][0]));
		set(conflicts[i][0], "no");
	}
	for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
		e = (struct err)ERR_INIT;
		assert_int_equal(config_set(&config, odd[i][0], odd[i][1], &e),
				 -1);
		assert_int_equal(e.code, ERR_CONFIG);
		assert_non_null(strstr(e.msg, odd[i][0]));
	}
}

static void a_display_goes_nowhere_odd(void **state)
{
	AUTO_FREE char *path = NULL;
	AUTO_CLOSE int dir = made(&path);
	struct tunnel t = TUNNEL_INIT;
	struct err e = ERR_INIT;

	(void)state;
	t.dir = dir;
	assert_int_equal(tunnel_configure(&t, true, "node:1\nexec = /bin/sh",
					  "-----BEGIN CERTIFICATE-----\n", &e),
			 -1);
	assert_int_equal(e.code, ERR_INPUT);
	assert_int_equal(tunnel_configure(&t, true, "node:1", "", &e), -1);
	assert_int_equal(e.code, ERR_INPUT);
	assert_int_equal(tunnel_configure(&t, true, "node:1",
					  "-----BEGIN CERTIFICATE-----\n", &e),
			 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		TEST(a_small_job_asks_for_what_its_session_has),
		TEST(a_job_asks_for_a_card_and_says_where_it_belongs),
		TEST(the_batch_script_quotes_its_words),
		TEST(the_limit_of_time_leaves_time_to_end),
		TEST(only_a_number_is_a_submitted_job),
		TEST(a_refusal_is_the_reason_alone),
		TEST(each_limit_says_whose_it_is_and_what_helps),
		TEST(a_limit_is_told_from_what_will_never_be_taken),
		TEST(a_choice_that_is_refused_is_named),
		TEST(a_refusal_of_the_greatest_length_fits),
		TEST(squeue_is_read),
		TEST(squeue_about_a_running_job_names_its_node),
		TEST(what_a_job_counts_for_is_read_where_it_is_understood),
		TEST(what_squeue_never_says_is_no_answer),
		TEST(every_end_has_a_sentence),
		TEST(a_job_that_was_killed_for_its_memory_has_not_just_failed),
		TEST(a_node_that_has_not_come_up_has_run_nothing),
		TEST(a_node_has_one_address),
		TEST(a_directory_is_made_once_and_claimed_once),
		TEST(a_directory_that_others_may_enter_is_refused),
		TEST(a_directory_that_is_gone_is_noticed),
		TEST(a_directory_that_cannot_be_removed_is_still_ours),
		TEST(what_is_said_is_read),
		TEST(slurm_needs_its_directory_and_no_contradiction),
		TEST(a_display_goes_nowhere_odd),
#undef TEST
	};

	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
