/* src/session/session: the record, and its public face. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/macros.h"
#include "session/session.h"
#include "sys/clock.h"
#include "sys/json.h"

#define NAME "qemu-web-desktop-abcdefghij234567klmn"
#define TOKEN "abcdefghijklmnopqrstuvwxyz234567"
#define BOOT_ID "01234567-89ab-cdef-0123-456789abcdef"

/* Every member with a value of its own. */
static struct session whole(void)
{
	return (struct session){
		.name = NAME,
		.user = "J\303\274rg.\346\227\245\346\234\254@lab",
		.email = "juerg@lab.example",
		.machine = "debian 12.qcow2",
		.title = "Debian \"12\" <\342\202\254>\n",
		.format = "qcow2",
		.iso = true,
		.virtual_size = 1LL << 62,
		.cpu = 4096,
		.memory_mb = 1LL << 40,
		.touched_mb = 77,
		.disk_mb = 12345,
		.oneshot = true,
		.state = SESSION_RUNNING,
		.step = STEP_GUEST,
		.guest_seen = true,
		.kvm = true,
		.network = "user",
		.firmware = "uefi-secure",
		.arch = "aarch64",
		.tpm = true,
		.master = true,
		.gpu = "0000:4c:00.0",
		.qemu_options = "-device \"x,y\"",
		.mounts = "/srv/data, /srv/homes/@USER@:rw",
		.scripted = true,
		.notice = "A script was not fetched.",
		.reason = "It was \\ so.",
		.token = TOKEN,
		.origin = "https://desktop.lab.example:8443",
		.started = 1795449775,
		.started_boot_ms = 99000000,
		.ends = 1795536175,
		.ends_boot_ms = 99000001,
		.warn_boot_ms = 99000003,
		.ended = 1795449999,
		.ended_boot_ms = 99000002,
		.port = 65535,
		.boot_id = BOOT_ID,
		.remote = true,
		.job = 2147483647,
		.node = "node-1.lab.example",
		.job_reason = "Resources",
		.job_start = 1795450000,
		.job_away = true,
		.display_away = true,
		.account = "physics",
		.partition = "night",
		.qos = "high",
	};
}

#define SAME_STR(m) assert_string_equal(a->m, b->m)
#define SAME(m) assert_true(a->m == b->m)

static void check_same(const struct session *a, const struct session *b)
{
	SAME_STR(name);
	SAME_STR(user);
	SAME_STR(email);
	SAME(scripted);
	SAME_STR(notice);
	SAME_STR(machine);
	SAME_STR(title);
	SAME_STR(format);
	SAME(iso);
	SAME(virtual_size);
	SAME(cpu);
	SAME(memory_mb);
	SAME(touched_mb);
	SAME(disk_mb);
	SAME(oneshot);
	SAME(state);
	SAME(step);
	SAME(guest_seen);
	SAME(kvm);
	SAME_STR(network);
	SAME_STR(firmware);
	SAME_STR(arch);
	SAME(tpm);
	SAME(master);
	SAME_STR(gpu);
	SAME_STR(qemu_options);
	SAME_STR(mounts);
	SAME_STR(reason);
	SAME_STR(token);
	SAME_STR(origin);
	SAME(started);
	SAME(started_boot_ms);
	SAME(warn_boot_ms);
	SAME(ends);
	SAME(ends_boot_ms);
	SAME(ended);
	SAME(ended_boot_ms);
	SAME(port);
	SAME_STR(boot_id);
	SAME(remote);
	SAME(job);
	SAME_STR(node);
	SAME_STR(job_reason);
	SAME(job_start);
	SAME(job_away);
	SAME(display_away);
	SAME_STR(account);
	SAME_STR(partition);
	SAME_STR(qos);
}

/* Through text and back. */
static void check_round_trip(const struct session *s)
{
	AUTO_JSON json_t *record = session_to_record(s);
	AUTO_JSON json_t *again = NULL;
	AUTO_FREE char *text = NULL;
	struct session back;
	struct err e = ERR_INIT;

	assert_non_null(record);
	text = json_dumps(record, 0);
	assert_non_null(text);
	again = json_parse_object(text, strlen(text), &e);
	assert_non_null(again);
	if (session_from_record(again, &back, &e) < 0)
		fail_msg("%s", e.msg);
	check_same(s, &back);
}

