#include "auth/chain.h"

#include <string.h>

#include "auth/method.h"
#include "auth/saslauthd.h"
#include "base/text.h"
#include "sys/clock.h"

bool auth_password_ok(const char *password)
{
	size_t len = strlen(password);

	return len >= 1 && len <= AUTH_PASSWORD_MAX &&
	       text_is_utf8(password, len) && !text_has_control(password);
}

void method_local(const struct auth_request *r, int ms,
		  struct auth_result *ret)
{
	struct err e = ERR_INIT;
	bool good;

	if (saslauthd_check(r->config->saslauthd_socket, r->user, r->password,
			    ms, &good, &e) == 0)
		method_say(ret, good ? AUTH_ACCEPTED : AUTH_REFUSED,
			   good ? "ok" : "bad-password");
	else
		method_say(ret, AUTH_OUTAGE,
			   e.code == ERR_TIMEOUT ? "timeout" :
			   e.code == ERR_SYSTEM	 ? "refused-connection" :
						   "protocol");
}

static int smaller(long long a, long long b)
{
	return (int)(a < b ? a : b);
}

/* Take what one method said into what all have said so far.  An outage is
 * worth more than a refusal: the user may be known just there. */
static void take(struct auth_result *all, const struct auth_result *one)
{
	bool guessed = all->guessed || one->verdict == AUTH_REFUSED;

	if (one->verdict >= all->verdict)
		*all = *one;
	all->guessed = guessed;
}

static struct auth_result blank(const struct auth_request *r,
				const char *method)
{
	struct auth_result one = { .verdict = AUTH_REFUSED };

	snprintf(one.method, sizeof(one.method), "%s", method);
	snprintf(one.who.user, sizeof(one.who.user), "%s", r->user);
	return one;
}

/* The servers, until one accepts. */
static void ask_servers(const struct auth_request *r, long long deadline,
			struct auth_result *all)
{
	const struct config *c = r->config;
	const struct {
		bool on;
		const char *name;
		auth_method *ask;
	} methods[] = {
		{ c->check_user_with_imap, "imap", method_imap },
		{ c->check_user_with_smtp, "smtp", method_smtp },
		{ c->check_user_with_ldap, "ldap", method_ldap },
		{ c->check_user_with_local, "local", method_local },
	};

	for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
		struct auth_result one = blank(r, methods[i].name);
		int ms = smaller(deadline - clock_boot_ms(),
				 (c->login_timeout + 1) * 1000);

		if (!methods[i].on || all->verdict == AUTH_ACCEPTED)
			continue;
		if (ms > 0)
			methods[i].ask(r, ms, &one);
		else
			method_say(&one, AUTH_OUTAGE, "budget");
		take(all, &one);
	}
}

/* The site's program has the last word. */
static void ask_custom(const struct auth_request *r, long long deadline,
		       struct auth_result *all)
{
	struct auth_result one = blank(r, "custom");
	int ms = smaller(deadline - clock_boot_ms(), AUTH_CUSTOM_MS);

	if (ms < AUTH_CUSTOM_MIN_MS)
		ms = AUTH_CUSTOM_MIN_MS;
	method_custom(r, all, ms, &one);
	one.guessed = all->guessed || one.verdict == AUTH_REFUSED;
	/* What was found out about the user stays. */
	if (one.verdict == AUTH_ACCEPTED && all->verdict == AUTH_ACCEPTED)
		return;
	*all = one;
}

static bool refuse_early(const struct auth_request *r,
			 struct auth_result *all)
{
	if (r->remote || auth_password_ok(r->password))
		return false;
	method_say(all, AUTH_REFUSED,
		   *r->password ? "bad-input" : "empty-password");
	return true;
}

void auth_check(const struct auth_request *r, struct auth_result *ret)
{
	const struct config *c = r->config;
	long long end = clock_boot_ms() + AUTH_BUDGET_MS;
	struct auth_result all = blank(r, !r->remote ? "none" :
					  r->mail    ? "email" :
						       "remote");

	method_say(&all, AUTH_REFUSED, "no-method");
	if (refuse_early(r, &all)) {
		*ret = all;
		return;
	}
	if (r->mail)
		snprintf(all.who.mail, sizeof(all.who.mail), "%s", r->mail);
	if (r->remote)
		method_say(&all, AUTH_ACCEPTED, "ok");
	else
		ask_servers(r,
			    end - (*c->check_user_custom ? AUTH_CUSTOM_MIN_MS :
							   0),
			    &all);
	if (*c->check_user_custom)
		ask_custom(r, end, &all);
	snprintf(all.who.method, sizeof(all.who.method), "%s", all.method);
	all.who.admin = all.verdict == AUTH_ACCEPTED &&
			access_is_admin(c, &all.who);
	*ret = all;
}
