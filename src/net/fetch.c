#include "net/fetch.h"

#include <curl/curl.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/text.h"
#include "base/version.h"
#include "conf/url.h"
#include "net/curl_reason.h"
#include "sys/json.h"

#define SYSTEM_CA_FILE "/etc/ssl/certs/ca-certificates.crt"

#define TRY(call)                                                              \
	do {                                                                   \
		code = (call);                                                 \
		if (code != CURLE_OK)                                          \
			return code;                                           \
	} while (0)

enum { HOST_SIZE = 256 };

struct fetch {
	const struct fetch_request *request;
	CURL *curl;
	struct buf *body;
	bool trusted;	 /* the host is on the list: any address will do */
	bool kept_away; /* an address was not connected to */
	bool too_large;
	char error[CURL_ERROR_SIZE];
};

/* ---- The request ---- */

static int check_members(const json_t *json, struct err *e)
{
	static const char *const known[] = { "url",	"http", "hosts",
					     "proxy",	"max",	"ca_file",
					     "timeout" };
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)json, key, value) {
		bool found = false;

		for (size_t i = 0; i < ARRAY_LEN(known); i++)
			found |= strcmp(key, known[i]) == 0;
		if (!found)
			return err_set(e, ERR_DAMAGED, "unknown member");
	}
	return 0;
}

static int read_hosts(struct fetch_request *r, struct err *e)
{
	const json_t *host;
	size_t i;

	r->hosts = json_object_get(r->json, "hosts");
	if (!r->hosts || json_is_null(r->hosts)) {
		r->hosts = NULL;
		return 0;
	}
	if (!json_is_array(r->hosts))
		return err_set(e, ERR_DAMAGED, "hosts: not an array");
	json_array_foreach(r->hosts, i, host)
		if (!json_is_string(host))
			return err_set(e, ERR_DAMAGED, "hosts: not strings");
	return 0;
}

static int read_members(struct fetch_request *r, struct err *e)
{
	const char *proxy = NULL;
	const char *ca_file = NULL;

	if (check_members(r->json, e) < 0 ||
	    json_get_string(r->json, "url", URL_MAX, &r->url, e) < 0 ||
	    (json_object_get(r->json, "http") &&
	     json_get_bool(r->json, "http", &r->http, e) < 0) ||
	    (json_object_get(r->json, "proxy") &&
	     json_get_string_or_null(r->json, "proxy", URL_MAX, &proxy, e) <
		     0) ||
	    (json_object_get(r->json, "ca_file") &&
	     json_get_string_or_null(r->json, "ca_file", 4095, &ca_file, e) <
		     0) ||
	    json_get_int(r->json, "max", 1, FETCH_MAX, &r->max, e) < 0 ||
	    json_get_int(r->json, "timeout", 1, NET_TIMEOUT_MAX_S, &r->timeout,
			 e) < 0)
		return -1;
	r->proxy = proxy ? proxy : "";
	r->ca_file = ca_file ? ca_file : SYSTEM_CA_FILE;
	if (*r->ca_file != '/')
		return err_set(e, ERR_DAMAGED, "ca_file: not absolute");
	return read_hosts(r, e);
}

int fetch_request_parse(const char *json, size_t len,
			struct fetch_request *ret, struct err *e)
{
	struct fetch_request r = { .json = NULL };

	r.json = json_parse_object(json, len, e);
	if (!r.json)
		return err_set(e, ERR_DAMAGED, "no JSON object");
	if (read_members(&r, e) < 0) {
		fetch_request_release(&r);
		return -1;
	}
	*ret = r;
	return 0;
}

void fetch_request_release(struct fetch_request *r)
{
	json_decref(r->json);
	*r = (struct fetch_request){ .json = NULL };
}

/* ---- Where to ---- */

struct place {
	bool https;
	long long port;
	char host[HOST_SIZE]; /* without brackets */
};

