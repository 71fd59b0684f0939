/* src/web/request, src/web/request_rules, src/web/origin */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "web/origin.h"
#include "web/request.h"

enum { ENV_MAX = 12 };

/* An environment, as `char *const *` wants it. */
struct env {
	char text[ENV_MAX][300];
	char *list[ENV_MAX + 1];
};

static char *const *make_env(struct env *ret, const char *const *from)
{
	size_t i;

	for (i = 0; i < ENV_MAX && from[i]; i++) {
		snprintf(ret->text[i], sizeof(ret->text[i]), "%s", from[i]);
		ret->list[i] = ret->text[i];
	}
	ret->list[i] = NULL;
	return ret->list;
}

static int body_of(const char *text)
{
	int fd = memfd_create("body", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_true(pwrite(fd, text, strlen(text), 0) == (ssize_t)strlen(text));
	return fd;
}

static void good(struct request *ret, struct env *memory,
		 const char *const *env, const char *body)
{
	struct err e = ERR_INIT;
	int fd = body_of(body);

	if (request_read(ret, make_env(memory, env), fd, &e) < 0)
		fail_msg("%s", e.msg);
	close(fd);
}

/* ---- Reading ---- */

static void the_environment_is_understood(void **state)
{
	struct env memory;
	struct request r;

	(void)state;
	good(&r, &memory,
	     (const char *const[]){ "REQUEST_METHOD=GET", "HTTPS=on",
				    "REMOTE_ADDR=192.0.2.7",
				    "QUERY_STRING=session=a&confirm=stop",
				    "HTTP_VIA=1.1 proxy", "HTTP_HOST=h",
				    "UNIQUE_ID=abc@-_", "HTTP_HOST=second",
				    "HTTP_SEC_FETCH_DEST=empty", NULL },
	     "");
	assert_int_equal(r.method, METHOD_GET);
	assert_true(r.https);
	assert_false(r.peer_is_local);
	assert_true(r.forwarded);
	assert_false(r.wants_json);
	assert_true(r.by_script);
	assert_string_equal(r.remote, "192.0.2.7");
	assert_string_equal(r.host, "h");
	assert_string_equal(r.id, "abc@-_");
	assert_null(r.origin);
	assert_null(r.cookie);
	assert_string_equal(form_get(&r.query, "session"), "a");
	assert_string_equal(form_get(&r.query, "confirm"), "stop");
	request_release(&r);
}

static void an_empty_environment_is_no_known_method(void **state)
{
	struct env memory;
	struct request r;

	(void)state;
	good(&r, &memory, (const char *const[]){ NULL }, "");
	assert_int_equal(r.method, METHOD_OTHER);
	assert_false(r.https);
	assert_false(r.peer_is_local);
	assert_false(r.forwarded);
	assert_false(r.by_script);
	assert_string_equal(r.remote, "");
	assert_true(strlen(r.id) > 0);
	request_release(&r);
}

static void methods_are_compared_exactly(void **state)
{
	static const struct {
		const char *name;
		enum request_method method;
	} table[] = {
		{ "GET", METHOD_GET },	  { "HEAD", METHOD_HEAD },
		{ "get", METHOD_OTHER },  { "", METHOD_OTHER },
		{ "PUT", METHOD_OTHER },  { "GET ", METHOD_OTHER },
		{ "POSTS", METHOD_OTHER },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct env memory;
		struct request r;
		char method[64];

		snprintf(method, sizeof(method), "REQUEST_METHOD=%s",
			 table[i].name);
		good(&r, &memory, (const char *const[]){ method, NULL }, "");
		assert_int_equal(r.method, table[i].method);
		request_release(&r);
	}
}

static void json_is_wanted_where_it_is_named_before_html(void **state)
{
	static const struct {
		const char *accept;
		bool json;
	} table[] = {
		{ "", false },
		{ "*/*", false },
		{ "text/html,application/xhtml+xml,*/*;q=0.8", false },
		{ "application/json", true },
		{ "Application/JSON;q=0.9, */*", true },
		{ "application/json, text/html", true },
		{ "text/html, application/json", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct env memory;
		struct request r;
		char accept[128];

		snprintf(accept, sizeof(accept), "HTTP_ACCEPT=%s",
			 table[i].accept);
		good(&r, &memory, (const char *const[]){ accept, NULL }, "");
		if (r.wants_json != table[i].json)
			fail_msg("%s", table[i].accept);
		request_release(&r);
	}
}

static void loopback_addresses_are_told_from_others(void **state)
{
	static const struct {
		const char *address;
		bool local;
	} table[] = {
		{ "127.0.0.1", true },	     { "127.255.1.2", true },
		{ "::1", true },	     { "::ffff:127.0.0.1", true },
		{ "128.0.0.1", false },	     { "10.0.2.2", false },
		{ "::ffff:10.0.0.1", false }, { "::", false },
		{ "0.0.0.0", false },	     { "", false },
		{ "127.0.0.1 ", false },     { "127.1", false },
		{ "localhost", false },	     { "fe80::1", false },
		{ "::127.0.0.1", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct env memory;
		struct request r;
		char remote[64];

		snprintf(remote, sizeof(remote), "REMOTE_ADDR=%s",
			 table[i].address);
		good(&r, &memory, (const char *const[]){ remote, NULL }, "");
		if (r.peer_is_local != table[i].local)
			fail_msg("%s", table[i].address);
		request_release(&r);
	}
}

static void a_query_that_is_none_of_ours_is_empty(void **state)
{
	static const char *const queries[] = {
		"QUERY_STRING=--config%3d/x+-h", "QUERY_STRING=a=%zz",
		"QUERY_STRING=session=a&session=b", "QUERY_STRING=a=%ff",
		"QUERY_STRING=a=%00", "QUERY_STRING=",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(queries); i++) {
		struct env memory;
		struct request r;

		good(&r, &memory,
		     (const char *const[]){ "REQUEST_METHOD=GET", queries[i],
					    NULL },
		     "");
		assert_int_equal(r.query.count, 0);
		request_release(&r);
	}
}

#define POST "REQUEST_METHOD=POST"
#define FORM "CONTENT_TYPE=application/x-www-form-urlencoded"

static void a_post_has_the_fields_of_its_body_alone(void **state)
{
	struct env memory;
	struct request r;

	(void)state;
	/* Bytes behind CONTENT_LENGTH are not the request's. */
	good(&r, &memory,
	     (const char *const[]){ POST, FORM, "CONTENT_LENGTH=15",
				    "QUERY_STRING=manage=1", NULL },
	     "create=1&user=a&x=1");
	assert_int_equal(r.fields.count, 2);
	assert_string_equal(form_get(&r.fields, "user"), "a");
	assert_int_equal(r.query.count, 0);
	request_release(&r);
}

static void a_bad_body_is_refused(void **state)
{
	static const struct {
		const char *length; /* NULL: none */
		const char *type;
		const char *body;
		enum err_code code;
		const char *field;
	} table[] = {
		{ NULL, FORM, "a=1", ERR_INPUT, "" },
		{ "", FORM, "a=1", ERR_INPUT, "" },
		{ "+3", FORM, "a=1", ERR_INPUT, "" },
		{ " 3", FORM, "a=1", ERR_INPUT, "" },
		{ "3x", FORM, "a=1", ERR_INPUT, "" },
		{ "-1", FORM, "a=1", ERR_INPUT, "" },
		{ "0x3", FORM, "a=1", ERR_INPUT, "" },
		{ "4", FORM, "a=1", ERR_INPUT, "" },
		{ "131073", FORM, "a=1", ERR_TOO_LARGE, "" },
		{ "99999999999999999999999", FORM, "", ERR_TOO_LARGE, "" },
		{ "3", "CONTENT_TYPE=text/plain", "a=1", ERR_INPUT, "" },
		{ "3", "HTTP_X=y", "a=1", ERR_INPUT, "" },
		{ "7", FORM, "a=1&a=2", ERR_INPUT, "a" },
		{ "7", FORM, "cpu=%zz", ERR_INPUT, "cpu" },
		{ "8", FORM, "user=%ff", ERR_INPUT, "user" },
		{ "8", FORM, "user=%00", ERR_INPUT, "user" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct err e = ERR_INIT;
		int fd = body_of(table[i].body);
		struct env memory;
		struct request r;
		char length[64];
		int result;

		snprintf(length, sizeof(length), "%s=%s",
			 table[i].length ? "CONTENT_LENGTH" : "NOTHING",
			 table[i].length ? table[i].length : "");
		result = request_read(
			&r,
			make_env(&memory,
				 (const char *const[]){
					 POST, table[i].type, length,
					 "HTTP_ACCEPT=application/json",
					 NULL }),
			fd, &e);
		if (result != -1 || e.code != table[i].code ||
		    strcmp(e.field, table[i].field) != 0)
			fail_msg("row %zu: %s '%s' %s", i, err_name(e.code),
				 e.field, e.msg);
		/* Enough is known to answer. */
		assert_int_equal(r.method, METHOD_POST);
		assert_true(r.wants_json);
		assert_int_equal(r.fields.count, 0);
		request_release(&r);
		close(fd);
	}
}

static void a_header_of_more_than_8_kib_is_refused(void **state)
{
	static const char *const names[] = { "HTTP_ORIGIN", "HTTP_COOKIE",
					     "HTTP_HOST", "REMOTE_ADDR" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		AUTO_FREE char *header = malloc(9001);
		struct err e = ERR_INIT;
		struct request r;
		int used;

		assert_non_null(header);
		memset(header, 'a', 9000);
		header[9000] = '\0';
		used = snprintf(header, 9000, "%s=", names[i]);
		header[used] = 'a';
		assert_int_equal(request_read(&r, (char *[]){ header, NULL },
					      -1, &e),
				 -1);
		assert_int_equal(e.code, ERR_TOO_LARGE);
		request_release(&r);
	}
}

/* ---- Rules ---- */

static void make_config(struct config *c, const char *service_url,
			bool anonymous)
{
	struct err e = ERR_INIT;

	assert_int_equal(config_init(c, &e), 0);
	assert_int_equal(config_set(c, "service_url", service_url, &e), 0);
	assert_int_equal(config_set(c, "allow_anonymous",
				    anonymous ? "yes" : "no", &e),
			 0);
}

static void without_logins_only_this_machine_is_served(void **state)
{
	static const struct {
		const char *remote;
		const char *host;
		const char *more;
		bool admitted;
	} table[] = {
		{ "127.0.0.1", "localhost:8080", "X=", true },
		{ "127.0.0.1", "LOCALHOST", "X=", true },
		{ "127.0.0.1", "127.0.0.1:8080", "X=", true },
		{ "::1", "[::1]:8080", "X=", true },
		{ "127.0.0.1", "desktop.lab.example", "X=", true },
		{ "127.0.0.1", "desktop.lab.example:8443", "X=", true },
		{ "192.0.2.1", "localhost", "X=", false },
		{ "", "localhost", "X=", false },
		{ "127.0.0.1", "localhost", "HTTP_X_FORWARDED_FOR=::1", false },
		{ "127.0.0.1", "localhost", "HTTP_X_FORWARDED_FOR=", false },
		{ "127.0.0.1", "localhost", "HTTP_FORWARDED=for=x", false },
		{ "127.0.0.1", "localhost", "HTTP_VIA=1.1 x", false },
		{ "127.0.0.1", "evil.example", "X=", false },
		{ "127.0.0.1", "localhost.evil.example", "X=", false },
		{ "127.0.0.1", "127.0.0.1.evil.example", "X=", false },
		{ "127.0.0.1", "localhost@evil.example", "X=", false },
		{ "127.0.0.1", "localhost/evil.example", "X=", false },
		{ "127.0.0.1", "localhost:", "X=", false },
		{ "127.0.0.1", "localhost:99999", "X=", false },
		{ "127.0.0.1", "", "X=", false },
		{ "127.0.0.1", NULL, "X=", false },
	};
	AUTO_CONFIG struct config strict = { .file = NULL };
	AUTO_CONFIG struct config open = { .file = NULL };

	(void)state;
	make_config(&strict, "https://desktop.lab.example", false);
	make_config(&open, "https://desktop.lab.example", true);
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct err e = ERR_INIT;
		struct env memory;
		struct request r;
		char remote[64];
		char host[64];
		int result;

		snprintf(remote, sizeof(remote), "REMOTE_ADDR=%s",
			 table[i].remote);
		snprintf(host, sizeof(host), "%s=%s",
			 table[i].host ? "HTTP_HOST" : "NOTHING",
			 table[i].host ? table[i].host : "");
		good(&r, &memory,
		     (const char *const[]){ remote, host, table[i].more, NULL },
		     "");
		result = request_admit(&r, &strict, &e);
		if (result != (table[i].admitted ? 0 : -1))
			fail_msg("%s %s %s", remote, host, table[i].more);
		if (result < 0)
			assert_int_equal(e.code, ERR_FORBIDDEN);
		assert_int_equal(request_admit(&r, &open, &e), 0);
		request_release(&r);
	}
}

static void a_post_of_another_site_is_refused(void **state)
{
	static const struct {
		const char *remote;
		const char *host;
		const char *origin; /* NULL: absent */
		const char *site;   /* NULL: absent */
		bool accepted;
	} table[] = {
		{ "192.0.2.1", "x", NULL, NULL, true },
		{ "192.0.2.1", "x", NULL, "none", true },
		{ "192.0.2.1", "x", NULL, "same-origin", true },
		{ "192.0.2.1", "x", NULL, "same-site", false },
		{ "192.0.2.1", "x", NULL, "cross-site", false },
		{ "192.0.2.1", "x", NULL, "", false },
		{ "192.0.2.1", "x", "https://desktop.lab.example", NULL, true },
		{ "192.0.2.1", "x", "https://desktop.lab.example:443", NULL,
		  true },
		{ "192.0.2.1", "x", "https://desktop.lab.example",
		  "cross-site", false },
		{ "192.0.2.1", "x", "http://desktop.lab.example", NULL, false },
		{ "192.0.2.1", "x", "https://desktop.lab.example:8443", NULL,
		  false },
		{ "192.0.2.1", "x", "https://desktop.lab.example.evil", NULL,
		  false },
		{ "192.0.2.1", "x", "https://desktop.lab.example/", NULL,
		  false },
		{ "192.0.2.1", "x", "http://server.lab.example:8080", NULL,
		  true },
		{ "192.0.2.1", "x", "http://server.lab.example", NULL, false },
		{ "192.0.2.1", "x", "null", NULL, false },
		{ "192.0.2.1", "x", "null", "same-origin", false },
		{ "192.0.2.1", "x", "", NULL, false },
		/* The Host header is the visitor's: it proves nothing. */
		{ "192.0.2.1", "evil.example", "http://evil.example", NULL,
		  false },
		{ "127.0.0.1", "evil.example", "http://evil.example", NULL,
		  false },
		/* On the machine itself, by its own names. */
		{ "127.0.0.1", "localhost:8080", "http://localhost:8080", NULL,
		  true },
		{ "127.0.0.1", "127.0.0.1:8080", "http://127.0.0.1:8080", NULL,
		  true },
		{ "127.0.0.1", "[::1]:8080", "http://[::1]:8080", NULL, true },
		{ "127.0.0.1", "localhost:8080", "http://127.0.0.1:8080", NULL,
		  true },
		{ "127.0.0.1", "localhost", "https://localhost", NULL, true },
		{ "127.0.0.1", "localhost:8080", "http://localhost:6080", NULL,
		  false },
		{ "127.0.0.1", "localhost:8080", "http://localhost", NULL,
		  false },
		{ "127.0.0.1", "evil.example:8080", "http://localhost:8080",
		  NULL, false },
		{ "192.0.2.1", "localhost:8080", "http://localhost:8080", NULL,
		  false },
	};
	AUTO_CONFIG struct config c = { .file = NULL };

	(void)state;
	make_config(&c, "https://desktop.lab.example", false);
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct request r = REQUEST_INIT;
		struct err e = ERR_INIT;
		struct env memory;
		char text[3][128];
		int result;

		snprintf(text[0], sizeof(text[0]), "REMOTE_ADDR=%s",
			 table[i].remote);
		snprintf(text[1], sizeof(text[1]), "HTTP_HOST=%s",
			 table[i].host);
		good(&r, &memory,
		     (const char *const[]){ text[0], text[1],
					    "SERVER_NAME=server.lab.example",
					    "SERVER_PORT=8080", NULL },
		     "");
		r.origin = table[i].origin;
		r.fetch_site = table[i].site;
		result = request_check_origin(&r, &c, &e);
		if (result != (table[i].accepted ? 0 : -1))
			fail_msg("row %zu: %s by %s at %s", i,
				 table[i].origin ? table[i].origin : "-",
				 table[i].site ? table[i].site : "-",
				 table[i].host);
		if (result < 0)
			assert_int_equal(e.code, ERR_FORBIDDEN);
		request_release(&r);
	}
}

static void nothing_is_served_below_the_programs_name(void **state)
{
	static const struct {
		const char *path;
		enum err_code code;
	} table[] = {
		{ "PATH_INFO=", ERR_NONE },
		{ "PATH_INFO=/", ERR_NOT_FOUND },
		{ "PATH_INFO=/x", ERR_NOT_FOUND },
	};
	AUTO_CONFIG struct config open = { .file = NULL };

	(void)state;
	make_config(&open, "", true);
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct err e = ERR_INIT;
		struct env memory;
		struct request r;

		good(&r, &memory,
		     (const char *const[]){ "REQUEST_METHOD=GET",
					    table[i].path, NULL },
		     "");
		assert_int_equal(request_admit(&r, &open, &e),
				 table[i].code == ERR_NONE ? 0 : -1);
		assert_int_equal(e.code, table[i].code);
		request_release(&r);
	}
}

static void links_never_come_from_the_host_header(void **state)
{
	static const struct {
		const char *service_url;
		const char *name;
		const char *port;
		bool https;
		const char *origin;
	} table[] = {
		{ "https://desktop.lab.example", "server", "80", false,
		  "https://desktop.lab.example" },
		{ "http://desktop.lab.example:8080", "server", "80", false,
		  "http://desktop.lab.example:8080" },
		{ "", "server.lab.example", "80", false,
		  "http://server.lab.example" },
		{ "", "server.lab.example", "443", true,
		  "https://server.lab.example" },
		{ "", "server.lab.example", "8080", false,
		  "http://server.lab.example:8080" },
		{ "", "[::1]", "8080", false, "http://[::1]:8080" },
		{ "", "bad name", "80", false, "http://localhost" },
		{ "", "", "", false, "http://localhost" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		AUTO_CONFIG struct config c = { .file = NULL };
		char origin[SESSION_ORIGIN_SIZE];
		struct request r = REQUEST_INIT;

		make_config(&c, table[i].service_url, false);
		r.server_name = table[i].name;
		r.server_port = table[i].port;
		r.https = table[i].https;
		r.host = "evil.example";
		request_link_origin(&r, &c, origin);
		assert_string_equal(origin, table[i].origin);
	}
}

static void a_server_knows_the_names_that_it_is_called_by(void **state)
{
	AUTO_CONFIG struct config c = { .file = NULL };
	struct request r = REQUEST_INIT;
	struct farm_names names;

	(void)state;
	make_config(&c, "https://desktop.lab.example", false);
	r.server_name = "Server2.lab.example";
	r.server_port = "443";
	r.server_addr = "2001:db8::2";
	r.https = true;
	r.host = "evil.example";
	request_own_names(&r, &c, &names);
	assert_int_equal(names.count, 3);
	assert_string_equal(names.list[0], "https://desktop.lab.example");
	assert_true(farm_is_name(&names, "https://server2.lab.example"));
	assert_true(farm_is_name(&names, "https://[2001:db8::2]"));
	assert_false(farm_is_name(&names, "https://evil.example"));
	assert_false(farm_is_name(&names, "http://desktop.lab.example"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_environment_is_understood),
		cmocka_unit_test(an_empty_environment_is_no_known_method),
		cmocka_unit_test(methods_are_compared_exactly),
		cmocka_unit_test(json_is_wanted_where_it_is_named_before_html),
		cmocka_unit_test(loopback_addresses_are_told_from_others),
		cmocka_unit_test(a_query_that_is_none_of_ours_is_empty),
		cmocka_unit_test(a_post_has_the_fields_of_its_body_alone),
		cmocka_unit_test(a_bad_body_is_refused),
		cmocka_unit_test(a_header_of_more_than_8_kib_is_refused),
		cmocka_unit_test(without_logins_only_this_machine_is_served),
		cmocka_unit_test(a_post_of_another_site_is_refused),
		cmocka_unit_test(nothing_is_served_below_the_programs_name),
		cmocka_unit_test(links_never_come_from_the_host_header),
		cmocka_unit_test(a_server_knows_the_names_that_it_is_called_by),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
