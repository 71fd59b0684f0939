/*
 * Mail addresses as this service accepts them: a strict part of RFC 5321,
 * which can also be the name of a user.
 */
#ifndef QWD_BASE_ADDRESS_H
#define QWD_BASE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"

enum { ADDRESS_SIZE = 129 }; /* 128 bytes and a NUL */

/*
 * Copy `text` in lower case into `ret` if it is exactly one address,
 * LOCAL@DOMAIN of 128 bytes at most: a local part of 1 to 64 ASCII letters,
 * digits and "#+-_", which single dots divide and '-' does not begin; a domain
 * as address_domain_ok() has it.  So no blank, no control character, no second
 * address, no comment, no display name, and none of the characters by which
 * old mail servers route.  False, with *ret untouched, if it is not.
 *
 * In lower case, because nobody has two mailboxes that differ in that alone:
 * whoever gets the mail is whoever the name belongs to.
 */
MUST_CHECK bool address_read(const char *text, char ret[ADDRESS_SIZE]);

/* True if `text` is labels of 1 to 63 letters, digits and inner '-', divided
 * by dots, at most 253 bytes in all, and no address of a host (RFC 1123). */
bool address_domain_ok(const char *text);

/* The same, or an IPv4 address. */
bool address_host_ok(const char *text);

/* True if the `len` bytes of `text` before its '@' are 1 to 64 letters, digits
 * and bytes in `also`, which single dots divide and '-' does not begin. */
bool address_local_ok(const char *text, size_t len, const char *also);

#endif
