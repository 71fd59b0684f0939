/*
 * What goes into a mail: addresses, header values, bodies.
 */
#ifndef QWD_NET_MAIL_TEXT_H
#define QWD_NET_MAIL_TEXT_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"

/*
 * True if `text` is exactly one address, LOCAL@DOMAIN (RFC 5321), at most 254
 * bytes: a local part of 1 to 64 ASCII letters, digits and "#$&'*+-=?^_{}~",
 * which '.' divides and '-' does not begin; a domain as address_domain_ok()
 * has it.  No quotes, no comment, no display name, and none of
 * "%!/|`", with which old mail servers route and run programs.
 */
bool mail_address_ok(const char *text);

/* True if a body has no control characters but tab, line feed and the carriage
 * return in front of one. */
bool mail_body_ok(const char *text);

/*
 * "Subject: ..." with folded lines, without a line end behind the last.
 * Printable ASCII stands as it is where it fits into one line; all else
 * becomes encoded words (RFC 2047, base64, UTF-8), each of whole characters.
 * `text` is UTF-8 without control characters.
 */
void mail_subject(struct buf *out, const char *text);

/* "Date: Mon, 23 Nov 2026 15:04:05 +0000" (RFC 5322) of `wall`. */
void mail_date(struct buf *out, long long wall);

/* "Message-ID: <RANDOM@DOMAIN>" with the domain of the address `from`. */
MUST_CHECK int mail_message_id(struct buf *out, const char *from,
			       struct err *e);

/* A body with CRLF at the end of each line. */
void mail_body(struct buf *out, const char *text);

#endif
