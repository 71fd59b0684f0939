/*
 * The request role, driven through its environment as a web server does.
 *
 * This program runs itself as the CGI (or the program that QWD_CGI names),
 * with a configuration of its own.  No machine is ever started: records of
 * sessions are written by the tests, which hold their locks where they live.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/text.h"
#include "conf/arguments.h"
#include "conf/catalogue.h"
#include "scratch.h"
#include "session/store.h"
#include "sys/child.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/json.h"
#include "web/web.h"

enum { OUTPUT_MAX = 4 * 1024 * 1024, ENV_ROOM = 30, DEADLINE_MS = 60000 };

static struct config config;
static struct store store = STORE_INIT;
static char program[4200];

/* ---- One visit ---- */

/* What is sent. */
struct ask {
	const char *method; /* NULL: GET */
	const char *query;
	const char *body;       /* of a POST */
	const char *env[8];     /* further ones, which come first */
	bool html;              /* not JSON */
};

/* What came back. */
struct answer {
	int status;
	struct buf output; /* headers and body */
	struct buf log;
	const char *body;
	json_t *json; /* NULL if the body is none */
};

static void answer_release(struct answer *a)
{
	json_decref(a->json);
	buf_release(&a->output);
	buf_release(&a->log);
}

#define AUTO_ANSWER __attribute__((cleanup(answer_release)))

static const char *header(const struct answer *a, const char *name)
{
	static char value[2048];
	char start[128];
	const char *at;

	snprintf(start, sizeof(start), "\r\n%s: ", name);
	at = strstr(buf_str(&a->output), start);
	if (!at || at > a->body)
		return NULL;
	at += strlen(start);
	snprintf(value, sizeof(value), "%.*s", (int)strcspn(at, "\r"), at);
	return value;
}

static void read_answer(struct answer *a)
{
	const char *text = buf_str(&a->output);
	struct err e = ERR_INIT;
	const char *end = strstr(text, "\r\n\r\n");
	long long status;
	char digits[4];

	assert_true(text_starts(text, "Status: "));
	assert_non_null(end);
	snprintf(digits, sizeof(digits), "%.3s", text + strlen("Status: "));
	assert_true(text_long(digits, 100, 599, &status));
	a->status = (int)status;
	a->body = end + 4;
	a->json = json_parse_object(a->body, strlen(a->body), &e);
}

static void add_env(const char **env, const char *more)
{
	size_t len = strcspn(more, "=") + 1;
	size_t i;

	/* What a test sets stands in for the default. */
	for (i = 0; env[i]; i++)
		if (strncmp(env[i], more, len) == 0)
			return;
	assert_true(i < ENV_ROOM);
	env[i] = more;
	env[i + 1] = NULL;
}

static void visit(const struct ask *ask, struct answer *ret)
{
	AUTO_ARGV struct argv argv = { 0 };
	const char *env[ENV_ROOM + 2] = { NULL };
	struct child child = CHILD_INIT;
	struct err e = ERR_INIT;
	char text[5][4300];
	int status;

	*ret = (struct answer){ .output = BUF_INIT(OUTPUT_MAX),
				.log = BUF_INIT(65536) };
	snprintf(text[0], sizeof(text[0]), "QWD_CONFIG=%s/config.conf",
		 scratch_path);
	snprintf(text[1], sizeof(text[1]), "REQUEST_METHOD=%s",
		 ask->method ? ask->method : "GET");
	snprintf(text[2], sizeof(text[2]), "QUERY_STRING=%s",
		 ask->query ? ask->query : "");
	snprintf(text[3], sizeof(text[3]), "CONTENT_LENGTH=%zu",
		 ask->body ? strlen(ask->body) : 0);
	for (size_t i = 0; i < ARRAY_LEN(ask->env) && ask->env[i]; i++)
		add_env(env, ask->env[i]);
	for (size_t i = 0; i < 4; i++)
		add_env(env, text[i]);
	add_env(env, "CONTENT_TYPE=application/x-www-form-urlencoded");
	add_env(env, "GATEWAY_INTERFACE=CGI/1.1");
	add_env(env, "REMOTE_ADDR=127.0.0.1");
	add_env(env, "HTTP_HOST=localhost:8080");
	add_env(env, "SERVER_NAME=localhost");
	add_env(env, "SERVER_PORT=8080");
	add_env(env, "UNIQUE_ID=the-request");
	/* The program makes itself untraceable, which the leak checker is
	 * built on. */
	add_env(env, "ASAN_OPTIONS=detect_leaks=0");
	if (!ask->html)
		add_env(env, "HTTP_ACCEPT=application/json");
	argv_add(&argv, program);
	argv_add(&argv, "--config=/nonexistent"); /* from ?--config=... */
	child.argv = &argv;
	child.env = env;
	if (child_run(&child, ask->body ? ask->body : "", &ret->output,
		      &ret->log, DEADLINE_MS, &status, &e) < 0)
		fail_msg("%s", e.msg);
	if (status != 0)
		fail_msg("status %d: %s", status, buf_str(&ret->log));
	read_answer(ret);
}

/* The error of the answer must be this one; `field` NULL stands for none. */
static void check_error(const struct answer *a, int status, const char *code,
			const char *field)
{
	const json_t *error = json_object_get(a->json, "error");
	const char *message =
		json_string_value(json_object_get(error, "message"));
	const json_t *is = json_object_get(error, "field");

	if (a->status != status)
		fail_msg("%s", buf_str(&a->output));
	assert_non_null(message);
	assert_string_equal(json_string_value(json_object_get(error, "code")),
			    code);
	assert_true(strlen(message) > 10);
	if (!field && !json_is_null(is))
		fail_msg("field %s", json_string_value(is));
	if (field && (!json_is_string(is) ||
		      strcmp(json_string_value(is), field) != 0))
		fail_msg("not %s: %s", field, buf_str(&a->output));
}

