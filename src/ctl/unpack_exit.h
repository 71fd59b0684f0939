/*
 * How `qwdctl unpack-worker' ends: what unpack_file() reads in its status.
 */
#ifndef QWD_CTL_UNPACK_EXIT_H
#define QWD_CTL_UNPACK_EXIT_H

enum unpack_exit {
	UNPACK_DONE = 0,
	UNPACK_FAILED = 1, /* the last line of standard error says why */
	UNPACK_TOO_LARGE = 4,
};

#endif
