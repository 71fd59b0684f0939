/* The other servers of a farm: do they answer, and believe this one? */
#include "ctl/check.h"

#include <stdlib.h>
#include <string.h>

#include "ctl/service_store.h"
#include "farm/farm.h"
#include "sys/clock.h"

enum { CLOCK_WARN_S = 5 };

/* What to do about it. */
static const char *advice_of(const char *reason)
{
	static const struct {
		const char *reason;
		const char *advice;
	} table[] = {
		{ "certificate", "its certificate must be signed by who is in "
				 "farm_ca_file, and have its name" },
		{ "ca-file", "see farm_ca_file" },
		{ "not-believed", "both need the same farm_secret, and its "
				  "address must be its own; its log says why" },
		{ "clock", "its clock and this host's must be less than half a "
			   "minute apart; run NTP on both" },
		{ "no-farm", "is the service there, and the path "
			     "/qemu-web-desktop/farm open?" },
		{ "unknown-host", "see its name" },
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (strcmp(table[i].reason, reason) == 0)
			return table[i].advice;
	return "is it up, and may this host reach it?";
}

static void say_clock(struct check *k, const char *origin, long long off)
{
	long long by = llabs(off);

	if (by > FARM_SKEW_S)
		check_say(k, CHECK_ERROR,
			  "farm: the clock of %s differs by %lld s; run NTP on "
			  "both",
			  origin, by);
	else if (by > CLOCK_WARN_S)
		check_say(k, CHECK_WARNING,
			  "farm: the clock of %s differs by %lld s, and %d s "
			  "are too much; run NTP on both",
			  origin, by, FARM_SKEW_S);
}

static void say_status(struct check *k, const struct farm_answer *a)
{
	struct farm_status status;
	struct err e = ERR_INIT;

	if (answer_status(a->json, &status, &e) < 0) {
		check_say(k, CHECK_ERROR,
			  "farm: %s answers what is no answer (%s); is it of "
			  "this version?",
			  a->server->origin, e.msg);
		return;
	}
	check_say(k, CHECK_OK, "farm: %s answers, with %lld places free",
		  a->server->origin, status.free_sessions);
	say_clock(k, a->server->origin, status.time - clock_wall());
}

static void say_answer(struct check *k, const struct farm_answer *a)
{
	switch (a->state) {
	case FARM_YES:
		say_status(k, a);
		break;
	case FARM_SELF:
		check_say(k, CHECK_NOTE,
			  "farm: %s is this server, and not asked",
			  a->server->origin);
		break;
	case FARM_NO:
	case FARM_SILENT:
		check_say(k, CHECK_ERROR,
			  "farm: %s gives no answer (%s: %s); %s",
			  a->server->origin, a->reason, a->message,
			  advice_of(a->reason));
		break;
	}
}

/* Our own name, as browsers have it; without one the web server knows. */
static void own_names(const struct config *c, struct farm_names *ret)
{
	struct server self;

	*ret = (struct farm_names){ .count = 0 };
	if (*c->service_url && !server_parse(c->service_url, &self))
		memcpy(ret->list[ret->count++], self.origin,
		       sizeof(self.origin));
}

static void ask(struct check *k, struct farm *f)
{
	struct farm_answer answers[SERVERS_MAX];
	const struct server *servers[SERVERS_MAX];
	size_t count = farm_own_servers(f, servers);
	struct farm_round round;
	struct err e = ERR_INIT;

	/* Also those that did not answer a moment ago. */
	for (size_t i = 0; i < count; i++)
		if (peer_skip(f->store, servers[i]->origin, "", 0, &e) < 0)
			check_say(k, CHECK_WARNING, "farm: %s", e.msg);
	if (farm_round_begin(f, FARM_STATUS, servers, count, "", "", true,
			     answers, &round, &e) < 0 ||
	    farm_round_end(f, &round, &e) < 0) {
		check_say(k, CHECK_ERROR, "farm: nobody could be asked: %s",
			  e.msg);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		say_answer(k, &answers[i]);
		farm_answer_release(&answers[i]);
	}
	for (size_t i = 0; i < f->servers.count; i++)
		if (f->servers.list[i].perl)
			check_say(k, CHECK_NOTE,
				  "farm: %s is of the Perl program and gets "
				  "the passwords of those who are forwarded",
				  f->servers.list[i].origin);
}

void check_farm(struct check *k)
{
	const struct config *c = k->config;
	const struct identity nobody = { .user = "" };
	AUTO_STORE struct store store = STORE_INIT;
	AUTO_FARM struct farm f = FARM_INIT;
	struct farm_names names;
	struct err e = ERR_INIT;

	if (!*c->fallback_servers)
		return;
	own_names(c, &names);
	if (service_store_open(c, &store, &e) < 0 ||
	    farm_open(c, &store, &names, &nobody, "", &f, &e) < 0) {
		check_say(k, CHECK_ERROR, "%s", e.msg);
		return;
	}
	if (c->farm_http)
		check_say(k, CHECK_WARNING,
			  "farm_http: servers of fallback_servers may be in "
			  "the clear; use https");
	ask(k, &f);
}
