/*
 * qwd-net farm: several servers are asked at the same time.
 *
 * The request is ONE JSON object of at most 1 MB:
 *
 *     calls       array of 1 to 32 {"url", "body", "accept"}: http(s), as
 *                 url_parse() has it; the fields of a form, URL-encoded; the
 *                 type that is wanted
 *     http        may they be http, true or false
 *     fresh       true: what is asked changes something, and is said once, over
 *                 a connection of its own
 *     ca_file     absolute path of PEM certificates, or null: the system's
 *     max         bytes of one answer, 1..1048576
 *     connect_ms  until the connection, TLS included, stands: 1..60000
 *     timeout_ms  for all of it, 1..60000
 *
 * and the answer has result, reason and message, as net.h tells of the request
 * as a whole, and `answers`, an array in the order of the calls:
 *
 *     reason      "ok": the server answered, whatever it said; else a word of
 *                 NET_REASONS
 *     message     for the log
 *     status      the HTTP status, 0 without an answer
 *     sent        true: the connection stood, and the server may have heard
 *                 what was asked, whatever came of it
 *     ms          how long it took
 *     body        UTF-8 without NUL; null unless the reason is "ok"
 *
 * Each call is a POST.  No redirect is followed, no proxy asked, no cookie
 * kept; not a byte of a request is sent before the certificate is verified.
 */
#ifndef QWD_NET_FARM_H
#define QWD_NET_FARM_H

#include <curl/curl.h>
#include <jansson.h>
#include <stdbool.h>

#include "base/buf.h"
#include "net/net.h"

enum {
	NET_FARM_CALLS_MAX = 32,
	NET_FARM_REQUEST_MAX = 1048576,
	NET_FARM_ANSWER_MAX = 1048576,
	NET_FARM_MS_MAX = 60000,
	FARM_CONNECTION_S = 60, /* then a connection is not used any more */
};

struct farm_request {
	json_t *json;
	const json_t *calls;
	bool http;
	bool fresh;
	const char *ca_file;
	long long max;
	long long connect_ms;
	long long timeout_ms;
};

/* ERR_DAMAGED naming the member.  Release with farm_request_release(). */
MUST_CHECK int farm_request_parse(const char *json, size_t len,
				  struct farm_request *ret, struct err *e);
void farm_request_release(struct farm_request *r);

/* ---- One round after another ---- */

/* Connections, addresses, certificates and TLS sessions that are kept. */
struct net_pool {
	CURLM *multi;
	CURLSH *share;
};

/* -1 if libcurl gives no handle. */
MUST_CHECK int net_pool_init(struct net_pool *p);
void net_pool_release(struct net_pool *p);

/* Do what can be done now, without waiting: for that, poll p->multi.  -1 if
 * libcurl cannot go on. */
MUST_CHECK int net_pool_step(struct net_pool *p);

/* Begin to ask: *request must outlive the round, which is to be ended by
 * net_round_end(), done or not.  NULL if no memory. */
struct net_round *net_round_begin(struct net_pool *p,
				    const struct farm_request *request);
bool net_round_is_done(const struct net_round *r);

/* The answers (the caller's); NULL if no memory.  *r is gone. */
json_t *net_round_end(struct net_round *r);

/* ---- One alone ---- */

/* Ask them all: fills *a, and *ret_answers (the caller's), if that is
 * NET_OK. */
void net_farm(const struct farm_request *r, struct net_answer *a,
	      json_t **ret_answers);

/* The answer as one line of JSON.  NULL if no memory; the caller frees. */
char *farm_answer_text(const struct net_answer *a, const json_t *answers);

#endif