static int find_place(const char *text, struct place *ret,
		      struct net_answer *a)
{
	const char *problem;
	const char *host;
	struct url url;
	size_t len;

	problem = url_parse(text, &url);
	if (problem)
		return net_say(a, NET_BAD_URL, "the URL %s", problem);
	host = strstr(text, "://") + 3;
	if (*host == '[') {
		host++;
		len = strcspn(host, "]");
	} else {
		len = strcspn(host, ":/?#");
	}
	if (len >= sizeof(ret->host))
		return net_say(a, NET_BAD_URL, "the URL's host is too long");
	memcpy(ret->host, host, len);
	ret->host[len] = '\0';
	ret->https = url.https;
	ret->port = url.port ? url.port : url.https ? 443 : 80;
	return 0;
}

static bool is_trusted(const struct fetch_request *r, const char *host)
{
	const json_t *one;
	size_t i;

	json_array_foreach(r->hosts, i, one)
		if (strcasecmp(json_string_value(one), host) == 0)
			return true;
	return false;
}

static int check_place(struct fetch *f, const struct place *place,
		       struct net_answer *a)
{
	const struct fetch_request *r = f->request;

	if (!place->https && !r->http)
		return net_say(a, NET_BAD_URL,
			       "it is http, and only https may be fetched");
	f->trusted = is_trusted(r, place->host);
	if (!f->trusted && !fetch_host_is_public(place->host))
		return net_say(a, NET_PRIVATE, "%s is not a public address",
			       place->host);
	return 0;
}

/* ---- The transfer ---- */

static curl_socket_t open_socket(void *arg, curlsocktype purpose,
				 struct curl_sockaddr *to)
{
	struct fetch *f = arg;

	if (purpose != CURLSOCKTYPE_IPCXN)
		return CURL_SOCKET_BAD;
	if (!f->trusted && !*f->request->proxy &&
	    !fetch_address_is_public(&to->addr)) {
		f->kept_away = true;
		return CURL_SOCKET_BAD;
	}
	return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

static size_t take(char *bytes, size_t size, size_t count, void *arg)
{
	struct fetch *f = arg;
	size_t len = size * count;

	if (len > (size_t)f->request->max - f->body->len) {
		f->too_large = true;
		return 0;
	}
	buf_add(f->body, bytes, len);
	return len;
}

static CURLcode set_limits(struct fetch *f)
{
	const struct fetch_request *r = f->request;
	long ms = (long)r->timeout * 1000;
	CURL *c = f->curl;
	CURLcode code;

	TRY(curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR,
			     r->http ? "http,https" : "https"));
	TRY(curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L));
	TRY(curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED));
	TRY(curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L));
	TRY(curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, ms));
	TRY(curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, ms));
	TRY(curl_easy_setopt(c, CURLOPT_PROXY, r->proxy));
	TRY(curl_easy_setopt(c, CURLOPT_NOPROXY, ""));
	TRY(curl_easy_setopt(c, CURLOPT_SSLVERSION,
			     (long)CURL_SSLVERSION_TLSv1_2));
	TRY(curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L));
	TRY(curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L));
	TRY(curl_easy_setopt(c, CURLOPT_CAPATH, NULL));
	return curl_easy_setopt(c, CURLOPT_CAINFO, r->ca_file);
}

static CURLcode set_functions(struct fetch *f)
{
	CURL *c = f->curl;
	CURLcode code;

	TRY(curl_easy_setopt(c, CURLOPT_USERAGENT, "qwd-net/" QWD_VERSION));
	TRY(curl_easy_setopt(c, CURLOPT_ERRORBUFFER, f->error));
	TRY(curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, open_socket));
	TRY(curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, f));
	TRY(curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take));
	return curl_easy_setopt(c, CURLOPT_WRITEDATA, f);
}

