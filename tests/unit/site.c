#include "site.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/text.h"
#include "conf/arguments.h"
#include "conf/catalogue.h"
#include "scratch.h"
#include "sys/child.h"
#include "sys/clock.h"
#include "sys/json.h"

enum { OUTPUT_MAX = 4 * 1024 * 1024, ENV_ROOM = 30, DEADLINE_MS = 60000 };

struct config site_config;
struct store site_store = STORE_INIT;
static char program[4200];

/* ---- One visit ---- */

void answer_release(struct answer *a)
{
	json_decref(a->json);
	buf_release(&a->output);
	buf_release(&a->log);
}

const char *answer_header(const struct answer *a, const char *name)
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

void site_visit(const struct ask *ask, struct answer *ret)
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

void answer_check_error(const struct answer *a, int status, const char *code,
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

void site_expect_error(const struct ask *ask, int status, const char *code,
		       const char *field)
{
	AUTO_ANSWER struct answer a;

	site_visit(ask, &a);
	answer_check_error(&a, status, code, field);
}

const char *answer_member(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	assert_non_null(text);
	return text;
}

/* ---- The site ---- */

void site_configure(const char *more)
{
	char text[20000];
	char here[4096];

	assert_non_null(getcwd(here, sizeof(here)));
	snprintf(text, sizeof(text),
		 "dir_html = %s/html\ndir_service = %s\ndir_cfg = %s/cfg\n"
		 "layout_title = The <Title>\nsnapshot_alloc_mem = 0.25\n"
		 "service_max_load = "
		 "1000\nservice_max_cpu_fraction_nb_per_user "
		 "= 1\n%s",
		 here, scratch_path, scratch_path, more);
	scratch_puts("config.conf", text);
}

void site_make_machines(void)
{
	static const char zeros[65536];

	scratch_puts("machines.conf",
		     "[good.img]\ndescription = A <good> machine\n"
		     "[gone.img]\n[bad.qcow2]\n");
	scratch_write("machines/good.img", zeros, sizeof(zeros));
	scratch_write("machines/gone.img", zeros, sizeof(zeros));
	scratch_write("machines/bad.qcow2", zeros, sizeof(zeros));
}

int site_make(void **state)
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
	site_configure("");
	if (mkdirat(scratch_fd, "machines", 0700) < 0 ||
	    mkdirat(scratch_fd, "snapshots", 0700) < 0)
		return -1;
	site_make_machines();
	snprintf(argument, sizeof(argument), "--config=%s/config.conf",
		 scratch_path);
	if (arguments_config(2, (char *[]){ argument, argument, NULL }, 1,
			     &site_config, &e) < 0)
		return -1;
	if (catalogue_refresh(&site_config, &catalogue, &e) < 0)
		return -1;
	catalogue_release(&catalogue);
	if (unlinkat(scratch_fd, "machines/gone.img", 0) < 0)
		return -1;
	return store_open(&site_config, &site_store, &e);
}

int site_remove(void **state)
{
	store_release(&site_store);
	config_release(&site_config);
	return scratch_remove(state);
}

int site_make_session(struct session *s, const char *name, const char *user,
		      enum session_state state)
{
	struct err e = ERR_INIT;
	int lock = openat(site_store.locks, name, O_RDWR | O_CREAT | O_CLOEXEC,
			  0600);

	*s = (struct session){ .state = state, .step = STEP_GUEST, .cpu = 2,
			       .memory_mb = 512, .port = 6080 };
	snprintf(s->name, sizeof(s->name), "%s", name);
	snprintf(s->user, sizeof(s->user), "%s", user);
	snprintf(s->machine, sizeof(s->machine), "good.img");
	snprintf(s->title, sizeof(s->title), "A <good> \"machine\"");
	snprintf(s->format, sizeof(s->format), "raw");
	snprintf(s->network, sizeof(s->network), "user");
	snprintf(s->token, sizeof(s->token),
		 "secrettokensecrettokensecret2345");
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
	assert_int_equal(store_write(&site_store, s, &e), 0);
	return lock;
}

void site_forget_session(const struct session *s, int lock)
{
	struct err e = ERR_INIT;

	assert_int_equal(store_forget(&site_store, s->name, &e), 0);
	close(lock);
}

void site_log_in(const char *user, char *ret, size_t size)
{
	AUTO_ANSWER struct answer a;
	char body[128];
	const char *cookie;

	snprintf(body, sizeof(body), "manage=1&user=%s", user);
	site_visit(
		&(struct ask){ .method = "POST", .body = body, .html = true },
		&a);
	assert_int_equal(a.status, 303);
	assert_string_equal(answer_header(&a, "Location"), "/cgi-bin/"
							   "qemu-web-desktop?"
							   "manage=1");
	cookie = answer_header(&a, "Set-Cookie");
	assert_non_null(cookie);
	assert_true(text_starts(cookie, "qwd="));
	assert_true(text_ends(cookie, "; Path=/; HttpOnly; SameSite=Strict"));
	snprintf(ret, size, "HTTP_COOKIE=%.*s", (int)strcspn(cookie, ";"),
		 cookie);
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

bool site_is_asked(void)
{
	if (!getenv("GATEWAY_INTERFACE"))
		return false;
	limit_descriptors();
	return true;
}
