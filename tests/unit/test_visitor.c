/* src/farm: jobs under the visitors' own accounts: who may have them, what the
 * helper is asked and what it refuses, the register, what a visitor's directory
 * may hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <unistd.h>

#include <cmocka.h>

#include "conf/options_slurm.h"
#include "farm/visitor.h"
#include "scratch.h"
#include "sys/file.h"
#include "sys/json.h"

#define N "svc-aaaaaaaaaaaaaaaaaaaa"

static struct config config;

static void set(const char *name, const char *value)
{
	struct err e = ERR_INIT;

	if (config_set(&config, name, value, &e) < 0)
		fail_msg("%s: %s", name, e.msg);
}

static int set_up(void **state)
{
	char path[4300];
	struct err e = ERR_INIT;

	(void)state;
	if (config_init(&config, &e) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/machines.conf", scratch_path);
	set("machines_conf", path);
	scratch_puts("machines.conf", "[tiny.iso]\n"
				      "[big.iso]\n"
				      "qemu_options = -device edu\n"
				      "network = isolated\n"
				      "firmware = uefi\n"
				      "mounts = none\n");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	config_release(&config);
	return 0;
}

static struct job_order small(void)
{
	return (struct job_order){
		.session = { .name = N, .user = "ann", .machine = "tiny.iso",
			     .format = "raw", .cpu = 1, .memory_mb = 256,
			     .network = "user", .remote = true },
		.lifetime_s = 900,
	};
}

/* ---- Accounts ---- */

static void only_a_persons_account_has_jobs(void **state)
{
	static const char *const none[] = {
		"root", "daemon", "nobody", "no-such-user-here", "", "-u",
		"#0", "#1000", "0", "+", "ann@lab.example", "ann,bob", "ann bob",
		"../ann", ".ann", "%desktops",
		"a-name-that-is-much-longer-than-those-of-accounts",
	};
	uid_t uid = 77;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(none); i++) {
		struct err e = ERR_INIT;

		assert_int_equal(visitor_check(none[i], &uid, &e), -1);
		assert_int_equal(e.code, ERR_FORBIDDEN);
		assert_string_equal(e.msg, "Your name has no account on the "
					   "cluster. Ask the administrator for "
					   "one.");
	}
	assert_int_equal(uid, 77);
}

static void a_visitors_name_must_be_checked_by_somebody(void **state)
{
	static const char *const methods[] = {
		"check_user_with_imap", "check_user_with_smtp",
		"check_user_with_ldap", "check_user_with_local",
		"check_user_remote",
	};
	struct err e = ERR_INIT;

	(void)state;
	set("launcher", "slurm");
	set("dir_slurm", "/shared/jobs");
	set("slurm_user", "visitor");
	assert_true(config_has_visitors(&config));
	assert_int_equal(options_check_slurm(&config, &e), -1);
	assert_int_equal(e.code, ERR_CONFIG);
	assert_non_null(strstr(e.msg, "nobody's name is checked"));
	/* Addresses are no accounts. */
	set("check_user_with_email", "yes");
	assert_int_equal(options_check_slurm(&config, &e), -1);
	for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
		set(methods[i], "yes");
		assert_int_equal(options_check_slurm(&config, &e), 0);
		set(methods[i], "no");
	}
	set("check_user_custom", "/usr/bin/true");
	assert_int_equal(options_check_slurm(&config, &e), 0);
	set("launcher", "auto");
	assert_false(config_has_visitors(&config));
}

static void a_refusal_of_sudo_is_none_of_slurms(void **state)
{
	(void)state;
	assert_true(visitor_is_refused("sudo: a password is required\n"));
	assert_true(visitor_is_refused("Sorry, user www-data is not allowed to "
				       "execute '/x' as ann on web.\n"));
	assert_true(visitor_is_refused("sudo: unknown user ann\n"));
	assert_false(visitor_is_refused(
		"sudo: unable to resolve host web\n"
		"sbatch: error: Batch job submission failed: Invalid account "
		"or account/partition combination specified\n"));
	assert_false(visitor_is_refused(""));
	assert_true(visitor_is_hindered(
		"sudo: The \"no new privileges\" flag is set, which prevents "
		"sudo from running as root.\n"));
	assert_true(visitor_is_hindered(
		"sudo: effective uid is not 0, is /usr/bin/sudo on a file "
		"system with the 'nosuid' option set?\n"));
	assert_false(visitor_is_hindered("sudo: a password is required\n"));
}

