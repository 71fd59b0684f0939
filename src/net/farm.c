#include "net/farm.h"

#include <curl/curl.h>
#include <string.h>

#include "base/text.h"
#include "base/version.h"
#include "net/curl_reason.h"
#include "sys/clock.h"
#include "sys/json.h"

#define TRY(call)                                                              \
	do {                                                                   \
		code = (call);                                                 \
		if (code != CURLE_OK)                                          \
			return code;                                           \
	} while (0)

enum { POLL_MS = 1000 };

#define NAMES_S 10L /* an address is looked up again */
#define UNUSED_S 4L /* Apache closes after 5 s (KeepAliveTimeout) */

struct call {
	struct net_round *round;
	CURL *curl;
	struct curl_slist *headers;
	struct buf body;
	bool too_large;
	bool done;
	CURLcode code;
	long long ms;
	char error[CURL_ERROR_SIZE];
};

struct net_round {
	struct net_pool *pool;
	const struct farm_request *request;
	long long start;
	size_t count;
	size_t left; /* calls that have not ended */
	struct call calls[NET_FARM_CALLS_MAX];
};

/* ---- The pool ---- */

int net_pool_init(struct net_pool *p)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return -1;
	p->multi = curl_multi_init();
	p->share = curl_share_init();
	if (p->multi && p->share &&
	    !curl_share_setopt(p->share, CURLSHOPT_SHARE,
			       CURL_LOCK_DATA_SSL_SESSION))
		return 0;
	net_pool_release(p);
	return -1;
}

void net_pool_release(struct net_pool *p)
{
	curl_multi_cleanup(p->multi);
	curl_share_cleanup(p->share);
	*p = (struct net_pool){ .multi = NULL };
}

/* ---- One call ---- */

static size_t take(char *bytes, size_t size, size_t count, void *arg)
{
	struct call *c = arg;
	size_t len = size * count;

	if (len > (size_t)c->round->request->max - c->body.len) {
		c->too_large = true;
		return 0;
	}
	buf_add(&c->body, bytes, len);
	return len;
}

/* Over a connection that was used before libcurl says it again if that turns
 * out to be closed. */
static CURLcode set_reuse(const struct call *call)
{
	long fresh = call->round->request->fresh ? 1 : 0;
	CURL *c = call->curl;
	CURLcode code;

	TRY(curl_easy_setopt(c, CURLOPT_SHARE, call->round->pool->share));
	TRY(curl_easy_setopt(c, CURLOPT_FRESH_CONNECT, fresh));
	TRY(curl_easy_setopt(c, CURLOPT_DNS_CACHE_TIMEOUT, NAMES_S));
	TRY(curl_easy_setopt(c, CURLOPT_MAXAGE_CONN, UNUSED_S));
	return curl_easy_setopt(c, CURLOPT_MAXLIFETIME_CONN,
				(long)FARM_CONNECTION_S);
}

static CURLcode set_limits(const struct call *call)
{
	const struct farm_request *r = call->round->request;
	CURL *c = call->curl;
	CURLcode code;

	TRY(curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR,
			     r->http ? "http,https" : "https"));
	TRY(curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L));
	TRY(curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED));
	TRY(curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L));
	/* What is given up does not wait for the resolver, whose thread ends
	 * by itself: nor would all others then. */
	TRY(curl_easy_setopt(c, CURLOPT_QUICK_EXIT, 1L));
	TRY(curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS,
			     (long)r->connect_ms));
	TRY(curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)r->timeout_ms));
	TRY(curl_easy_setopt(c, CURLOPT_PROXY, ""));
	TRY(set_reuse(call));
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
static void begin(struct net_round *r, size_t i)
{
	struct call *c = &r->calls[i];

	*c = (struct call){
		.round = r,
		.body = BUF_INIT((size_t)r->request->max),
	};
	c->curl = curl_easy_init();
	c->code = c->curl ? set_limits(c) : CURLE_OUT_OF_MEMORY;
	if (c->code == CURLE_OK)
		c->code = set_request(c, json_array_get(r->request->calls, i));
	if (c->code == CURLE_OK &&
	    curl_multi_add_handle(r->pool->multi, c->curl))
		c->code = CURLE_OUT_OF_MEMORY;
	c->done = c->code != CURLE_OK;
	if (!c->done)
		r->left++;
}

static void note_end(const CURLMsg *m)
{
	char *private = NULL;
	struct call *c;

	curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &private);
	c = (struct call *)(void *)private;
	c->done = true;
	c->code = m->data.result;
	c->ms = clock_boot_ms() - c->round->start;
	c->round->left--;
}

int net_pool_step(struct net_pool *p)
{
	const CURLMsg *m;
	int number;

	if (curl_multi_perform(p->multi, &number))
		return -1;
	while ((m = curl_multi_info_read(p->multi, &number)) != NULL)
		if (m->msg == CURLMSG_DONE)
			note_end(m);
	return 0;
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
	curl_off_t stood_us = 0;
	long status = 0;

	net_say(&one, reason, "%s",
		reason == NET_OK	? "answered" :
		reason == NET_TOO_LARGE ? "the answer is too long" :
		reason == NET_NOT_TEXT	? "the answer is not text in UTF-8" :
		*c->error		? c->error :
					  curl_easy_strerror(c->code));
	if (c->curl) {
		curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
		curl_easy_getinfo(c->curl, CURLINFO_PRETRANSFER_TIME_T,
				  &stood_us);
	}
	return json_pack("{ss ss sI sb sI ss?}", "reason",
			 net_reason_word(reason), "message", one.message,
			 "status", (json_int_t)status, "sent", stood_us > 0,
			 "ms", (json_int_t)c->ms, "body",
			 reason == NET_OK ? buf_str(&c->body) : NULL);
}

/* ---- A round ---- */

struct net_round *net_round_begin(struct net_pool *p,
				    const struct farm_request *request)
{
	struct net_round *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->pool = p;
	r->request = request;
	r->start = clock_boot_ms();
	r->count = json_array_size(request->calls);
	for (size_t i = 0; i < r->count; i++)
		begin(r, i);
	return r;
}

bool net_round_is_done(const struct net_round *r)
{
	return r->left == 0;
}

static void end(struct call *c)
{
	if (c->curl)
		(void)curl_multi_remove_handle(c->round->pool->multi, c->curl);
	curl_easy_cleanup(c->curl);
	curl_slist_free_all(c->headers);
	buf_release(&c->body);
}

json_t *net_round_end(struct net_round *r)
{
	json_t *answers = json_array();

	for (size_t i = 0; i < r->count; i++) {
		json_array_append_new(answers, answer_of(&r->calls[i]));
		end(&r->calls[i]);
	}
	free(r);
	return answers;
}

void net_farm(const struct farm_request *request, struct net_answer *a,
	      json_t **ret_answers)
{
	struct net_pool pool = { .multi = NULL };
	struct net_round *r = NULL;

	if (net_pool_init(&pool) == 0)
		r = net_round_begin(&pool, request);
	if (!r) {
		net_pool_release(&pool);
		net_say(a, NET_INTERNAL, "libcurl: no handle");
		return;
	}
	while (net_pool_step(&pool) == 0 && !net_round_is_done(r))
		if (curl_multi_poll(pool.multi, NULL, 0, POLL_MS, NULL))
			break;
	*ret_answers = net_round_end(r);
	net_pool_release(&pool);
	if (*ret_answers)
		net_say(a, NET_OK, "asked");
	else
		net_say(a, NET_INTERNAL, "no memory");
}
