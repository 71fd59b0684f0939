/* src/farm/slurm: command lines, word for word, and what Slurm says, read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "conf/options_slurm.h"
#include "farm/slurm.h"
#include "settings.h"
#include "vector.h"

#define N "svc-aaaaaaaaaaaaaaaaaaaa"
#define C "|physics|vms|normal"

static const struct slurm_order order = { .program = "/usr/lib/it's",
					  .dir = "/shared/" N,
					  .lifetime_s = 3600 };

static struct session small(void)
{
	return (struct session){ .name = N, .user = "ann",
				 .machine = "tiny.iso", .cpu = 2,
				 .memory_mb = 768 };
}

static void a_small_job_asks_for_what_its_session_has(void **state)
{
	AUTO_ARGV struct argv argv = { 0 };
	struct session s = small();

	(void)state;
	slurm_submit_command("/usr/bin/sbatch", &settings, &s, &order, &argv);
	vector_check(&argv, (const char *const[]){
			     "/usr/bin/sbatch", "--parsable", "--no-requeue",
			     "--job-name=" N, "--nodes=1", "--ntasks=1",
			     "--cpus-per-task=2", "--mem=1280M", "--time=62",
			     "--signal=B:USR1@30", "--export=ALL", "--chdir=/",
			     "--output=/shared/" N "/output",
			     "--open-mode=append", NULL });
}

static void a_job_asks_for_a_card_and_says_where_it_belongs(void **state)
{
	AUTO_ARGV struct argv argv = { 0 };
	struct slurm_order endless = order;
	struct session s = small();

	(void)state;
	snprintf(s.gpu, sizeof(s.gpu), "any");
	settings_set("slurm_gres", "gpu:a100:1");
	snprintf(s.account, sizeof(s.account), "beamline");
	snprintf(s.partition, sizeof(s.partition), "vms");
	snprintf(s.qos, sizeof(s.qos), "interactive");
	settings_set("slurm_memory_overhead", "100");
	endless.lifetime_s = 0;
	slurm_submit_command("/usr/bin/sbatch", &settings, &s, &endless, &argv);
	vector_check(
		&argv,
		(const char *const[]){
			"/usr/bin/sbatch", "--parsable", "--no-requeue",
			"--job-name=" N, "--nodes=1", "--ntasks=1",
			"--cpus-per-task=2", "--mem=868M", "--time=UNLIMITED",
			"--signal=B:USR1@30", "--export=ALL", "--chdir=/",
			"--output=/shared/" N "/output", "--open-mode=append",
			"--gres=gpu:a100:1", "--account=beamline",
			"--partition=vms", "--qos=interactive", NULL });
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
	assert_int_equal(slurm_minutes(&settings, 60), 3);
	assert_int_equal(slurm_minutes(&settings, 3600), 62);
	settings_set("service_stop_grace", "3600");
	assert_int_equal(slurm_minutes(&settings, 3600), 122);
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
	settings_set("launcher", "slurm");
	assert_int_equal(options_check_slurm(&settings, &e), -1);
	assert_non_null(strstr(e.msg, "dir_slurm is not set"));
	settings_set("dir_slurm", "/shared/jobs");
	assert_int_equal(options_check_slurm(&settings, &e), 0);
	for (size_t i = 0; i < ARRAY_LEN(conflicts); i++) {
		settings_set(conflicts[i][0], conflicts[i][1]);
		assert_int_equal(options_check_slurm(&settings, &e), -1);
		assert_int_equal(e.code, ERR_CONFIG);
		assert_non_null(strstr(e.msg, conflicts[i][0]));
		settings_set(conflicts[i][0], "no");
	}
	for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
		e = (struct err)ERR_INIT;
		assert_int_equal(
			config_set(&settings, odd[i][0], odd[i][1], &e), -1);
		assert_int_equal(e.code, ERR_CONFIG);
		assert_non_null(strstr(e.msg, odd[i][0]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SETTINGS_TEST(a_small_job_asks_for_what_its_session_has),
		SETTINGS_TEST(a_job_asks_for_a_card_and_says_where_it_belongs),
		SETTINGS_TEST(the_batch_script_quotes_its_words),
		SETTINGS_TEST(the_limit_of_time_leaves_time_to_end),
		SETTINGS_TEST(only_a_number_is_a_submitted_job),
		SETTINGS_TEST(squeue_is_read),
		SETTINGS_TEST(squeue_about_a_running_job_names_its_node),
		SETTINGS_TEST(what_a_job_counts_for_is_read_where_it_is_understood),
		SETTINGS_TEST(what_squeue_never_says_is_no_answer),
		SETTINGS_TEST(every_end_has_a_sentence),
		SETTINGS_TEST(a_job_that_was_killed_for_its_memory_has_not_just_failed),
		SETTINGS_TEST(a_node_that_has_not_come_up_has_run_nothing),
		SETTINGS_TEST(a_node_has_one_address),
		SETTINGS_TEST(slurm_needs_its_directory_and_no_contradiction),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
