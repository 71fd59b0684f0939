/* src/vm/gateway: tokens, the port, and that there is one keeper. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/text.h"
#include "scratch.h"
#include "sys/file.h"
#include "vm/gateway.h"

static struct config config;
static struct store st = STORE_INIT;
static int serial;

static int open_store(void **state)
{
	char path[4200];
	struct err e = ERR_INIT;

	(void)state;
	if (config_init(&config, &e) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/store%d", scratch_path, serial++);
	if (config_set(&config, "dir_cfg", path, &e) < 0)
		return -1;
	return store_open(&config, &st, &e);
}

/* A keeper that a test has started is ours, as the subreaper: end it. */
static void end_keepers(void)
{
	for (;;) {
		AUTO_FILE FILE *f = fopen("/proc/thread-self/children", "re");
		int pid;
		int left = 0;

		while (f && fscanf(f, "%d", &pid) == 1) { // NOLINT
			kill(pid, SIGKILL);
			left++;
		}
		if (!left || waitpid(-1, NULL, 0) < 0)
			return;
	}
}

static int close_store(void **state)
{
	(void)state;
	end_keepers();
	store_release(&st);
	config_release(&config);
	return 0;
}

static void put(const char *name, const char *text)
{
	struct err e = ERR_INIT;
	AUTO_CLOSE int dir = file_private_dir(st.dir, "gateway", &e);

	assert_true(dir >= 0);
	assert_int_equal(
		file_replace(dir, name, text, strlen(text), 0600, false, &e), 0);
}

static void check_tokens(const char *expected)
{
	AUTO_BUF struct buf text = BUF_INIT(65536);
	struct err e = ERR_INIT;
	struct stat stat;

	assert_int_equal(
		file_read(st.dir, "gateway/tokens", false, &text, &e), 0);
	assert_string_equal(buf_str(&text), expected);
	assert_int_equal(fstatat(st.dir, "gateway/tokens", &stat, 0), 0);
	assert_int_equal(stat.st_mode & 07777, 0600);
}

static void admit(const char *name, const char *token)
{
	struct session s = { .user = "ann" };
	struct err e = ERR_INIT;

	snprintf(s.name, sizeof(s.name), "%s", name);
	snprintf(s.token, sizeof(s.token), "%s", token);
	if (gateway_admit(&st, &s, &e) < 0)
		fail_msg("%s", e.msg);
}

static void take_back(const char *name)
{
	struct err e = ERR_INIT;

	if (gateway_revoke(&st, name, &e) < 0)
		fail_msg("%s", e.msg);
}

static int clean(void)
{
	struct err e = ERR_INIT;
	int dropped = gateway_clean(&st, &e);

	if (dropped < 0)
		fail_msg("%s", e.msg);
	return dropped;
}

