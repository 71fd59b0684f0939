/*
 * A site for tests of the request role, which is driven through its environment
 * as a web server does.
 *
 * The test program runs itself as the CGI (or the program that QWD_CGI names),
 * with a configuration of its own.  No machine is ever started: records of
 * sessions are written by the tests, which hold their locks where they live.
 *
 *     if (site_is_asked())
 *             return web_main();
 *     return cmocka_run_group_tests(tests, site_make, site_remove);
 *
 * Whatever fails in here fails the test.
 */
#ifndef QWD_TESTS_UNIT_SITE_H
#define QWD_TESTS_UNIT_SITE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "conf/options.h"
#include "session/store.h"

extern struct config site_config;
extern struct store site_store;

/* What is sent. */
struct ask {
	const char *method; /* NULL: GET */
	const char *query;
	const char *body;       /* of a POST */
	const char *env[8];     /* further ones, which come first */
	bool html;              /* not JSON */
};

/* What came back. */
struct answer {
	int status;
	struct buf output; /* headers and body */
	struct buf log;
	const char *body;
	json_t *json; /* NULL if the body is none */
};

#define AUTO_ANSWER __attribute__((cleanup(answer_release)))
void answer_release(struct answer *a);

/* The value of one of its headers, until the next call; NULL if it has none of
 * that name. */
const char *answer_header(const struct answer *a, const char *name);

/* Send it, and fill *ret, which the caller releases. */
void site_visit(const struct ask *ask, struct answer *ret);

/* The error of the answer must be this one; `field` NULL stands for none. */
void answer_check_error(const struct answer *a, int status, const char *code,
			const char *field);

/* Send it: that is the answer. */
void site_expect_error(const struct ask *ask, int status, const char *code,
		       const char *field);

/* A text of an answer's JSON, which must be there. */
const char *answer_member(const json_t *object, const char *key);

/* Write the configuration, with these lines more. */
void site_configure(const char *more);

/* One that can be used, one that goes when it is in the catalogue, one that
 * says it is something else than it is. */
void site_make_machines(void);

/* Of the group. */
int site_make(void **state);
int site_remove(void **state);

/* A session's record; its lock, held: the session lives until it is closed. */
int site_make_session(struct session *s, const char *name, const char *user,
		      enum session_state state);

/* Its record and its lock are gone. */
void site_forget_session(const struct session *s, int lock);

/* Log `user` in; the Cookie header, as a variable of the environment. */
void site_log_in(const char *user, char *ret, size_t size);

/* Is this program run as the CGI?  Then web_main() answers; with TEST_NOFILE
 * in its environment it has no more descriptors than that. */
bool site_is_asked(void);

#endif
