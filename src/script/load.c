#include "script/load.h"

#include <fcntl.h>
#include <sha256.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "conf/url.h"
#include "sys/child.h"
#include "sys/file.h"
#include "sys/json.h"
#include "vm/script_text.h"

enum {
	PATH_MAX_BYTES = 4096,
	ANSWER_MAX = 1024 * 1024,
	GRACE_MS = 3000, /* between fetch's time and its deadline */
};

static int check_length(const struct config *c, size_t len, struct err *e)
{
	if (len > (size_t)c->service_max_script_length)
		return err_set(e, ERR_INPUT, "is longer than %lld bytes",
			       c->service_max_script_length);
	return 0;
}

/* ---- Files ---- */

static int load_path(const struct config *c, const struct script *s,
		     const struct script_facts *facts, struct buf *out,
		     struct err *e)
{
	AUTO_BUF struct buf path = BUF_INIT(PATH_MAX_BYTES);
	AUTO_BUF struct buf text =
		BUF_INIT((size_t)c->service_max_script_length);
	struct err why = ERR_INIT;

	if (script_text_fill(s->body, s->body_len, PLACE_PATH, facts, &path,
			     e) < 0)
		return -1;
	if (file_read(AT_FDCWD, buf_str(&path), true, &text, &why) < 0) {
		if (why.code == ERR_TOO_LARGE)
			return check_length(c, (size_t)-1, e);
		return err_set(e, ERR_INPUT, "cannot be read: %.200s",
			       why.code == ERR_NOT_FOUND ? "there is no such "
							   "file" :
							   why.msg);
	}
	if (!text_is_utf8(buf_str(&text), text.len))
		return err_set(e, ERR_INPUT, "is not text in UTF-8");
	buf_add(out, buf_str(&text), text.len);
	return 0;
}

/* ---- Addresses ---- */

static json_t *host_list(const char *names)
{
	json_t *list = json_array();

	while (list && *names) {
		size_t len = strcspn(names, ",");

		json_array_append_new(list, json_stringn(names, len));
		names += len + (names[len] == ',');
	}
	return list;
}

static char *request_text(const struct config *c, const struct script *s,
			  const char *url)
{
	json_t *json = json_pack(
		"{ss sb so ss? ss? sI si}", "url", url, "http",
		(int)(c->script_http || s->sha256), "hosts",
		host_list(c->script_hosts), "proxy",
		*c->service_proxy ? c->service_proxy : NULL, "ca_file",
		*c->script_ca_file ? c->script_ca_file : NULL, "max",
		(json_int_t)c->service_max_script_length, "timeout",
		SCRIPT_FETCH_S);
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

	json_decref(json);
	return text;
}

static int read_answer(const struct config *c, const struct buf *answer,
		       struct buf *out, struct err *e)
{
	struct err why = ERR_INIT;
	AUTO_JSON json_t *json =
		json_parse_object(buf_str(answer), answer->len, &why);
	const char *reason;
	const char *message;
	const char *body;

	if (!json || json_get_string(json, "reason", 40, &reason, &why) < 0 ||
	    json_get_string(json, "message", 300, &message, &why) < 0)
		return err_set(e, ERR_SYSTEM, "qwd-net fetch: no answer");
	if (strcmp(reason, "ok") != 0)
		return err_set(e, ERR_INPUT, "cannot be fetched: %s (%s)",
			       message, reason);
	if (json_get_string(json, "body", ANSWER_MAX, &body, &why) < 0)
		return err_set(e, ERR_SYSTEM, "qwd-net fetch: no body");
	buf_puts(out, body);
	return check_length(c, strlen(body), e);
}

static int check_sha256(const struct script *s, const char *text, size_t len,
			struct err *e)
{
	char sum[SHA256_DIGEST_STRING_LENGTH];

	if (s->sha256 &&
	    (!SHA256Data((const uint8_t *)text, len, sum) ||
	     strncasecmp(sum, s->sha256, SCRIPT_SHA256_HEX) != 0))
		return err_set(e, ERR_INPUT,
			       "is another one than its #sha256= says");
	return 0;
}

static int load_url(const struct config *c, const struct script *s,
		    const struct script_facts *facts, struct buf *out,
		    struct err *e)
{
	AUTO_BUF struct buf url = BUF_INIT(URL_MAX);
	AUTO_BUF struct buf answer = BUF_INIT(ANSWER_MAX);
	AUTO_FREE char *program = file_join(c->dir_libexec, "qwd-net");
	AUTO_FREE char *request = NULL;
	AUTO_ARGV struct argv argv = { 0 };
	struct child child = CHILD_INIT;
	struct err why = ERR_INIT;
	size_t before = out->len;
	int status;

	if (script_text_fill(s->body, s->body_len, PLACE_URL, facts, &url, e) <
	    0)
		return -1;
	request = request_text(c, s, buf_str(&url));
	if (!request || !program)
		return err_set(e, ERR_SYSTEM, "no memory");
	argv_add(&argv, program);
	argv_add(&argv, "fetch");
	child.argv = &argv;
	if (child_run(&child, request, &answer, NULL,
		      SCRIPT_FETCH_S * 1000 + GRACE_MS, &status, &why) < 0) {
		if (why.code == ERR_TIMEOUT)
			return err_set(e, ERR_INPUT,
				       "cannot be fetched: nothing came in "
				       "time");
		*e = why;
		return -1;
	}
	if (read_answer(c, &answer, out, e) < 0)
		return -1;
	return check_sha256(s, buf_str(out) + before, out->len - before, e);
}

/* ---- Commands ---- */

/* Browsers end the lines of a text area with CR LF. */
static int load_text(const struct config *c, const struct script *s,
		     struct buf *out, struct err *e)
{
	for (size_t i = 0; i < s->body_len; i++)
		if (s->body[i] != '\r')
			buf_putc(out, s->body[i]);
	buf_putc(out, '\n');
	return check_length(c, s->body_len, e);
}

int script_load(const struct config *c, const struct script *s,
		const struct script_facts *facts, struct buf *out,
		struct err *e)
{
	int result;

	if (s->kind == SCRIPT_PATH)
		result = load_path(c, s, facts, out, e);
	else if (s->kind == SCRIPT_URL)
		result = load_url(c, s, facts, out, e);
	else
		result = load_text(c, s, out, e);
	if (result == 0 && buf_failed(out))
		return err_set(e, ERR_SYSTEM, "no memory");
	return result;
}
