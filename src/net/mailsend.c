#include <curl/curl.h>
#include <string.h>

#include "base/buf.h"
#include "net/mail_text.h"
#include "net/net.h"
#include "net/transfer.h"
#include "sys/clock.h"

enum { MESSAGE_MAX = 262144 };

/* libcurl's parts of a mail, released together. */
struct message {
	struct curl_slist *headers;
	struct curl_slist *to;
	curl_mime *mime;
};

#define AUTO_MESSAGE __attribute__((cleanup(message_release)))

static void message_release(struct message *m)
{
	curl_slist_free_all(m->headers);
	curl_slist_free_all(m->to);
	curl_mime_free(m->mime);
}

/* The list with a copy of `text` behind it; the old one if that fails. */
static bool append(struct curl_slist **list, const char *text)
{
	struct curl_slist *longer = curl_slist_append(*list, text);

	if (longer)
		*list = longer;
	return longer;
}

static bool append_buf(struct curl_slist **list, struct buf *b)
{
	bool good = !buf_failed(b) && append(list, buf_str(b));

	buf_reset(b);
	return good;
}

static bool make_headers(const struct net_request *r, struct message *m,
			 struct err *e)
{
	AUTO_BUF struct buf line = BUF_INIT(4096);

	mail_date(&line, clock_wall());
	if (!append_buf(&m->headers, &line))
		return false;
	buf_printf(&line, "From: <%s>", r->from);
	if (!append_buf(&m->headers, &line))
		return false;
	buf_printf(&line, "To: <%s>", r->to);
	if (!append_buf(&m->headers, &line))
		return false;
	mail_subject(&line, r->subject);
	if (!append_buf(&m->headers, &line))
		return false;
	if (mail_message_id(&line, r->from, e) < 0 ||
	    !append_buf(&m->headers, &line))
		return false;
	/* No vacation notices, please (RFC 3834).  libcurl adds the boundary to
	 * the type, and MIME-Version. */
	return append(&m->headers, "Auto-Submitted: auto-generated") &&
	       append(&m->headers, "Content-Type: multipart/alternative");
}

static bool add_part(curl_mime *mime, const char *type, const char *encoder,
		     const char *text)
{
	AUTO_BUF struct buf body = BUF_INIT(MESSAGE_MAX);
	curl_mimepart *part = curl_mime_addpart(mime);

	mail_body(&body, text);
	return part && !buf_failed(&body) &&
	       curl_mime_data(part, buf_str(&body), body.len) == CURLE_OK &&
	       curl_mime_type(part, type) == CURLE_OK &&
	       curl_mime_encoder(part, encoder) == CURLE_OK;
}

static bool make_message(const struct net_request *r, CURL *curl,
			 struct message *m, struct err *e)
{
	m->mime = curl_mime_init(curl);
	if (!m->mime || !append(&m->to, r->to) || !make_headers(r, m, e))
		return false;
	/* The last alternative is the preferred one (RFC 2046, 5.1.4). */
	if (!add_part(m->mime, "text/plain; charset=utf-8", "quoted-printable",
		      r->text) ||
	    (r->html && !add_part(m->mime, "text/html; charset=utf-8", "base64",
				  r->html)))
		return false;
	return curl_easy_setopt(curl, CURLOPT_MAIL_FROM, r->from) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, m->to) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_HTTPHEADER, m->headers) ==
		       CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_MIMEPOST, m->mime) == CURLE_OK;
}

static int judge(const struct transfer *t, CURLcode code, struct net_answer *a)
{
	const struct dialogue *d = &t->dialogue;
	long reply = 0;

	if (code == CURLE_OK)
		return net_say(a, NET_OK, "sent");
	if (dialogue_later(d))
		return net_say(a, NET_LATER, "login: %s", d->reply);
	if (code == CURLE_LOGIN_DENIED)
		return d->tried ? net_say(a, NET_OWN_LOGIN, "%s", d->reply) :
				  net_say(a, NET_NO_MECHANISM,
					  "the server offers no login that "
					  "we know");
	curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &reply);
	if (code == CURLE_SEND_ERROR || code == CURLE_WEIRD_SERVER_REPLY) {
		if (reply >= 500 && reply <= 599)
			return net_say(a, NET_REJECTED, "%ld: %s", reply,
				       t->error);
		if (reply >= 400 && reply <= 499)
			return net_say(a, NET_LATER, "%ld: %s", reply,
				       t->error);
	}
	return transfer_say(t, code, a);
}

void net_mail_send(const struct net_request *r, struct net_answer *a)
{
	AUTO_MESSAGE struct message m = { .mime = NULL };
	AUTO_TRANSFER struct transfer t = { .curl = NULL };
	struct err e = ERR_INIT;
	CURLcode code;

	if (transfer_open(&t, r, false, a) < 0 ||
	    (r->user && transfer_login(&t, a) < 0))
		return;
	if (!make_message(r, t.curl, &m, &e)) {
		net_say(a, NET_INTERNAL, "cannot make the mail %s", e.msg);
		return;
	}
	code = transfer_run(&t);
	judge(&t, code, a);
}
