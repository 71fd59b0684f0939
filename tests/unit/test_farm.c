/* src/farm, conf/servers, and the request of qwd-net farm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "conf/servers.h"
#include "farm/answer.h"
#include "farm/choice.h"
#include "farm/farm.h"
#include "farm/peer.h"
#include "farm/perl.h"
#include "net/farm.h"
#include "shelf.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/json.h"

static int no_farm(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	return file_remove_tree(shelf.dir, "farm", &e);
}

/* ---- The list ---- */

static void servers_are_names_addresses_and_urls(void **state)
{
	static const struct {
		const char *text;
		const char *origin;
		const char *url;
	} good[] = {
		{ "server2", "https://server2",
		  "https://server2/qemu-web-desktop/farm" },
		{ "Server2.Lab.Example:443", "https://server2.lab.example",
		  "https://server2.lab.example/qemu-web-desktop/farm" },
		{ "195.221.4.1", "https://195.221.4.1",
		  "https://195.221.4.1/qemu-web-desktop/farm" },
		{ "2001:db8::1", "https://[2001:db8::1]",
		  "https://[2001:db8::1]/qemu-web-desktop/farm" },
		{ "[2001:db8::1]:8443", "https://[2001:db8::1]:8443",
		  "https://[2001:db8::1]:8443/qemu-web-desktop/farm" },
		{ "http://server1/", "http://server1",
		  "http://server1/qemu-web-desktop/farm" },
		{ "https://server1:8443/qemu-web-desktop/",
		  "https://server1:8443",
		  "https://server1:8443/qemu-web-desktop/farm" },
		{ "https://server1/cgi-bin/qemu-web-desktop",
		  "https://server1", "https://server1/qemu-web-desktop/farm" },
	};
	static const char *const bad[] = {
		"",
		"ftp://server",
		"https://",
		"server 2",
		"ann:secret@server",
		"https://server/other",
		"https://server/?x",
		"https://server/../x.pl",
		"server:0",
		"server:65536",
		"-server",
		"https://server\\@other",
	};
	struct server s;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_null(server_parse(good[i].text, &s));
		assert_string_equal(s.origin, good[i].origin);
		assert_string_equal(s.url, good[i].url);
		assert_int_equal(s.https, text_starts(s.origin, "https:"));
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (!server_parse(bad[i], &s))
			fail_msg("'%s' passes", bad[i]);
}

static void a_server_stands_once_in_the_list(void **state)
{
	struct servers s;

	(void)state;
	assert_null(servers_parse("a, https://A/,b,http://a", &s));
	assert_int_equal(s.count, 3);
	assert_non_null(servers_find(&s, "https://a"));
	assert_null(servers_find(&s, "https://c"));
	assert_null(servers_parse("", &s));
	assert_int_equal(s.count, 0);
	assert_non_null(servers_parse("a,,b", &s));
}

static void http_is_refused_unless_the_configuration_says_so(void **state)
{
	struct config c;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(config_init(&c, &e), 0);
	assert_int_equal(config_set(&c, "fallback_servers", "http://a, b", &e),
			 0);
	assert_int_equal(config_finish(&c, &e), -1);
	assert_int_equal(e.code, ERR_CONFIG);
	assert_non_null(strstr(e.msg, "farm_http"));
	assert_int_equal(config_set(&c, "farm_http", "yes", &e), 0);
	assert_int_equal(config_finish(&c, &e), 0);
	assert_string_equal(c.farm_secret,
			    "/var/lib/qemu-web-desktop/farm-secret");
	assert_int_equal(config_set(&c, "fallback_servers", "a b", &e), -1);
	assert_int_equal(e.code, ERR_CONFIG);
	config_release(&c);
}

/* ---- This server ---- */

static void the_id_stays_and_is_random(void **state)
{
	char one[FARM_ID_SIZE];
	char two[FARM_ID_SIZE];
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(peer_id(&shelf, one, &e), 0);
	assert_int_equal(peer_id(&shelf, two, &e), 0);
	assert_string_equal(one, two);
	assert_int_equal(no_farm(NULL), 0);
	assert_int_equal(peer_id(&shelf, two, &e), 0);
	assert_string_not_equal(one, two);
}