static void expect_error(const struct ask *ask, int status, const char *code,
			 const char *field)
{
	AUTO_ANSWER struct answer a;

	visit(ask, &a);
	check_error(&a, status, code, field);
}

static const char *member(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	assert_non_null(text);
	return text;
}

/* ---- The site ---- */

static void write_config(const char *more)
{
	char text[20000];
	char here[4096];

	assert_non_null(getcwd(here, sizeof(here)));
	snprintf(text, sizeof(text),
		 "dir_html = %s/html\ndir_service = %s\ndir_cfg = %s/cfg\n"
		 "layout_title = The <Title>\nsnapshot_alloc_mem = 0.25\n"
		 "service_max_load = 1000\nservice_max_cpu_fraction_nb_per_user "
		 "= 1\n%s",
		 here, scratch_path, scratch_path, more);
	scratch_puts("config.conf", text);
}

/* One that can be used, one that goes when it is in the catalogue, one that
 * says it is something else than it is. */
static void make_machines(void)
{
	static const char zeros[65536];

	scratch_puts("machines.conf",
		     "[good.img]\ndescription = A <good> machine\n"
		     "[gone.img]\n[bad.qcow2]\n");
	scratch_write("machines/good.img", zeros, sizeof(zeros));
	scratch_write("machines/gone.img", zeros, sizeof(zeros));
	scratch_write("machines/bad.qcow2", zeros, sizeof(zeros));
}

static int make_site(void **state)
{
	struct err e = ERR_INIT;
	char argument[4300];
	const char *cgi = getenv("QWD_CGI");
	struct catalogue catalogue;

	if (scratch_make(state) < 0)
		return -1;
	if (cgi)
		snprintf(program, sizeof(program), "%s", cgi);
	else if (readlink("/proc/self/exe", program, sizeof(program) - 1) < 0)
		return -1;
	write_config("");
	if (mkdirat(scratch_fd, "machines", 0700) < 0 ||
	    mkdirat(scratch_fd, "snapshots", 0700) < 0)
		return -1;
	make_machines();
	snprintf(argument, sizeof(argument), "--config=%s/config.conf",
		 scratch_path);
	if (arguments_config(2, (char *[]){ argument, argument, NULL }, 1,
			     &config, &e) < 0)
		return -1;
	if (catalogue_refresh(&config, &catalogue, &e) < 0)
		return -1;
	catalogue_release(&catalogue);
	if (unlinkat(scratch_fd, "machines/gone.img", 0) < 0)
		return -1;
	return store_open(&config, &store, &e);
}

static int remove_site(void **state)
{
	store_release(&store);
	config_release(&config);
	return scratch_remove(state);
}

/* A session's record; its lock, held: the session lives until it is closed. */
static int make_session(struct session *s, const char *name, const char *user,
			enum session_state state)
{
	struct err e = ERR_INIT;
	int lock = openat(store.locks, name, O_RDWR | O_CREAT | O_CLOEXEC,
			  0600);

	*s = (struct session){ .state = state, .step = STEP_GUEST, .cpu = 2,
			       .memory_mb = 512, .port = 6080 };
	snprintf(s->name, sizeof(s->name), "%s", name);
	snprintf(s->user, sizeof(s->user), "%s", user);
	snprintf(s->machine, sizeof(s->machine), "good.img");
	snprintf(s->title, sizeof(s->title), "A <good> \"machine\"");
	snprintf(s->format, sizeof(s->format), "raw");
	snprintf(s->network, sizeof(s->network), "user");
	snprintf(s->token, sizeof(s->token), "secrettokensecrettokensecret2345");
	snprintf(s->origin, sizeof(s->origin), "http://localhost:8080");
	s->started = clock_wall() - 60;
	s->ends = s->started + 3660;
	s->ends_boot_ms = clock_boot_ms() + 3600 * 1000;
	clock_boot_id(s->boot_id);
	if (session_is_final(s)) {
		s->ended = clock_wall();
		s->ended_boot_ms = clock_boot_ms();
		snprintf(s->reason, sizeof(s->reason), "A <reason>.");
	}
	assert_true(lock >= 0);
	assert_int_equal(flock(lock, LOCK_EX), 0);
	assert_int_equal(store_write(&store, s, &e), 0);
	return lock;
}

static void forget_session(const struct session *s, int lock)
{
	struct err e = ERR_INIT;

	assert_int_equal(store_forget(&store, s->name, &e), 0);
	close(lock);
}

/* Log `user` in; the Cookie header, as a variable of the environment. */
static void log_in(const char *user, char *ret, size_t size)
{
	AUTO_ANSWER struct answer a;
	char body[128];
	const char *cookie;

	snprintf(body, sizeof(body), "manage=1&user=%s", user);
	visit(&(struct ask){ .method = "POST", .body = body, .html = true },
	      &a);
	assert_int_equal(a.status, 303);
	assert_string_equal(header(&a, "Location"),
			    "/cgi-bin/qemu-web-desktop?manage=1");
	cookie = header(&a, "Set-Cookie");
	assert_non_null(cookie);
	assert_true(text_starts(cookie, "qwd="));
	assert_true(text_ends(cookie, "; Path=/; HttpOnly; SameSite=Strict"));
	snprintf(ret, size, "HTTP_COOKIE=%.*s", (int)strcspn(cookie, ";"),
		 cookie);
}

/* ---- Tests: pages ---- */

