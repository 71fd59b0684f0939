/*
 * Requests to other servers, all at the same time, by one run of qwd-net
 * (net/farm.h).
 */
#ifndef QWD_FARM_ASK_H
#define QWD_FARM_ASK_H

#include <jansson.h>

#include "base/buf.h"
#include "conf/options.h"
#include "farm/peer.h"

enum {
	FARM_ANSWER_MAX = 64 * 1024, /* bytes of one answer */
	FARM_BODY_MAX = 256 * 1024,
};

struct call {
	const char *url;
	const char *accept;
	struct buf body; /* of the form: FARM_BODY_MAX */
	/* The answer: "ok" and a status and the text, or why there is none. */
	char reason[PEER_REASON_SIZE];
	char message[256]; /* for the log */
	long long status;
	long long ms;
	char *text;
};

/*
 * Ask: at most `wait_ms` for each connection and `timeout_ms` for all of it.
 * ERR_SYSTEM or ERR_TIMEOUT if qwd-net did not do its work; what became of
 * each call is in the call.  Release each with call_release().
 */
MUST_CHECK int farm_ask(const struct config *c, struct call *calls,
			size_t count, long long wait_ms, long long timeout_ms,
			struct err *e);

/* The secret in its body is wiped, too. */
void call_release(struct call *c);

#endif
