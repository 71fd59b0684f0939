/* src/sys/memory and src/sys/hostload: what a process has, and gives back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "sys/hostload.h"
#include "sys/memory.h"

enum { MB = 1 << 20 };

static void memory_that_is_touched_is_counted(void **state)
{
	long long before = hostload_process_mb(getpid());
	char *block = malloc(64 * MB);

	(void)state;
	assert_non_null(block);
	/* Promised is not touched. */
	assert_in_range(hostload_process_mb(getpid()), 0, before + 16);
	explicit_bzero(block, 64 * MB);
	assert_true(hostload_process_mb(getpid()) >= before + 60);
	free(block);
}

static void what_cannot_be_told_is_nothing(void **state)
{
	(void)state;
	assert_int_equal(hostload_process_mb(0), 0);
	assert_int_equal(hostload_process_mb(-1), 0);
	assert_int_equal(hostload_process_mb(1 << 30), 0);
	assert_int_equal(hostload_child_mb(0), 0);
	assert_int_equal(hostload_child_mb(1 << 30), 0);
	assert_int_equal(hostload_child_mb(getpid()), 0); /* it has none */
}

static void the_first_child_is_found(void **state)
{
	int go[2];
	int ready[2];
	pid_t pid;
	char byte;

	(void)state;
	assert_int_equal(pipe(go), 0);
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		char *block = malloc(96 * MB);

		close(go[1]);
		if (!block)
			_exit(1);
		explicit_bzero(block, 96 * MB);
		(void)!write(ready[1], "r", 1);
		(void)!read(go[0], &byte, 1);
		free(block);
		_exit(0);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_true(hostload_child_mb(getpid()) >= 90);
	close(go[1]);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(go[0]);
	close(ready[0]);
	close(ready[1]);
}

/* Uses much stack, and leaves it. */
static int __attribute__((noinline)) deep(int depth)
{
	volatile char room[4096];

	room[depth % 4096] = (char)depth;
	return depth ? deep(depth - 1) + room[depth % 4096] : 0;
}

static void what_is_given_back_is_not_lost(void **state)
{
	static const char constant[] = "a constant";
	static char data[] = "data";
	char *heap = strdup("heap");
	char local[] = "local";
	int before;

	(void)state;
	memory_begin_small();
	before = deep(100);
	data[0] = 'D';
	for (int i = 0; i < 3; i++) {
		memory_give_back();
		assert_int_equal(deep(100), before);
		assert_string_equal(constant, "a constant");
		assert_string_equal(data, "Data");
		assert_string_equal(heap, "heap");
		assert_string_equal(local, "local");
	}
	free(heap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_that_is_touched_is_counted),
		cmocka_unit_test(what_cannot_be_told_is_nothing),
		cmocka_unit_test(the_first_child_is_found),
		cmocka_unit_test(what_is_given_back_is_not_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
