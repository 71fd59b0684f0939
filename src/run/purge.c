#include "run/purge.h"

#include "auth/login.h"
#include "auth/throttle.h"
#include "auth/ticket.h"
#include "run/hung.h"
#include "run/leftover.h"
#include "run/stray.h"
#include "vm/gateway.h"

int purge_everything(const struct store *st, struct purge_result *ret,
		     struct err *e)
{
	struct err failures[] = { ERR_INIT, ERR_INIT, ERR_INIT, ERR_INIT,
				  ERR_INIT, ERR_INIT, ERR_INIT, ERR_INIT };
	size_t logins = 0;
	size_t counts = 0;
	size_t tickets = 0;
	int tokens;
	int jobs;

	/* First: then the next one finds their sessions dead. */
	(void)!hung_end(st, &failures[5]);
	(void)!stray_end(st, NULL, &failures[6]);
	jobs = leftover_end(st, &failures[7]);
	(void)!housekeeping_purge(st, ret, &failures[0]);
	(void)!login_purge(st, &logins, &failures[1]);
	tokens = gateway_clean(st, &failures[2]);
	(void)!throttle_purge(st, &counts, &failures[3]);
	(void)!ticket_purge(st, &tickets, &failures[4]);
	ret->files += logins + counts + tickets +
		      (tokens > 0 ? (size_t)tokens : 0) +
		      (jobs > 0 ? (size_t)jobs : 0);
	for (size_t i = 0; i < ARRAY_LEN(failures); i++) {
		if (failures[i].code == ERR_NONE)
			continue;
		*e = failures[i];
		return -1;
	}
	return 0;
}

int purge_patiently(const struct store *st, struct purge_result *ret,
		    struct err *e)
{
	struct err visitors = ERR_INIT;
	int jobs = leftover_end_visitors(st, &visitors);

	if (purge_everything(st, ret, e) < 0)
		return -1;
	if (jobs < 0) {
		*e = visitors;
		return -1;
	}
	ret->files += (size_t)jobs;
	return 0;
}