static void the_form_is_shown_for_whatever_else_is_asked(void **state)
{
	static const char *const queries[] = {
		"", "--config=/x+-h", "--x+y", "unknown=1", "a=%zz",
		"session=a&session=b", "%00", "machine=good.img&user=a",
	};
	AUTO_ANSWER struct answer plain;

	(void)state;
	visit(&(struct ask){ .html = true }, &plain);
	assert_int_equal(plain.status, 200);
	assert_non_null(strstr(plain.body, "name=\"create\""));
	assert_non_null(strstr(plain.body, "The &lt;Title&gt;"));
	assert_non_null(strstr(plain.body, "A &lt;good&gt; machine"));
	assert_null(strstr(plain.body, "bad.qcow2"));
	for (size_t i = 0; i < ARRAY_LEN(queries); i++) {
		AUTO_ANSWER struct answer a;

		visit(&(struct ask){ .query = queries[i], .html = true }, &a);
		assert_string_equal(buf_str(&a.output),
				    buf_str(&plain.output));
	}
}

static void each_page_says_that_no_login_is_checked(void **state)
{
	static const struct {
		const char *query;
		int status;
	} pages[] = { { "", 200 }, { "terms=1", 200 }, { "manage=1", 401 },
		      { "session=x", 401 }, { "create=1", 405 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
		AUTO_ANSWER struct answer a;

		visit(&(struct ask){ .query = pages[i].query, .html = true },
		      &a);
		assert_int_equal(a.status, pages[i].status);
		assert_non_null(strstr(a.body, "No login is configured."));
	}
}

static void head_is_get_without_the_body(void **state)
{
	AUTO_ANSWER struct answer get;
	AUTO_ANSWER struct answer head;

	(void)state;
	visit(&(struct ask){ .query = "terms=1", .html = true }, &get);
	visit(&(struct ask){ .method = "HEAD", .query = "terms=1",
			     .html = true },
	      &head);
	assert_int_equal(head.status, 200);
	assert_string_equal(head.body, "");
	assert_int_equal(strncmp(buf_str(&head.output), buf_str(&get.output),
				 head.output.len),
			 0);
}

static void the_style_has_the_colours(void **state)
{
	AUTO_ANSWER struct answer a;

	(void)state;
	visit(&(struct ask){ .query = "style=1", .html = true }, &a);
	assert_int_equal(a.status, 200);
	assert_string_equal(header(&a, "Content-Type"),
			    "text/css; charset=utf-8");
	assert_non_null(strstr(a.body, "#0b5cad"));
}

static void every_reply_has_the_security_headers(void **state)
{
	static const char *const headers[] = {
		"Content-Security-Policy", "X-Content-Type-Options",
		"X-Frame-Options",	   "Referrer-Policy",
		"Cache-Control",	   "Cross-Origin-Opener-Policy",
		"Vary",			   "Content-Length",
	};
	static const struct ask asks[] = {
		{ .query = "" },
		{ .query = "style=1" },
		{ .query = "session=x" },
		{ .method = "DELETE" },
		{ .method = "POST", .body = "create=1" },
		{ .method = "POST", .body = "manage=1&user=a", .html = true },
		{ .env = { "REMOTE_ADDR=192.0.2.1" } },
		{ .env = { "QWD_CONFIG=relative" } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(asks); i++) {
		AUTO_ANSWER struct answer a;

		visit(&asks[i], &a);
		for (size_t k = 0; k < ARRAY_LEN(headers); k++)
			if (!header(&a, headers[k]))
				fail_msg("request %zu: no %s", i, headers[k]);
		assert_null(header(&a, "Strict-Transport-Security"));
	}
}

static void over_https_the_cookie_is_bound_to_host_and_https(void **state)
{
	AUTO_ANSWER struct answer a;

	(void)state;
	visit(&(struct ask){ .method = "POST", .body = "manage=1&user=ann",
			     .env = { "HTTPS=on" } },
	      &a);
	assert_int_equal(a.status, 200);
	assert_true(text_starts(header(&a, "Set-Cookie"), "__Host-qwd="));
	assert_true(text_ends(header(&a, "Set-Cookie"), "; Secure"));
	assert_non_null(header(&a, "Strict-Transport-Security"));
}

/* ---- Tests: who may ---- */

static void a_refused_peer_gets_nothing(void **state)
{
	static const char *const env[] = {
		"REMOTE_ADDR=192.0.2.1", "HTTP_X_FORWARDED_FOR=127.0.0.1",
		"HTTP_FORWARDED=for=127.0.0.1", "HTTP_VIA=1.1 proxy",
		"HTTP_HOST=evil.example",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(env); i++) {
		expect_error(&(struct ask){ .env = { env[i] } }, 403,
			     "forbidden", NULL);
		expect_error(&(struct ask){ .method = "POST",
					    .body = "manage=1&user=ann",
					    .env = { env[i] } },
			     403, "forbidden", NULL);
	}
}

static void everybody_is_served_where_the_site_says_so(void **state)
{
	AUTO_ANSWER struct answer a;

	(void)state;
	write_config("allow_anonymous = yes\n");
	visit(&(struct ask){ .html = true,
			     .env = { "REMOTE_ADDR=192.0.2.1",
				      "HTTP_HOST=evil.example" } },
	      &a);
	write_config("");
	assert_int_equal(a.status, 200);
	assert_non_null(strstr(a.body, "Everybody who reaches this page"));
	assert_null(strstr(buf_str(&a.output), "evil"));
}

static void a_post_from_elsewhere_changes_nothing(void **state)
{
	static const char *const env[] = {
		"HTTP_ORIGIN=http://evil.example", "HTTP_ORIGIN=null",
		"HTTP_SEC_FETCH_SITE=cross-site",
		"HTTP_ORIGIN=http://localhost:6080",
	};
	struct session s;
	int lock = make_session(&s, "qwd-elsewhere", "ann", SESSION_RUNNING);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(env); i++) {
		AUTO_ANSWER struct answer a;

		visit(&(struct ask){ .method = "POST",
				     .body = "manage=1&user=ann",
				     .env = { env[i] } },
		      &a);
		check_error(&a, 403, "forbidden", NULL);
		assert_null(header(&a, "Set-Cookie"));
		expect_error(&(struct ask){ .method = "POST",
					    .body = "session_stop=qwd-elsewhere"
						    "&user=ann",
					    .env = { env[i] } },
			     403, "forbidden", NULL);
	}
	forget_session(&s, lock);
}

static void other_methods_are_refused(void **state)
{
	static const char *const methods[] = { "PUT", "DELETE", "OPTIONS",
					       "TRACE", "get", "" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
		AUTO_ANSWER struct answer a;

		visit(&(struct ask){ .method = methods[i] }, &a);
		check_error(&a, 405, "method-not-allowed", NULL);
		assert_string_equal(header(&a, "Allow"), "GET, HEAD, POST");
	}
}

static void a_link_never_acts(void **state)
{
	static const char *const queries[] = {
		"create=1&user=ann&machine=good.img",
		"session_stop=qwd-a&user=ann",
		"service_purge=1&user=ann",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(queries); i++) {
		AUTO_ANSWER struct answer a;

		visit(&(struct ask){ .query = queries[i] }, &a);
		check_error(&a, 405, "method-not-allowed", NULL);
		assert_string_equal(header(&a, "Allow"), "POST");
	}
}

/* ---- Tests: Create ---- */

static void a_wrong_field_is_named_and_nothing_starts(void **state)
{
#define GOOD "create=1&user=ann&machine=good.img"
	static const struct {
		const char *body;
		const char *field;
	} table[] = {
		{ "create=1", "user" },
		{ "create=1&user=", "user" },
		{ "create=1&user=a%2fb&machine=none", "user" },
		{ "create=1&user=ann%0a&machine=good.img", "user" },
		{ "create=1&user=-ann&machine=good.img", "user" },
		{ "create=1&user=ann*&machine=good.img", "user" },
		{ "create=1&user=ann", "machine" },
		{ "create=1&user=ann&machine=", "machine" },
		{ "create=1&user=ann&machine=none", "machine" },
		{ "create=1&user=ann&machine=gone.img", "machine" },
		{ "create=1&user=ann&machine=bad.qcow2", "machine" },
		{ "create=1&user=ann&machine=GOOD.img", "machine" },
		{ "create=1&user=ann&machine=good.img%20", "machine" },
		{ "create=1&user=ann&machine=../machines/good.img", "machine" },
		{ "create=1&user=ann&machine=none&cpu=x", "machine" },
		{ GOOD "&cpu=0", "cpu" },
		{ GOOD "&cpu=-1", "cpu" },
		{ GOOD "&cpu=99999", "cpu" },
		{ GOOD "&cpu=1.5", "cpu" },
		{ GOOD "&cpu=1%20", "cpu" },
		{ GOOD "&cpu=1;reboot", "cpu" },
		{ GOOD "&cpu=x&memory=x", "cpu" },
		{ GOOD "&memory=0", "memory" },
		{ GOOD "&memory=0.06", "memory" },
		{ GOOD "&memory=1e3", "memory" },
		{ GOOD "&memory=999999999999", "memory" },
		{ GOOD "&memory=-1", "memory" },
		{ GOOD "&memory=x&snapshot_lifetime=x", "memory" },
		{ GOOD "&snapshot_lifetime=", "snapshot_lifetime" },
		{ GOOD "&snapshot_lifetime=59", "snapshot_lifetime" },
		{ GOOD "&snapshot_lifetime=86401", "snapshot_lifetime" },
		{ GOOD "&snapshot_lifetime=1h", "snapshot_lifetime" },
		{ GOOD "&snapshot_lifetime=x&gpu=1", "snapshot_lifetime" },
		{ GOOD "&gpu=1", "gpu" },
		{ GOOD "&gpu=01:00.0", "gpu" },
		{ GOOD "&config_script=exec:reboot", "config_script" },
		{ GOOD "&oneshot=perhaps", "oneshot" },
		{ GOOD "&partition=day", "partition" },
		{ GOOD "&account=physics", "account" },
		{ GOOD "&qos=high", "qos" },
		{ GOOD "&cpu=1&cpu=2", "cpu" },
		{ GOOD "&user=bob", "user" },
		{ GOOD "&machine_url=x", "machine_url" },
		{ GOOD "&cpu=%zz", "cpu" },
		{ GOOD "&manage=1", "create" },
		{ GOOD "&service_purge=1", "create" },
		{ "user=ann&machine=good.img", "create" },
		{ "user=ann&machine=good.img&create=no", "create" },
		{ "session_stop=a&now=perhaps&user=ann", "now" },
		{ "session_extend=a&snapshot_lifetime=-1", "snapshot_lifetime" },
		{ "session_extend=a&snapshot_lifetime=1e9", "snapshot_lifetime" },
		{ "session_extend=a&snapshot_lifetime=99999999999999999999",
		  "snapshot_lifetime" },
		{ "session_extend=a&session_stop=a", "session_extend" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		AUTO_ANSWER struct answer a;

		visit(&(struct ask){ .method = "POST", .body = table[i].body },
		      &a);
		if (!json_object_get(a.json, "error"))
			fail_msg("%s", table[i].body);
		check_error(&a, 400, "bad-field", table[i].field);
		assert_null(header(&a, "Set-Cookie"));
	}
	assert_int_equal(store_count_alive(&store), 0);
}

static void an_image_that_was_replaced_is_looked_into_again(void **state)
{
	char bytes[4096] = "QFI\373";

	(void)state;
	/* It says that it is a qcow2 image, and is none. */
	scratch_write("machines/good.img", bytes, sizeof(bytes));
	expect_error(&(struct ask){ .method = "POST", .body = GOOD }, 400,
		     "bad-field", "machine");
	make_machines();
	assert_int_equal(unlinkat(scratch_fd, "machines/gone.img", 0), 0);
	expect_error(&(struct ask){ .method = "POST", .body = GOOD "&cpu=x" },
		     400, "bad-field", "cpu");
}

static void a_long_password_is_refused_and_shown_nowhere(void **state)
{
	char body[2048] = "create=1&user=ann&machine=good.img&password=";
	AUTO_ANSWER struct answer a;
	size_t len = strlen(body);

	(void)state;
	memset(body + len, 'p', 1025);
	body[len + 1025] = '\0';
	visit(&(struct ask){ .method = "POST", .body = body, .html = true },
	      &a);
	assert_int_equal(a.status, 400);
	assert_non_null(strstr(a.body, "longer than 1024 bytes"));
	assert_null(strstr(buf_str(&a.output), "pppp"));
	assert_null(strstr(buf_str(&a.log), "pppp"));
}

static void the_form_comes_back_as_it_was_filled_in(void **state)
{
	AUTO_ANSWER struct answer a;

	(void)state;
	visit(&(struct ask){ .method = "POST", .html = true,
			     .body = "create=1&user=ann&machine=good.img&"
				     "password=canary&cpu=0&memory=0.5&"
				     "snapshot_lifetime=7200" },
	      &a);
	assert_int_equal(a.status, 400);
	assert_non_null(strstr(a.body, "id=\"cpu-error\""));
	assert_null(strstr(a.body, "id=\"memory-error\""));
	assert_non_null(strstr(a.body, "value=\"ann\""));
	assert_non_null(
		strstr(a.body, "<option value=\"good.img\" selected data-"));
	assert_non_null(strstr(a.body, "<option value=\"0.5\" selected>"));
	assert_non_null(strstr(a.body, "<option value=\"7200\" selected>"));
	assert_null(strstr(buf_str(&a.output), "canary"));
	assert_null(strstr(buf_str(&a.log), "canary"));
}

static void a_field_is_text_wherever_it_is_shown(void **state)
{
	AUTO_ANSWER struct answer a;

	(void)state;
	visit(&(struct ask){ .method = "POST", .html = true,
			     .body = "create=1&user=%22%3e%3cscript%3ealert(1)"
				     "%3c/script%3e" },
	      &a);
	assert_int_equal(a.status, 400);
	assert_null(strstr(a.body, "<script>alert"));
	assert_non_null(strstr(a.body, "&quot;&gt;&lt;script&gt;alert(1)"));
}

static void a_body_that_is_too_large_is_not_read(void **state)
{
	(void)state;
	expect_error(&(struct ask){ .method = "POST", .body = "create=1",
				    .env = { "CONTENT_LENGTH=131073" } },
		     413, "too-large", NULL);
	expect_error(&(struct ask){ .method = "POST", .body = "create=1",
				    .env = { "CONTENT_LENGTH=9" } },
		     400, "bad-field", NULL);
	expect_error(&(struct ask){ .method = "POST", .body = "create=1",
				    .env = { "CONTENT_TYPE=text/plain" } },
		     400, "bad-field", NULL);
}

static void a_full_service_says_when_to_come_back(void **state)
{
	AUTO_ANSWER struct answer a;
	AUTO_ANSWER struct answer page;
	struct session s;
	int lock = make_session(&s, "qwd-full", "bob", SESSION_RUNNING);

	(void)state;
	write_config("service_max_instance_nb = 1\n");
	visit(&(struct ask){ .method = "POST", .body = GOOD }, &a);
	visit(&(struct ask){ .method = "POST", .body = GOOD, .html = true },
	      &page);
	write_config("");
	forget_session(&s, lock);
	check_error(&a, 503, "busy", NULL);
	assert_non_null(header(&a, "Retry-After"));
	assert_null(header(&a, "Set-Cookie"));
	assert_int_equal(page.status, 503);
	assert_non_null(strstr(page.body, "The next chance may come in"));
	assert_int_equal(store_count_alive(&store), 0);
}

/* ---- Tests: sessions ---- */

static void a_session_is_shown_to_its_user_alone(void **state)
{
	static const char *const strangers[] = { "bob", "an", "annn", "ANN" };
	char cookie[200];
	struct session s;
	int lock = make_session(&s, "qwd-mine", "ann", SESSION_RUNNING);
	AUTO_ANSWER struct answer a;

	(void)state;
	expect_error(&(struct ask){ .query = "session=qwd-mine" }, 401,
		     "not-logged-in", NULL);
	expect_error(&(struct ask){
			     .query = "session=qwd-mine",
			     .env = { "HTTP_COOKIE=qwd=abcdefghijklmnopqrstuvw"
				      "xyz234567" } },
		     401, "not-logged-in", NULL);
	for (size_t i = 0; i < ARRAY_LEN(strangers); i++) {
		log_in(strangers[i], cookie, sizeof(cookie));
		expect_error(&(struct ask){ .query = "session=qwd-mine",
					    .env = { cookie } },
			     403, "forbidden", NULL);
	}
	log_in("ann", cookie, sizeof(cookie));
	visit(&(struct ask){ .query = "session=qwd-mine", .env = { cookie } },
	      &a);
	assert_int_equal(a.status, 200);
	assert_string_equal(member(json_object_get(a.json, "session"), "name"),
			    "qwd-mine");
	forget_session(&s, lock);
}

static void a_session_that_does_not_exist_is_not_found(void **state)
{
	static const char *const names[] = {
		"none", "", "..", "../config.conf", "a/b", "-a", "A",
		"qwd-mine.json", "%2e%2e%2fcfg",
	};
	char cookie[200];

	(void)state;
	log_in("ann", cookie, sizeof(cookie));
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char text[128];

		snprintf(text, sizeof(text), "session=%s", names[i]);
		expect_error(&(struct ask){ .query = text, .env = { cookie } },
			     404, "not-found", NULL);
		snprintf(text, sizeof(text), "session_stop=%s&now=1", names[i]);
		expect_error(&(struct ask){ .method = "POST", .body = text,
					    .env = { cookie } },
			     404, "not-found", NULL);
	}
}

static void each_state_has_its_page(void **state)
{
	static const struct {
		enum session_state state;
		const char *word;
		const char *title;
		bool can_stop;
		bool refresh;
	} table[] = {
		{ SESSION_STARTING, "starting", "is starting", true, true },
		{ SESSION_QUEUED, "queued", "waits for its turn", true, true },
		{ SESSION_PREPARING, "preparing", "is starting", true, true },
		{ SESSION_BOOTING, "booting", "is starting", true, true },
		{ SESSION_RUNNING, "running", "is ready", true, true },
		{ SESSION_STOPPING, "stopping", "is stopping", false, true },
		{ SESSION_ENDED, "ended", "has ended", false, false },
		{ SESSION_FAILED, "failed", "has failed", false, false },
	};
	char cookie[200];

	(void)state;
	log_in("ann", cookie, sizeof(cookie));
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		AUTO_ANSWER struct answer page;
		AUTO_ANSWER struct answer a;
		const json_t *session;
		struct session s;
		bool running = table[i].state == SESSION_RUNNING;
		int lock = make_session(&s, "qwd-state", "ann", table[i].state);
		struct ask ask = { .query = "session=qwd-state",
				   .env = { cookie } };

		visit(&ask, &a);
		ask.html = true;
		visit(&ask, &page);
		forget_session(&s, lock);
		assert_int_equal(a.status, 200);
		session = json_object_get(a.json, "session");
		assert_string_equal(member(session, "state"), table[i].word);
		assert_int_equal(json_is_string(json_object_get(session, "url")),
				 running);
		assert_int_equal(page.status, 200);
		assert_non_null(strstr(page.body, table[i].title));
		assert_int_equal(!!strstr(page.body, "id=\"stop\""),
				 table[i].can_stop);
		assert_int_equal(!!strstr(page.body, "http-equiv=\"refresh\""),
				 table[i].refresh);
		assert_int_equal(!!strstr(page.body, "data:image/svg+xml"),
				 running);
		assert_null(strstr(page.body, "<good>"));
		assert_null(strstr(page.body, "<reason>"));
	}
}

