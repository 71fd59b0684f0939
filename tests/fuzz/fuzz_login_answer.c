/*
 * What is answered about a login: by saslauthd, by the site's own program, by
 * qwd-net, also about a mail; by the first byte.  A yes is compared with that
 * of a slower reader of the same rules.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "auth/mail.h"
#include "auth/method.h"
#include "auth/saslauthd.h"
#include "base/text.h"
#include "sys/clock.h"
#include "sys/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void try_saslauthd(const char *bytes, size_t len)
{
	AUTO_CLOSE int ours = -1;
	struct err e = ERR_INIT;
	bool good = true;
	size_t said = 0;
	int ends[2];

	if (len > 4096)
		return;
	if (len >= 2)
		said = (size_t)((unsigned char)bytes[0] << 8 |
				(unsigned char)bytes[1]);
	require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
	ours = ends[0];
	require(write(ends[1], bytes, len) == (ssize_t)len);
	close(ends[1]);
	if (saslauthd_read_answer(ours, clock_boot_ms() + 1000, &good, &e) <
	    0) {
		require(e.code == ERR_DAMAGED && !good);
		return;
	}
	require(said >= 2 && said <= len - 2);
	require(memcmp(bytes + 2, good ? "OK" : "NO", 2) == 0);
}

/* The first word of the last line that is not blank; "" if none. */
static void last_word(const char *text, char *ret, size_t size)
{
	const char *line = text;

	*ret = '\0';
	while (*line) {
		size_t len = strcspn(line, "\n");
		size_t skip = strspn(line, " \t");
		size_t word = strcspn(line + skip, " \t\r\n:");

		if (strspn(line, " \t\r") < len)
			snprintf(ret, size, "%.*s", (int)word, line + skip);
		line += len + (line[len] == '\n');
	}
}

static void try_custom(const char *bytes, size_t len, int status)
{
	AUTO_BUF struct buf output = BUF_INIT(4096);
	struct auth_result r = { .verdict = AUTH_OUTAGE };
	char word[16];

	buf_add(&output, bytes, len);
	method_read_custom(&output, status, &r);
	require(r.reason[0] && text_only(r.reason, "-"));
	if (r.verdict != AUTH_ACCEPTED)
		return;
	require(status == 0 && len <= 4096 && !memchr(bytes, '\0', len));
	last_word(buf_str(&output), word, sizeof(word));
	require(strcmp(word, "SUCCESS") == 0);
}

static void try_server(const char *bytes, size_t len)
{
	AUTO_BUF struct buf output = BUF_INIT(256 * 1024);
	AUTO_JSON json_t *answer = NULL;
	struct auth_result r = { .who = { .user = "ann" } };
	struct err e = ERR_INIT;

	buf_add(&output, bytes, len);
	method_read_answer(&output, &r);
	require(r.reason[0] == '\0' || text_only(r.reason, "-"));
	require(session_user_ok(r.who.user));
	require(strlen(r.who.groups) < sizeof(r.who.groups));
	if (r.verdict != AUTH_ACCEPTED)
		return;
	answer = json_parse_object(bytes, len, &e);
	require(answer &&
		strcmp(json_string_value(json_object_get(answer, "result")),
		       "accepted") == 0);
}

static void try_mail(const char *bytes, size_t len)
{
	struct mail_answer answer;
	struct err e = ERR_INIT;

	if (mail_read_answer(bytes, len, &answer, &e) < 0) {
		require(e.code == ERR_SYSTEM && e.msg[0]);
		return;
	}
	require(strlen(answer.reason) < sizeof(answer.reason));
	require(strlen(answer.message) < sizeof(answer.message));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = NULL;

	if (size == 0)
		return 0;
	text = malloc(size);
	require(text != NULL);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	switch (data[0] % 5) {
	case 0:
		try_saslauthd(text, size - 1);
		break;
	case 1:
		try_custom(text, size - 1, 0);
		break;
	case 2:
		try_custom(text, size - 1, data[0]);
		break;
	case 3:
		try_server(text, size - 1);
		break;
	default:
		try_mail(text, size - 1);
		break;
	}
	return 0;
}