static void a_server_is_skipped_until_it_answers(void **state)
{
	char reason[PEER_REASON_SIZE] = "";
	struct err e = ERR_INIT;

	(void)state;
	assert_false(peer_is_skipped(&shelf, "https://a", reason));
	assert_int_equal(peer_skip(&shelf, "https://a", "timeout", 60, &e), 0);
	assert_int_equal(peer_skip(&shelf, "https://b", "tls", 60, &e), 0);
	assert_true(peer_is_skipped(&shelf, "https://a", reason));
	assert_string_equal(reason, "timeout");
	assert_int_equal(peer_skip(&shelf, "https://a", "", 0, &e), 0);
	assert_false(peer_is_skipped(&shelf, "https://a", reason));
	assert_true(peer_is_skipped(&shelf, "https://b", reason));
}

static void a_list_of_those_to_skip_that_is_damaged_skips_nobody(void **state)
{
	static const char *const texts[] = { "", "{", "{\"boot_id\": 7}",
					     "[]" };
	char reason[PEER_REASON_SIZE];
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(peer_skip(&shelf, "https://a", "tls", 60, &e), 0);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		assert_int_equal(file_replace(shelf.dir, "farm/skip", texts[i],
					      strlen(texts[i]), 0600, false,
					      &e),
				 0);
		assert_false(peer_is_skipped(&shelf, "https://a", reason));
		assert_int_equal(peer_skip(&shelf, "https://a", "tls", 60, &e),
				 0);
		assert_true(peer_is_skipped(&shelf, "https://a", reason));
	}
}

/* ---- Answers ---- */

static json_t *parse(const char *text)
{
	json_t *json = json_loads(text, 0, NULL);

	assert_non_null(json);
	return json;
}

static void a_status_is_read_as_it_was_made(void **state)
{
	struct farm_status a = { .time = 7,
				 .busy_milli = 250,
				 .free_sessions = 3,
				 .free_cpu = 2,
				 .free_memory_mb = 512,
				 .user_sessions = 1,
				 .user_cpu = 4,
				 .user_memory_mb = 1024 };
	struct farm_status b = { .time = 0 };
	AUTO_JSON json_t *json = NULL;
	struct err e = ERR_INIT;

	(void)state;
	memset(a.id, 'i', FARM_ID_SIZE - 1);
	json = status_value(&a);
	assert_int_equal(answer_status(json, &b, &e), 0);
	assert_memory_equal(&a, &b, sizeof(a));
	json_object_set_new(json_object_get(json, "server"), "free_cpu",
			    json_integer(-1));
	assert_int_equal(answer_status(json, &b, &e), -1);
	assert_int_equal(e.code, ERR_DAMAGED);
}

static const char face[] =
	"{\"session\": {\"name\": \"qemu-web-desktop-abcdefghijklmnopqrst\", "
	"\"user\": \"ann\", \"machine\": \"tiny.iso\", \"state\": "
	"\"running\", \"reason\": null, \"notice\": null, \"cpu\": 1, "
	"\"memory_mb\": 256, \"gpu\": null, \"oneshot\": false, \"started\": "
	"\"2026-11-23T15:04:05Z\", \"ends\": null, \"ending\": false, "
	"\"url\": \"https://elsewhere.example/#token=secret\", \"more\": 1}}";

static void a_face_keeps_what_it_may_and_nothing_else(void **state)
{
	AUTO_JSON json_t *json = parse(face);
	AUTO_JSON json_t *session = NULL;
	struct err e = ERR_INIT;

	(void)state;
	session = answer_session(json, &e);
	assert_non_null(session);
	assert_int_equal(json_object_size(session), 13);
	assert_null(json_object_get(session, "url"));
	assert_null(json_object_get(session, "more"));
}

