#include "ctl/fetch.h"

#include <curl/curl.h>
#include <string.h>

#include "base/text.h"
#include "base/version.h"
#include "sys/clock.h"
#include "sys/file.h"

enum {
	REDIRECTS_MAX = 5,
	CONNECT_SECONDS = 30,
	SLOW_BYTES = 1024, /* per second, */
	SLOW_SECONDS = 60, /* for so long */
};

struct transfer {
	const struct fetch *fetch;
	CURL *curl;
	struct sha256 sha256;
	long long size;
	struct err *e; /* filled where the end is our doing */
	char why[CURL_ERROR_SIZE];
};

/* A piece of the body; another number than its length ends the transfer. */
static size_t on_bytes(char *bytes, size_t one, size_t len, void *arg)
{
	struct transfer *t = arg;

	(void)one;
	if ((long long)len > t->fetch->max - t->size) {
		err_set(t->e, ERR_TOO_LARGE,
			"is larger than the %lld MB that fit",
			t->fetch->max / 1000000);
		return 0;
	}
	if (file_write_all(t->fetch->fd, bytes, len) < 0) {
		err_sys(t->e, "cannot write");
		return 0;
	}
	sha256_add(&t->sha256, bytes, len);
	t->size += (long long)len;
	return len;
}

static int on_progress(void *arg, curl_off_t total, curl_off_t done,
		       curl_off_t up_total, curl_off_t up)
{
	struct transfer *t = arg;

	(void)up_total;
	(void)up;
	if (*t->fetch->stop) {
		err_set(t->e, ERR_CONFLICT, "interrupted");
		return 1;
	}
	if (t->fetch->progress)
		t->fetch->progress(t->fetch->arg, done, total);
	return 0;
}

/* What libcurl says, without what a server could put there for a terminal. */
static int fail(struct transfer *t, CURLcode code)
{
	if (t->e->code != ERR_NONE)
		return -1;
	for (char *c = t->why; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	if (code == CURLE_FILESIZE_EXCEEDED)
		return err_set(t->e, ERR_TOO_LARGE,
			       "is larger than the %lld MB that fit",
			       t->fetch->max / 1000000);
	return err_set(t->e, ERR_SYSTEM, "cannot be fetched: %.200s",
		       t->why[0] ? t->why : curl_easy_strerror(code));
}

/* setopt() as a function of one type each; a failure is kept in *code. */
static void set_long(CURLcode *code, CURL *curl, CURLoption option, long value)
{
	if (*code == CURLE_OK)
		*code = curl_easy_setopt(curl, option, value);
}

static void set_offset(CURLcode *code, CURL *curl, CURLoption option,
		       long long value)
{
	if (*code == CURLE_OK)
		*code = curl_easy_setopt(curl, option, (curl_off_t)value);
}

static void set_text(CURLcode *code, CURL *curl, CURLoption option,
		     const char *value)
{
	if (*code == CURLE_OK)
		*code = curl_easy_setopt(curl, option, value);
}

static CURLcode prepare(struct transfer *t)
{
	const struct fetch *f = t->fetch;
	bool https = text_starts(f->url, "https:");
	CURLcode code = CURLE_OK;
	CURL *curl = t->curl;

	set_text(&code, curl, CURLOPT_URL, f->url);
	set_text(&code, curl, CURLOPT_USERAGENT, "qwdctl/" QWD_VERSION);
	set_text(&code, curl, CURLOPT_PROTOCOLS_STR, "http,https");
	set_text(&code, curl, CURLOPT_REDIR_PROTOCOLS_STR,
		 https && !f->may_leave_https ? "https" : "http,https");
	if (*f->proxy)
		set_text(&code, curl, CURLOPT_PROXY, f->proxy);
	set_long(&code, curl, CURLOPT_FOLLOWLOCATION, 1);
	set_long(&code, curl, CURLOPT_MAXREDIRS, REDIRECTS_MAX);
	set_long(&code, curl, CURLOPT_FAILONERROR, 1);
	set_long(&code, curl, CURLOPT_NOSIGNAL, 1);
	set_long(&code, curl, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
	set_long(&code, curl, CURLOPT_LOW_SPEED_LIMIT, SLOW_BYTES);
	set_long(&code, curl, CURLOPT_LOW_SPEED_TIME, SLOW_SECONDS);
	set_long(&code, curl, CURLOPT_FILETIME, 1);
	set_long(&code, curl, CURLOPT_NOPROGRESS, 0);
	set_offset(&code, curl, CURLOPT_MAXFILESIZE_LARGE, f->max);
	if (f->newer_than > 0) {
		set_long(&code, curl, CURLOPT_TIMECONDITION,
			 CURL_TIMECOND_IFMODSINCE);
		set_offset(&code, curl, CURLOPT_TIMEVALUE_LARGE, f->newer_than);
	}
	if (code == CURLE_OK)
		code = curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, t->why);
	if (code == CURLE_OK)
		code = curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
	if (code == CURLE_OK)
		code = curl_easy_setopt(curl, CURLOPT_WRITEDATA, t);
	if (code == CURLE_OK)
		code = curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION,
					on_progress);
	return code != CURLE_OK
		       ? code
		       : curl_easy_setopt(curl, CURLOPT_XFERINFODATA, t);
}

static int finish(struct transfer *t, struct fetched *ret, struct err *e)
{
	struct fetched got = { .size = t->size };
	curl_off_t time = -1;
	long unmet = 0;
	long status = 0;

	curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(t->curl, CURLINFO_CONDITION_UNMET, &unmet);
	curl_easy_getinfo(t->curl, CURLINFO_FILETIME_T, &time);
	got.unchanged = unmet != 0 || status == 304;
	if (!got.unchanged && status != 200)
		return err_set(e, ERR_SYSTEM,
			       "cannot be fetched: HTTP status %ld", status);
	if (time > 0 && time <= clock_wall())
		got.time = time;
	if (sha256_end(&t->sha256, got.sha256, e) < 0)
		return -1;
	*ret = got;
	return 0;
}

int fetch_url(const struct fetch *f, struct fetched *ret, struct err *e)
{
	struct err mine = ERR_INIT;
	struct transfer t = { .fetch = f, .e = &mine };
	CURLcode code;
	int result;

	if (sha256_begin(&t.sha256, e) < 0)
		return -1;
	t.curl = curl_easy_init();
	code = t.curl ? prepare(&t) : CURLE_FAILED_INIT;
	if (code == CURLE_OK)
		code = curl_easy_perform(t.curl);
	if (code == CURLE_OK) {
		result = finish(&t, ret, e);
	} else {
		result = fail(&t, code);
		*e = mine;
	}
	curl_easy_cleanup(t.curl);
	sha256_release(&t.sha256);
	return result;
}
