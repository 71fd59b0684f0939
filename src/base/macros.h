/*
 * Attributes and helpers that every file uses.
 *
 * AUTO_* variables release what they own when they go out of scope; hand the
 * value over with TAKE(), which leaves the variable empty.
 */
#ifndef QWD_BASE_MACROS_H
#define QWD_BASE_MACROS_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#define AUTO_FREE __attribute__((cleanup(auto_free)))
#define AUTO_CLOSE __attribute__((cleanup(auto_close)))
#define AUTO_FILE __attribute__((cleanup(auto_fclose)))

/* The value of pointer variable `p`, which becomes NULL. */
#define TAKE(p)                                                                \
	({                                                                     \
		__typeof__(p) taken_ = (p);                                    \
		(p) = NULL;                                                    \
		taken_;                                                        \
	})

/* The descriptor in variable `fd`, which becomes -1. */
#define TAKE_FD(fd)                                                            \
	({                                                                     \
		int taken_fd_ = (fd);                                          \
		(fd) = -1;                                                     \
		taken_fd_;                                                     \
	})

static inline void auto_free(void *p)
{
	free(*(void **)p);
}

static inline void auto_close(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void auto_fclose(FILE **f)
{
	if (*f)
		fclose(*f);
}

#endif