static void a_failed_session_says_which_step_why_and_what_to_do(void **state)
{
	static const char *const steps[] = { "Request accepted", "Disk",
					     "Boot scripts", "Virtual machine", "Display",
					     "Operating system" };
	struct err e = ERR_INIT;
	char cookie[200];

	(void)state;
	log_in("ann", cookie, sizeof(cookie));
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		AUTO_ANSWER struct answer a;
		const json_t *progress;
		const json_t *failure;
		struct session s;
		int lock = make_session(&s, "qwd-failed", "ann",
					SESSION_FAILED);

		s.step = (enum session_step)i;
		s.scripted = true;
		assert_int_equal(store_write(&store, &s, &e), 0);
		visit(&(struct ask){ .query = "session=qwd-failed",
				     .env = { cookie } },
		      &a);
		forget_session(&s, lock);
		progress = json_object_get(a.json, "progress");
		failure = json_object_get(progress, "failure");
		assert_string_equal(member(failure, "step"), steps[i]);
		assert_string_equal(member(failure, "why"), "A <reason>.");
		assert_true(strlen(member(failure, "advice")) > 20);
		assert_string_equal(
			member(json_array_get(json_object_get(progress,
							      "steps"),
					      i),
			       "status"),
			"failed");
	}
}

static void the_guest_step_is_shown_only_if_it_was_observed(void **state)
{
	struct err e = ERR_INIT;
	char cookie[200];

	(void)state;
	log_in("ann", cookie, sizeof(cookie));
	for (int seen = 0; seen < 2; seen++) {
		AUTO_ANSWER struct answer a;
		struct session s;
		int lock = make_session(&s, "qwd-guest", "ann",
					SESSION_RUNNING);

		s.guest_seen = seen;
		assert_int_equal(store_write(&store, &s, &e), 0);
		visit(&(struct ask){ .query = "session=qwd-guest",
				     .env = { cookie } },
		      &a);
		forget_session(&s, lock);
		assert_int_equal(
			json_array_size(json_object_get(
				json_object_get(a.json, "progress"), "steps")),
			4 + seen);
	}
}