static int hold(const char *name)
{
	int fd = openat(st.locks, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	return fd;
}

/* ---- Tokens ---- */

static void a_session_is_admitted_and_revoked(void **state)
{
	(void)state;
	admit("svc-a", "tokena");
	check_tokens("tokena: unix_socket:svc-a/vnc\n");
	admit("svc-b", "tokenb");
	check_tokens("tokena: unix_socket:svc-a/vnc\n"
		     "tokenb: unix_socket:svc-b/vnc\n");
	take_back("svc-a");
	check_tokens("tokenb: unix_socket:svc-b/vnc\n");
	take_back("svc-a");
	check_tokens("tokenb: unix_socket:svc-b/vnc\n");
	take_back("svc-b");
	check_tokens("");
}

static void a_session_has_one_token_the_last(void **state)
{
	(void)state;
	admit("svc-a", "first");
	admit("svc-b", "other");
	admit("svc-a", "second");
	check_tokens("other: unix_socket:svc-b/vnc\n"
		     "second: unix_socket:svc-a/vnc\n");
}

static void names_that_are_parts_of_others_are_others(void **state)
{
	(void)state;
	admit("svc-a", "t1");
	admit("svc-aa", "t2");
	admit("a", "t3");
	admit("xsvc-a", "t4");
	admit("svc-a-vnc", "t5");
	take_back("svc-a");
	check_tokens("t2: unix_socket:svc-aa/vnc\nt3: unix_socket:a/vnc\n"
		     "t4: unix_socket:xsvc-a/vnc\n"
		     "t5: unix_socket:svc-a-vnc/vnc\n");
}

static void check_pages(const char *expected)
{
	AUTO_BUF struct buf text = BUF_INIT(65536);
	struct err e = ERR_INIT;

	assert_int_equal(file_read(st.dir, "gateway/pages", false, &text, &e),
			 0);
	assert_string_equal(buf_str(&text), expected);
}

static void admit_from(const char *name, const char *origin, long long port)
{
	struct session s = { .user = "ann", .token = "t", .port = port };
	struct err e = ERR_INIT;

	snprintf(s.name, sizeof(s.name), "%s", name);
	snprintf(s.origin, sizeof(s.origin), "%s", origin);
	if (gateway_admit(&st, &s, &e) < 0)
		fail_msg("%s", e.msg);
}

static void each_session_brings_the_pages_of_its_own_host_name(void **state)
{
	(void)state;
	admit_from("svc-a", "https://one.example", 6080);
	admit_from("svc-aa", "https://two.example:8443", 6080);
	check_pages("svc-a: https://one.example http://one.example:6080\n"
		    "svc-aa: https://two.example:8443 http://two.example:6080\n");
	take_back("svc-a");
	check_pages("svc-aa: https://two.example:8443 http://two.example:6080\n");
	assert_int_equal(clean(), 1);
	check_pages("");
}

static void other_lines_are_not_touched(void **state)
{
	static const char lines[] =
		"# comment\n\nx: 127.0.0.1:5900\n"
		"t1: unix_socket:svc-a/vnc.old\n"
		"t2: unix_socket:/abs/svc-a/vnc\n"
		"t3: unix_socket:svc-b/vnc\n";
	char expected[256];

	(void)state;
	put("tokens", lines);
	take_back("svc-a");
	check_tokens(lines);
	admit("svc-a", "t9");
	snprintf(expected, sizeof(expected), "%st9: unix_socket:svc-a/vnc\n",
		 lines);
	check_tokens(expected);
	/* A last line without its end is still a line of its own. */
	put("tokens", "t3: unix_socket:svc-b/vnc");
	admit("svc-a", "t9");
	check_tokens("t3: unix_socket:svc-b/vnc\n"
		     "t9: unix_socket:svc-a/vnc\n");
}

static void tokens_of_sessions_that_do_not_live_are_cleaned(void **state)
{
	AUTO_CLOSE int b = hold("svc-b");

	(void)state;
	assert_int_equal(clean(), 0);
	check_tokens(""); /* websockify complains if there is no file */
	admit("svc-a", "t1");
	admit("svc-b", "t2");
	admit("svc-c", "t3");
	assert_int_equal(clean(), 2);
	check_tokens("t2: unix_socket:svc-b/vnc\n");
	assert_int_equal(clean(), 0);
	check_tokens("t2: unix_socket:svc-b/vnc\n");
}

static void lines_that_name_no_session_are_cleaned(void **state)
{
	static const char *const lines[] = {
		"",
		"x",
		"# unix_socket:svc-b/vnc.old",
		"t: 127.0.0.1:5900",
		"t: unix_socket:",
		"t: unix_socket:/vnc",
		"t: unix_socket:../svc-b/vnc",
		"t: unix_socket:/etc/passwd",
		"t: unix_socket:svc-b/../svc-c/vnc",
		"t: unix_socket:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/vnc",
	};
	AUTO_CLOSE int b = hold("svc-b");

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		char text[256];

		snprintf(text, sizeof(text),
			 "%s\nt2: unix_socket:svc-b/vnc\n", lines[i]);
		put("tokens", text);
		assert_int_equal(clean(), 1);
		check_tokens("t2: unix_socket:svc-b/vnc\n");
	}
}

static void a_token_file_that_is_none_is_an_error(void **state)
{
	struct session s = { .name = "svc-a", .token = "t" };
	struct err e = ERR_INIT;

	(void)state;
	put("target", "");
	assert_int_equal(symlinkat("target", st.dir, "gateway/tokens"), 0);
	assert_int_equal(gateway_admit(&st, &s, &e), -1);
	assert_int_equal(e.code, ERR_DAMAGED);
	assert_non_null(strstr(e.msg, "tokens is a symbolic link"));
	e = (struct err)ERR_INIT;
	assert_int_equal(gateway_clean(&st, &e), -1);
	assert_int_equal(e.code, ERR_DAMAGED);
}

