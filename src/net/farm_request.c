#include "net/farm.h"

#include "base/text.h"
#include "conf/url.h"
#include "sys/json.h"

#define SYSTEM_CA_FILE "/etc/ssl/certs/ca-certificates.crt"

static int check_call(const json_t *call, struct err *e)
{
	const char *url = NULL;
	const char *text;
	struct url parsed;

	if (!json_is_object(call) || json_object_size(call) != 3)
		return err_set(e, ERR_DAMAGED, "calls: not url, body, accept");
	if (json_get_string(call, "url", URL_MAX, &url, e) < 0 ||
	    json_get_string(call, "accept", 256, &text, e) < 0 ||
	    json_get_string(call, "body", NET_FARM_REQUEST_MAX, &text, e) < 0)
		return -1;
	if (text_has_control(json_string_value(
		    json_object_get(call, "accept"))))
		return err_set(e, ERR_DAMAGED, "accept: a control character");
	return url_parse(url, &parsed) ?
		       err_set(e, ERR_DAMAGED, "url: malformed") :
		       0;
}

static int read_calls(struct farm_request *r, struct err *e)
{
	const json_t *call;
	size_t i;

	r->calls = json_object_get(r->json, "calls");
	if (json_array_size(r->calls) < 1 ||
	    json_array_size(r->calls) > NET_FARM_CALLS_MAX)
		return err_set(e, ERR_DAMAGED, "calls: not 1 to 32");
	json_array_foreach(r->calls, i, call)
		if (check_call(call, e) < 0)
			return -1;
	return 0;
}

static int read_members(struct farm_request *r, struct err *e)
{
	const char *ca_file = NULL;

	if (json_object_size(r->json) != 7)
		return err_set(e, ERR_DAMAGED, "a member too many or too few");
	if (read_calls(r, e) < 0 ||
	    json_get_bool(r->json, "http", &r->http, e) < 0 ||
	    json_get_bool(r->json, "fresh", &r->fresh, e) < 0 ||
	    json_get_string_or_null(r->json, "ca_file", 4095, &ca_file, e) <
		    0 ||
	    json_get_int(r->json, "max", 1, NET_FARM_ANSWER_MAX, &r->max, e) <
		    0 ||
	    json_get_int(r->json, "connect_ms", 1, NET_FARM_MS_MAX,
			 &r->connect_ms, e) < 0 ||
	    json_get_int(r->json, "timeout_ms", 1, NET_FARM_MS_MAX,
			 &r->timeout_ms, e) < 0)
		return -1;
	r->ca_file = ca_file ? ca_file : SYSTEM_CA_FILE;
	if (*r->ca_file != '/')
		return err_set(e, ERR_DAMAGED, "ca_file: not absolute");
	return 0;
}

int farm_request_parse(const char *json, size_t len, struct farm_request *ret,
		       struct err *e)
{
	struct farm_request r = { .json = NULL };

	r.json = json_parse_object(json, len, e);
	if (!r.json)
		return err_set(e, ERR_DAMAGED, "no JSON object");
	if (read_members(&r, e) < 0) {
		farm_request_release(&r);
		return -1;
	}
	*ret = r;
	return 0;
}

void farm_request_release(struct farm_request *r)
{
	json_decref(r->json);
	*r = (struct farm_request){ .json = NULL };
}

char *farm_answer_text(const struct net_answer *a, const json_t *answers)
{
	static const char *const names[] = {
		[NET_ACCEPTED] = "accepted",
		[NET_REFUSED] = "refused",
		[NET_ERROR] = "error",
	};
	AUTO_JSON json_t *json = json_pack(
		"{ss ss ss sO*}", "result", names[net_result_of(a->reason)],
		"reason", net_reason_word(a->reason), "message", a->message,
		"answers", answers);
	AUTO_FREE char *text = json_text(json);
	char *line = NULL;

	if (!text || asprintf(&line, "%s\n", text) < 0)
		return NULL;
	return line;
}