static void a_record_keeps_every_member(void **state)
{
	struct session s = whole();

	(void)state;
	check_round_trip(&s);
	s = (struct session){ .name = "a", .user = "b", .machine = "c" };
	check_round_trip(&s);
}

static void a_record_keeps_every_state_and_step(void **state)
{
	struct session s = whole();

	(void)state;
	for (int i = SESSION_STARTING; i <= SESSION_FAILED; i++) {
		s.state = (enum session_state)i;
		check_round_trip(&s);
		assert_int_equal(session_is_final(&s),
				 i == SESSION_ENDED || i == SESSION_FAILED);
	}
	for (int i = STEP_ACCEPTED; i < STEP_COUNT; i++) {
		s.step = (enum session_step)i;
		check_round_trip(&s);
	}
}

static void strings_of_full_length_are_kept(void **state)
{
	struct session s = whole();

	(void)state;
	memset(s.name, 'n', sizeof(s.name) - 1);
	memset(s.user, 'u', sizeof(s.user) - 1);
	memset(s.machine, 'm', sizeof(s.machine) - 1);
	memset(s.title, 't', sizeof(s.title) - 1);
	memset(s.format, 'f', sizeof(s.format) - 1);
	memset(s.network, 'w', sizeof(s.network) - 1);
	memset(s.reason, 'r', sizeof(s.reason) - 1);
	memset(s.origin, 'o', sizeof(s.origin) - 1);
	check_round_trip(&s);
	/* machine holds at most what a file name may have: 255 */
	assert_int_equal(strlen(s.machine), 255);
}

static void a_record_that_cannot_be_text_is_not_made(void **state)
{
	struct session s = whole();

	(void)state;
	snprintf(s.title, sizeof(s.title), "half a character \303");
	assert_null(session_to_record(&s));
}

static void the_version_stands_in_the_record(void **state)
{
	struct session s = whole();
	AUTO_JSON json_t *record = session_to_record(&s);

	(void)state;
	assert_int_equal(
		json_integer_value(json_object_get(record, "version")), 1);
	/* and 51 members, each of which check_same() compares */
	assert_int_equal(json_object_size(record), 52);
}

/* ---- Refusals: each names the key ---- */

static void check_refused(const json_t *record, const char *message)
{
	struct session back;
	struct err e = ERR_INIT;

	assert_int_equal(session_from_record(record, &back, &e), -1);
	assert_int_equal(e.code, ERR_DAMAGED);
	if (strncmp(e.msg, message, strlen(message)) != 0)
		fail_msg("'%s' does not begin with '%s'", e.msg, message);
}

/* The keys of a whole record. */
static size_t keys_of(const json_t *record, const char *ret[64])
{
	const char *key;
	json_t *value;
	size_t n = 0;

	json_object_foreach((json_t *)record, key, value) {
		assert_true(n < 64);
		ret[n++] = key;
	}
	return n;
}

static void a_missing_member_is_named(void **state)
{
	struct session s = whole();
	AUTO_JSON json_t *model = session_to_record(&s);
	const char *keys[64];
	size_t n = keys_of(model, keys);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		AUTO_JSON json_t *record = json_copy(model);
		char expected[64];

		snprintf(expected, sizeof(expected), "%s: not ", keys[i]);
		json_object_del(record, keys[i]);
		check_refused(record, expected);
	}
}

static void a_member_of_another_type_is_named(void **state)
{
	struct session s = whole();
	AUTO_JSON json_t *model = session_to_record(&s);
	const char *keys[64];
	size_t n = keys_of(model, keys);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		json_t *const others[] = {
			json_null(), json_array(), json_object(),
			json_real(1.0), json_string("1"), json_integer(1),
			json_true(),
		};
		json_type type = json_typeof(json_object_get(model, keys[i]));

		for (size_t j = 0; j < ARRAY_LEN(others); j++) {
			AUTO_JSON json_t *record = json_copy(model);
			bool same = json_typeof(others[j]) == type ||
				    (json_is_boolean(others[j]) &&
				     (type == JSON_TRUE || type == JSON_FALSE));
			char expected[64];

			snprintf(expected, sizeof(expected), "%s: not ",
				 keys[i]);
			json_object_set_new(record, keys[i], others[j]);
			if (!same)
				check_refused(record, expected);
		}
	}
}

