/*
 * What another server answers.  Nothing of it is believed further than its
 * form: texts are of the length and the letters that they may have, numbers in
 * their range, states known words; what else there is, is dropped.
 */
#ifndef QWD_FARM_ANSWER_H
#define QWD_FARM_ANSWER_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "farm/assertion.h"

enum { FARM_LIST_MAX = 60 }; /* sessions of one server in a list */

/* How a server is, and what a user has there. */
struct farm_status {
	char id[FARM_ID_SIZE];
	long long time; /* its wall clock */
	/* Its load, with what was promised to young sessions, as a share of
	 * its cores, or its cluster's, in thousandths. */
	long long busy_milli;
	long long free_sessions;
	long long free_cpu;
	long long free_memory_mb;
	long long user_sessions;
	long long user_cpu;
	long long user_memory_mb;
};

/* {"server": {...}}, as status_value() makes it.  ERR_DAMAGED. */
MUST_CHECK int answer_status(const json_t *json, struct farm_status *ret,
			     struct err *e);

/* The same as JSON (the caller owns it); NULL if no memory. */
json_t *status_value(const struct farm_status *s);

/*
 * {"session": {...}}: its public face, as session_to_public() makes it, but
 * for cluster, job and url, for which one goes there.  NULL and ERR_DAMAGED; the
 * caller owns the result.
 */
MUST_CHECK json_t *answer_session(const json_t *json, struct err *e);

/* {"sessions": [...]}: the first FARM_LIST_MAX of them.  The same. */
MUST_CHECK json_t *answer_sessions(const json_t *json, struct err *e);

/* {"error": {"code", "message"}}: true, and both (in print) in the log's
 * `ret`, if it is one. */
bool answer_error(const json_t *json, char *ret, size_t size);

#endif
