/*
 * Mail: to whom we write, and by which server.
 *
 * The message goes to email_method's server by qwd-net (net/net.h), a process
 * of its own with a deadline.  There is exactly one recipient, whose address
 * has passed address_read(); header values with a control character are
 * refused here and there.
 *
 *     email_method   server                     TLS                   login
 *     auto           smtp_server:smtp_port      as smtp_use_ssl says  yes
 *     SSL            smtp_server:smtp_port,     from the first byte   yes
 *                    465 if that is not set
 *     port           smtp_server:smtp_port      STARTTLS with login,  yes
 *                                               else none
 *     simple         smtp_server or localhost,  none                  never
 *                    smtp_port, 25 if not set
 *
 * The login is email_user (or email_from) with the password in
 * email_passwd_file; without that file there is none.  So a password is never
 * sent in the clear.
 */
#ifndef QWD_AUTH_MAIL_H
#define QWD_AUTH_MAIL_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "conf/options.h"

enum {
	MAIL_SUBJECT_MAX = 256, /* bytes */
	MAIL_TIMEOUT_S = 15,
};

enum mail_verdict {
	MAIL_ALLOWED,
	MAIL_OTHER_DOMAIN, /* email_domains, or @domain in email_deny */
	MAIL_DENIED,       /* this address itself, by email_deny */
};

/* May this address, as address_read() gives it, log in by mail? */
enum mail_verdict mail_judge(const struct config *c, const char *address);

/* Is there a server for our mails, and a sender? */
bool mail_is_configured(const struct config *c);

struct mail {
	const char *to;
	const char *subject; /* UTF-8 */
	const char *text;    /* the plain part */
	const char *html;    /* the other one */
};

/*
 * The request to qwd-net.  `password` NULL: without a login.  ERR_SYSTEM if an
 * address or the subject is not fit for a header.  The caller owns the result;
 * NULL on failure.
 */
MUST_CHECK json_t *mail_request(const struct config *c, const struct mail *m,
				const char *password, struct err *e);

/* What the server said of the message. */
struct mail_answer {
	bool taken;
	char reason[32]; /* a word of qwd-net's: "ok", "rejected", "later" */
	char message[256];
};

/* What qwd-net's answer of `len` bytes says; as mail_send(). */
MUST_CHECK int mail_read_answer(const char *text, size_t len,
				struct mail_answer *ret, struct err *e);

/*
 * Send it.  0 if the server has taken or refused it: which of them can tell
 * whether the recipient exists, so no visitor may learn it.  ERR_CONFIG if
 * email_passwd_file cannot be used, ERR_SYSTEM if there is no way to the
 * server, or it does not know us; the messages are for the log.
 */
MUST_CHECK int mail_send(const struct config *c, const struct mail *m,
			 struct mail_answer *ret, struct err *e);

/*
 * Send it by a qwd-net that outlives us: nobody waits, and what it says, a
 * line of JSON without the address, goes to descriptor `log` (-1: nowhere).
 * Errors as above, but for those that only the server knows.
 */
MUST_CHECK int mail_post(const struct config *c, const struct mail *m, int log,
			 struct err *e);

#endif