static int say_failure(const struct fetch *f, CURLcode code,
		       struct net_answer *a)
{
	if (f->too_large)
		return net_say(a, NET_TOO_LARGE, "it is of more than %lld bytes",
			       f->request->max);
	if (f->kept_away)
		return net_say(a, NET_PRIVATE,
			       "its host does not have a public address");
	return net_say(a, curl_reason(code), "%s",
		       *f->error ? f->error : curl_easy_strerror(code));
}

/* One request.  *ret_next is where it redirects to, or NULL. */
static int ask(struct fetch *f, const char *url, const char **ret_next,
	       struct net_answer *a)
{
	CURLcode code = curl_easy_setopt(f->curl, CURLOPT_URL, url);
	char *next = NULL;
	long status = 0;

	buf_reset(f->body);
	f->error[0] = '\0';
	if (code == CURLE_OK)
		code = curl_easy_perform(f->curl);
	if (code != CURLE_OK)
		return say_failure(f, code, a);
	curl_easy_getinfo(f->curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(f->curl, CURLINFO_REDIRECT_URL, &next);
	*ret_next = next;
	if (next || status == 200)
		return 0;
	return net_say(a, NET_STATUS, "the server answers with HTTP status %ld",
		       status);
}

/* Ask, and again where it redirects to. */
static int follow(struct fetch *f, struct net_answer *a)
{
	AUTO_FREE char *url = strdup(f->request->url);
	struct place first = { .port = 0 };
	struct place next = { .port = 0 };

	if (!url || find_place(url, &first, a) < 0 ||
	    check_place(f, &first, a) < 0)
		return url ? -1 : net_say(a, NET_INTERNAL, "no memory");
	for (int i = 0; i <= FETCH_REDIRECTS_MAX; i++) {
		const char *to = NULL;

		if (ask(f, url, &to, a) < 0)
			return -1;
		if (!to)
			return 0;
		free(url);
		url = strdup(to);
		if (!url)
			return net_say(a, NET_INTERNAL, "no memory");
		if (find_place(url, &next, a) < 0 ||
		    next.https != first.https || next.port != first.port ||
		    strcasecmp(next.host, first.host) != 0)
			return net_say(a, NET_REDIRECT,
				       "it redirects to another server");
	}
	return net_say(a, NET_REDIRECT, "it redirects for ever");
}

void net_fetch(const struct fetch_request *r, struct net_answer *a,
	       struct buf *body)
{
	struct fetch f = { .request = r, .body = body };
	CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);

	if (code == CURLE_OK)
		f.curl = curl_easy_init();
	if (!f.curl) {
		net_say(a, NET_INTERNAL, "libcurl: no handle");
		return;
	}
	code = set_limits(&f);
	if (code == CURLE_OK)
		code = set_functions(&f);
	if (code != CURLE_OK)
		net_say(a, NET_INTERNAL, "libcurl: %s",
			curl_easy_strerror(code));
	else if (follow(&f, a) == 0) {
		if (buf_failed(body))
			net_say(a, NET_INTERNAL, "no memory");
		else if (!text_is_utf8(buf_str(body), body->len))
			net_say(a, NET_NOT_TEXT,
				"it is not text in UTF-8");
		else
			net_say(a, NET_OK, "fetched");
	}
	curl_easy_cleanup(f.curl);
}

char *fetch_answer_text(const struct net_answer *a, const struct buf *body)
{
	static const char *const names[] = {
		[NET_ACCEPTED] = "accepted",
		[NET_REFUSED] = "refused",
		[NET_ERROR] = "error",
	};
	json_t *json = json_pack(
		"{ss ss ss ss?}", "result",
		names[net_result_of(a->reason)], "reason",
		net_reason_word(a->reason), "message", a->message, "body",
		a->reason == NET_OK ? buf_str(body) : NULL);
	AUTO_FREE char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	char *line = NULL;

	json_decref(json);
	if (!text || asprintf(&line, "%s\n", text) < 0)
		return NULL;
	return line;
}