static void stopping_needs_the_right_user(void **state)
{
	struct session s;
	int lock = make_session(&s, "qwd-stop", "ann", SESSION_RUNNING);
	AUTO_ANSWER struct answer a;

	(void)state;
	expect_error(&(struct ask){ .method = "POST",
				    .body = "session_stop=qwd-stop" },
		     401, "not-logged-in", NULL);
	expect_error(&(struct ask){ .method = "POST",
				    .body = "session_stop=qwd-stop&user=bob" },
		     403, "forbidden", NULL);
	expect_error(&(struct ask){ .method = "POST",
				    .body = "service_purge=1" },
		     401, "not-logged-in", NULL);
	expect_error(&(struct ask){ .method = "POST",
				    .body = "service_purge=1&user=ann" },
		     403, "forbidden", NULL);
	/* Its owner is this test, which does not listen: the visitor hears
	 * nothing of sockets, the log does. */
	visit(&(struct ask){ .method = "POST",
			     .body = "session_stop=qwd-stop&user=ann" },
	      &a);
	check_error(&a, 500, "internal", NULL);
	assert_null(strstr(a.body, "owner"));
	assert_non_null(strstr(a.body, "the-request"));
	assert_non_null(strstr(buf_str(&a.log), "event=error"));
	assert_non_null(strstr(buf_str(&a.log), "request=the-request"));
	assert_non_null(strstr(buf_str(&a.log), "owner"));
	forget_session(&s, lock);
}

