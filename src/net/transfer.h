/*
 * A conversation with a mail server by libcurl: TLS as the request has it,
 * verified against its CA file, of the request's host and port and nothing
 * else.
 */
#ifndef QWD_NET_TRANSFER_H
#define QWD_NET_TRANSFER_H

#include <curl/curl.h>
#include <stdbool.h>

#include "net/dialogue.h"
#include "net/net.h"

struct transfer {
	const struct net_request *request;
	CURL *curl;
	struct dialogue dialogue;
	char error[CURL_ERROR_SIZE];
};

#define AUTO_TRANSFER __attribute__((cleanup(transfer_close)))

/*
 * Prepare *t, which stays where it is until transfer_close(); nothing is sent.
 * -1 with NET_INTERNAL in *a.
 */
MUST_CHECK int transfer_open(struct transfer *t, const struct net_request *r,
			     bool imap, struct net_answer *a);

/*
 * Give the user's name and password to libcurl, for the SASL mechanisms PLAIN
 * and LOGIN: any other is for a secret that the visitor has not given.
 */
MUST_CHECK int transfer_login(struct transfer *t, struct net_answer *a);

/* Converse.  The result is libcurl's, with t->error and t->dialogue. */
MUST_CHECK CURLcode transfer_run(struct transfer *t);

/* Say why a conversation failed, but for what the verb itself knows better.
 * Returns -1. */
int transfer_say(const struct transfer *t, CURLcode code,
		 struct net_answer *a);

/* Fine on one that was not opened. */
void transfer_close(struct transfer *t);

#endif
