/*
 * A configuration as it is by default, and what a test sets in it.  Whatever
 * fails in here fails the test.
 *
 *     SETTINGS_TEST(f),
 */
#ifndef QWD_TESTS_UNIT_SETTINGS_H
#define QWD_TESTS_UNIT_SETTINGS_H

#include "conf/options.h"

extern struct config settings;

int settings_open(void **state);
int settings_close(void **state);
#define SETTINGS_TEST(f)                                                       \
	cmocka_unit_test_setup_teardown(f, settings_open, settings_close)

void settings_set(const char *name, const char *value);

#endif
