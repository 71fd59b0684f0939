/* src/auth/chain and custom: the site's own program, and who decides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "auth/chain.h"
#include "scratch.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/json.h"

static struct config config;

static void set(const char *name, const char *value)
{
	struct err e = ERR_INIT;

	if (config_set(&config, name, value, &e) < 0)
		fail_msg("%s", e.msg);
}

static int begin(void **state)
{
	struct err e = ERR_INIT;
	char path[4200];

	if (scratch_make(state) < 0 || config_init(&config, &e) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/program", scratch_path);
	return config_set(&config, "check_user_custom", path, &e);
}

static int finish(void **state)
{
	config_release(&config);
	return scratch_remove(state);
}

/* The site's program: keeps what it reads in the file `asked`. */
static void put_program(const char *body)
{
	char text[20000];

	snprintf(text, sizeof(text), "#!/bin/sh\ncat >%s/asked\n%s\n",
		 scratch_path, body);
	(void)unlinkat(scratch_fd, "asked", 0);
	scratch_puts("program", text);
	assert_int_equal(fchmodat(scratch_fd, "program", 0755, 0), 0);
}

static void check(const char *user, const char *password, bool remote,
		  struct auth_result *ret)
{
	struct auth_request r = {
		.config = &config,
		.user = user,
		.password = password,
		.remote = remote,
		.rhost = "192.0.2.7",
	};

	auth_check(&r, ret);
	assert_true(ret->method[0] && ret->reason[0]);
}

static void the_last_line_and_the_exit_status_decide(void **state)
{
	static const struct {
		const char *body;
		enum auth_verdict verdict;
		const char *reason;
	} table[] = {
		{ "echo SUCCESS", AUTH_ACCEPTED, "ok" },
		{ "echo SUCCESS: welcome", AUTH_ACCEPTED, "ok" },
		{ "echo 'SUCCESS FAILED'", AUTH_ACCEPTED, "ok" },
		{ "echo '  SUCCESS  '", AUTH_ACCEPTED, "ok" },
		{ "printf SUCCESS", AUTH_ACCEPTED, "ok" },
		{ "printf 'FAILED\\nSUCCESS\\r\\n\\n\\n'", AUTH_ACCEPTED,
		  "ok" },
		{ "echo one; echo two; echo SUCCESS", AUTH_ACCEPTED, "ok" },
		{ "echo FAILED", AUTH_REFUSED, "refused" },
		{ "echo FAILED: SUCCESS", AUTH_REFUSED, "refused" },
		{ "echo SUCCESS; echo FAILED", AUTH_REFUSED, "refused" },
		{ "echo FAILED; exit 7", AUTH_REFUSED, "refused" },
		{ "echo SUCCESS; exit 1", AUTH_REFUSED, "exit-status" },
		{ "exit 1", AUTH_REFUSED, "exit-status" },
		{ "true", AUTH_OUTAGE, "no-answer" },
		{ "echo SUCCESSFUL", AUTH_OUTAGE, "no-answer" },
		{ "echo Success", AUTH_OUTAGE, "no-answer" },
		{ "echo no SUCCESS", AUTH_OUTAGE, "no-answer" },
		{ "echo SUCCESS; echo .", AUTH_OUTAGE, "no-answer" },
		{ "echo SUCCESS >&2", AUTH_OUTAGE, "no-answer" },
		{ "printf 'x\\0y\\nSUCCESS\\n'", AUTH_OUTAGE,
		  "too-much-output" },
		{ "head -c 4200 /dev/zero | tr '\\0' '\\n'; echo SUCCESS",
		  AUTH_OUTAGE, "too-much-output" },
		{ "echo SUCCESS; kill -ABRT $$", AUTH_OUTAGE, "crash" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct auth_result r;

		put_program(table[i].body);
		check("ann", "secret", false, &r);
		if (r.verdict != table[i].verdict ||
		    strcmp(r.reason, table[i].reason) != 0)
			fail_msg("%s: %d %s", table[i].body, (int)r.verdict,
				 r.reason);
		assert_string_equal(r.method, "custom");
		assert_int_equal(r.guessed, r.verdict == AUTH_REFUSED);
	}
}

static void a_program_that_cannot_be_run_is_an_outage(void **state)
{
	struct auth_result r;

	(void)state;
	put_program("echo SUCCESS");
	assert_int_equal(fchmodat(scratch_fd, "program", 0644, 0), 0);
	check("ann", "secret", false, &r);
	assert_int_equal(r.verdict, AUTH_OUTAGE);
	assert_string_equal(r.reason, "helper");
	assert_int_equal(unlinkat(scratch_fd, "program", 0), 0);
	check("ann", "secret", false, &r);
	assert_int_equal(r.verdict, AUTH_OUTAGE);
}

static void one_that_hangs_ends_at_its_deadline(void **state)
{
	long long start = clock_boot_ms();
	struct auth_result r;

	(void)state;
	put_program("trap '' TERM; sleep 3600");
	check("ann", "secret", false, &r);
	assert_int_equal(r.verdict, AUTH_OUTAGE);
	assert_string_equal(r.reason, "deadline");
	assert_true(clock_boot_ms() - start >= AUTH_CUSTOM_MS);
}

static json_t *asked(void)
{
	AUTO_BUF struct buf text = BUF_INIT(65536);
	struct err e = ERR_INIT;

	assert_int_equal(file_read(scratch_fd, "asked", false, &text, &e), 0);
	return json_parse_object(buf_str(&text), text.len, &e);
}

static void it_is_told_the_user_the_password_and_what_was_before(void **state)
{
	static const char password[] = "p\"\\'$(id)\xc3\xa9";
	AUTO_JSON json_t *order = json_pack("{ss si ss}", "machine", "a.iso",
					    "cpu", 2, "user", "mallory");
	AUTO_JSON json_t *expected = json_pack(
		"{ss ss ss s{ss ss ss ss si}}", "user", "ann", "password",
		password, "previous", "FAILED none no-method", "session",
		"user", "ann", "user_email", "", "remote_host", "192.0.2.7",
		"machine", "a.iso", "cpu", 2);
	AUTO_JSON json_t *got = NULL;
	struct auth_request r = {
		.config = &config,
		.user = "ann",
		.password = password,
		.rhost = "192.0.2.7",
		.order = order,
	};
	struct auth_result result;

	(void)state;
	put_program("echo SUCCESS");
	auth_check(&r, &result);
	assert_int_equal(result.verdict, AUTH_ACCEPTED);
	assert_string_equal(result.who.user, "ann");
	assert_string_equal(result.who.method, "custom");
	got = asked();
	assert_true(json_equal(got, expected));
}

static void whom_the_web_server_knows_needs_no_password(void **state)
{
	struct auth_result r;
	json_t *got;

	(void)state;
	put_program("echo SUCCESS");
	check("ann", "ignored", true, &r);
	assert_int_equal(r.verdict, AUTH_ACCEPTED);
	assert_string_equal(r.who.user, "ann");
	assert_string_equal(r.who.method, "remote");
	got = asked();
	assert_string_equal(json_string_value(json_object_get(got, "password")),
			    "");
	assert_string_equal(json_string_value(json_object_get(got, "previous")),
			    "SUCCESS remote ok");
	json_decref(got);
	put_program("echo FAILED");
	check("ann", "", true, &r);
	assert_int_equal(r.verdict, AUTH_REFUSED);
	assert_string_equal(r.method, "custom");
}

static void without_a_method_nobody_gets_in(void **state)
{
	struct auth_result r;

	(void)state;
	set("check_user_custom", "");
	check("ann", "secret", false, &r);
	assert_int_equal(r.verdict, AUTH_REFUSED);
	assert_string_equal(r.method, "none");
	assert_string_equal(r.reason, "no-method");
	assert_false(r.guessed);
}

static void what_is_no_password_is_refused_unasked(void **state)
{
	static const struct {
		const char *password;
		const char *reason;
	} table[] = {
		{ "", "empty-password" }, { "\n", "bad-input" },
		{ "a\tb", "bad-input" },  { "\xff", "bad-input" },
		{ "a\177", "bad-input" },
	};

	(void)state;
	put_program("echo SUCCESS");
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct auth_result r;

		check("ann", table[i].password, false, &r);
		assert_int_equal(r.verdict, AUTH_REFUSED);
		assert_string_equal(r.method, "none");
		assert_string_equal(r.reason, table[i].reason);
		assert_false(r.guessed);
	}
	assert_int_not_equal(faccessat(scratch_fd, "asked", F_OK, 0), 0);
}

