#include "web/reply.h"

#include <errno.h>
#include <stdarg.h>
#include <sys/uio.h>

#include "base/text.h"
#include "sys/file.h"

enum { SHORTAGE_RETRY_S = 120 };

/*
 * Referrer-Policy is not no-referrer: under that browsers send "Origin: null"
 * with our own forms (Fetch, "append a request Origin header"), and a POST
 * with that origin is refused.  Other sites get no referrer by this one too;
 * and where not even our own logs may have the page's URL, strict-origin tells
 * no path to anybody.
 */
static const char security_headers[] =
	"Content-Security-Policy: default-src 'none'; script-src 'self'; "
	"style-src 'self'; img-src 'self' data:; connect-src 'self'; "
	"form-action 'self'%s; frame-ancestors 'none'; base-uri 'none'\r\n"
	"X-Content-Type-Options: nosniff\r\n"
	"X-Frame-Options: DENY\r\n"
	"Referrer-Policy: %s\r\n"
	"Cross-Origin-Opener-Policy: same-origin\r\n"
	"Cache-Control: no-store\r\n"
	"Vary: Accept\r\n";

static const char https_headers[] =
	"Strict-Transport-Security: max-age=31536000\r\n";

void reply_shown_error(const struct err *why, struct err *ret)
{
	static const struct {
		int sys;
		const char *what;
	} table[] = {
		{ ENOSPC, "no room left on its disk" },
		{ EDQUOT, "no room left on its disk" },
		{ EMFILE, "too many files open" },
		{ ENFILE, "too many files open" },
		{ ENOMEM, "no memory left" },
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		if (why->code != ERR_SYSTEM || why->sys != table[i].sys)
			continue;
		err_set(ret, ERR_BUSY,
			"The server has %s at the moment. Try again in a few "
			"minutes, and tell the administrator if it lasts.",
			table[i].what);
		ret->retry_after = SHORTAGE_RETRY_S;
		return;
	}
	*ret = *why;
}

int reply_status_of(enum err_code code)
{
	switch (code) {
	case ERR_INPUT:
		return 400;
	case ERR_LOGIN:
		return 401;
	case ERR_FORBIDDEN:
		return 403;
	case ERR_NOT_FOUND:
		return 404;
	case ERR_METHOD:
		return 405;
	case ERR_CONFLICT:
		return 409;
	case ERR_TOO_LARGE:
		return 413;
	case ERR_THROTTLED:
		return 429;
	case ERR_BUSY:
		return 503;
	case ERR_NONE:
	case ERR_CONFIG:
	case ERR_DAMAGED:
	case ERR_TIMEOUT:
	case ERR_SYSTEM:
		break;
	}
	return 500;
}

const char *reply_reason(int status)
{
	static const struct {
		int status;
		const char *reason;
	} reasons[] = {
		{ 200, "OK" },
		{ 201, "Created" },
		{ 202, "Accepted" },
		{ 303, "See Other" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 409, "Conflict" },
		{ 413, "Content Too Large" },
		{ 429, "Too Many Requests" },
		{ 503, "Service Unavailable" },
	};

	for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Internal Server Error";
}

void reply_reset(struct reply *r, int status, const char *type)
{
	buf_reset(&r->headers);
	buf_reset(&r->body);
	r->status = status;
	r->type = type;
}

void reply_header(struct reply *r, const char *name, const char *fmt, ...)
{
	AUTO_FREE char *value = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&value, fmt, ap) < 0)
		value = NULL;
	va_end(ap);
	if (!value || text_has_control(value)) {
		r->headers.failed = true;
		return;
	}
	buf_printf(&r->headers, "%s: %s\r\n", name, value);
}

const char *reply_cookie_name(bool https)
{
	return https ? "__Host-qwd" : "qwd";
}

void reply_login_cookie(struct reply *r, bool https, const char *value)
{
	reply_header(r, "Set-Cookie",
		     "%s=%s; Path=/; HttpOnly; SameSite=Strict%s",
		     reply_cookie_name(https), value, https ? "; Secure" : "");
}

void reply_forget_login(struct reply *r, bool https)
{
	reply_header(r, "Set-Cookie",
		     "%s=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0%s",
		     reply_cookie_name(https), https ? "; Secure" : "");
}

/* Both in one go where the pipe takes them, so that the visitor need not wait
 * for the second; a page can be too large to be copied for that. */
static int send_parts(int fd, const struct buf *head, char *body,
		      size_t length)
{
	struct iovec parts[] = {
		{ .iov_base = head->data, .iov_len = head->len },
		{ .iov_base = body, .iov_len = length },
	};
	ssize_t sent;
	size_t done;

	do {
		sent = writev(fd, parts, ARRAY_LEN(parts));
	} while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return -1;
	done = (size_t)sent;
	if (done < head->len)
		return file_write_all(fd, head->data + done, head->len - done) <
				       0 ?
			       -1 :
			       file_write_all(fd, body, length);
	done -= head->len;
	return file_write_all(fd, body + done, length - done);
}

int reply_send(const struct reply *r, bool https, bool head, int fd,
	       struct err *e)
{
	AUTO_BUF struct buf out =
		BUF_INIT(REPLY_HEADERS_MAX + REPLY_FORMS_MAX + 4096);
	bool whole = !buf_failed(&r->headers) && !buf_failed(&r->body);
	int status = whole ? r->status : 500;
	size_t length = whole ? r->body.len : 0;

	buf_printf(&out, "Status: %d %s\r\n", status, reply_reason(status));
	buf_printf(&out, security_headers, buf_str(&r->forms),
		   r->secret_url ? "strict-origin" : "same-origin");
	buf_puts(&out, https ? https_headers : "");
	if (length && r->type)
		buf_printf(&out, "Content-Type: %s\r\n", r->type);
	buf_printf(&out, "Content-Length: %zu\r\n", length);
	buf_puts(&out, whole ? buf_str(&r->headers) : "");
	buf_puts(&out, "\r\n");
	if (buf_failed(&out))
		return err_set(e, ERR_SYSTEM, "no memory for the reply");
	if (send_parts(fd, &out, r->body.data, head ? 0 : length) < 0)
		return err_sys(e, "cannot send the reply");
	return 0;
}

void reply_release(struct reply *r)
{
	buf_release(&r->forms);
	buf_release(&r->headers);
	buf_release(&r->body);
}