static void the_rule_of_sudo_fits_the_command(void **state)
{
	AUTO_ARGV struct argv argv = { 0 };
	struct err e = ERR_INIT;

	(void)state;
	set("dir_libexec", "/usr/libexec/qwd");
	if (visitor_command(&config, "ann", &argv, &e) < 0) {
		/* Not installed: nothing to compare. */
		assert_int_equal(e.code, ERR_CONFIG);
		return;
	}
	assert_int_equal(argv.count, 7);
	assert_string_equal(argv.list[1], "-n");
	assert_string_equal(argv.list[2], "-u");
	assert_string_equal(argv.list[3], "ann");
	assert_string_equal(argv.list[4], "--");
	assert_string_equal(argv.list[5], "/usr/libexec/qwd/qwd-visitor");
	assert_string_equal(argv.list[6], CONFIG_DEFAULT_FILE);
}

/* ---- Requests ---- */

static void asked(const struct visitor_request *r, int script,
		  struct buf *ret_text, struct visitor_request *ret,
		  const char **ret_script)
{
	struct err e = ERR_INIT;
	AUTO_CLOSE int fd = visitor_request(r, script, &e);
	char piece[4096];
	ssize_t got;

	if (fd < 0)
		fail_msg("%s", e.msg);
	while ((got = read(fd, piece, sizeof(piece))) > 0)
		buf_add(ret_text, piece, (size_t)got);
	if (visitor_read(buf_str(ret_text), ret_text->len, ret, ret_script,
			 &e) < 0)
		fail_msg("%s: %s", buf_str(ret_text), e.msg);
}

static void what_is_asked_is_read(void **state)
{
	AUTO_BUF struct buf text = BUF_INIT(VISITOR_REQUEST_MAX);
	struct visitor_request r = { .verb = VISITOR_START, .name = N };
	static struct visitor_request got;
	const char *script;
	int file;

	(void)state;
	r.order = small();
	scratch_write("script", "a\0b\n", 4);
	file = openat(scratch_fd, "script", 0);
	assert_true(file >= 0);
	asked(&r, file, &text, &got, &script);
	close(file);
	assert_int_equal(got.verb, VISITOR_START);
	assert_string_equal(got.order.session.user, "ann");
	assert_int_equal(got.order.lifetime_s, 900);
	assert_int_equal(text.len - (size_t)(script - text.data), 4);
	assert_memory_equal(script, "a\0b\n", 4);
}

static void a_wish_goes_with_the_knock(void **state)
{
	AUTO_BUF struct buf text = BUF_INIT(VISITOR_REQUEST_MAX);
	struct visitor_request r = { .verb = VISITOR_KNOCK, .name = N,
				     .wish = { .stop = true, .who = "ann",
					       .ends = 5 } };
	static struct visitor_request got;
	const char *script;

	(void)state;
	asked(&r, -1, &text, &got, &script);
	assert_int_equal(got.verb, VISITOR_KNOCK);
	assert_true(got.wish.stop && !got.wish.now && got.wish.ends == 5);
	assert_string_equal(script, "");
}

