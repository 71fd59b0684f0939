/* src/farm/room and slurm_nodes: what a cluster has free, for other servers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "farm/room.h"
#include "scratch.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/json.h"

static struct config config;
static struct store st = STORE_INIT;
static int serial;

static void set(const char *name, const char *value)
{
	struct err e = ERR_INIT;

	if (config_set(&config, name, value, &e) < 0)
		fail_msg("%s: %s", name, e.msg);
}

static int open_store(void **state)
{
	char path[4200];
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(config_init(&config, &e), 0);
	snprintf(path, sizeof(path), "%s/store%d", scratch_path, serial++);
	set("dir_cfg", path);
	set("service", "svc");
	set("dir_snapshots", scratch_path);
	set("launcher", "slurm");
	/* A cluster whose control does not answer, whatever is installed. */
	set("slurm_conf", "/nonexistent/slurm.conf");
	set("slurm_partition", "vms,short");
	set("slurm_max_cpu", "16");
	set("slurm_max_memory", "64");
	return store_open(&config, &st, &e);
}

static int close_store(void **state)
{
	(void)state;
	store_release(&st);
	config_release(&config);
	return 0;
}

/* ---- sinfo ---- */

static void read_nodes(const char *text, struct slurm_nodes *ret)
{
	struct err e = ERR_INIT;

	if (slurm_read_nodes(text, &config, ret, &e) < 0)
		fail_msg("%s", e.msg);
}

static void check_nodes(const struct slurm_nodes *n, long long used,
			long long idle, long long node, long long memory)
{
	assert_int_equal(n->used_cpu, used);
	assert_int_equal(n->idle_cpu, idle);
	assert_int_equal(n->node_cpu, node);
	assert_int_equal(n->node_memory_mb, memory);
}

static void nodes_are_counted_once(void **state)
{
	static const char text[] = "n1|vms*|6/2/0/8|32000|30000|\n"
				   "n1|short|6/2/0/8|32000|30000|\n"
				   "n2|short|1/3/0/4|16000|1000|\n"
				   "n3|vms*|0/0/8/8|99000|0|\n" /* drained */
				   "n4|other|0/64/0/64|512000|0|\n";
	struct slurm_nodes n;

	(void)state;
	read_nodes(text, &n);
	check_nodes(&n, 7, 5, 3, 15000);
	/* Without a list it is Slurm's default partition. */
	set("slurm_partition", "");
	read_nodes(text, &n);
	check_nodes(&n, 6, 2, 2, 2000);
	set("slurm_partition", "other");
	read_nodes(text, &n);
	check_nodes(&n, 0, 64, 64, 512000);
	set("slurm_partition", "nowhere");
	read_nodes(text, &n);
	check_nodes(&n, 0, 0, 0, 0);
	read_nodes("", &n);
	check_nodes(&n, 0, 0, 0, 0);
}

static void what_sinfo_never_says_is_no_answer(void **state)
{
	static const char *const bad[] = {
		"\n",
		"n1|vms*|6/2/0/8|32000|30000|",
		"n1|vms*|6/2/0/8|32000|30000\n",
		"n1|vms*|6/2/0/8|32000|30000||\n",
		"n1|vms*|6/2/0|32000|30000|\n",
		"n1|vms*|6/2/0/8/9|32000|30000|\n",
		"n1|vms*|-6/2/0/8|32000|30000|\n",
		"n1|vms*|6/2/0/8|32000M|30000|\n",
		"n1|vms*|6/2/0/9999999|32000|3|\n",
		"n1||6/2/0/8|32000|30000|\n",
		"n1|*|6/2/0/8|32000|30000|\n",
		"n 1|vms|6/2/0/8|32000|30000|\n",
		"|vms|6/2/0/8|32000|30000|\n",
		"sinfo: error: no\n",
		"n1|vms*|6/2/0/8|32000|30000|\nslurm_load_node error\n",
	};
	char line[700] = "";
	struct slurm_nodes none;
	struct err why = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct slurm_nodes n = { .used_cpu = -7 };
		struct err e = ERR_INIT;

		if (slurm_read_nodes(bad[i], &config, &n, &e) == 0)
			fail_msg("%s", bad[i]);
		assert_int_equal(e.code, ERR_DAMAGED);
		assert_int_equal(n.used_cpu, -7);
	}
	memset(line, 'n', sizeof(line) - 2);
	line[sizeof(line) - 2] = '\n';
	assert_int_equal(slurm_read_nodes(line, &config, &none, &why), -1);
	assert_int_equal(why.code, ERR_DAMAGED);
}

static void sinfo_is_asked_about_our_partitions(void **state)
{
	AUTO_ARGV struct argv argv = { 0 };

	(void)state;
	slurm_nodes_command("/usr/bin/sinfo", &config, &argv);
	assert_int_equal(argv.count, 5);
	assert_string_equal(argv.list[3], "--partition=vms,short");
	assert_string_equal(argv.list[4], "--Format=NodeHost:|,Partition:|,"
					  "CPUsState:|,Memory:|,AllocMem:|");
}

/* ---- The room ---- */