static void many_owners_change_the_tokens_at_once(void **state)
{
	enum { OWNERS = 8, TURNS = 40 };
	AUTO_BUF struct buf text = BUF_INIT(65536);
	struct err e = ERR_INIT;
	pid_t pids[OWNERS];
	int status;
	size_t lines = 0;

	(void)state;
	for (int i = 0; i < OWNERS; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0) {
			struct session s = { .token = "t" };

			snprintf(s.name, sizeof(s.name), "svc-%d", i);
			for (int n = 0; n < TURNS; n++)
				if (gateway_admit(&st, &s, &e) < 0 ||
				    (n % 2 &&
				     gateway_revoke(&st, s.name, &e) < 0))
					_exit(1);
			_exit(gateway_admit(&st, &s, &e) < 0);
		}
	}
	for (int i = 0; i < OWNERS; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(
		file_read(st.dir, "gateway/tokens", false, &text, &e), 0);
	for (size_t i = 0; i < text.len; i++)
		lines += text.data[i] == '\n';
	assert_int_equal(lines, OWNERS);
}

/* ---- The port ---- */

static int hold_as_keeper(void)
{
	struct err e = ERR_INIT;
	AUTO_CLOSE int dir = file_private_dir(st.dir, "gateway", &e);
	int fd = openat(dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	return fd;
}

static void the_port_is_valid_only_while_the_keeper_lives(void **state)
{
	int keeper;

	(void)state;
	assert_int_equal(gateway_port(&st), -1);
	put("port", "6080");
	assert_int_equal(gateway_port(&st), -1);
	keeper = hold_as_keeper();
	assert_int_equal(gateway_port(&st), 6080);
	close(keeper);
	assert_int_equal(gateway_port(&st), -1);
}

static void a_keeper_without_a_port_is_not_ready_yet(void **state)
{
	static const char *const texts[] = { "", "0", "65536", "-1", "6080\n",
					     " 6080", "0x10", "port",
					     "60806080608060806080" };
	AUTO_CLOSE int keeper = hold_as_keeper();

	(void)state;
	assert_int_equal(gateway_port(&st), 0);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		put("port", texts[i]);
		assert_int_equal(gateway_port(&st), 0);
	}
	put("port", "65535");
	assert_int_equal(gateway_port(&st), 65535);
}

/* ---- The keeper: this program itself, see main() ---- */

/* valgrind's own program is /proc/self/exe then. */
static void skip_under_valgrind(void)
{
	const char *preload = getenv("LD_PRELOAD");

	if (preload && strstr(preload, "vgpreload"))
		skip();
}

