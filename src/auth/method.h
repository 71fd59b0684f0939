/*
 * The methods of the chain, one function each; for chain.c.
 *
 * Each answers within `ms` and fills *ret, which the caller has cleared: the
 * verdict, and the reason as one word.  If it accepts, also the user as the
 * server writes it (ret->who.user, already the one that was typed), the mail
 * and the groups, if it knows them.
 */
#ifndef QWD_AUTH_METHOD_H
#define QWD_AUTH_METHOD_H

#include "auth/chain.h"
#include "base/buf.h"

typedef void auth_method(const struct auth_request *r, int ms,
			 struct auth_result *ret);

auth_method method_imap;
auth_method method_smtp;
auth_method method_ldap;
auth_method method_local;

/*
 * The site's program, config.check_user_custom: any executable, started
 * without a shell, in an environment made from nothing and a process group of
 * its own that is killed with it.  On its standard input there is one JSON
 * object:
 *
 *     {"user": "ann", "password": "...", "previous": "SUCCESS ldap ok",
 *      "session": {"user": "ann", "user_email": "ann@lab.example",
 *                  "remote_host": "192.0.2.7", ...}}
 *
 * `previous` begins with SUCCESS or FAILED, then the method and the reason of
 * the log; `session` has in addition what is ordered, if anything is.  The
 * last line of its output (at most 4 KiB) is its answer if its first word is
 * SUCCESS or FAILED, with or without a colon; SUCCESS counts only if the exit
 * status is 0.  Nothing else counts: no answer, another word, a crash or too
 * much output is an outage, and a FAILED or an exit status other than 0 a
 * refusal.
 */
void method_custom(const struct auth_request *r,
		   const struct auth_result *previous, int ms,
		   struct auth_result *ret);

/* What the program's output, of at most 4 KiB, and its exit status say. */
void method_read_custom(const struct buf *output, int status,
			struct auth_result *ret);

/* What the output of a qwd-net that was asked about a login says. */
void method_read_answer(const struct buf *output, struct auth_result *ret);

/* Set verdict and reason. */
void method_say(struct auth_result *ret, enum auth_verdict verdict,
		const char *reason);

/* Wipe the passwords of a request, and free it. */
void method_discard(json_t *request);

/*
 * Run `program` with up to one argument and the JSON `request` on its standard
 * input; the request is taken over (NULL: no memory) and its passwords are
 * wiped.  False with an outage in *ret if there is no end of it in time.
 */
bool method_run(const char *program, const char *argument, json_t *request,
		struct buf *output, int ms, int *ret_status,
		struct auth_result *ret);

#endif