static void what_nobody_of_ours_asks_is_not_read(void **state)
{
	static const char *const bad[] = {
		"",
		"\n",
		"{}\n",
		"[]\n",
		"{\"version\":1,\"verb\":\"cancel\",\"name\":\"" N "\"}",
		"{\"version\":2,\"verb\":\"cancel\",\"name\":\"" N "\"}\n",
		"{\"version\":1,\"verb\":\"exec\",\"name\":\"" N "\"}\n",
		"{\"version\":1,\"verb\":\"cancel\",\"name\":\"../x\"}\n",
		"{\"version\":1,\"verb\":\"cancel\",\"name\":\"\"}\n",
		"{\"version\":1,\"verb\":\"cancel\",\"name\":7}\n",
		"{\"version\":1,\"verb\":\"start\",\"name\":\"" N "\"}\n",
		"{\"version\":1,\"verb\":\"knock\",\"name\":\"" N "\"}\n",
		"{\"version\":1,\"verb\":\"knock\",\"name\":\"" N
		"\",\"wish\":{}}\n",
		"{\"version\":1,\"verb\":\"cancel\",\"verb\":\"cancel\","
		"\"name\":\"" N "\"}\n",
	};
	static struct visitor_request got;
	const char *script = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = ERR_INIT;

		if (visitor_read(bad[i], strlen(bad[i]), &got, &script, &e) == 0)
			fail_msg("accepted: %s", bad[i]);
		assert_int_equal(e.code, ERR_DAMAGED);
	}
	assert_null(script);
}

static void an_order_is_of_the_session_that_is_named(void **state)
{
	struct visitor_request r = { .verb = VISITOR_START, .name = N };
	struct err e = ERR_INIT;
	AUTO_CLOSE int fd = -1;
	static struct visitor_request got;
	char text[8192];
	const char *script;
	ssize_t len;

	(void)state;
	r.order = small();
	memcpy(r.name, "svc-bbbbbbbbbbbbbbbbbbbb", sizeof(N));
	fd = visitor_request(&r, -1, &e);
	assert_true(fd >= 0);
	len = read(fd, text, sizeof(text));
	assert_true(len > 0);
	assert_int_equal(visitor_read(text, (size_t)len, &got, &script, &e),
			 -1);
	assert_string_equal(e.msg, "order: of another session");
}

/* ---- What an order may be ---- */

static void allowed(const struct job_order *o)
{
	struct err e = ERR_INIT;

	if (visitor_check_order(&config, "ann", o, &e) < 0)
		fail_msg("%s", e.msg);
}

static void refused(const struct job_order *o, const char *what)
{
	struct err e = ERR_INIT;

	if (visitor_check_order(&config, "ann", o, &e) == 0)
		fail_msg("allowed: %s", what);
	assert_int_equal(e.code, ERR_FORBIDDEN);
	if (!strstr(e.msg, what))
		fail_msg("%s: %s", what, e.msg);
}

#define PUT(member, text) \
	snprintf(o.session.member, sizeof(o.session.member), "%s", text)

#define REFUSED(what, change) \
	do { \
		o = small(); \
		change; \
		refused(&o, "order's " what " is"); \
	} while (0)

static void an_order_is_what_the_configuration_says(void **state)
{
	struct job_order o = small();

	(void)state;
	allowed(&o);
	PUT(network, "");
	allowed(&o);
	PUT(password, "12345678");
	o.session.own_port = true;
	allowed(&o);
	REFUSED("user", PUT(user, "bob"));
	REFUSED("format", PUT(format, "vvfat"));
	REFUSED("format", PUT(format, ""));
	REFUSED("master", o.session.master = true);
	REFUSED("display", o.session.remote = false);
	REFUSED("display", PUT(token, "0123456789abcdefghijklmnopqrstuv"));
	REFUSED("display", PUT(password, "12345678"));
	REFUSED("cpu", o.session.cpu = config.slurm_max_cpu + 1);
	REFUSED("cpu", o.session.cpu = 0);
	REFUSED("memory", o.session.memory_mb = 1 << 30);
	REFUSED("memory", o.session.memory_mb = 0);
	REFUSED("lifetime", o.lifetime_s = 0);
	REFUSED("lifetime", o.lifetime_s = config.snapshot_lifetime + 61);
	REFUSED("gpu", PUT(gpu, "0000:01:00.0"));
	REFUSED("qemu_options", PUT(qemu_options, "-device edu"));
	REFUSED("mounts", PUT(mounts, "/home/ann:rw"));
	REFUSED("firmware", PUT(firmware, "uefi"));
	REFUSED("firmware", PUT(arch, "aarch64"));
	REFUSED("network", PUT(network, "bridge=br0"));
	REFUSED("account", PUT(account, "others"));
	REFUSED("partition", PUT(partition, "gpus"));
	REFUSED("qos", PUT(qos, "high"));
}

