#include "net/transfer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"

#define TRY(call)                                                              \
	do {                                                                   \
		code = (call);                                                 \
		if (code != CURLE_OK)                                          \
			return code;                                           \
	} while (0)

enum { URL_MAX_BYTES = 512 };

static size_t discard(char *bytes, size_t size, size_t count, void *context)
{
	(void)bytes;
	(void)context;
	return size * count;
}

static int overhear(CURL *curl, curl_infotype type, char *bytes, size_t len,
		    void *context)
{
	(void)curl;
	if (type == CURLINFO_HEADER_OUT)
		dialogue_sent(context, bytes, len);
	else if (type == CURLINFO_HEADER_IN)
		dialogue_heard(context, bytes, len);
	return 0;
}

static CURLcode set_address(struct transfer *t)
{
	const struct net_request *r = t->request;
	AUTO_BUF struct buf url = BUF_INIT(URL_MAX_BYTES);
	const char *protocol = t->dialogue.imap ? "imap" : "smtp";
	bool v6 = strchr(r->host, ':');

	buf_printf(&url, "%s%s://%s%s%s:%lld/", protocol,
		   r->tls == NET_TLS_DIRECT ? "s" : "", v6 ? "[" : "", r->host,
		   v6 ? "]" : "", r->port);
	if (buf_failed(&url))
		return CURLE_OUT_OF_MEMORY;
	return curl_easy_setopt(t->curl, CURLOPT_URL, buf_str(&url));
}

static CURLcode set_security(struct transfer *t)
{
	const struct net_request *r = t->request;
	CURL *c = t->curl;
	CURLcode code;

	TRY(curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR,
			     t->dialogue.imap ? "imap,imaps" : "smtp,smtps"));
	TRY(curl_easy_setopt(c, CURLOPT_USE_SSL,
			     r->tls == NET_TLS_NONE ? (long)CURLUSESSL_NONE :
						      (long)CURLUSESSL_ALL));
	TRY(curl_easy_setopt(c, CURLOPT_SSLVERSION,
			     (long)CURL_SSLVERSION_TLSv1_2));
	TRY(curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L));
	TRY(curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L));
	TRY(curl_easy_setopt(c, CURLOPT_CAINFO, r->ca_file));
	TRY(curl_easy_setopt(c, CURLOPT_CAPATH, NULL));
	TRY(curl_easy_setopt(c, CURLOPT_PROXY, ""));
	return curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
}

static CURLcode set_rest(struct transfer *t)
{
	long timeout_ms = (long)t->request->timeout * 1000;
	CURL *c = t->curl;
	CURLcode code;

	TRY(curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L));
	TRY(curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, timeout_ms));
	TRY(curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, timeout_ms));
	TRY(curl_easy_setopt(c, CURLOPT_ERRORBUFFER, t->error));
	TRY(curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, discard));
	TRY(curl_easy_setopt(c, CURLOPT_DEBUGFUNCTION, overhear));
	TRY(curl_easy_setopt(c, CURLOPT_DEBUGDATA, &t->dialogue));
	return curl_easy_setopt(c, CURLOPT_VERBOSE, 1L);
}

int transfer_open(struct transfer *t, const struct net_request *r, bool imap,
		  struct net_answer *a)
{
	CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);

	*t = (struct transfer){ .request = r, .dialogue.imap = imap };
	if (code == CURLE_OK)
		t->curl = curl_easy_init();
	if (!t->curl)
		return net_say(a, NET_INTERNAL, "libcurl: no handle");
	code = set_address(t);
	if (code == CURLE_OK)
		code = set_security(t);
	if (code == CURLE_OK)
		code = set_rest(t);
	if (code != CURLE_OK)
		return net_say(a, NET_INTERNAL, "libcurl: %s",
			       curl_easy_strerror(code));
	return 0;
}

int transfer_login(struct transfer *t, struct net_answer *a)
{
	const struct net_request *r = t->request;
	CURL *c = t->curl;

	if (curl_easy_setopt(c, CURLOPT_USERNAME, r->user) != CURLE_OK ||
	    curl_easy_setopt(c, CURLOPT_PASSWORD, r->password) != CURLE_OK ||
	    curl_easy_setopt(c, CURLOPT_LOGIN_OPTIONS,
			     "AUTH=PLAIN;AUTH=LOGIN") != CURLE_OK)
		return net_say(a, NET_INTERNAL, "libcurl: cannot log in");
	return 0;
}

CURLcode transfer_run(struct transfer *t)
{
	t->error[0] = '\0';
	return curl_easy_perform(t->curl);
}

static enum net_reason connect_reason(const struct transfer *t)
{
	long sys = 0;

	curl_easy_getinfo(t->curl, CURLINFO_OS_ERRNO, &sys);
	if (sys == ECONNREFUSED)
		return NET_REFUSED_CONNECTION;
	return sys == ETIMEDOUT ? NET_TIMEOUT : NET_UNREACHABLE;
}

/* libcurl has one code for a bad chain and for another's name; for the latter
 * the result of the verification is as it was before: 1, "unspecified". */
static enum net_reason certificate_reason(const struct transfer *t)
{
	long chain = 0;

	curl_easy_getinfo(t->curl, CURLINFO_SSL_VERIFYRESULT, &chain);
	return chain > 1 ? NET_CERTIFICATE : NET_HOST_NAME;
}

static enum net_reason reason_of(const struct transfer *t, CURLcode code)
{
	static const struct {
		CURLcode code;
		enum net_reason reason;
	} table[] = {
		{ CURLE_COULDNT_RESOLVE_HOST, NET_UNKNOWN_HOST },
		{ CURLE_OPERATION_TIMEDOUT, NET_TIMEOUT },
		{ CURLE_USE_SSL_FAILED, NET_NO_TLS },
		{ CURLE_SSL_CONNECT_ERROR, NET_TLS },
		{ CURLE_SSL_CACERT_BADFILE, NET_CA_FILE },
		{ CURLE_SEND_ERROR, NET_CLOSED },
		{ CURLE_RECV_ERROR, NET_CLOSED },
		{ CURLE_GOT_NOTHING, NET_CLOSED },
		{ CURLE_OUT_OF_MEMORY, NET_INTERNAL },
	};

	if (code == CURLE_COULDNT_CONNECT)
		return connect_reason(t);
	if (code == CURLE_PEER_FAILED_VERIFICATION)
		return certificate_reason(t);
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (table[i].code == code)
			return table[i].reason;
	return NET_PROTOCOL;
}

int transfer_say(const struct transfer *t, CURLcode code,
		 struct net_answer *a)
{
	return net_say(a, reason_of(t, code), "%s",
		       *t->error ? t->error : curl_easy_strerror(code));
}

void transfer_close(struct transfer *t)
{
	curl_easy_cleanup(t->curl);
	t->curl = NULL;
	explicit_bzero(&t->dialogue, sizeof(t->dialogue));
}
