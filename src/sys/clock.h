/*
 * Clocks.  Deadlines use CLOCK_BOOTTIME, which no one can set and which runs
 * on while the host sleeps; the wall clock is for people.
 */
#ifndef QWD_SYS_CLOCK_H
#define QWD_SYS_CLOCK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"

/* Milliseconds since boot (CLOCK_BOOTTIME). */
long long clock_boot_ms(void);

/* Seconds since 1970 (CLOCK_REALTIME). */
long long clock_wall(void);

enum { CLOCK_BOOT_ID_SIZE = 37 };

/* This boot's identity, random(4)'s boot_id; "unknown" if there is none. */
void clock_boot_id(char ret_id[CLOCK_BOOT_ID_SIZE]);

/* RFC 3339 in UTC, "2026-11-23T15:04:05Z", into `ret` of at least 32 bytes. */
void clock_rfc3339(long long wall, char *ret, size_t size);

/* Read such a time; also a date alone, which is its midnight.  False if it is
 * none. */
MUST_CHECK bool clock_read(const char *text, long long *ret_wall);

/* For people: "23 Nov 2026 15:04 UTC", into `ret` of at least 32 bytes. */
void clock_human(long long wall, char *ret, size_t size);

/* "2 days 3 h", "1 day", "3 h 59 min", "12 min", "45 s", into `ret` of at least 32 bytes. */
void clock_duration(long long seconds, char *ret, size_t size);

#endif