static void a_machines_own_settings_are_its_own(void **state)
{
	struct job_order o = small();

	(void)state;
	set("dir_mounts", "/srv/data");
	PUT(machine, "big.iso");
	PUT(qemu_options, "-device edu");
	PUT(network, "isolated");
	PUT(firmware, "uefi");
	allowed(&o);
	PUT(network, "user");
	refused(&o, "network");
	/* Volumes are those of the configuration, all of them. */
	o = small();
	refused(&o, "mounts");
	PUT(mounts, "/srv/data");
	allowed(&o);
	PUT(mounts, "/srv/data:rw");
	refused(&o, "mounts");
}

static void a_choice_is_among_those_that_are_listed(void **state)
{
	struct job_order o = small();

	(void)state;
	set("slurm_account", "beamline, physics");
	refused(&o, "account");
	PUT(account, "physics");
	allowed(&o);
	PUT(account, "physic");
	refused(&o, "account");
	set("snapshot_unlimited", "yes");
	PUT(account, "beamline");
	o.lifetime_s = 0;
	allowed(&o);
}

/* ---- The register ---- */

static void a_register_counts_what_is_left_of_whom(void **state)
{
	char path[4300];
	struct err e = ERR_INIT;
	int reg;

	(void)state;
	snprintf(path, sizeof(path), "%s/jobs", scratch_path);
	assert_int_equal(mkdir(path, 0700), 0);
	set("dir_slurm", path);
	assert_int_equal(visitor_enter(&config, "/s", "ann", N, 2, &e), 0);
	assert_int_equal(visitor_enter(&config, "/s", "ann",
				       "svc-bbbbbbbbbbbbbbbbbbbb", 2, &e),
			 0);
	assert_int_equal(visitor_enter(&config, "/s", "ann",
				       "svc-cccccccccccccccccccc", 2, &e),
			 -1);
	assert_int_equal(e.code, ERR_BUSY);
	assert_int_equal(visitor_enter(&config, "/s", "bob",
				       "svc-cccccccccccccccccccc", 2, &e),
			 0);
	reg = visitor_register_open(&config, &e);
	assert_true(reg >= 0);
	visitor_strike(reg, "ann", N);
	visitor_strike(reg, "ann", "svc-zzzzzzzzzzzzzzzzzzzz");
	visitor_strike(reg, "nobody", N);
	close(reg);
	assert_int_equal(visitor_enter(&config, "/s", "ann", N, 2, &e), 0);
}

static void a_register_that_somebody_has_planted_is_refused(void **state)
{
	char path[4300];
	struct err e = ERR_INIT;

	(void)state;
	snprintf(path, sizeof(path), "%s/planted", scratch_path);
	assert_int_equal(mkdir(path, 0700), 0);
	set("dir_slurm", path);
	snprintf(path, sizeof(path), "%s/planted/register", scratch_path);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(chmod(path, 0755), 0);
	assert_int_equal(visitor_enter(&config, "/s", "ann", N, 2, &e), -1);
	assert_int_equal(e.code, ERR_DAMAGED);
}

/* ---- A visitor's directory ---- */