static void extending_needs_the_right_user(void **state)
{
	static const char *const nowhere[] = {
		"session_extend=..%2Fqwd-more&user=ann",
		"session_extend=%2Fqwd-more&user=ann",
		"session_extend=..&user=ann",
		"session_extend=qwd-more%00&user=ann",
		"session_extend=&user=ann",
		"session_extend=qwd-other&user=ann",
	};
	struct session s;
	int lock = make_session(&s, "qwd-more", "ann", SESSION_RUNNING);
	struct session back;
	struct err e = ERR_INIT;

	(void)state;
	expect_error(&(struct ask){ .method = "POST",
				    .body = "session_extend=qwd-more" },
		     401, "not-logged-in", NULL);
	expect_error(&(struct ask){ .method = "POST",
				    .body = "session_extend=qwd-more&user=bob" },
		     403, "forbidden", NULL);
	expect_error(&(struct ask){ .query = "session_extend=qwd-more" }, 405,
		     "method-not-allowed", NULL);
	for (size_t i = 0; i < ARRAY_LEN(nowhere); i++) {
		AUTO_ANSWER struct answer a;

		visit(&(struct ask){ .method = "POST", .body = nowhere[i] },
		      &a);
		if (a.status != 404 && a.status != 400)
			fail_msg("%s: %d", nowhere[i], a.status);
	}
	assert_int_equal(store_read(&store, "qwd-more", &back, &e), 0);
	assert_int_equal(back.ends_boot_ms, s.ends_boot_ms);
	forget_session(&s, lock);
}

