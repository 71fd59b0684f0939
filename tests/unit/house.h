/*
 * A store in which sessions lie as their owners have left them, for tests of
 * the housekeeping: shelf.h's, one for each test, on a host that has been up for
 * a day (aged.h).  Whatever fails in here fails the test.
 *
 *     HOUSE_TEST(f),
 */
#ifndef QWD_TESTS_UNIT_HOUSE_H
#define QWD_TESTS_UNIT_HOUSE_H

#include "session/housekeeping.h"
#include "shelf.h"

/* By how many seconds this program's wall clock, time(2), goes before the
 * host's. */
extern long long house_later;

extern int house_snapshots; /* descriptor of dir_snapshots */

int house_open(void **state);
int house_close(void **state);
#define HOUSE_TEST(f)                                                          \
	cmocka_unit_test_setup_teardown(f, house_open, house_close)

/* An empty file. */
void house_touch(int dirfd, const char *name);

/* Record, lock, sockets, overlay: all that a session has.  The lock is not
 * held. */
void house_put(const struct session *s);

struct purge_result house_purge(void);

/* A purge must find so many. */
void house_check(size_t failed, size_t removed, size_t overlays,
		 size_t files);

/* The session's record as it is. */
struct session house_read(const char *name);

/* Nothing of that session is left. */
void house_check_gone(const char *name);

#endif
