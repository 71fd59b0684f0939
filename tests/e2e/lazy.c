/*
 * Programs that take their time where somebody may look: between a child's
 * fork and its own program, behind a record that was written, and before their
 * end.  Linked in front of the C library, so that the programs are the real
 * ones but for that (see lazy-programs): a test that looks too early fails with
 * them at once, and not on a busy day.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { EXEC_MS = 150, RECORD_MS = 250, EXIT_MS = 500 };

static void take_time(int ms)
{
	struct timespec left = { .tv_nsec = ms * 1000000L };

	while (nanosleep(&left, &left) < 0)
		;
}

int execve(const char *path, char *const *argv, char *const *envp)
{
	take_time(EXEC_MS);
	return (int)syscall(SYS_execve, path, argv, envp);
}

int renameat(int oldfd, const char *old, int newfd, const char *new)
{
	int result = (int)syscall(SYS_renameat2, oldfd, old, newfd, new, 0);
	size_t len = strlen(new);

	if (result == 0 && len > 5 && strcmp(new + len - 5, ".json") == 0)
		take_time(RECORD_MS);
	return result;
}

static void end_late(void)
{
	take_time(EXIT_MS);
}

static void __attribute__((constructor)) begin(void)
{
	if (atexit(end_late) != 0)
		abort();
}
