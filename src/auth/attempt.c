#include "auth/attempt.h"

#include <poll.h>
#include <string.h>

#include "auth/method.h"
#include "auth/secret.h"
#include "auth/throttle.h"
#include "sys/clock.h"

enum { RETRY_S = 60 };

/* Wait until a multiple of the step has passed since `start`. */
static void pad(long long start)
{
	long long passed = clock_boot_ms() - start;
	long long end = start +
			(passed / ATTEMPT_STEP_MS + 1) * ATTEMPT_STEP_MS;

	for (long long left = end - clock_boot_ms(); left > 0;
	     left = end - clock_boot_ms())
		(void)poll(NULL, 0, (int)left);
}

/* The same sentence for all refusals. */
static int say(const struct auth_result *r, struct err *e)
{
	if (r->verdict == AUTH_ACCEPTED)
		return 0;
	if (r->verdict == AUTH_REFUSED)
		return err_set(e, ERR_LOGIN,
			       "The user name or the password is wrong.");
	err_set(e, ERR_BUSY, "The login server cannot be reached. Try again "
			     "in a minute.");
	e->retry_after = RETRY_S;
	return -1;
}

static int check_counted(const struct store *st, const struct auth_request *r,
			 struct auth_result *ret, struct err *e)
{
	AUTO_SECRET struct secret secret = { .key = { 0 } };
	struct throttle places;

	method_say(ret, AUTH_REFUSED, "throttled");
	if (secret_read(st->config, &secret, e) < 0 ||
	    throttle_reserve(st, &secret, r->user, r->rhost, &places, e) < 0)
		return -1;
	auth_check(r, ret);
	if (!ret->guessed || ret->verdict == AUTH_ACCEPTED)
		return throttle_return(st, &places, e);
	return 0;
}

int attempt_login(const struct store *st, const struct auth_request *r,
		  struct auth_result *ret, struct err *e)
{
	long long start = clock_boot_ms();

	*ret = (struct auth_result){ .verdict = AUTH_REFUSED,
				     .method = "none" };
	if (r->remote || !auth_password_ok(r->password))
		auth_check(r, ret);
	else if (check_counted(st, r, ret, e) < 0)
		return -1;
	if (ret->verdict == AUTH_REFUSED)
		pad(start);
	return say(ret, e);
}
