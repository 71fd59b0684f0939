/*
 * SHA-256 (FIPS 180-4) of a stream, by OpenSSL.
 */
#ifndef QWD_CTL_SHA256_H
#define QWD_CTL_SHA256_H

#include <stddef.h>

#include "base/err.h"

enum { SHA256_HEX = 64 };

/* A sum that is being made; NULL `context` before sha256_begin(). */
struct sha256 {
	void *context;
};

#define AUTO_SHA256 __attribute__((cleanup(sha256_release)))

MUST_CHECK int sha256_begin(struct sha256 *s, struct err *e);

/* Failures are kept and told by sha256_end(). */
void sha256_add(struct sha256 *s, const void *bytes, size_t len);

/* The sum as lower-case hexadecimal digits and NUL. */
MUST_CHECK int sha256_end(struct sha256 *s, char hex[SHA256_HEX + 1],
			  struct err *e);

void sha256_release(struct sha256 *s);

#endif