static void a_directory_is_made_only_where_nobody_moves_it(void **state)
{
	struct err e = ERR_INIT;
	AUTO_CLOSE int place = -1;
	AUTO_CLOSE int fd = -1;
	struct stat st;

	(void)state;
	assert_int_equal(mkdirat(scratch_fd, "place", 0700), 0);
	place = openat(scratch_fd, "place", O_RDONLY | O_DIRECTORY);
	assert_true(place >= 0);
	assert_int_equal(job_dir_make_own(place, N, &e), -1);
	assert_int_equal(e.code, ERR_CONFIG);
	assert_non_null(strstr(e.msg, "must be root's, with mode 3733"));
	assert_int_equal(fchmod(place, 03733), 0);
	fd = job_dir_make_own(place, N, &e);
	if (geteuid() != 0) {
		assert_int_equal(fd, -1);
		return;
	}
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 02750);
	assert_int_equal(fstatat(fd, "output", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(job_dir_make_own(place, N, &e), -1);
	assert_int_equal(e.code, ERR_CONFLICT);
}

static int a_mark(struct job_mark *ret, struct err *e)
{
	*e = (struct err)ERR_INIT;
	return job_dir_read_mark(scratch_fd, ret, e);
}

static void a_mark_that_is_a_trap_is_no_mark(void **state)
{
	static struct job_mark mark;
	struct err e;
	int fd;

	(void)state;
	assert_int_equal(mkfifoat(scratch_fd, "mark", 0600), 0);
	assert_int_equal(a_mark(&mark, &e), -1);
	assert_int_equal(e.code, ERR_DAMAGED);
	assert_int_equal(unlinkat(scratch_fd, "mark", 0), 0);
	assert_int_equal(symlinkat("/etc/passwd", scratch_fd, "mark"), 0);
	assert_int_equal(a_mark(&mark, &e), -1);
	assert_int_equal(e.code, ERR_DAMAGED);
	assert_int_equal(unlinkat(scratch_fd, "mark", 0), 0);
	assert_int_equal(mkdirat(scratch_fd, "mark", 0700), 0);
	assert_int_equal(a_mark(&mark, &e), -1);
	assert_int_equal(e.code, ERR_DAMAGED);
	assert_int_equal(unlinkat(scratch_fd, "mark", AT_REMOVEDIR), 0);
	fd = openat(scratch_fd, "mark", O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 1LL << 40), 0);
	close(fd);
	assert_int_equal(a_mark(&mark, &e), -1);
	assert_int_equal(e.code, ERR_TOO_LARGE);
	assert_int_equal(unlinkat(scratch_fd, "mark", 0), 0);
}

static void a_mark_speaks_no_control_characters(void **state)
{
	static struct job_mark mark;
	struct err e = ERR_INIT;

	(void)state;
	mark = (struct job_mark){ .job = 7, .node = "node1",
				  .session = small().session };
	snprintf(mark.session.reason, sizeof(mark.session.reason), "fine");
	assert_int_equal(job_dir_write_mark(scratch_fd, &mark, &e), 0);
	assert_int_equal(a_mark(&mark, &e), 0);
	snprintf(mark.session.reason, sizeof(mark.session.reason),
		 "odd\x1b[2J");
	assert_int_equal(job_dir_write_mark(scratch_fd, &mark, &e), 0);
	assert_int_equal(a_mark(&mark, &e), -1);
	assert_int_equal(e.code, ERR_DAMAGED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		TEST(only_a_persons_account_has_jobs),
		TEST(a_visitors_name_must_be_checked_by_somebody),
		TEST(a_refusal_of_sudo_is_none_of_slurms),
		TEST(the_rule_of_sudo_fits_the_command),
		TEST(what_is_asked_is_read),
		TEST(a_wish_goes_with_the_knock),
		TEST(what_nobody_of_ours_asks_is_not_read),
		TEST(an_order_is_of_the_session_that_is_named),
		TEST(an_order_is_what_the_configuration_says),
		TEST(a_machines_own_settings_are_its_own),
		TEST(a_choice_is_among_those_that_are_listed),
		TEST(a_register_counts_what_is_left_of_whom),
		TEST(a_register_that_somebody_has_planted_is_refused),
		TEST(a_directory_is_made_only_where_nobody_moves_it),
		TEST(a_mark_that_is_a_trap_is_no_mark),
		TEST(a_mark_speaks_no_control_characters),
#undef TEST
	};

	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
