/*
 * Logins: who is behind a cookie.
 *
 * The cookie is 160 random bits and says nothing.  What it stands for is the
 * file logins/HASH of the store, HASH being the cookie's SHA-256 in
 * hexadecimal, so that whoever reads the store learns no cookie:
 *
 *     {"version": 1, "user": "ann", "mail": "", "method": "ldap",
 *      "groups": "staff\n", "created": SECONDS, "expires_boot_ms": MS,
 *      "boot_id": ID}
 *
 * A login lasts login_lifetime seconds from its start, however much it is
 * used, and login_idle seconds from its last use, to within LOGIN_STEP_S.  Both
 * count on this boot's clock, so that no step of the wall clock ends or
 * prolongs a login; another boot ends it.  The last use is kept as the file's
 * time of last change, in seconds since boot, and is set anew only where it is
 * older than LOGIN_STEP_S, so that few requests write.  What a method of login
 * has not checked (method "") is no login any more once logins are checked.
 */
#ifndef QWD_AUTH_LOGIN_H
#define QWD_AUTH_LOGIN_H

#include <stddef.h>

#include "session/access.h"
#include "session/store.h"

enum {
	LOGIN_COOKIE_SIZE = 33, /* 32 characters of 5 bits, and a NUL */
	LOGIN_STEP_S = 60,      /* or a quarter of login_idle, if that is less */
	LOGIN_MAX = 20000,      /* of all users, 100 MB at most */
};

/* Log `who` in, who has proved to be that user.  The cookie's value goes to
 * `ret_cookie`.  Where there are LOGIN_MAX already others end for it: see
 * auth/login_room.h. */
MUST_CHECK int login_start(const struct store *st, const struct identity *who,
			   char ret_cookie[LOGIN_COOKIE_SIZE], struct err *e);

/*
 * Who is behind `cookie`, and whether that is an administrator.  ERR_LOGIN if
 * the cookie is malformed, unknown, expired, was not used for too long, or its
 * file is damaged; ERR_SYSTEM if that cannot be found out.
 */
MUST_CHECK int login_find(const struct store *st, const char *cookie,
			  struct identity *ret, struct err *e);

/* The login, which login_find() has found, is in use.  One that has ended
 * meanwhile is fine. */
MUST_CHECK int login_use(const struct store *st, const char *cookie,
			 struct err *e);

/* Forget a login.  One that is unknown is fine. */
MUST_CHECK int login_end(const struct store *st, const char *cookie,
			 struct err *e);

/* Remove expired and damaged logins; their number goes to *removed. */
MUST_CHECK int login_purge(const struct store *st, size_t *removed,
			   struct err *e);

#endif
