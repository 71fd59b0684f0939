/* src/web/order_cluster: what visitors choose of a cluster. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "conf/options_slurm.h"
#include "sys/json.h"
#include "web/order.h"

static struct config config;

static void set(const char *name, const char *value)
{
	struct err e = ERR_INIT;

	if (config_set(&config, name, value, &e) < 0)
		fail_msg("%s: %s", name, e.msg);
}

/* A cluster with two accounts, three partitions and one quality. */
static int set_up(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(config_init(&config, &e), 0);
	set("launcher", "slurm");
	set("slurm_account", "physics, chemistry");
	set("slurm_partition", "day,night,gpu-1.x_y");
	set("slurm_qos", "normal");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	config_release(&config);
	return 0;
}

/* The order as it stands after the machine was chosen, and then this form. */
static int read_form(const char *body, bool forwarded, struct session *ret,
		     struct err *e)
{
	AUTO_FORM struct form form = FORM_INIT;

	*ret = (struct session){ .name = "", .account = "old" };
	order_cluster_standard(&config, ret);
	assert_int_equal(form_parse(&form, FORM_URLENCODED, body, strlen(body),
				    e),
			 0);
	return order_read_cluster(&form, &config, forwarded, ret, e);
}

static void expect(const char *body, bool forwarded, const char *account,
		   const char *partition, const char *qos)
{
	struct err e = ERR_INIT;
	struct session s;

	if (read_form(body, forwarded, &s, &e) < 0)
		fail_msg("%s: %s", body, e.msg);
	assert_string_equal(s.account, account);
	assert_string_equal(s.partition, partition);
	assert_string_equal(s.qos, qos);
}

static void expect_refused(const char *body, bool forwarded, const char *field,
			   const char *message)
{
	struct err e = ERR_INIT;
	struct session s;

	assert_int_equal(read_form(body, forwarded, &s, &e), -1);
	assert_int_equal(e.code, ERR_INPUT);
	assert_string_equal(e.field, field);
	assert_string_equal(e.msg, message);
}

static void the_first_name_is_the_usual_one(void **state)
{
	(void)state;
	expect("cpu=1", false, "physics", "day", "normal");
	expect("account=&partition=&qos=", false, "physics", "day", "normal");
	set("slurm_account", "");
	expect("cpu=1", false, "", "day", "normal");
}

static void any_name_of_the_list_can_be_had(void **state)
{
	(void)state;
	expect("account=chemistry&partition=gpu-1.x_y&qos=normal", false,
	       "chemistry", "gpu-1.x_y", "normal");
	expect("partition=night", false, "physics", "night", "normal");
	/* What another server forwards has no other rule. */
	expect("partition=night", true, "physics", "night", "normal");
}

static void a_name_that_is_not_listed_is_refused(void **state)
{
	static const char partitions[] = "The parts of the cluster to choose "
					 "from are: day, night, gpu-1.x_y.";
	static const char *const odd[] = {
		"partition=dusk", "partition=DAY", "partition=da",
		"partition=day%2Cnight", "partition=day%20",
		"partition=--wrap%3Dx",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(odd); i++)
		expect_refused(odd[i], false, "partition", partitions);
	expect_refused("partition=dusk", true, "partition", partitions);
	expect_refused("account=biology&partition=dusk", false, "account",
		       "The accounts on the cluster to choose from are: "
		       "physics, chemistry.");
	expect_refused("qos=high", false, "qos",
		       "The qualities of service to choose from are: normal.");
	set("slurm_qos", "");
	expect_refused("qos=high", false, "qos",
		       "There are no qualities of service to choose from "
		       "here.");
}

static void many_long_names_are_counted(void **state)
{
	char list[700] = "";

	(void)state;
	for (int i = 0; i < 10; i++)
		snprintf(list + strlen(list), sizeof(list) - strlen(list),
			 "%s%d-a-name-that-has-more-than-thirty-letters",
			 i ? "," : "", i);
	set("slurm_partition", list);
	expect_refused("partition=x", false, "partition",
		       "It is none of the 10 parts of the cluster that the "
		       "form offers.");
}

static void without_a_cluster_there_is_no_choice(void **state)
{
	(void)state;
	set("launcher", "auto");
	expect("cpu=1", false, "", "", "");
	expect("partition=", false, "", "", "");
	expect_refused("partition=day", false, "partition",
		       "There are no parts of the cluster to choose from "
		       "here.");
	/* A wish about another server's cluster says nothing here. */
	expect("partition=day&account=physics", true, "", "", "");
}