static void extending_what_has_ended_is_refused(void **state)
{
	struct session s;
	int lock = make_session(&s, "qwd-over", "ann", SESSION_ENDED);

	(void)state;
	expect_error(&(struct ask){ .method = "POST",
				    .body = "session_extend=qwd-over&user=ann" },
		     409, "conflict", NULL);
	forget_session(&s, lock);
}

static void stopping_what_has_ended_is_no_error(void **state)
{
	struct session s;
	int lock = make_session(&s, "qwd-ended", "ann", SESSION_ENDED);
	AUTO_ANSWER struct answer a;
	AUTO_ANSWER struct answer page;

	(void)state;
	visit(&(struct ask){ .method = "POST",
			     .body = "session_stop=qwd-ended&user=ann" },
	      &a);
	visit(&(struct ask){ .method = "POST", .html = true,
			     .body = "session_stop=qwd-ended&user=ann" },
	      &page);
	forget_session(&s, lock);
	assert_int_equal(a.status, 200);
	assert_string_equal(member(json_object_get(a.json, "session"), "state"),
			    "ended");
	assert_int_equal(page.status, 303);
	assert_string_equal(header(&page, "Location"),
			    "/cgi-bin/qemu-web-desktop?session=qwd-ended");
}

/* RR7: of the program's own descriptors, at every one that may be missing. */
static void without_descriptors_it_is_busy_and_says_so(void **state)
{
	size_t busy = 0;
	int limit = 4;

	(void)state;
	if (getenv("QWD_CGI"))
		skip();
	for (; limit < 40; limit++) {
		AUTO_ANSWER struct answer a;
		char text[32];

		snprintf(text, sizeof(text), "TEST_NOFILE=%d", limit);
		visit(&(struct ask){ .method = "POST",
				     .body = "manage=1&user=ann",
				     .env = { text } },
		      &a);
		if (a.status == 200)
			break;
		check_error(&a, 503, "busy", NULL);
		assert_string_equal(header(&a, "Retry-After"), "120");
		assert_non_null(strstr(a.body, "too many files open"));
		assert_non_null(strstr(buf_str(&a.log), "event=error"));
		assert_non_null(strstr(buf_str(&a.log), "Too many open files"));
		busy++;
	}
	assert_true(limit < 40);
	assert_true(busy > 0);
}

static void the_list_holds_ones_own_sessions(void **state)
{
	AUTO_ANSWER struct answer a;
	AUTO_ANSWER struct answer page;
	struct session mine;
	struct session other;
	int one = make_session(&mine, "qwd-one", "ann", SESSION_RUNNING);
	int two = make_session(&other, "qwd-two", "annn", SESSION_RUNNING);
	const json_t *sessions;
	char cookie[200];

	(void)state;
	log_in("ann", cookie, sizeof(cookie));
	visit(&(struct ask){ .query = "manage=1", .env = { cookie } }, &a);
	visit(&(struct ask){ .query = "manage=1", .env = { cookie },
			     .html = true },
	      &page);
	forget_session(&mine, one);
	forget_session(&other, two);
	assert_int_equal(a.status, 200);
	sessions = json_object_get(a.json, "sessions");
	assert_int_equal(json_array_size(sessions), 1);
	assert_string_equal(member(json_array_get(sessions, 0), "name"),
			    "qwd-one");
	/* The host's load is for who oversees it. */
	assert_true(json_is_object(json_object_get(a.json, "host")));
	assert_null(json_object_get(json_object_get(a.json, "host"), "load"));
	assert_int_equal(page.status, 200);
	assert_non_null(strstr(page.body, "qwd-one"));
	assert_null(strstr(page.body, "qwd-two"));
	assert_null(strstr(page.body, "service_purge"));
}