static void a_number_out_of_range_is_named(void **state)
{
	static const struct {
		const char *key;
		long long value;
	} table[] = {
		{ "version", 0 },	  { "version", 2 },
		{ "version", -1 },	  { "cpu", -1 },
		{ "cpu", 4097 },	  { "memory_mb", -1 },
		{ "memory_mb", (1LL << 40) + 1 },
		{ "disk_mb", -1 },	  { "disk_mb", (1LL << 40) + 1 },
		{ "virtual_size", -1 },	  { "virtual_size", (1LL << 62) + 1 },
		{ "step", -1 },		  { "step", STEP_COUNT },
		{ "started", -1 },	  { "started", INT64_MAX },
		{ "ends", -1 },		  { "ends", INT64_MAX },
		{ "ends_boot_ms", -1 },	  { "ends_boot_ms", INT64_MAX },
		{ "ended", -1 },	  { "ended", INT64_MAX },
		{ "ended_boot_ms", -1 },  { "ended_boot_ms", INT64_MAX },
		{ "port", -1 },		  { "port", 65536 },
	};
	struct session s = whole();
	AUTO_JSON json_t *model = session_to_record(&s);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		AUTO_JSON json_t *record = json_copy(model);
		char expected[64];

		snprintf(expected, sizeof(expected), "%s: not an integer",
			 table[i].key);
		json_object_set_new(record, table[i].key,
				    json_integer(table[i].value));
		check_refused(record, expected);
	}
}

static void a_text_that_is_too_long_is_named(void **state)
{
	static const struct {
		const char *key;
		size_t max;
	} table[] = {
		{ "name", 63 },	   { "user", 128 },  { "machine", 255 },
		{ "title", 255 },  { "format", 15 }, { "network", 23 },
		{ "reason", 399 }, { "token", 32 },  { "origin", 299 },
		{ "boot_id", 36 }, { "state", 16 },
	};
	struct session s = whole();
	AUTO_JSON json_t *model = session_to_record(&s);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		AUTO_JSON json_t *record = json_copy(model);
		char text[512] = "";
		char expected[64];

		memset(text, 'x', table[i].max + 1);
		snprintf(expected, sizeof(expected),
			 "%s: not a string of at most %zu bytes", table[i].key,
			 table[i].max);
		json_object_set_new(record, table[i].key, json_string(text));
		check_refused(record, expected);
	}
}

static void an_unknown_state_is_named(void **state)
{
	static const char *const words[] = { "", "Running", "running ",
					     "dead", "0" };
	struct session s = whole();
	AUTO_JSON json_t *record = session_to_record(&s);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		json_object_set_new(record, "state", json_string(words[i]));
		check_refused(record, "state: unknown word");
	}
}

static void malformed_names_in_a_record_are_refused(void **state)
{
	static const char *const pairs[][2] = {
		{ "name", "" },		 { "name", "../etc" },
		{ "name", "A" },	 { "user", "" },
		{ "user", "a/b" },	 { "user", "a\nb" },
		{ "machine", "" },	 { "machine", "../image" },
		{ "machine", "/image" }, { "machine", ".image" },
		{ "machine", "-image" }, { "machine", "a\nb" },
	};
	struct session s = whole();
	AUTO_JSON json_t *model = session_to_record(&s);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		AUTO_JSON json_t *record = json_copy(model);

		json_object_set_new(record, pairs[i][0],
				    json_string(pairs[i][1]));
		check_refused(record, "name, user or machine is malformed");
	}
}

/* ---- Allow-lists ---- */

struct verdict {
	const char *text;
	bool ok;
};

