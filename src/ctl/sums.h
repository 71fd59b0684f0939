/*
 * SHA256SUMS: the list of sums that publishers put beside their files.
 */
#ifndef QWD_CTL_SUMS_H
#define QWD_CTL_SUMS_H

#include <signal.h>
#include <stddef.h>

#include "base/err.h"
#include "ctl/sha256.h"

/* The address of the list beside `url` (caller frees); NULL if no memory. */
char *sums_url(const char *url);

/*
 * Find the file of `url` in a list of `len` bytes, as sha256sum(1) writes
 * them: "HEX  NAME" or "HEX *NAME", also with "./" before the name, or
 * "SHA256 (NAME) = HEX".  *ret gets the sum in lower case, "" if the list does
 * not have it.  The text is changed.
 */
void sums_find(char *text, size_t len, const char *url,
	       char ret[SHA256_HEX + 1]);

/*
 * Fetch the list and find the file.  No list there is fine: "" then.  Other
 * failures are fetch_url()'s.
 */
MUST_CHECK int sums_fetch(const char *url, const char *proxy,
			  const volatile sig_atomic_t *stop,
			  char ret[SHA256_HEX + 1], struct err *e);

#endif
