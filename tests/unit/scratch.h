/*
 * A directory of the test program's own: made by the group's set-up, removed
 * by its tear-down, which also runs after a failure.
 *
 *     return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
 */
#ifndef QWD_TESTS_UNIT_SCRATCH_H
#define QWD_TESTS_UNIT_SCRATCH_H

#include <stddef.h>

/* The directory: its path, and a descriptor open on it. */
extern char scratch_path[];
extern int scratch_fd;

int scratch_make(void **state);
int scratch_remove(void **state);

/* Write a file into it; failing fails the test. */
void scratch_write(const char *name, const void *bytes, size_t len);
void scratch_puts(const char *name, const char *text);

/* How many entries the folder at `path` below `dirfd` has, but for those whose
 * names begin with a dot; one that is not there fails the test. */
size_t scratch_count(int dirfd, const char *path);

#endif
