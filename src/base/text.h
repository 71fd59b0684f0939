/*
 * Strict readers of text: numbers without leniency, allow-lists, escapes.
 * Nothing here depends on the locale.
 */
#ifndef QWD_BASE_TEXT_H
#define QWD_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/*
 * Decimal integer, the whole of `text`, within [min, max]: optional '-',
 * digits, nothing else.  False otherwise, with *ret_value untouched.
 */
MUST_CHECK bool text_long(const char *text, long long min, long long max,
			  long long *ret_value);

/*
 * Decimal number with an optional fraction of at most six digits, the whole
 * of `text`, in thousandths, rounded down, within [min, max] thousandths.
 */
MUST_CHECK bool text_milli(const char *text, long long min, long long max,
			   long long *ret_milli);

/* "yes no true false on off 1 0", in lower case. */
MUST_CHECK bool text_bool(const char *text, bool *ret_value);

/* True if every byte of non-empty `text` is a letter, a digit or in `also`. */
bool text_only(const char *text, const char *also);

/* True if `len` bytes are valid UTF-8 (RFC 3629) without NUL. */
bool text_is_utf8(const char *bytes, size_t len);

/* True if the text has a control character: a byte below 0x20, 0x7f, or one
 * of C1 (U+0080 to U+009F), which terminals obey too, as UTF-8 has it. */
bool text_has_control(const char *text);

/* True if valid UTF-8 holds what is not seen, or turns the order of what comes
 * behind: such a name would pass for another's. */
bool text_is_deceptive(const char *text);

/*
 * Make `text` fit for a terminal, in place: each byte of a control character
 * (C0, DEL, and C1 as UTF-8 has it) or of what is no UTF-8 becomes '?'.
 */
void text_make_printable(char *text);

/* "#rrggbb" */
bool text_is_colour(const char *text);

bool text_starts(const char *text, const char *prefix);
bool text_ends(const char *text, const char *suffix);

/* Same bytes, compared in a time that depends on the length alone. */
bool text_same_secret(const char *a, const char *b);

/*
 * One file name: 1 to 255 bytes of letters, digits and "._+@=,-" or space,
 * not beginning with '.' or '-'.  No '/', so it cannot leave its directory.
 */
bool text_is_file_name(const char *text);

/* `text` as a JSON-free log value: control bytes, '"', '\\', '%' and bytes
 * from 0x7f as %XX; in double quotes if it holds a space or is empty. */
void text_log_escape(struct buf *out, const char *text);

/* Percent-encode all but RFC 3986's unreserved characters. */
void text_url_escape(struct buf *out, const char *text);

/* Base64 (RFC 4648), with padding. */
void text_base64(struct buf *out, const void *bytes, size_t len);

/* Lower-case hexadecimal. */
void text_hex(struct buf *out, const void *bytes, size_t len);

/*
 * Remove blanks (space, tab, CR, LF) at both ends, in place.  Returns the
 * first byte kept.
 */
char *text_trim(char *text);

#endif