static void a_face_of_another_form_is_refused(void **state)
{
	static const struct {
		const char *key;
		const char *value;
	} wrong[] = {
		{ "name", "\"../../etc\"" },	{ "name", "7" },
		{ "user", "\"<b>\"" },		{ "user", "\"\"" },
		{ "machine", "\"../x\"" },	{ "state", "\"flying\"" },
		{ "cpu", "\"1\"" },		{ "memory_mb", "-1" },
		{ "oneshot", "0" },		{ "started", "\"today\"" },
		{ "ends", "\"\"" },		{ "reason", "[]" },
		{ "reason", "\"a\\u0007b\"" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		AUTO_JSON json_t *json = parse(face);
		AUTO_JSON json_t *list = NULL;
		json_t *session = json_object_get(json, "session");
		struct err e = ERR_INIT;

		json_object_set_new(session, wrong[i].key,
				    json_loads(wrong[i].value,
					       JSON_DECODE_ANY, NULL));
		if (answer_session(json, &e))
			fail_msg("%s = %s passes", wrong[i].key,
				 wrong[i].value);
		assert_int_equal(e.code, ERR_DAMAGED);
		list = json_pack("{s[O]}", "sessions", session);
		assert_null(answer_sessions(list, &e));
	}
}

static void a_list_is_cut(void **state)
{
	AUTO_JSON json_t *json = parse(face);
	AUTO_JSON json_t *answer = json_pack("{s[]}", "sessions");
	AUTO_JSON json_t *list = NULL;
	struct err e = ERR_INIT;

	(void)state;
	for (int i = 0; i < FARM_LIST_MAX + 5; i++)
		json_array_append(json_object_get(answer, "sessions"),
				  json_object_get(json, "session"));
	list = answer_sessions(answer, &e);
	assert_int_equal(json_array_size(list), FARM_LIST_MAX);
	assert_null(answer_sessions(json, &e));
}

/* ---- qwd-net ---- */

static void a_request_for_servers_is_read_strictly(void **state)
{
	static const char good[] = "{\"calls\": [{\"url\": \"https://a/\", "
				   "\"body\": \"x=1\", "
				   "\"accept\": \"application/json\"}], "
				   "\"http\": false, "
				   "\"fresh\": false, \"ca_file\": null, "
				   "\"max\": 1000, \"connect_ms\": 1000, "
				   "\"timeout_ms\": 2000}";
	static const struct {
		const char *key;
		const char *value;
	} wrong[] = {
		{ "calls", "[]" },
		{ "calls", "[1]" },
		{ "calls", "[{\"url\": \"file:///etc/passwd\", \"body\": "
			   "\"\", \"accept\": \"\"}]" },
		{ "calls", "[{\"url\": \"https://a/\", \"body\": \"\", "
			   "\"accept\": \"a\\r\\nb: c\"}]" },
		{ "http", "1" },
		{ "fresh", "null" },
		{ "ca_file", "\"relative\"" },
		{ "max", "0" },
		{ "connect_ms", "60001" },
		{ "timeout_ms", "null" },
		{ "more", "1" },
	};
	struct farm_request r;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(farm_request_parse(good, strlen(good), &r, &e), 0);
	assert_int_equal(r.connect_ms, 1000);
	assert_string_equal(r.ca_file, "/etc/ssl/certs/ca-certificates.crt");
	farm_request_release(&r);
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		AUTO_JSON json_t *json = parse(good);
		AUTO_FREE char *text = NULL;

		json_object_set_new(json, wrong[i].key,
				    json_loads(wrong[i].value,
					       JSON_DECODE_ANY, NULL));
		text = json_text(json);
		e = (struct err)ERR_INIT;
		if (farm_request_parse(text, strlen(text), &r, &e) == 0)
			fail_msg("%s = %s passes", wrong[i].key,
				 wrong[i].value);
		assert_int_equal(e.code, ERR_DAMAGED);
	}
}

/* ---- Which server first ---- */

