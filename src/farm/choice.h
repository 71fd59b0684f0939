/*
 * Which server first, where the least loaded one is to take a session
 * (farm_policy = balance).
 */
#ifndef QWD_FARM_CHOICE_H
#define QWD_FARM_CHOICE_H

#include "conf/servers.h"
#include "farm/answer.h"
#include "session/session.h"

struct choice {
	const struct server *server; /* NULL is this one */
	bool fits;
	long long busy_milli; /* its load, as struct farm_status has it */
};

/* Whether *s finds places, cores and memory there, as it says. */
struct choice choice_of(const struct server *server,
			const struct farm_status *status,
			const struct session *s);

/* Those that fit first, the least loaded of them in front; where nothing
 * differs the order stays, and so it does of those that do not fit. */
void choice_sort(struct choice *list, size_t count);

#endif
