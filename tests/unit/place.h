/*
 * A store with places to reserve, for tests of the admission: one for each
 * test.  Whatever fails in here fails the test.
 *
 *     PLACE_TEST(f),
 */
#ifndef QWD_TESTS_UNIT_PLACE_H
#define QWD_TESTS_UNIT_PLACE_H

#include <stddef.h>

#include "conf/options.h"
#include "session/store.h"

extern struct config place_config;
extern struct store place_store;

/* Set an option. */
void place_set(const char *name, const char *value);

/* A store in which nothing but what a test says is a limit. */
int place_open(void **state);
int place_close(void **state);
#define PLACE_TEST(f)                                                          \
	cmocka_unit_test_setup_teardown(f, place_open, place_close)

/* A session of theirs that can be had: one core, 1 MB. */
struct session place_wish(const char *user);

/* Reserve it; the descriptor of its lock. */
int place_reserve(struct session *s, long long lifetime_s);

/* How many entries a directory has, "." and ".." not counted. */
size_t place_entries(int dirfd);

#endif
