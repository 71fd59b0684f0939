/* The site's own program. */
#include "auth/method.h"

#include <string.h>

#include "base/buf.h"

enum { OUTPUT_MAX = 4096 };

static json_t *session_of(const struct auth_request *r,
			  const struct identity *who)
{
	json_t *session = json_pack("{ss ss ss}", "user", r->user,
				    "user_email", who->mail, "remote_host",
				    r->rhost);

	if (session && r->order &&
	    json_object_update_missing(session, (json_t *)r->order) < 0) {
		json_decref(session);
		return NULL;
	}
	return session;
}

static json_t *request_of(const struct auth_request *r,
			  const struct auth_result *previous)
{
	char said[sizeof(previous->method) + sizeof(previous->reason) + 16];

	snprintf(said, sizeof(said), "%s %s %s",
		 previous->verdict == AUTH_ACCEPTED ? "SUCCESS" : "FAILED",
		 previous->method, previous->reason);
	return json_pack("{ss ss ss so}", "user", r->user, "password",
			 r->remote ? "" : r->password, "previous", said,
			 "session", session_of(r, &previous->who));
}

/* The last line that is not empty, cut off in place. */
static char *last_line(char *text)
{
	size_t len = strlen(text);
	char *newline;

	while (len && strchr(" \t\r\n", text[len - 1]))
		text[--len] = '\0';
	newline = strrchr(text, '\n');
	return newline ? newline + 1 : text;
}

static bool first_word_is(const char *line, const char *word)
{
	size_t len = strlen(word);

	line += strspn(line, " \t");
	return strncmp(line, word, len) == 0 &&
	       (line[len] == '\0' || strchr(" \t\r:", line[len]));
}

void method_read_custom(const struct buf *output, int status,
			struct auth_result *ret)
{
	char text[OUTPUT_MAX + 1] = "";
	const char *line;

	if (buf_failed(output) || strlen(buf_str(output)) != output->len) {
		method_say(ret, AUTH_OUTAGE, "too-much-output");
		return;
	}
	memcpy(text, buf_str(output), output->len + 1);
	line = last_line(text);
	if (first_word_is(line, "FAILED"))
		method_say(ret, AUTH_REFUSED, "refused");
	else if (status >= 128)
		method_say(ret, AUTH_OUTAGE, "crash");
	else if (status != 0)
		method_say(ret, AUTH_REFUSED, "exit-status");
	else if (first_word_is(line, "SUCCESS"))
		method_say(ret, AUTH_ACCEPTED, "ok");
	else
		method_say(ret, AUTH_OUTAGE, "no-answer");
	explicit_bzero(text, sizeof(text));
}

void method_custom(const struct auth_request *r,
		   const struct auth_result *previous, int ms,
		   struct auth_result *ret)
{
	AUTO_BUF struct buf output = BUF_INIT(OUTPUT_MAX);
	int status = 0;

	if (method_run(r->config->check_user_custom, NULL,
		       request_of(r, previous), &output, ms, &status, ret))
		method_read_custom(&output, status, ret);
}
