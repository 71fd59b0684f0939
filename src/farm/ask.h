/*
 * Requests to other servers, all at the same time: by the farm's agent
 * (farm/agent.h), or by a run of qwd-net (net/farm.h) of their own.
 */
#ifndef QWD_FARM_ASK_H
#define QWD_FARM_ASK_H

#include <jansson.h>

#include "base/buf.h"
#include "conf/options.h"
#include "farm/peer.h"
#include "session/store.h"

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
	bool sent; /* the server may have heard it */
	long long ms;
	char *text;
};

/* What is being asked. */
struct asking {
	int agent;  /* connection to it, -1: a run of qwd-net at the end */
	char *text; /* then: the request */
	long long until;  /* clock_boot_ms() by which there is an answer */
	long long timeout_ms;
	struct err alone; /* why no agent, if one was wanted */
};

#define ASKING_INIT { .agent = -1 }

/*
 * Begin to ask: at most `wait_ms` for each connection and `timeout_ms` for all
 * of it.  With `st` by its agent, if that takes it; the answer can come while
 * the caller does other things.  Without (NULL) nobody but the servers gets to
 * see the request: for what has a password in it.  What `changes` something
 * there has a connection of its own, as libcurl says it again where one that
 * was used before turns out to be closed.
 *
 * Release *ret with asking_release(), also after an error.
 */
MUST_CHECK int farm_ask_begin(const struct config *c, const struct store *st,
			      const struct call *calls, size_t count,
			      bool changes, long long wait_ms,
			      long long timeout_ms, struct asking *ret,
			      struct err *e);

/*
 * Wait for what farm_ask_begin() has begun, without error, for the same calls.
 * ERR_SYSTEM or ERR_TIMEOUT if the agent or qwd-net did not do its work: then
 * the servers may have heard it or not.  What became of each call is in the
 * call.  Release each with call_release().
 */
MUST_CHECK int farm_ask_end(const struct config *c, struct asking *a,
			    struct call *calls, size_t count, struct err *e);

/* Forget what is being asked.  Any number of times. */
void asking_release(struct asking *a);

/* All of it at once, without agent. */
MUST_CHECK int farm_ask(const struct config *c, struct call *calls,
			size_t count, long long wait_ms, long long timeout_ms,
			struct err *e);

/* The secret in its body is wiped, too. */
void call_release(struct call *c);

#endif
