#include "farm/ask.h"

#include <string.h>

#include "farm/agent.h"
#include "sys/child.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/json.h"

enum {
	GRACE_MS = 2000, /* between the servers' time and our deadline */
	TEXT_MAX = 1024 * 1024,
	ESCAPED = 6, /* bytes of JSON for one of an answer: \u0001 */
};

static json_t *request_of(const struct config *c, const struct call *calls,
			  size_t count, bool changes, long long wait_ms,
			  long long timeout_ms)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(
			list, json_pack("{ss ss ss}", "url", calls[i].url,
					"body", buf_str(&calls[i].body),
					"accept", calls[i].accept));
	if (json_array_size(list) != count) {
		json_decref(list);
		return NULL;
	}
	return json_pack("{so sb sb ss? sI sI sI}", "calls", list, "http",
			 c->farm_http, "fresh", changes, "ca_file",
			 *c->farm_ca_file ? c->farm_ca_file : NULL, "max",
			 (json_int_t)FARM_ANSWER_MAX, "connect_ms",
			 (json_int_t)wait_ms, "timeout_ms",
			 (json_int_t)timeout_ms);
}

static int run(const struct config *c, const char *text, struct buf *output,
	       long long ms, struct err *e)
{
	AUTO_FREE char *program = file_join(c->dir_libexec, "qwd-net");
	AUTO_ARGV struct argv argv = { .list = NULL };
	struct child child = CHILD_INIT;
	int status;

	if (!program)
		return err_set(e, ERR_SYSTEM, "no memory");
	argv_add(&argv, program);
	argv_add(&argv, "farm");
	child.argv = &argv;
	child.group = true;
	return child_run(&child, text, output, NULL, (int)(ms + GRACE_MS),
			 &status, e);
}

static int take_answer(const json_t *one, struct call *c, struct err *e)
{
	const char *reason;
	const char *message;
	const char *body;

	if (json_get_string(one, "reason", PEER_REASON_SIZE - 1, &reason, e) <
		    0 ||
	    json_get_string(one, "message", sizeof(c->message) - 1, &message,
			    e) < 0 ||
	    json_get_int(one, "status", 0, 999, &c->status, e) < 0 ||
	    json_get_bool(one, "sent", &c->sent, e) < 0 ||
	    json_get_int(one, "ms", 0, 1LL << 40, &c->ms, e) < 0 ||
	    json_get_string_or_null(one, "body", FARM_ANSWER_MAX, &body, e) <
		    0)
		return -1;
	memcpy(c->reason, reason, strlen(reason) + 1);
	memcpy(c->message, message, strlen(message) + 1);
	c->text = body ? strdup(body) : NULL;
	return 0;
}

static int take_answers(const struct buf *output, struct call *calls,
			size_t count, struct err *e)
{
	AUTO_JSON json_t *json =
		buf_failed(output) ? NULL :
				     json_parse_object(buf_str(output),
						       output->len, e);
	const json_t *answers = json_object_get(json, "answers");

	if (json_array_size(answers) != count)
		return err_set(e, ERR_SYSTEM, "qwd-net farm: %.300s",
			       json ? buf_str(output) : "no answer");
	for (size_t i = 0; i < count; i++)
		if (take_answer(json_array_get(answers, i), &calls[i], e) < 0)
			return err_prefix(e, "qwd-net farm");
	return 0;
}

/* ---- Ask ---- */

int farm_ask_begin(const struct config *c, const struct store *st,
		   const struct call *calls, size_t count, bool changes,
		   long long wait_ms, long long timeout_ms,
		   struct asking *ret, struct err *e)
{
	AUTO_JSON json_t *request = request_of(c, calls, count, changes,
					       wait_ms, timeout_ms);

	*ret = (struct asking)ASKING_INIT;
	ret->timeout_ms = timeout_ms;
	ret->text = request ? json_text(request) : NULL;
	if (!ret->text)
		return err_set(e, ERR_SYSTEM, "cannot make a request");
	if (strlen(ret->text) > TEXT_MAX)
		return err_set(e, ERR_TOO_LARGE, "The form is too long.");
	if (st)
		ret->agent = agent_connect(c, st, wait_ms, &ret->alone);
	ret->until = clock_boot_ms() + timeout_ms + GRACE_MS;
	return ret->agent < 0 ? 0 :
				agent_send(ret->agent, ret->text,
					   timeout_ms + GRACE_MS, e);
}

int farm_ask_end(const struct config *c, struct asking *a, struct call *calls,
		 size_t count, struct err *e)
{
	AUTO_BUF struct buf output =
		BUF_INIT(ESCAPED * count * FARM_ANSWER_MAX + 64 * 1024);
	int result = a->agent < 0 ?
			     run(c, a->text, &output, a->timeout_ms, e) :
			     agent_receive(a->agent, &output,
					   a->until - clock_boot_ms(), e);

	return result < 0 ? -1 : take_answers(&output, calls, count, e);
}

void asking_release(struct asking *a)
{
	if (a->agent >= 0)
		close(a->agent);
	if (a->text)
		explicit_bzero(a->text, strlen(a->text));
	free(a->text);
	*a = (struct asking)ASKING_INIT;
}

int farm_ask(const struct config *c, struct call *calls, size_t count,
	     long long wait_ms, long long timeout_ms, struct err *e)
{
	struct asking a;
	int result = farm_ask_begin(c, NULL, calls, count, true, wait_ms,
				    timeout_ms, &a, e);

	if (result == 0)
		result = farm_ask_end(c, &a, calls, count, e);
	asking_release(&a);
	return result;
}

void call_release(struct call *c)
{
	if (c->body.data)
		explicit_bzero(c->body.data, c->body.len);
	buf_release(&c->body);
	free(c->text);
	c->text = NULL;
}
