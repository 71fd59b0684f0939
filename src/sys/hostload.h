/*
 * What the host has and how much of it is in use (proc(5)).
 */
#ifndef QWD_SYS_HOSTLOAD_H
#define QWD_SYS_HOSTLOAD_H

#include <sys/types.h>

#include "base/err.h"

struct hostload {
	long long cpus;                /* processors online */
	long long load_milli;          /* 1-minute load average / cpus, in 1/1000 */
	long long memory_mb;           /* installed */
	long long memory_available_mb; /* MemAvailable */
};

MUST_CHECK int hostload_read(struct hostload *ret, struct err *e);

/*
 * MiB of its own memory (what it shares with others not counted) that process
 * `pid`, or the first child of `pid`, has in use; 0 if that cannot be told.
 */
long long hostload_process_mb(pid_t pid);
long long hostload_child_mb(pid_t pid);

/* A file system: what is free of it for us. */
struct hostdisk {
	long long total_mb;
	long long free_mb;
};

/* The file system that holds `path`. */
MUST_CHECK int hostload_disk(const char *path, struct hostdisk *ret,
			     struct err *e);

/* MiB free in the file system that holds `path`. */
MUST_CHECK int hostload_disk_free_mb(const char *path, long long *ret,
				     struct err *e);

#endif
