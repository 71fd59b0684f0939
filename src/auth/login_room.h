/*
 * Room in the folder of logins (auth/login.h).  No visitor fills the file
 * system in which the records lie, too; and none keeps the others out by
 * logging in again and again.
 */
#ifndef QWD_AUTH_LOGIN_ROOM_H
#define QWD_AUTH_LOGIN_ROOM_H

#include "base/err.h"

/*
 * Make room for one more in the folder behind `logins`, where there are
 * LOGIN_MAX: the user who has most loses half of them, those that were unused
 * for longest; where nobody has more than one, a twentieth of all goes.
 * ERR_BUSY with a sentence and retry_after if none could be ended.
 */
MUST_CHECK int login_room(int logins, struct err *e);

#endif
