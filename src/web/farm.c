#include "web/farm.h"

#include <string.h>

#include "base/log.h"
#include "web/letter.h"

int farm_of_visit(struct visit *v, struct farm *ret, struct err *e)
{
	struct identity who = v->who;
	struct farm_names names;
	char address[ADDRESS_SIZE];

	/* The other server does not know how the user was checked. */
	if (letter_address(&v->who, address))
		snprintf(who.mail, sizeof(who.mail), "%s", address);
	request_own_names(&v->request, &v->config, &names);
	if (visit_store(v, e) < 0)
		return -1;
	if (farm_open(&v->config, &v->store, &names, &who, v->request.remote,
		      ret, e) < 0)
		return -1;
	/* By hand nobody may come after us. */
	ret->agent = v->request.method != METHOD_OTHER;
	return 0;
}

static const char *word_of(const struct farm_answer *a)
{
	static const char *const words[] = {
		[FARM_YES] = "ok",
		[FARM_NO] = "refused",
		[FARM_SILENT] = "silent",
		[FARM_SELF] = "self",
	};

	return words[a->state];
}

/* What was skipped was told when it did not answer. */
static void log_answer(const struct visit *v, const struct farm_answer *a)
{
	if (a->state == FARM_YES || a->skipped)
		return;
	log_event("farm", "result", word_of(a), "request", v->request.id,
		  "server", a->server->origin, "reason", a->reason, "message",
		  a->message, NULL);
}

int farm_hear_answers(struct visit *v, struct farm *f, struct farm_round *r,
		      struct err *e)
{
	const struct err *alone = &r->asking.alone;

	/* That it takes nobody just now is nothing. */
	if (alone->code != ERR_NONE && alone->code != ERR_BUSY)
		log_error("farm", alone);
	if (farm_round_end(f, r, e) < 0)
		return -1;
	for (size_t i = 0; i < r->count; i++)
		log_answer(v, &r->answers[i]);
	return 0;
}

int farm_ask_about(struct visit *v, struct farm *f, enum farm_verb verb,
		   const struct server *const *servers, size_t count,
		   const char *session, const char *fields, bool slow,
		   struct farm_answer *ret, struct err *e)
{
	struct farm_round r;

	if (farm_round_begin(f, verb, servers, count, session, fields, slow,
			     ret, &r, e) < 0)
		return -1;
	return farm_hear_answers(v, f, &r, e);
}

void farm_not_an_answer(struct visit *v, struct farm *f, struct farm_answer *a,
			const struct err *why)
{
	struct err e = ERR_INIT;

	if (farm_disbelieve(f, a, why, &e) < 0)
		log_error("farm", &e);
	log_answer(v, a);
}
