/* src/vm/qmp: QEMU's messages, however they arrive. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/macros.h"
#include "sys/clock.h"
#include "vm/qmp.h"

#define GREETING                                                               \
	"{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, "    \
	"\"major\": 7}, \"package\": \"Debian\"}, \"capabilities\": "          \
	"[\"oob\"]}}\r\n"
#define EVENT(name)                                                            \
	"{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, "              \
	"\"event\": \"" name "\", \"data\": {\"guest\": true}}\r\n"

/* Ours, and QEMU's end of the channel. */
static struct qmp qmp;
static int peer = -1;

static int connect_both(void **state)
{
	int ends[2];

	(void)state;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return -1;
	qmp = (struct qmp)QMP_INIT;
	qmp.fd = ends[0];
	peer = ends[1];
	return 0;
}

static int close_both(void **state)
{
	(void)state;
	qmp_release(&qmp);
	assert_int_equal(qmp.fd, -1);
	if (peer >= 0)
		close(peer);
	peer = -1;
	return 0;
}

static void say_bytes(const char *bytes, size_t len)
{
	assert_int_equal(send(peer, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
}

static void say(const char *text)
{
	say_bytes(text, strlen(text));
}

static void check_none(void)
{
	struct qmp_message m;

	assert_false(qmp_next(&qmp, &m));
}

static void check_next(enum qmp_kind kind, long long id, const char *text)
{
	struct qmp_message m;

	assert_true(qmp_next(&qmp, &m));
	assert_int_equal(m.kind, kind);
	assert_int_equal(m.id, id);
	assert_string_equal(m.text, text);
	assert_true(json_is_object(m.json));
	qmp_message_release(&m);
	assert_null(m.json);
}

static void every_kind_of_message_is_told_apart(void **state)
{
	struct qmp_message m;

	(void)state;
	check_none();
	say(GREETING "{\"return\": {}, \"id\": 3}\r\n" EVENT("SHUTDOWN")
		    "{\"id\": 4, \"error\": {\"class\": \"GenericError\", "
		    "\"desc\": \"No such \\\"device\\\"\"}}\r\n"
		    "{\"return\": [{\"a\": 1}]}\n");
	assert_true(qmp_fill(&qmp));
	check_next(QMP_GREETING, 0, "");
	check_next(QMP_RETURN, 3, "");
	check_next(QMP_EVENT, 0, "SHUTDOWN");
	check_next(QMP_ERROR, 4, "No such \"device\"");
	assert_true(qmp_next(&qmp, &m));
	assert_int_equal(json_array_size(json_object_get(m.json, "return")), 1);
	qmp_message_release(&m);
	check_none();
	assert_int_equal(qmp.in.len, 0);
}

static void a_message_may_arrive_byte_by_byte(void **state)
{
	static const char text[] = GREETING EVENT("RESET");
	size_t half = strlen(GREETING);

	(void)state;
	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		check_none();
		say_bytes(text + i, 1);
		assert_true(qmp_fill(&qmp));
		if (i == half - 1)
			check_next(QMP_GREETING, 0, "");
	}
	check_next(QMP_EVENT, 0, "RESET");
	check_none();
}

static void messages_may_be_cut_anywhere(void **state)
{
	static const char text[] = GREETING "{\"return\": {}, \"id\": 1}\r\n"
						      EVENT("STOP");
	size_t len = sizeof(text) - 1;

	(void)state;
	for (size_t cut = 0; cut <= len; cut++) {
		struct qmp_message m;
		int seen = 0;

		say_bytes(text, cut);
		assert_true(qmp_fill(&qmp));
		while (qmp_next(&qmp, &m)) {
			seen++;
			qmp_message_release(&m);
		}
		say_bytes(text + cut, len - cut);
		assert_true(qmp_fill(&qmp));
		while (qmp_next(&qmp, &m)) {
			seen++;
			qmp_message_release(&m);
		}
		assert_int_equal(seen, 3);
		assert_int_equal(qmp.in.len, 0);
	}
}

static void messages_not_yet_taken_stay_when_more_arrives(void **state)
{
	(void)state;
	say(EVENT("STOP") EVENT("RESUME") "{\"return\"");
	assert_true(qmp_fill(&qmp));
	check_next(QMP_EVENT, 0, "STOP");
	say(": {}, \"id\": 9}\n");
	assert_true(qmp_fill(&qmp));
	check_next(QMP_EVENT, 0, "RESUME");
	check_next(QMP_RETURN, 9, "");
	check_none();
}

static void lines_that_are_no_qmp_are_skipped(void **state)
{
	static const char *const lines[] = {
		"\n", "\r\n", "garbage\n", "{\n", "}\n", "{}\n", "[]\n",
		"null\n", "1\n", "\"event\"\n", "[{\"event\": \"STOP\"}]\n",
		"{\"event\": \"STOP\"} {\"event\": \"STOP\"}\n",
		"{\"other\": 1}\n", "{\"event\": \"\377\"}\n",
		"{\"event\": \"\\u0000\"}\n", "qemu-system-x86_64: warning\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		say(lines[i]);
		assert_true(qmp_fill(&qmp));
		check_none();
		assert_int_equal(qmp.in.len, 0);
		say(lines[i]);
		say(EVENT("STOP"));
		assert_true(qmp_fill(&qmp));
		check_next(QMP_EVENT, 0, "STOP");
		check_none();
	}
}

static void bytes_that_are_no_text_are_skipped(void **state)
{
	static const char bytes[] = "{\"event\": \"A\0B\"}\n\0\0\n\377\376\n";

	(void)state;
	say_bytes(bytes, sizeof(bytes) - 1);
	say(EVENT("STOP"));
	assert_true(qmp_fill(&qmp));
	check_next(QMP_EVENT, 0, "STOP");
	check_none();
}

static void members_of_another_type_do_no_harm(void **state)
{
	(void)state;
	say("{\"event\": 1}\n{\"event\": null}\n{\"error\": 1}\n"
	    "{\"error\": {\"desc\": []}}\n{\"return\": 1, \"id\": \"x\"}\n"
	    "{\"return\": null, \"id\": 1e300}\n");
	assert_true(qmp_fill(&qmp));
	check_next(QMP_EVENT, 0, "");
	check_next(QMP_EVENT, 0, "");
	check_next(QMP_ERROR, 0, "");
	check_next(QMP_ERROR, 0, "");
	check_next(QMP_RETURN, 0, "");
	check_next(QMP_RETURN, 0, "");
	check_none();
}

static void long_texts_are_cut(void **state)
{
	char name[1000];
	char line[1100];
	char cut[256];
	struct qmp_message m;

	(void)state;
	memset(name, 'A', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	memset(cut, 'A', sizeof(cut) - 1);
	cut[sizeof(cut) - 1] = '\0';
	snprintf(line, sizeof(line), "{\"event\": \"%s\"}\n", name);
	say(line);
	assert_true(qmp_fill(&qmp));
	assert_true(qmp_next(&qmp, &m));
	assert_string_equal(m.text, cut);
	qmp_message_release(&m);
}

/* Send as much as we read, until `total` bytes are there or it gave up. */
static bool pour(const char *piece, size_t len, size_t total)
{
	fcntl(peer, F_SETFL, O_NONBLOCK);
	for (size_t sent = 0; sent < total;) {
		ssize_t put = send(peer, piece, len, MSG_NOSIGNAL);

		if (put > 0)
			sent += (size_t)put;
		else if (errno != EAGAIN)
			fail_msg("send: %s", strerror(errno));
		if (!qmp_fill(&qmp))
			return false;
	}
	return true;
}

static void a_line_without_end_closes_the_channel(void **state)
{
	static char piece[65536];

	(void)state;
	memset(piece, 'x', sizeof(piece));
	assert_true(pour(piece, sizeof(piece), (1 << 20) - sizeof(piece)));
	check_none();
	assert_false(pour(piece, sizeof(piece), 2 * sizeof(piece)));
	assert_true(qmp.in.len <= 1 << 20);
	/* Another channel begins afresh. */
	close_both(NULL);
	qmp.fd = -1;
	{
		int ends[2];

		assert_int_equal(socketpair(AF_UNIX,
					    SOCK_STREAM | SOCK_CLOEXEC, 0,
					    ends),
				 0);
		qmp.fd = ends[0];
		peer = ends[1];
	}
	say(EVENT("STOP"));
	assert_true(qmp_fill(&qmp));
	check_next(QMP_EVENT, 0, "STOP");
}

/* A QEMU that has been taken over must not keep the owner busy. */
static void a_million_empty_lines_take_no_time(void **state)
{
	static char piece[65536];
	long long began;

	(void)state;
	memset(piece, '\n', sizeof(piece));
	assert_true(pour(piece, sizeof(piece), (1 << 20) - sizeof(piece)));
	began = clock_boot_ms();
	check_none();
	/* 0.3 s here, also under valgrind; a minute if each line moves all. */
	assert_true(clock_boot_ms() - began < 20000);
	assert_int_equal(qmp.in.len, 0);
	say(EVENT("STOP"));
	assert_true(qmp_fill(&qmp));
	check_next(QMP_EVENT, 0, "STOP");
}

static void the_end_of_the_channel_is_told(void **state)
{
	(void)state;
	say(EVENT("SHUTDOWN") "{\"unfinished\"");
	close(peer);
	peer = -1;
	assert_false(qmp_fill(&qmp));
	/* What came before it is there all the same. */
	check_next(QMP_EVENT, 0, "SHUTDOWN");
	check_none();
}

static void a_command_is_one_line_with_its_id(void **state)
{
	struct err e = ERR_INIT;
	char line[128] = "";

	(void)state;
	assert_int_equal(qmp_send(&qmp, "query-vnc", 42, &e), 0);
	assert_true(read(peer, line, sizeof(line) - 1) > 0);
	assert_string_equal(line, "{\"execute\":\"query-vnc\",\"id\":42}\n");
}

static void a_command_to_a_dead_or_deaf_qemu_is_an_error(void **state)
{
	struct err e = ERR_INIT;
	int sent = 0;

	(void)state;
	/* It reads nothing: full at some time, and nobody waits. */
	while (qmp_send(&qmp, "query-vnc", 1, &e) == 0)
		sent++;
	assert_true(sent > 0);
	assert_int_equal(e.code, ERR_SYSTEM);
	assert_int_equal(e.sys, EAGAIN);
	assert_non_null(strstr(e.msg, "cannot send query-vnc to QEMU"));
	close(peer);
	peer = -1;
	e = (struct err)ERR_INIT;
	/* No SIGPIPE. */
	assert_int_equal(qmp_send(&qmp, "quit", 1, &e), -1);
	assert_int_equal(e.sys, EPIPE);
}

#define T(name) cmocka_unit_test_setup_teardown(name, connect_both, close_both)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(every_kind_of_message_is_told_apart),
		T(a_message_may_arrive_byte_by_byte),
		T(messages_may_be_cut_anywhere),
		T(messages_not_yet_taken_stay_when_more_arrives),
		T(lines_that_are_no_qmp_are_skipped),
		T(bytes_that_are_no_text_are_skipped),
		T(members_of_another_type_do_no_harm),
		T(long_texts_are_cut),
		T(a_line_without_end_closes_the_channel),
		T(a_million_empty_lines_take_no_time),
		T(the_end_of_the_channel_is_told),
		T(a_command_is_one_line_with_its_id),
		T(a_command_to_a_dead_or_deaf_qemu_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