/* Leaves a line in the file that its first option names, and stays. */
static int be_a_keeper(int argc, char **argv)
{
	int fd = open(argv[3], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	alarm(60); /* in any case */
	dprintf(fd, "%d %d", getpid(),
		fcntl(atoi(argv[2]), F_GETFD)); // NOLINT
	for (int i = 4; i < argc; i++)
		dprintf(fd, " %s", argv[i]);
	if (write(fd, "\n", 1) != 1)
		return 1;
	for (;;)
		pause();
}

/* What the keepers have written, once there is a whole line. */
static void await_line(const char *path, struct buf *ret)
{
	for (int i = 0; i < 2000; i++) {
		struct err e = ERR_INIT;

		buf_reset(ret);
		if (file_read(AT_FDCWD, path, false, ret, &e) == 0 &&
		    strchr(buf_str(ret), '\n'))
			return;
		poll(NULL, 0, 10);
	}
	fail_msg("no keeper");
}

static void there_is_one_keeper_however_many_ask_for_it(void **state)
{
	enum { OWNERS = 8 };
	AUTO_BUF struct buf lines = BUF_INIT(65536);
	char file[4200];
	const char *const options[] = { file, NULL };
	pid_t pids[OWNERS];
	int status;

	(void)state;
	skip_under_valgrind();
	snprintf(file, sizeof(file), "%s/keepers", scratch_path);
	for (int i = 0; i < OWNERS; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0) {
			struct err e = ERR_INIT;

			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (int n = 0; n < 20; n++) {
				if (gateway_ensure(&st, options, &e) < 0)
					_exit(1);
				/* Looking never disturbs: it lives. */
				if (gateway_port(&st) != 0)
					_exit(2);
			}
			_exit(0);
		}
	}
	for (int i = 0; i < OWNERS; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	await_line(file, &lines);
	/* It has the lock's descriptor, open across exec. */
	assert_string_equal(strchr(buf_str(&lines), ' '), " 0\n");
	end_keepers();
	assert_int_equal(gateway_port(&st), -1);
}

static void who_looks_does_not_keep_a_keeper_from_starting(void **state)
{
	char file[4200];
	const char *const options[] = { file, NULL };
	pid_t looker;
	int until[2];

	(void)state;
	skip_under_valgrind();
	snprintf(file, sizeof(file), "%s/lookers", scratch_path);
	assert_int_equal(pipe2(until, O_CLOEXEC | O_NONBLOCK), 0);
	looker = fork();
	assert_true(looker >= 0);
	if (looker == 0) {
		char byte;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(until[1]);
		while (read(until[0], &byte, 1) < 0)
			gateway_port(&st);
		_exit(0);
	}
	close(until[0]);
	for (int i = 0; i < 50; i++) {
		struct err e = ERR_INIT;
		AUTO_FILE FILE *f = NULL;
		int pid;

		assert_int_equal(gateway_ensure(&st, options, &e), 0);
		assert_int_equal(gateway_port(&st), 0);
		/* End this keeper, and not the looker. */
		f = fopen("/proc/thread-self/children", "re");
		while (f && fscanf(f, "%d", &pid) == 1) { // NOLINT
			if (pid == looker)
				continue;
			kill(pid, SIGKILL);
			assert_int_equal(waitpid(pid, NULL, 0), pid);
		}
		assert_int_equal(gateway_port(&st), -1);
	}
	close(until[1]);
	assert_int_equal(waitpid(looker, NULL, 0), looker);
}

static void the_keeper_gets_the_options_and_the_old_port_goes(void **state)
{
	char file[4200];
	const char *const options[] = { file, "--config=/etc/x y",
					"--service_port=0", NULL };
	AUTO_BUF struct buf line = BUF_INIT(65536);
	struct err e = ERR_INIT;

	(void)state;
	skip_under_valgrind();
	snprintf(file, sizeof(file), "%s/options", scratch_path);
	put("port", "6080"); /* of a keeper that was killed */
	assert_int_equal(gateway_ensure(&st, options, &e), 0);
	assert_int_equal(gateway_port(&st), 0);
	await_line(file, &line);
	assert_string_equal(strchr(buf_str(&line), '-'),
			    "--config=/etc/x y --service_port=0\n");
}

static int prepare(void **state)
{
	return prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 ? -1 : scratch_make(state);
}

#define T(name) cmocka_unit_test_setup_teardown(name, open_store, close_store)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(a_session_is_admitted_and_revoked),
		T(a_session_has_one_token_the_last),
		T(names_that_are_parts_of_others_are_others),
		T(each_session_brings_the_pages_of_its_own_host_name),
		T(other_lines_are_not_touched),
		T(tokens_of_sessions_that_do_not_live_are_cleaned),
		T(lines_that_name_no_session_are_cleaned),
		T(a_token_file_that_is_none_is_an_error),
		T(many_owners_change_the_tokens_at_once),
		T(the_port_is_valid_only_while_the_keeper_lives),
		T(a_keeper_without_a_port_is_not_ready_yet),
		T(there_is_one_keeper_however_many_ask_for_it),
		T(who_looks_does_not_keep_a_keeper_from_starting),
		T(the_keeper_gets_the_options_and_the_old_port_goes),
	};

	if (argc > 3 && strcmp(argv[1], "--gateway-keeper") == 0)
		return be_a_keeper(argc, argv);
	return cmocka_run_group_tests(tests, prepare, scratch_remove);
}
