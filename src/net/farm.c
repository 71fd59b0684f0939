#include "net/farm.h"

#include <curl/curl.h>
#include <string.h>

#include "base/text.h"
#include "base/version.h"
#include "conf/url.h"
#include "net/curl_reason.h"
#include "sys/clock.h"
#include "sys/json.h"

#define SYSTEM_CA_FILE "/etc/ssl/certs/ca-certificates.crt"

#define TRY(call)                                                              \
	do {                                                                   \
		code = (call);                                                 \
		if (code != CURLE_OK)                                          \
			return code;                                           \
	} while (0)

enum { POLL_MS = 1000 };

struct call {
	const struct farm_request *request;
	CURL *curl;
	struct curl_slist *headers;
	struct buf body;
	bool too_large;
	bool done;
	CURLcode code;
	long long ms;
	char error[CURL_ERROR_SIZE];
};

struct round {
	const struct farm_request *request;
	CURLM *multi;
	long long start;
	size_t count;
	struct call calls[NET_FARM_CALLS_MAX];
};

/* ---- The request ---- */

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

	if (json_object_size(r->json) != 6)
		return err_set(e, ERR_DAMAGED, "a member too many or too few");
	if (read_calls(r, e) < 0 ||
	    json_get_bool(r->json, "http", &r->http, e) < 0 ||
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

/* ---- One call ---- */

static size_t take(char *bytes, size_t size, size_t count, void *arg)
{
	struct call *c = arg;
	size_t len = size * count;

	if (len > (size_t)c->request->max - c->body.len) {
		c->too_large = true;
		return 0;
	}
	buf_add(&c->body, bytes, len);
	return len;
}

static CURLcode set_limits(const struct call *call)
{
	const struct farm_request *r = call->request;
	CURL *c = call->curl;
	CURLcode code;

	TRY(curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR,
			     r->http ? "http,https" : "https"));
	TRY(curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L));
	TRY(curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED));
	TRY(curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L));
	TRY(curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS,
			     (long)r->connect_ms));
	TRY(curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)r->timeout_ms));
	TRY(curl_easy_setopt(c, CURLOPT_PROXY, ""));
	TRY(curl_easy_setopt(c, CURLOPT_SSLVERSION,
			     (long)CURL_SSLVERSION_TLSv1_2));
	TRY(curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L));
	TRY(curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L));
	TRY(curl_easy_setopt(c, CURLOPT_CAPATH, NULL));
	return curl_easy_setopt(c, CURLOPT_CAINFO, r->ca_file);
}

static CURLcode set_request(struct call *call, const json_t *json)
{
	const json_t *body = json_object_get(json, "body");
	const char *accept =
		json_string_value(json_object_get(json, "accept"));
	struct curl_slist *more;
	CURL *c = call->curl;
	char header[300];
	CURLcode code;

	snprintf(header, sizeof(header), "Accept: %s", accept);
	call->headers = curl_slist_append(NULL, header);
	/* No pause for a server's consent to a long form. */
	more = call->headers ? curl_slist_append(call->headers, "Expect:") :
			       NULL;
	if (!more)
		return CURLE_OUT_OF_MEMORY;
	TRY(curl_easy_setopt(c, CURLOPT_HTTPHEADER, call->headers));
	TRY(curl_easy_setopt(c, CURLOPT_URL,
			     json_string_value(json_object_get(json, "url"))));
	TRY(curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE,
			     (curl_off_t)json_string_length(body)));
	TRY(curl_easy_setopt(c, CURLOPT_POSTFIELDS, json_string_value(body)));
	TRY(curl_easy_setopt(c, CURLOPT_USERAGENT, "qwd-net/" QWD_VERSION));
	TRY(curl_easy_setopt(c, CURLOPT_ERRORBUFFER, call->error));
	TRY(curl_easy_setopt(c, CURLOPT_PRIVATE, call));
	TRY(curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take));
	return curl_easy_setopt(c, CURLOPT_WRITEDATA, call);
}

/* What cannot be begun is a call that has failed. */
static void begin(struct round *r, size_t i)
{
	struct call *c = &r->calls[i];

	*c = (struct call){
		.request = r->request,
		.body = BUF_INIT((size_t)r->request->max),
	};
	c->curl = curl_easy_init();
	c->code = c->curl ? set_limits(c) : CURLE_OUT_OF_MEMORY;
	if (c->code == CURLE_OK)
		c->code = set_request(c, json_array_get(r->request->calls, i));
	if (c->code == CURLE_OK && curl_multi_add_handle(r->multi, c->curl))
		c->code = CURLE_OUT_OF_MEMORY;
	c->done = c->code != CURLE_OK;
}

static void note_ends(struct round *r)
{
	const CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(r->multi, &left)) != NULL) {
		char *private = NULL;
		struct call *c;

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &private);
		c = (struct call *)(void *)private;
		c->done = true;
		c->code = m->data.result;
		c->ms = clock_boot_ms() - r->start;
	}
}

static void converse(struct round *r)
{
	int running = 1;

	while (running) {
		if (curl_multi_perform(r->multi, &running))
			break;
		note_ends(r);
		if (running &&
		    curl_multi_poll(r->multi, NULL, 0, POLL_MS, NULL))
			break;
	}
}

/* ---- The answer ---- */

static enum net_reason reason_of(const struct call *c)
{
	if (c->too_large)
		return NET_TOO_LARGE;
	if (!c->done || buf_failed(&c->body))
		return NET_INTERNAL;
	if (c->code != CURLE_OK)
		return curl_reason(c->code);
	return text_is_utf8(buf_str(&c->body), c->body.len) ? NET_OK :
							     NET_NOT_TEXT;
}

static json_t *answer_of(const struct call *c)
{
	struct net_answer one = { .reason = NET_INTERNAL };
	enum net_reason reason = reason_of(c);
	long status = 0;

	net_say(&one, reason, "%s",
		reason == NET_OK	? "answered" :
		reason == NET_TOO_LARGE ? "the answer is too long" :
		reason == NET_NOT_TEXT	? "the answer is not text in UTF-8" :
		*c->error		? c->error :
					  curl_easy_strerror(c->code));
	if (c->curl)
		curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
	return json_pack("{ss ss sI sI ss?}", "reason",
			 net_reason_word(reason), "message", one.message,
			 "status", (json_int_t)status, "ms",
			 (json_int_t)c->ms, "body",
			 reason == NET_OK ? buf_str(&c->body) : NULL);
}

static void end(struct round *r, size_t i)
{
	struct call *c = &r->calls[i];

	if (c->curl)
		(void)curl_multi_remove_handle(r->multi, c->curl);
	curl_easy_cleanup(c->curl);
	curl_slist_free_all(c->headers);
	buf_release(&c->body);
}

void net_farm(const struct farm_request *request, struct net_answer *a,
	      json_t **ret_answers)
{
	struct round r = { .request = request, .start = clock_boot_ms() };
	json_t *answers = json_array();

	if (curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
		r.multi = curl_multi_init();
	if (!r.multi || !answers) {
		json_decref(answers);
		net_say(a, NET_INTERNAL, "libcurl: no handle");
		return;
	}
	r.count = json_array_size(request->calls);
	for (size_t i = 0; i < r.count; i++)
		begin(&r, i);
	converse(&r);
	for (size_t i = 0; i < r.count; i++) {
		json_array_append_new(answers, answer_of(&r.calls[i]));
		end(&r, i);
	}
	curl_multi_cleanup(r.multi);
	*ret_answers = answers;
	net_say(a, NET_OK, "asked");
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
