/* src/sys/random: rows P6 and SR6 of src/doc/security-tests.md. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/macros.h"
#include "sys/random.h"

enum { COUNT = 20000, LENGTH = 32 };

static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";

static void draw(char ret[LENGTH + 1])
{
	struct err e = ERR_INIT;

	if (random_text(ret, LENGTH, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(strlen(ret), LENGTH);
	assert_int_equal(strspn(ret, alphabet), LENGTH);
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, LENGTH);
}

static void no_secret_comes_twice(void **state)
{
	char(*all)[LENGTH + 1] = calloc(COUNT, sizeof(*all));

	(void)state;
	assert_non_null(all);
	for (size_t i = 0; i < COUNT; i++)
		draw(all[i]);
	qsort(all, COUNT, sizeof(*all), compare);
	for (size_t i = 1; i < COUNT; i++)
		assert_memory_not_equal(all[i - 1], all[i], LENGTH);
	free(all);
}

/* 20,000 draws of each place are 625 of each letter; six standard deviations
 * are 148. */
static void each_letter_is_as_likely_in_each_place(void **state)
{
	static unsigned seen[LENGTH][sizeof(alphabet)];
	char text[LENGTH + 1];

	(void)state;
	for (size_t i = 0; i < COUNT; i++) {
		draw(text);
		for (size_t k = 0; k < LENGTH; k++)
			seen[k][strchr(alphabet, text[k]) - alphabet]++;
	}
	for (size_t k = 0; k < LENGTH; k++)
		for (size_t i = 0; i < sizeof(alphabet) - 1; i++)
			assert_in_range(seen[k][i], 625 - 148, 625 + 148);
}

/* There is no state that a child could share with us. */
static void a_child_draws_others(void **state)
{
	char ours[LENGTH + 1];
	char theirs[LENGTH + 1] = "";
	int status;
	int ends[2];
	pid_t pid;

	(void)state;
	draw(ours);
	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		draw(ours);
		(void)!write(ends[1], ours, LENGTH);
		_exit(0);
	}
	assert_int_equal(read(ends[0], theirs, LENGTH), LENGTH);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	draw(ours);
	assert_string_not_equal(ours, theirs);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_secret_comes_twice),
		cmocka_unit_test(each_letter_is_as_likely_in_each_place),
		cmocka_unit_test(a_child_draws_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
