#include <string.h>

#include "base/buf.h"
#include "base/text.h"
#include "net/net.h"
#include "net/transfer.h"

/*
 * Where libcurl knows none of the SASL mechanisms that the server offers it
 * fails with the same code as for a wrong password, or goes on without login.
 */
static int judge(const struct transfer *t, CURLcode code, struct net_answer *a)
{
	const struct dialogue *d = &t->dialogue;
	/* CURLE_QUOTE_ERROR: to a command of ours */
	bool denied = code == CURLE_LOGIN_DENIED || code == CURLE_QUOTE_ERROR;

	if (code == CURLE_OK && d->done)
		return net_say(a, NET_OK, "logged in");
	if (dialogue_later(d))
		return net_say(a, NET_LATER, "%s", d->reply);
	if (dialogue_misunderstood(d))
		return net_say(a, NET_PROTOCOL, "%s", d->reply);
	if (denied && d->answered)
		return net_say(a, NET_BAD_PASSWORD, "%s", d->reply);
	if (!d->tried && (code == CURLE_OK || denied))
		return net_say(a, NET_NO_MECHANISM,
			       "the server offers no login that we know");
	if (code == CURLE_OK || denied)
		return net_say(a, NET_PROTOCOL, "no clear yes or no");
	return transfer_say(t, code, a);
}

/* `command` takes the place of what libcurl would do once it is logged in:
 * list the mailboxes, or ask for help. */
static void converse(struct transfer *t, const char *command,
		     struct net_answer *a)
{
	CURLcode code = curl_easy_setopt(t->curl, CURLOPT_CUSTOMREQUEST,
					 command);

	if (code == CURLE_OK)
		code = curl_easy_setopt(t->curl, CURLOPT_NOBODY,
					t->dialogue.imap ? 0L : 1L);
	if (code == CURLE_OK)
		code = transfer_run(t);
	judge(t, code, a);
}

static void check(const struct net_request *r, bool imap, struct net_answer *a)
{
	AUTO_TRANSFER struct transfer t = { .curl = NULL };

	if (transfer_open(&t, r, imap, a) == 0 && transfer_login(&t, a) == 0)
		converse(&t, "NOOP", a);
}

/* A quoted string of RFC 3501, as libcurl wants to have it: URL-encoded. */
static bool add_quoted(struct buf *command, const char *text)
{
	AUTO_BUF struct buf quoted = BUF_INIT(4 * NET_PASSWORD_MAX);
	bool ascii = true;

	buf_puts(&quoted, " \"");
	for (; *text; text++) {
		if (strchr("\"\\", *text))
			buf_putc(&quoted, '\\');
		buf_putc(&quoted, *text);
		ascii = ascii && *text > 0;
	}
	buf_putc(&quoted, '"');
	text_url_escape(command, buf_str(&quoted));
	explicit_bzero(quoted.data, quoted.len);
	return ascii && !buf_failed(&quoted);
}

/*
 * The LOGIN command, for servers without SASL.  libcurl would send it only
 * where all mechanisms are allowed; but with GSSAPI, for one, a ticket of our
 * own would log anybody in.
 */
static void check_without_sasl(const struct net_request *r,
			       struct net_answer *a)
{
	AUTO_TRANSFER struct transfer t = { .curl = NULL };
	AUTO_BUF struct buf command = BUF_INIT(16 * NET_PASSWORD_MAX);

	buf_puts(&command, "LOGIN");
	if (add_quoted(&command, r->user) &&
	    add_quoted(&command, r->password) && !buf_failed(&command) &&
	    transfer_open(&t, r, true, a) == 0)
		converse(&t, buf_str(&command), a);
	explicit_bzero(command.data, command.len);
}

void net_imap_check(const struct net_request *r, struct net_answer *a)
{
	check(r, true, a);
	if (a->reason == NET_NO_MECHANISM)
		check_without_sasl(r, a);
}

void net_smtp_check(const struct net_request *r, struct net_answer *a)
{
	check(r, false, a);
}
