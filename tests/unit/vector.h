/*
 * Arguments of a command, as a test expects them.
 */
#ifndef QWD_TESTS_UNIT_VECTOR_H
#define QWD_TESTS_UNIT_VECTOR_H

#include "sys/child.h"

/* Fails the test unless they are these, which NULL ends. */
void vector_check(const struct argv *a, const char *const *expected);

#endif