static void check_json(json_t *value, const char *expected)
{
	AUTO_JSON json_t *owned = value;
	AUTO_FREE char *text = owned ? json_dumps(owned, JSON_COMPACT |
							 JSON_ENCODE_ANY) :
				       NULL;

	assert_non_null(text);
	assert_string_equal(text, expected);
}

static void check_fields(const char *body, const struct err *why,
			 const char *expected)
{
	AUTO_FORM struct form form = FORM_INIT;
	struct err e = ERR_INIT;

	assert_int_equal(form_parse(&form, FORM_URLENCODED, body, strlen(body),
				    &e),
			 0);
	check_json(order_cluster_fields(&form, &config, why), expected);
}

static void the_form_shows_what_leaves_a_choice(void **state)
{
	struct err why = ERR_INIT;

	(void)state;
	set("slurm_partition", "day");
	check_fields("", NULL,
		     "[{\"name\":\"account\","
		     "\"label\":\"Account on the cluster\",\"choices\":["
		     "{\"value\":\"\",\"text\":\"physics\","
		     "\"selected\":false},{\"value\":\"chemistry\","
		     "\"text\":\"chemistry\",\"selected\":false}],"
		     "\"error\":null,\"invalid\":\"false\"}]");
	set("slurm_account", "a");
	set("slurm_qos", "low,high");
	err_field(&why, "qos", "No.");
	check_fields("qos=high", &why,
		     "[{\"name\":\"qos\",\"label\":\"Quality of service\","
		     "\"choices\":[{\"value\":\"\",\"text\":\"low\","
		     "\"selected\":false},{\"value\":\"high\","
		     "\"text\":\"high\",\"selected\":true}],"
		     "\"error\":\"No.\",\"invalid\":\"true\"}]");
	set("launcher", "auto");
	check_fields("qos=high", &why, "[]");
}

static void programs_are_told_all_names(void **state)
{
	(void)state;
	check_json(order_cluster_names(&config),
		   "{\"account\":[\"physics\",\"chemistry\"],"
		   "\"partition\":[\"day\",\"night\",\"gpu-1.x_y\"],"
		   "\"qos\":[\"normal\"]}");
	set("launcher", "fork");
	check_json(order_cluster_names(&config), "null");
}

static void a_choice_goes_with_a_packed_order(void **state)
{
	static const char body[] = "machine=a&account=b&partition=c&qos=d";
	AUTO_FORM struct form form = FORM_INIT;
	AUTO_FREE char *packed = NULL;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(form_parse(&form, FORM_URLENCODED, body, strlen(body),
				    &e),
			 0);
	packed = order_pack(&form);
	assert_string_equal(packed, body);
}

static void lists_of_names_are_read_strictly(void **state)
{
	static const struct {
		const char *value;
		const char *problem;
	} bad[] = {
		{ "a b", "letters, digits" },	 { "-x", "letters, digits" },
		{ "a,,b", "letters, digits" },	 { "a,", "letters, digits" },
		{ ",a", "letters, digits" },	 { "a;b", "letters, digits" },
		{ "a,b,a", "has a name twice" }, { "a, a", "has a name twice" },
		{ "0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,"
		  "23,24,25,26,27,28,29,30,31,32",
		  "has more than 32 names" },
		{ "a2345678901234567890123456789012345678901234567890123456789"
		  "012345",
		  "at most 64" },
	};
	static const char *const options[] = { "slurm_account",
					       "slurm_partition", "slurm_qos" };

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(options); k++) {
		for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
			struct err e = ERR_INIT;

			assert_int_equal(config_set(&config, options[k],
						    bad[i].value, &e),
					 -1);
			assert_int_equal(e.code, ERR_CONFIG);
			assert_non_null(strstr(e.msg, options[k]));
			assert_non_null(strstr(e.msg, bad[i].problem));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		TEST(the_first_name_is_the_usual_one),
		TEST(any_name_of_the_list_can_be_had),
		TEST(a_name_that_is_not_listed_is_refused),
		TEST(many_long_names_are_counted),
		TEST(without_a_cluster_there_is_no_choice),
		TEST(the_form_shows_what_leaves_a_choice),
		TEST(programs_are_told_all_names),
		TEST(a_choice_goes_with_a_packed_order),
		TEST(lists_of_names_are_read_strictly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
