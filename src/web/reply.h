/*
 * One reply: built whole, sent once, so that until then an error can still
 * take its place.
 *
 * Every reply carries the security headers, whatever it is.
 */
#ifndef QWD_WEB_REPLY_H
#define QWD_WEB_REPLY_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"

enum {
	REPLY_HEADERS_MAX = 16 * 1024,
	REPLY_FORMS_MAX = 12 * 1024,
	REPLY_BODY_MAX = 32 * 1024 * 1024,
};

#define REPLY_HTML "text/html; charset=utf-8"
#define REPLY_JSON "application/json"
#define REPLY_CSS "text/css; charset=utf-8"
#define REPLY_TEXT "text/plain; charset=utf-8"

struct reply {
	int status;
	const char *type;   /* Content-Type; NULL with an empty body */
	bool secret_url;    /* the page's URL holds a secret: no request that
			       the page makes may carry it as its referrer */
	struct buf forms;   /* " ORIGIN" of each server beside this one that
			       an answer to a form may lead to */
	struct buf headers; /* those of this reply alone, a line each */
	struct buf body;
};

#define REPLY_INIT                                                             \
	{ .status = 500, .forms = BUF_INIT(REPLY_FORMS_MAX), .headers = BUF_INIT(REPLY_HEADERS_MAX),               \
	  .body = BUF_INIT(REPLY_BODY_MAX) }

/* Begin another reply: forget headers and body (but not secret_url and
 * forms). */
void reply_reset(struct reply *r, int status, const char *type);

/* Add a header.  A control character in the value fails the whole reply. */
void reply_header(struct reply *r, const char *name, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

/* Set-Cookie for the login: `__Host-qwd` over https, else `qwd`; for the
 * browser's session, HttpOnly, SameSite=Strict. */
void reply_login_cookie(struct reply *r, bool https, const char *value);

/* Set-Cookie that makes the browser forget it. */
void reply_forget_login(struct reply *r, bool https);

/* The name of that cookie. */
const char *reply_cookie_name(bool https);

/*
 * Send it to descriptor `fd`, as CGI/1.1 (RFC 3875, section 6); with `head`
 * without the body.  A reply that failed (too long, no memory, a bad header)
 * becomes an empty 500.  ERR_SYSTEM if the visitor has gone.
 */
MUST_CHECK int reply_send(const struct reply *r, bool https, bool head, int fd,
			  struct err *e);

/*
 * What a visitor is told of an error: *why itself; but where the host has run
 * out of something (ERR_SYSTEM with ENOSPC, EDQUOT, EMFILE, ENFILE or ENOMEM)
 * ERR_BUSY with a sentence that says of what, and retry_after: nothing is
 * broken, and it may pass.
 */
void reply_shown_error(const struct err *why, struct err *ret);

/* The status for an error, and the words for a status. */
int reply_status_of(enum err_code code);
const char *reply_reason(int status);

void reply_release(struct reply *r);

#endif