static void the_least_loaded_server_that_fits_comes_first(void **state)
{
	static const struct session s = { .cpu = 2, .memory_mb = 100 };
	static const struct server a = { .origin = "a" };
	static const struct server b = { .origin = "b" };
	static const struct server c = { .origin = "c" };
	const struct farm_status here = { .busy_milli = 500,
					  .free_sessions = 1,
					  .free_cpu = 2,
					  .free_memory_mb = 100 };
	struct farm_status full = here;
	struct farm_status idle = here;
	struct choice list[5];

	(void)state;
	full.busy_milli = 0;
	full.free_sessions = 0;
	idle.busy_milli = 100;
	list[0] = choice_of(NULL, &here, &s);
	list[1] = choice_of(&a, &full, &s);
	list[2] = choice_of(&b, &here, &s);
	list[3] = choice_of(&c, &idle, &s);
	choice_sort(list, 4);
	assert_ptr_equal(list[0].server, &c);
	assert_null(list[1].server); /* nothing differs: this one */
	assert_ptr_equal(list[2].server, &b);
	assert_ptr_equal(list[3].server, &a);
	full = here;
	full.free_cpu = 1;
	assert_false(choice_of(&a, &full, &s).fits);
	full = here;
	full.free_memory_mb = 99;
	assert_false(choice_of(&a, &full, &s).fits);
}

/* ---- The Perl program ---- */

static void the_display_is_the_one_thing_taken_from_a_page(void **state)
{
	static const struct {
		const char *page;
		const char *url;
	} table[] = {
		{ "<a href=\"https://old.example/vnc.html?a=1&amp;b=2\">",
		  "https://old.example/vnc.html?a=1&b=2" },
		{ "http <b>http://OLD.example:6081/x/vnc_lite.html#t=1</b>",
		  "http://OLD.example:6081/x/vnc_lite.html#t=1" },
		{ "https://evil.example/vnc.html https://old.example/ "
		  "https://old.example/vnc.html",
		  "https://old.example/vnc.html" },
		{ "https://old.example.evil.example/vnc.html", NULL },
		{ "https://old.example@evil.example/vnc.html", NULL },
		{ "https://old.example/novnc.htm", NULL },
		{ "https://old.example/?x=/vnc.html", NULL },
		{ "javascript://old.example/vnc.html", NULL },
		{ "", NULL },
	};
	static const struct server server = { .origin =
						      "https://old.example" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		char url[PERL_URL_SIZE] = "";

		assert_int_equal(perl_find_display(table[i].page, &server, url),
				 table[i].url != NULL);
		assert_string_equal(url, table[i].url ? table[i].url : "");
	}
}

static void perl_servers_get_passwords_by_https_and_by_leave(void **state)
{
	static const char https[] = "https://old.example/cgi-bin/q.pl";
	struct config c;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(config_init(&c, &e), 0);
	assert_int_equal(config_set(&c, "fallback_servers", https, &e), 0);
	assert_int_equal(config_finish(&c, &e), -1);
	assert_non_null(strstr(e.msg, "set farm_perl"));
	assert_int_equal(config_set(&c, "farm_perl", "yes", &e), 0);
	assert_int_equal(config_finish(&c, &e), 0);
	assert_int_equal(config_set(&c, "farm_http", "yes", &e), 0);
	assert_int_equal(config_set(&c, "fallback_servers",
				    "http://old.example/cgi-bin/q.pl", &e),
			 0);
	assert_int_equal(config_finish(&c, &e), -1);
	assert_non_null(strstr(e.msg, "over https only"));
	config_release(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(servers_are_names_addresses_and_urls),
		cmocka_unit_test(a_server_stands_once_in_the_list),
		cmocka_unit_test(
			http_is_refused_unless_the_configuration_says_so),
		cmocka_unit_test_setup(the_id_stays_and_is_random, no_farm),
		cmocka_unit_test_setup(a_server_is_skipped_until_it_answers,
				       no_farm),
		cmocka_unit_test_setup(
			a_list_of_those_to_skip_that_is_damaged_skips_nobody,
			no_farm),
		cmocka_unit_test(a_status_is_read_as_it_was_made),
		cmocka_unit_test(a_face_keeps_what_it_may_and_nothing_else),
		cmocka_unit_test(a_face_of_another_form_is_refused),
		cmocka_unit_test(a_list_is_cut),
		cmocka_unit_test(a_request_for_servers_is_read_strictly),
		cmocka_unit_test(
			the_least_loaded_server_that_fits_comes_first),
		cmocka_unit_test(
			the_display_is_the_one_thing_taken_from_a_page),
		cmocka_unit_test(
			perl_servers_get_passwords_by_https_and_by_leave),
	};

	return cmocka_run_group_tests(tests, shelf_make, shelf_remove);
}
