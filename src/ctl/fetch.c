#include "ctl/fetch.h"

#include <curl/curl.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "base/version.h"
#include "ctl/fetch_headers.h"
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
	struct curl_slist *headers;
	struct fetch_headers got; /* of the last response */
	struct sha256 sha256;
	long long size;
	bool begun;
	struct err *e; /* filled where the end is our doing */
	char why[CURL_ERROR_SIZE];
};

static long status_of(const struct transfer *t)
{
	long status = 0;

	curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
	return status;
}

/* The bytes that are there already, into the sum. */
static int read_again(struct transfer *t, struct err *e)
{
	char piece[65536];

	if (lseek(t->fetch->fd, 0, SEEK_SET) < 0)
		return err_sys(e, "cannot be read");
	while (t->size < t->fetch->have) {
		ssize_t got = read(t->fetch->fd, piece, sizeof(piece));

		if (*t->fetch->stop)
			return err_set(e, ERR_CONFLICT, "interrupted");
		if (got <= 0)
			return err_set(e, ERR_DAMAGED, "the part is shorter "
						       "than it was");
		sha256_add(&t->sha256, piece, (size_t)got);
		t->size += got;
	}
	return 0;
}

static int begin_anew(struct transfer *t)
{
	if (ftruncate(t->fetch->fd, 0) < 0 ||
	    lseek(t->fetch->fd, 0, SEEK_SET) < 0)
		return err_sys(t->e, "cannot write");
	t->size = 0;
	sha256_release(&t->sha256);
	return sha256_begin(&t->sha256, t->e);
}

/* The first byte of the body: does it go on where we are, or begin anew? */
static int begin_body(struct transfer *t)
{
	const struct fetch *f = t->fetch;
	bool rest = status_of(t) == 206;

	t->begun = true;
	if (rest && !fetch_headers_continue(&t->got, f->have, f->validator))
		return err_set(t->e, ERR_DAMAGED,
			       "has changed on the server in between: fetch it "
			       "again");
	if (!rest && begin_anew(t) < 0)
		return -1;
	if (f->begin)
		f->begin(f->arg, fetch_headers_validator(&t->got));
	return 0;
}

