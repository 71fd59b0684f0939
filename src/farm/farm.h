/*
 * The farm: the other servers of fallback_servers, asked about one user.
 *
 * Each says yes or no, or nothing: then it is not asked again for farm_skip
 * seconds, so that a server that is down costs a visitor farm_wait once in a
 * while.  One that turns out to be ourselves is not asked for an hour.
 */
#ifndef QWD_FARM_FARM_H
#define QWD_FARM_FARM_H

#include "farm/answer.h"
#include "farm/ask.h"
#include "farm/assertion.h"
#include "farm/heard.h"
#include "farm/peer.h"

/* The origins by which this server may be called: its service_url's, its own
 * name's, and that of the address which a request came in by. */
struct farm_names {
	char list[3][SERVER_ORIGIN_SIZE];
	size_t count;
};

bool farm_is_name(const struct farm_names *names, const char *origin);

struct farm {
	const struct config *config; /* both not owned */
	const struct store *store;
	struct servers servers; /* without ourselves */
	struct secret secret;
	char id[FARM_ID_SIZE];
	char from[SERVER_ORIGIN_SIZE];
	struct identity who;
	char remote[64];
	bool agent; /* ask by the store's agent, which stays then for a while;
		     * farm_open() says no */
};

#define AUTO_FARM __attribute__((cleanup(farm_close)))
#define FARM_INIT { .config = NULL }

/*
 * Make *ret ready to ask the other servers about `who`, who came from address
 * `remote`.  ERR_CONFIG with a sentence for the log if the secret is no good.
 * config and store must outlive it.
 */
MUST_CHECK int farm_open(const struct config *c, const struct store *st,
			 const struct farm_names *names,
			 const struct identity *who, const char *remote,
			 struct farm *ret, struct err *e);
void farm_close(struct farm *f);

enum farm_state {
	FARM_YES,    /* `json` is the answer */
	FARM_NO,     /* it does not; `message` says why */
	FARM_SILENT, /* no answer of a server of ours: `reason` says why */
	FARM_SELF,   /* it is this very server */
};

struct farm_answer {
	const struct server *server;
	enum farm_state state;
	bool skipped; /* silent: it was not even asked */
	/* It may have done what it was asked, or be at it: it was said, and
	 * there is no answer of ours. */
	bool open;
	struct order_id order; /* of what it was asked */
	char reason[PEER_REASON_SIZE];
	char message[256]; /* for the log */
	long long status;
	long long ms;
	json_t *json;
};

/* Those of our own kind, which know assertions, into `ret` of SERVERS_MAX; how
 * many. */
size_t farm_own_servers(const struct farm *f, const struct server **ret);

/* Servers that are being asked the same at the same time. */
struct farm_round {
	struct farm_answer *answers; /* the caller's */
	size_t count;
	struct farm_answer *ask[SERVERS_MAX]; /* those that are asked */
	struct call calls[SERVERS_MAX];
	size_t asked;
	size_t made;
	struct asking asking;
};

/*
 * Begin to ask `count` servers (at most SERVERS_MAX) the same at the same
 * time; `ret_answers` has a place for each, and is filled by farm_round_end().
 * `session` and `fields` (URL-encoded) are "" where there are none.  `slow` is
 * for what changes something there, and takes farm_timeout, not farm_wait.
 * Fails only if nobody could be asked; then there is nothing to end, though
 * answers that are open may have been heard.
 */
MUST_CHECK int farm_round_begin(struct farm *f, enum farm_verb verb,
				const struct server *const *servers,
				size_t count, const char *session,
				const char *fields, bool slow,
				struct farm_answer *ret_answers,
				struct farm_round *ret, struct err *e);

/* Wait for the answers.  Fails only as farm_ask_end() does; release each answer
 * with farm_answer_release().  That it cannot be noted who is silent goes to
 * the log: the answers count. */
MUST_CHECK int farm_round_end(struct farm *f, struct farm_round *r,
			      struct err *e);
void farm_answer_release(struct farm_answer *a);

/* Do not wait for them, nor for any that would not come. */
void farm_round_drop(struct farm_round *r);

/* A yes that holds other things than it should (`why`) is none: *a becomes
 * silent, and the server is skipped. */
MUST_CHECK int farm_disbelieve(struct farm *f, struct farm_answer *a,
			       const struct err *why, struct err *e);

/*
 * Ask a server what became of an order (FARM_CREATE) whose answer *order is
 * open, over a new connection, without agent, within farm_wait.  Fills *ret,
 * which is to be released: FARM_YES with the session, FARM_NO: there is none,
 * and will be none.  FARM_SILENT, or an error: it is not known.
 */
MUST_CHECK int farm_settle(struct farm *f, const struct farm_answer *order,
			   struct farm_answer *ret, struct err *e);

/* Where a browser goes that is to be logged in as f->who at that server, and
 * see the session there: good once, for FARM_ENTER_S.  Added to `out`. */
MUST_CHECK int farm_enter_url(struct farm *f, const struct server *server,
			      const char *session, struct buf *out,
			      struct err *e);

#endif