/* Nobody listens at these: each is an outage, and a yes behind it a yes. */
static void an_outage_is_no_refusal(void **state)
{
	struct auth_result r;

	(void)state;
	set("check_user_with_local", "yes");
	set("saslauthd_socket", "/nonexistent/mux");
	put_program("echo SUCCESS");
	check("ann", "secret", false, &r);
	assert_int_equal(r.verdict, AUTH_ACCEPTED);
	set("check_user_custom", "");
	check("ann", "secret", false, &r);
	assert_int_equal(r.verdict, AUTH_OUTAGE);
	assert_string_equal(r.method, "local");
	assert_string_equal(r.reason, "refused-connection");
	assert_false(r.guessed);
	set("check_user_with_imap", "yes");
	set("imap_server", "127.0.0.1");
	set("dir_libexec", "/nonexistent");
	check("ann", "secret", false, &r);
	assert_int_equal(r.verdict, AUTH_OUTAGE);
	set("check_user_with_local", "no");
	set("check_user_with_imap", "no");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_line_and_the_exit_status_decide),
		cmocka_unit_test(a_program_that_cannot_be_run_is_an_outage),
		cmocka_unit_test(one_that_hangs_ends_at_its_deadline),
		cmocka_unit_test(
			it_is_told_the_user_the_password_and_what_was_before),
		cmocka_unit_test(whom_the_web_server_knows_needs_no_password),
		cmocka_unit_test(what_is_no_password_is_refused_unasked),
		cmocka_unit_test(an_outage_is_no_refusal),
		cmocka_unit_test(without_a_method_nobody_gets_in),
	};

	return cmocka_run_group_tests(tests, begin, finish);
}
