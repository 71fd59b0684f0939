/*
 * saslauthd's socket: does a local account have this password?
 *
 * The protocol is that of Cyrus SASL's saslauthd (its ipc_unix.c): four
 * strings, user, password, service and realm, each with its length in two
 * bytes in front, high byte first; the answer is one such string that begins
 * with "OK" or "NO".  The daemon runs as root and asks PAM, for the service
 * SASLAUTHD_SERVICE; who may enter its socket's directory may ask.
 */
#ifndef QWD_AUTH_SASLAUTHD_H
#define QWD_AUTH_SASLAUTHD_H

#include <stdbool.h>

#include "base/err.h"

#define SASLAUTHD_SERVICE "qemu-web-desktop"

/*
 * Ask at the socket `path`, for `ms` at most.  *ret_good tells the answer.
 * ERR_TIMEOUT if there is none in time, ERR_SYSTEM if nobody listens,
 * ERR_DAMAGED for an answer that is neither; ERR_INPUT if a text is too long
 * to be sent.
 */
MUST_CHECK int saslauthd_check(const char *path, const char *user,
			       const char *password, int ms, bool *ret_good,
			       struct err *e);

/* Its second half: read the answer from the socket `fd`, until `deadline` (by
 * clock_boot_ms()). */
MUST_CHECK int saslauthd_read_answer(int fd, long long deadline, bool *ret_good,
				     struct err *e);

#endif
