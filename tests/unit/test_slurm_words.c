/* src/farm/slurm_words: why Slurm refuses, in words for visitors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "farm/slurm.h"
#include "farm/slurm_words.h"

#define N "svc-aaaaaaaaaaaaaaaaaaaa"

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
		  "With it, its account on the cluster would have more "
		  "graphics "
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
		  "The cluster does not let it use its account any more",
		  NULL },
		{ "QOSNotAllowed",
		  "Its quality of service may not use this part of the cluster",
		  NULL },
		{ "Resources",
		  "It waits for free processors, memory or graphics cards.",
		  NULL },
		{ "MaxMemPerLimit", "The cluster has not given it a place yet.",
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_refusal_is_the_reason_alone),
		cmocka_unit_test(each_limit_says_whose_it_is_and_what_helps),
		cmocka_unit_test(a_limit_is_told_from_what_will_never_be_taken),
		cmocka_unit_test(a_choice_that_is_refused_is_named),
		cmocka_unit_test(a_refusal_of_the_greatest_length_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