static void session_names_are_of_few_characters(void **state)
{
	static const struct verdict table[] = {
		{ NAME, true },
		{ "a", true },
		{ "0", true },
		{ "a-", true },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		  "aaa",
		  true }, /* 63 */
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		  "aaaa",
		  false },
		{ "", false },
		{ "-a", false },
		{ ".", false },
		{ "..", false },
		{ "a.b", false },
		{ "a/b", false },
		{ "A", false },
		{ "a_b", false },
		{ "a b", false },
		{ "a\n", false },
		{ "a%00", false },
		{ "\303\251", false },
		{ "lock.json", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (session_name_ok(table[i].text) != table[i].ok)
			fail_msg("'%s'", table[i].text);
}

static void user_names_are_those_of_real_logins(void **state)
{
	static const struct verdict table[] = {
		{ "ann", true },
		{ "a", true },
		{ "Ann.O'Neil", false },
		{ "ann@lab.example", true },
		{ "ann+test@lab.example", true },
		{ "ann_b-c", true },
		{ "ann b", true },
		{ "LAB#ann", true },
		{ "J\303\274rg", true },
		{ "\346\227\245\346\234\254", true },
		{ "_apt", true },
		{ "0", true },
		{ "", false },
		{ " ann", false },
		{ "ann ", false },
		{ "-ann", false },
		{ ".ann", false },
		{ "..", false },
		{ "a/b", false },
		{ "a\\b", false },
		{ "a\"b", false },
		{ "a'b", false },
		{ "<b>", false },
		{ "a*", false },
		{ "a?", false },
		{ "(a)", false },
		{ "[a]", false },
		{ "{a}", false },
		{ "a,b", false },
		{ "a;b", false },
		{ "a:b", false },
		{ "a|b", false },
		{ "a&b", false },
		{ "$a", false },
		{ "`a`", false },
		{ "a!", false },
		{ "a%b", false },
		{ "a^b", false },
		{ "a=b", false },
		{ "~a", false },
		{ "a\n", false },
		{ "a\tb", false },
		{ "a\177", false },
		{ "a\302\23331m", false },	 /* U+009B, a terminal's CSI */
		{ "ann\342\200\213", false }, /* ann, and a space of no width */
		{ "\342\200\256nna", false }, /* written from right to left */
		{ "a\342\201\246b", false },
		{ "\357\273\277ann", false },
		{ "a\342\200\231b", true },	 /* a quotation mark */
		{ "a\342\202\254b", true },
		{ "a\r\nBcc: b", false },
		{ "\377", false },
		{ "a\300\257", false },	    /* overlong '/' */
		{ "a\355\240\200", false }, /* a surrogate */
		{ "a\303", false },
	};
	char longest[SESSION_USER_SIZE + 1] = "";

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (session_user_ok(table[i].text) != table[i].ok)
			fail_msg("'%s'", table[i].text);
	memset(longest, 'a', SESSION_USER_SIZE - 1);
	assert_true(session_user_ok(longest));
	memset(longest, 'a', SESSION_USER_SIZE);
	assert_false(session_user_ok(longest));
}

/* ---- The public face ---- */

static void check_public(const struct session *s, const char *url,
			 const char *expected)
{
	AUTO_JSON json_t *public = session_to_public(s, url);
	AUTO_FREE char *text = public ? json_dumps(public, JSON_COMPACT) : NULL;

	assert_non_null(text);
	assert_string_equal(text, expected);
}

static void the_public_face_has_the_promised_members(void **state)
{
	struct session s = whole();

	(void)state;
	snprintf(s.title, sizeof(s.title), "SECRET TITLE");
	snprintf(s.email, sizeof(s.email), "SECRET MAIL");
	s.ends_boot_ms = clock_boot_ms() + (s.ends - clock_wall()) * 1000;
	s.warn_boot_ms = clock_boot_ms();
	check_public(&s, "https://x/#t",
		     "{\"name\":\"" NAME "\","
		     "\"user\":\"J\303\274rg.\346\227\245\346\234\254@lab\","
		     "\"machine\":\"debian 12.qcow2\","
		     "\"state\":\"running\",\"reason\":\"It was \\\\ so.\","
		     "\"notice\":\"A script was not fetched.\","
		     "\"cpu\":4096,\"memory_mb\":1099511627776,\"gpu\":\"0000:4c:00.0\","
		     "\"oneshot\":true,\"started\":\"2026-11-23T16:02:55Z\","
		     "\"ends\":\"2026-11-24T16:02:55Z\",\"ending\":true,"
		     "\"cluster\":{\"account\":\"physics\","
		     "\"partition\":\"night\",\"qos\":\"high\"},"
		     "\"job\":{\"id\":2147483647,"
		     "\"node\":\"node-1.lab.example\","
		     "\"reason\":\"Resources\","
		     "\"expected_start\":\"2026-11-23T16:06:40Z\","
		     "\"control\":false},"
		     "\"url\":\"https://x/#t\"}");
}

