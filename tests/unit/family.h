/*
 * The processes that a test of src/sys/child starts, and what these start:
 * none outlives the test.
 *
 *     cmocka_unit_test_teardown(f, family_end)
 *     return cmocka_run_group_tests(tests, family_make, family_remove);
 */
#ifndef QWD_TESTS_UNIT_FAMILY_H
#define QWD_TESTS_UNIT_FAMILY_H

#include "sys/child.h"

/* For what has to come, however busy the host is. */
enum { PATIENCE_MS = 20000 };

/* Whatever a test has left behind is ours, as the subreaper: end it. */
int family_end(void **state);

/* Be the subreaper of whatever a test starts, in a scratch directory. */
int family_make(void **state);
int family_remove(void **state);

/* "/bin/sh -c script" */
void sh_vector(struct argv *a, const char *script);

#endif