/* A piece of the body; another number than its length ends the transfer. */
static size_t on_bytes(char *bytes, size_t one, size_t len, void *arg)
{
	struct transfer *t = arg;

	(void)one;
	if (!t->begun && begin_body(t) < 0)
		return 0;
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

static size_t on_header(char *bytes, size_t one, size_t len, void *arg)
{
	struct transfer *t = arg;

	(void)one;
	fetch_headers_add(&t->got, bytes, len);
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
	if (t->fetch->progress && t->begun)
		t->fetch->progress(t->fetch->arg, t->size,
				   total ? t->size - done + total : 0);
	return 0;
}

/* What libcurl says, without what a server could put there for a terminal. */
static int fail(struct transfer *t, CURLcode code)
{
	long status = status_of(t);

	if (t->e->code != ERR_NONE)
		return -1;
	for (char *c = t->why; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	if (code == CURLE_FILESIZE_EXCEEDED)
		return err_set(t->e, ERR_TOO_LARGE,
			       "is larger than the %lld MB that fit",
			       t->fetch->max / 1000000);
	return err_set(t->e,
		       code == CURLE_HTTP_RETURNED_ERROR &&
				       (status == 404 || status == 410) ?
			       ERR_NOT_FOUND :
			       ERR_SYSTEM,
		       "cannot be fetched: %.200s",
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

static void add_header(CURLcode *code, struct transfer *t, const char *name,
		       const char *value)
{
	struct curl_slist *longer;
	char line[FETCH_TAG_SIZE + 32];

	snprintf(line, sizeof(line), "%s: %s", name, value);
	longer = curl_slist_append(t->headers, line);
	if (longer)
		t->headers = longer;
	else
		*code = CURLE_OUT_OF_MEMORY;
}

/* What the server is to send only if, and from where on. */
static void set_conditions(CURLcode *code, struct transfer *t)
{
	const struct fetch *f = t->fetch;
	char range[32];

	if (f->have > 0) {
		snprintf(range, sizeof(range), "%lld-", f->have);
		set_text(code, t->curl, CURLOPT_RANGE, range);
		add_header(code, t, "If-Range", f->validator);
	} else if (f->newer_than > 0) {
		set_long(code, t->curl, CURLOPT_TIMECONDITION,
			 CURL_TIMECOND_IFMODSINCE);
		set_offset(code, t->curl, CURLOPT_TIMEVALUE_LARGE,
			   f->newer_than);
	}
	if (f->have == 0 && f->etag && *f->etag)
		add_header(code, t, "If-None-Match", f->etag);
	if (*code == CURLE_OK && t->headers)
		*code = curl_easy_setopt(t->curl, CURLOPT_HTTPHEADER,
					 t->headers);
}

static void set_functions(CURLcode *code, struct transfer *t)
{
	CURL *curl = t->curl;

	if (*code == CURLE_OK)
		*code = curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, t->why);
	if (*code == CURLE_OK)
		*code = curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
	if (*code == CURLE_OK)
		*code = curl_easy_setopt(curl, CURLOPT_WRITEDATA, t);
	if (*code == CURLE_OK)
		*code = curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION,
					 on_header);
	if (*code == CURLE_OK)
		*code = curl_easy_setopt(curl, CURLOPT_HEADERDATA, t);
	if (*code == CURLE_OK)
		*code = curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION,
					 on_progress);
	if (*code == CURLE_OK)
		*code = curl_easy_setopt(curl, CURLOPT_XFERINFODATA, t);
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
	set_conditions(&code, t);
	set_functions(&code, t);
	return code;
}

static bool is_page(const struct transfer *t)
{
	const char *type = NULL;

	curl_easy_getinfo(t->curl, CURLINFO_CONTENT_TYPE, &type);
	return type && strncasecmp(type, "text/html", 9) == 0;
}

static int finish(struct transfer *t, struct fetched *ret, struct err *e)
{
	struct fetched got = { .unchanged = false };
	curl_off_t time = -1;
	long unmet = 0;
	long status = status_of(t);

	curl_easy_getinfo(t->curl, CURLINFO_CONDITION_UNMET, &unmet);
	curl_easy_getinfo(t->curl, CURLINFO_FILETIME_T, &time);
	got.unchanged = unmet != 0 || status == 304;
	if (!got.unchanged && status != 200 && status != 206)
		return err_set(e, ERR_SYSTEM,
			       "cannot be fetched: HTTP status %ld", status);
	/* An empty body has no first byte. */
	if (!got.unchanged && !t->begun && begin_body(t) < 0) {
		*e = *t->e;
		return -1;
	}
	got.is_page = is_page(t);
	got.size = t->size;
	if (time > 0 && time <= clock_wall())
		got.time = time;
	memcpy(got.etag, t->got.etag, sizeof(got.etag));
	if (sha256_end(&t->sha256, got.sha256, e) < 0)
		return -1;
	*ret = got;
	return 0;
}

static int perform(struct transfer *t, struct fetched *ret, struct err *e)
{
	CURLcode code = t->curl ? prepare(t) : CURLE_FAILED_INIT;

	if (code == CURLE_OK)
		code = curl_easy_perform(t->curl);
	if (code == CURLE_OK)
		return finish(t, ret, e);
	/* 416: what we have is all of it, or more. */
	if (code == CURLE_HTTP_RETURNED_ERROR && t->fetch->have > 0 &&
	    status_of(t) == 416) {
		*ret = (struct fetched){ .stale = true };
		return 0;
	}
	fail(t, code);
	*e = *t->e;
	return -1;
}

int fetch_url(const struct fetch *f, struct fetched *ret, struct err *e)
{
	struct err mine = ERR_INIT;
	struct transfer t = { .fetch = f, .e = &mine };
	int result = -1;

	if (sha256_begin(&t.sha256, e) < 0)
		return -1;
	if (f->have == 0 || read_again(&t, e) == 0) {
		t.curl = curl_easy_init();
		result = perform(&t, ret, e);
		curl_easy_cleanup(t.curl);
	}
	curl_slist_free_all(t.headers);
	sha256_release(&t.sha256);
	return result;
}