static void what_is_not_there_is_null(void **state)
{
	struct session s = { .name = "a", .user = "b", .machine = "c",
			     .cpu = 1, .memory_mb = 2 };

	(void)state;
	check_public(&s, NULL,
		     "{\"name\":\"a\",\"user\":\"b\",\"machine\":\"c\","
		     "\"state\":\"starting\",\"reason\":null,\"notice\":null,"
		     "\"cpu\":1,"
		     "\"memory_mb\":2,\"gpu\":null,\"oneshot\":false,"
		     "\"started\":\"1970-01-01T00:00:00Z\",\"ends\":null,"
		     "\"ending\":false,\"cluster\":null,\"job\":null,"
		     "\"url\":null}");
	snprintf(s.partition, sizeof(s.partition), "day");
	check_public(&s, NULL,
		     "{\"name\":\"a\",\"user\":\"b\",\"machine\":\"c\","
		     "\"state\":\"starting\",\"reason\":null,\"notice\":null,"
		     "\"cpu\":1,"
		     "\"memory_mb\":2,\"gpu\":null,\"oneshot\":false,"
		     "\"started\":\"1970-01-01T00:00:00Z\",\"ends\":null,"
		     "\"ending\":false,\"cluster\":{\"account\":null,"
		     "\"partition\":\"day\",\"qos\":null},\"job\":null,"
		     "\"url\":null}");
}

static void the_url_is_shown_only_while_running(void **state)
{
	static const char *const words[] = { "starting", "queued", "preparing",
					     "booting",	 "running", "stopping",
					     "ended",	 "failed" };
	struct session s = whole();

	(void)state;
	for (int i = SESSION_STARTING; i <= SESSION_FAILED; i++) {
		AUTO_JSON json_t *public = NULL;
		const json_t *url;

		s.state = (enum session_state)i;
		public = session_to_public(&s, "https://x/");
		url = json_object_get(public, "url");
		assert_non_null(url);
		assert_int_equal(json_is_string(url), i == SESSION_RUNNING);
		assert_string_equal(
			json_string_value(json_object_get(public, "state")),
			words[i]);
		assert_string_equal(session_state_name(s.state), words[i]);
	}
}

static void the_public_face_tells_no_secret(void **state)
{
	struct session s = whole();
	AUTO_JSON json_t *public = session_to_public(&s, NULL);
	AUTO_FREE char *text = json_dumps(public, 0);

	(void)state;
	assert_null(strstr(text, TOKEN));
	assert_null(strstr(text, BOOT_ID));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_keeps_every_member),
		cmocka_unit_test(a_record_keeps_every_state_and_step),
		cmocka_unit_test(strings_of_full_length_are_kept),
		cmocka_unit_test(a_record_that_cannot_be_text_is_not_made),
		cmocka_unit_test(the_version_stands_in_the_record),
		cmocka_unit_test(a_missing_member_is_named),
		cmocka_unit_test(a_member_of_another_type_is_named),
		cmocka_unit_test(a_number_out_of_range_is_named),
		cmocka_unit_test(a_text_that_is_too_long_is_named),
		cmocka_unit_test(an_unknown_state_is_named),
		cmocka_unit_test(malformed_names_in_a_record_are_refused),
		cmocka_unit_test(session_names_are_of_few_characters),
		cmocka_unit_test(user_names_are_those_of_real_logins),
		cmocka_unit_test(the_public_face_has_the_promised_members),
		cmocka_unit_test(what_is_not_there_is_null),
		cmocka_unit_test(the_url_is_shown_only_while_running),
		cmocka_unit_test(the_public_face_tells_no_secret),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