static void a_damaged_record_breaks_nothing_else(void **state)
{
	AUTO_ANSWER struct answer a;
	struct session s;
	int lock = make_session(&s, "qwd-whole", "ann", SESSION_RUNNING);
	char cookie[200];

	(void)state;
	scratch_puts("cfg/qwd-damaged.json", "{\"version\":1");
	log_in("ann", cookie, sizeof(cookie));
	visit(&(struct ask){ .query = "manage=1", .env = { cookie } }, &a);
	forget_session(&s, lock);
	assert_int_equal(a.status, 200);
	assert_int_equal(json_array_size(json_object_get(a.json, "sessions")),
			 1);
	assert_non_null(strstr(buf_str(&a.log), "event=record-damaged"));
	assert_int_equal(faccessat(scratch_fd, "cfg/damaged/qwd-damaged.json",
				   F_OK, 0),
			 0);
}

/* ---- Tests: what is broken ---- */

static void a_wrong_configuration_is_for_the_log(void **state)
{
	AUTO_ANSWER struct answer a;

	(void)state;
	write_config("no_such_option = 1\n");
	visit(&(struct ask){ .query = "" }, &a);
	write_config("");
	check_error(&a, 500, "configuration", NULL);
	assert_null(strstr(a.body, "no_such_option"));
	assert_non_null(strstr(buf_str(&a.log), "no_such_option"));
}

static void without_templates_there_is_still_an_answer(void **state)
{
	AUTO_ANSWER struct answer a;

	(void)state;
	write_config("");
	scratch_puts("other.conf", "dir_html = /nonexistent\n");
	{
		char env[4300];

		snprintf(env, sizeof(env), "QWD_CONFIG=%s/other.conf",
			 scratch_path);
		visit(&(struct ask){ .html = true, .query = "terms=1",
				     .env = { env } },
		      &a);
	}
	assert_int_equal(a.status, 500);
	assert_string_equal(header(&a, "Content-Type"),
			    "text/plain; charset=utf-8");
	assert_string_equal(a.body, "500 Internal Server Error\n");
	assert_non_null(strstr(buf_str(&a.log), "/nonexistent/desktop"));
}

static void untrusted_text_makes_one_line_of_the_log(void **state)
{
	AUTO_ANSWER struct answer a;

	(void)state;
	visit(&(struct ask){ .method = "POST",
			     .body = "session_stop=qwd-x&user=ann",
			     .env = { "REMOTE_ADDR=127.0.0.1",
				      "UNIQUE_ID=a\nevent=fake" } },
	      &a);
	check_error(&a, 404, "not-found", NULL);
	assert_null(strstr(buf_str(&a.log), "\nevent=fake"));
	assert_ptr_equal(strchr(buf_str(&a.log), '\n') + 1,
			 buf_str(&a.log) + a.log.len);
}

/* What a test asks for in the CGI's environment. */
static void limit_descriptors(void)
{
	const char *text = getenv("TEST_NOFILE");
	struct rlimit limit;
	long long count;

	if (!text || !text_long(text, 0, 1000, &count))
		return;
	limit.rlim_cur = limit.rlim_max = (rlim_t)count;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		_exit(9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_form_is_shown_for_whatever_else_is_asked),
		cmocka_unit_test(each_page_says_that_no_login_is_checked),
		cmocka_unit_test(head_is_get_without_the_body),
		cmocka_unit_test(the_style_has_the_colours),
		cmocka_unit_test(every_reply_has_the_security_headers),
		cmocka_unit_test(
			over_https_the_cookie_is_bound_to_host_and_https),
		cmocka_unit_test(a_refused_peer_gets_nothing),
		cmocka_unit_test(everybody_is_served_where_the_site_says_so),
		cmocka_unit_test(a_post_from_elsewhere_changes_nothing),
		cmocka_unit_test(other_methods_are_refused),
		cmocka_unit_test(a_link_never_acts),
		cmocka_unit_test(a_wrong_field_is_named_and_nothing_starts),
		cmocka_unit_test(
			an_image_that_was_replaced_is_looked_into_again),
		cmocka_unit_test(a_long_password_is_refused_and_shown_nowhere),
		cmocka_unit_test(the_form_comes_back_as_it_was_filled_in),
		cmocka_unit_test(a_field_is_text_wherever_it_is_shown),
		cmocka_unit_test(a_body_that_is_too_large_is_not_read),
		cmocka_unit_test(a_full_service_says_when_to_come_back),
		cmocka_unit_test(a_session_is_shown_to_its_user_alone),
		cmocka_unit_test(a_session_that_does_not_exist_is_not_found),
		cmocka_unit_test(each_state_has_its_page),
		cmocka_unit_test(
			a_failed_session_says_which_step_why_and_what_to_do),
		cmocka_unit_test(
			the_guest_step_is_shown_only_if_it_was_observed),
		cmocka_unit_test(stopping_needs_the_right_user),
		cmocka_unit_test(extending_needs_the_right_user),
		cmocka_unit_test(extending_what_has_ended_is_refused),
		cmocka_unit_test(stopping_what_has_ended_is_no_error),
		cmocka_unit_test(without_descriptors_it_is_busy_and_says_so),
		cmocka_unit_test(the_list_holds_ones_own_sessions),
		cmocka_unit_test(a_damaged_record_breaks_nothing_else),
		cmocka_unit_test(a_wrong_configuration_is_for_the_log),
		cmocka_unit_test(without_templates_there_is_still_an_answer),
		cmocka_unit_test(untrusted_text_makes_one_line_of_the_log),
	};

	/* This program is its own CGI. */
	if (getenv("GATEWAY_INTERFACE")) {
		limit_descriptors();
		return web_main();
	}
	return cmocka_run_group_tests(tests, make_site, remove_site);
}
