/*
 * For LD_PRELOAD: the FAIL_AT-th allocation of the program fails, once.  With
 * FAIL_COUNT=FILE their number is written there at the end.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

static long at = -1;
static long count;

static void __attribute__((constructor)) begin(void)
{
	const char *text = getenv("FAIL_AT");

	at = text ? strtol(text, NULL, 10) : 0;
	count = 0;
}

static void __attribute__((destructor)) report(void)
{
	const char *path = getenv("FAIL_COUNT");
	int fd = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600) : -1;
	char text[32];
	int len = snprintf(text, sizeof(text), "%ld\n", count);

	if (fd < 0)
		return;
	(void)!write(fd, text, (size_t)len);
	close(fd);
}

/* Not before the program itself runs: the loader does without us. */
static bool fails(void)
{
	if (at < 0 || ++count != at)
		return false;
	errno = ENOMEM;
	return true;
}

void *malloc(size_t size)
{
	return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t members, size_t size)
{
	return fails() ? NULL : __libc_calloc(members, size);
}

void *realloc(void *old, size_t size)
{
	return fails() ? NULL : __libc_realloc(old, size);
}
