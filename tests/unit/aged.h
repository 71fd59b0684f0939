/*
 * A host that has been up for longer than this one, which may have booted just
 * now: in a test that uses this, the clock of the boot is so many seconds
 * before the host's.
 */
#ifndef QWD_TESTS_UNIT_AGED_H
#define QWD_TESTS_UNIT_AGED_H

extern long long aged_s;

#endif
