/*
 * A store of a test's own, and what may stand in it: one for each test.
 * Whatever fails in here fails the test.
 *
 *     SHELF_TEST(f),
 *     return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
 *
 * or one for all tests of a program:
 *
 *     return cmocka_run_group_tests(tests, shelf_make, shelf_remove);
 */
#ifndef QWD_TESTS_UNIT_SHELF_H
#define QWD_TESTS_UNIT_SHELF_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/options.h"
#include "session/store.h"

#define SHELF_A "svc-aaaaaaaaaaaaaaaaaaaa"
#define SHELF_B "svc-bbbbbbbbbbbbbbbbbbbb"
#define SHELF_C "svc-cccccccccccccccccccc"

extern struct config shelf_config; /* service = svc */
extern struct store shelf;

/* A directory below scratch_path: dir_cfg, dir_history and dir_snapshots are
 * its `store`, `history` and `snapshots`, of which the last is there. */
extern char shelf_path[];

int shelf_open(void **state);
int shelf_close(void **state);
#define SHELF_TEST(f)                                                          \
	cmocka_unit_test_setup_teardown(f, shelf_open, shelf_close)

/* The same with the scratch directory around it. */
int shelf_make(void **state);
int shelf_remove(void **state);
#define SHELF_STORE "shelf0/store" /* dir_cfg then, below scratch_path */

/* A session of ann's that has just started. */
struct session shelf_session(const char *name, enum session_state state);
void shelf_write(const struct session *s);

/* A file of the store. */
void shelf_put(const char *name, const void *bytes, size_t len);

/* Make a session's lock and hold it: its descriptor. */
int shelf_hold(const char *name);

bool shelf_has(int dirfd, const char *name);

#endif