static void room_is_what_one_node_has_and_nobody_waits_for(void **state)
{
	static const struct {
		struct slurm_nodes nodes;
		long long waiting;
		long long cpu, memory_mb, busy_milli;
	} table[] = {
		/* used, idle, of one node: cores and memory */
		{ { 0, 64, 64, 512000 }, 0, 16, 64000, 0 },
		{ { 30, 10, 6, 20512 }, 0, 6, 20000, 750 },
		{ { 30, 10, 6, 20512 }, 7, 3, 20000, 925 },
		{ { 30, 10, 6, 20512 }, 90, 0, 20000, 3000 },
		{ { 40, 0, 0, 0 }, 0, 0, 0, 1000 },
		{ { 8, 8, 8, 100 }, 0, 8, 0, 500 },
		{ { 0, 0, 0, 0 }, 0, 0, 0, 1000 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct room room = { .cpu = 16, .memory_mb = 64000,
				     .sessions = 5,
				     .waiting_cpu = table[i].waiting };

		farm_room_of_cluster(&config, &table[i].nodes, &room);
		assert_int_equal(room.cpu, table[i].cpu);
		assert_int_equal(room.memory_mb, table[i].memory_mb);
		assert_int_equal(room.busy_milli, table[i].busy_milli);
		assert_int_equal(room.sessions, 5);
	}
}

/* The file that a request leaves for the next ones. */
static void write_figures(long long asked_ms, long long read_ms,
			  const char *partition)
{
	char boot[CLOCK_BOOT_ID_SIZE];
	AUTO_FREE char *text = NULL;
	struct err e = ERR_INIT;
	AUTO_CLOSE int dir = file_private_dir(st.dir, "farm", &e);
	AUTO_JSON json_t *file = NULL;

	clock_boot_id(boot);
	file = json_pack("{ss ss ss sI sI sI sI sI sI}", "boot_id", boot,
			 "partition", partition, "conf",
			 "/nonexistent/slurm.conf", "asked_ms",
			 (json_int_t)asked_ms, "read_ms", (json_int_t)read_ms,
			 "used_cpu", (json_int_t)30, "idle_cpu",
			 (json_int_t)10, "node_cpu", (json_int_t)6,
			 "node_memory_mb", (json_int_t)20512);
	text = json_text(file);
	assert_int_equal(file_replace(dir, "cluster", text, strlen(text), 0600,
				      false, &e),
			 0);
}

static void check_room(long long cpu, long long memory_mb,
		       long long busy_milli)
{
	struct err e = ERR_INIT;
	struct room room;

	if (farm_room(&st, "ann", &room, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(room.cpu, cpu);
	assert_int_equal(room.memory_mb, memory_mb);
	assert_int_equal(room.busy_milli, busy_milli);
}

static void figures_count_for_a_minute_where_control_is_away(void **state)
{
	long long now = clock_boot_ms();

	(void)state;
	check_room(0, 0, 1000); /* it was never asked */
	write_figures(now, now, "vms,short");
	check_room(6, 20000, 750);
	write_figures(now - 30000, now - 30000, "vms,short");
	check_room(6, 20000, 750); /* asked again, without an answer */
	write_figures(now - 30000, now - 61000, "vms,short");
	check_room(0, 0, 1000);
	check_room(0, 0, 1000);
}

static void other_figures_than_those_asked_for_are_none(void **state)
{
	long long now = clock_boot_ms();
	long long later = now + 3600000;
	struct err e = ERR_INIT;
	AUTO_CLOSE int dir = file_private_dir(st.dir, "farm", &e);

	(void)state;
	write_figures(now, now, "vms");
	check_room(0, 0, 1000);
	write_figures(later, later, "vms,short");
	check_room(0, 0, 1000);
	write_figures(now, -1, "vms,short");
	check_room(0, 0, 1000);
	assert_int_equal(file_replace(dir, "cluster", "{\"asked_ms\":", 12,
				      0600, false, &e),
			 0);
	check_room(0, 0, 1000);
}

static void sessions_that_wait_are_load(void **state)
{
	struct session s = { .machine = "tiny.iso", .format = "raw",
			     .user = "ann", .cpu = 4, .memory_mb = 1 };
	long long now = clock_boot_ms();
	struct err e = ERR_INIT;
	AUTO_CLOSE int lock = -1;

	(void)state;
	write_figures(now, now, "vms,short");
	lock = admission_reserve(&st, &s, 60, &e);
	assert_true(lock >= 0);
	check_room(6, 20000, 850);
	/* It has run for long: the cluster's own figures have it. */
	s.state = SESSION_RUNNING;
	s.started_boot_ms = 0;
	assert_int_equal(store_write(&st, &s, &e), 0);
	check_room(6, 20000, 750);
	s.state = SESSION_QUEUED;
	s.cpu = 8;
	assert_int_equal(store_write(&st, &s, &e), 0);
	check_room(2, 20000, 950);
}

static void without_a_cluster_it_is_this_hosts_room(void **state)
{
	struct err e = ERR_INIT;
	struct hostload host;
	struct room room;
	long long now = clock_boot_ms();

	(void)state;
	write_figures(now, now, "vms,short");
	set("launcher", "auto");
	assert_int_equal(hostload_read(&host, &e), 0);
	assert_int_equal(farm_room(&st, "ann", &room, &e), 0);
	assert_true(room.memory_mb != 20000 &&
		    room.memory_mb <= host.memory_mb);
	assert_int_equal(room.waiting_cpu, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, open_store, close_store)
		TEST(nodes_are_counted_once),
		TEST(what_sinfo_never_says_is_no_answer),
		TEST(sinfo_is_asked_about_our_partitions),
		TEST(room_is_what_one_node_has_and_nobody_waits_for),
		TEST(figures_count_for_a_minute_where_control_is_away),
		TEST(other_figures_than_those_asked_for_are_none),
		TEST(sessions_that_wait_are_load),
		TEST(without_a_cluster_it_is_this_hosts_room),
	};

	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
