/*
 * qwd-net fetch: one text from a web server, for boot scripts.
 *
 * The request is ONE JSON object:
 *
 *     url       http(s), as url_parse() has it
 *     http      may it be http, true or false; default false
 *     hosts     names and addresses that may be fetched from although they
 *               are private; default none.  They are compared exactly, but
 *               for case
 *     proxy     "http://host:port", or null
 *     ca_file   absolute path of PEM certificates, or null: the system's
 *     max       bytes of the text, 1..1048576
 *     timeout   seconds for all of it, 1..60
 *
 * and the answer has result, reason and message, as net.h tells, and `body`,
 * null unless it is accepted.
 *
 * An address is looked at when it is connected to, so that no name, however it
 * resolves, leads to this host, its network or any other that is not public
 * (RFC 6890).  Behind a proxy the proxy resolves; then only addresses in the
 * URL itself are looked at.  A redirect is followed to the same scheme, host
 * and port only.  The body must be UTF-8 without NUL.
 */
#ifndef QWD_NET_FETCH_H
#define QWD_NET_FETCH_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "net/net.h"

enum { FETCH_MAX = 1048576, FETCH_REDIRECTS_MAX = 5 };

struct fetch_request {
	json_t *json;
	const char *url;
	const char *proxy; /* "" for none */
	const char *ca_file;
	const json_t *hosts; /* array of strings, or NULL */
	bool http;
	long long max;
	long long timeout;
};

/* ERR_DAMAGED naming the member.  Release with fetch_request_release(). */
MUST_CHECK int fetch_request_parse(const char *json, size_t len,
				   struct fetch_request *ret, struct err *e);
void fetch_request_release(struct fetch_request *r);

/* Fetch: fills *a, and *body, whose ceiling is at least r->max, if that is
 * NET_OK. */
void net_fetch(const struct fetch_request *r, struct net_answer *a,
	       struct buf *body);

/* The answer as one line of JSON.  NULL if no memory; the caller frees. */
char *fetch_answer_text(const struct net_answer *a, const struct buf *body);

/* net/fetch_address.c: is this an address of the public Internet, and none of
 * this host's own? */
bool fetch_address_is_public(const struct sockaddr *address);

/* May the host of a URL be asked for at all?  A name may; an address, in any
 * of the forms that resolvers take, and "localhost" if it is public. */
bool fetch_host_is_public(const char *host);

#endif
