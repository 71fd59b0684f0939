/* src/auth/saslauthd: what is said, and what is believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "auth/saslauthd.h"
#include "scratch.h"
#include "sys/clock.h"
#include "sys/file.h"

static char path[4200];
static int patience_ms; /* of who asks */

static int begin(void **state)
{
	patience_ms = 20000;
	if (scratch_make(state) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/mux", scratch_path);
	return 0;
}

static int listener(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(strlen(path) < sizeof(at.sun_path));
	memcpy(at.sun_path, path, strlen(path) + 1);
	(void)unlink(path);
	assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 4), 0);
	return fd;
}

/* Four strings, each behind its length. */
static bool is_whole(const char *question, size_t len)
{
	size_t at = 0;

	for (int i = 0; i < 4; i++) {
		if (len < at + 2)
			return false;
		at += 2 + (size_t)((unsigned char)question[at] << 8 |
				   (unsigned char)question[at + 1]);
	}
	return len >= at;
}

/* Another process that takes one question, which it puts into the file
 * `asked`, and answers these bytes; with `stay` it does not close then. */
static pid_t serve(const void *answer, size_t len, bool stay)
{
	int fd = listener();
	pid_t pid = fork();

	if (pid == 0) {
		char question[8192] = "";
		size_t have = 0;
		int one = accept(fd, NULL, NULL);

		while (have < sizeof(question) && !is_whole(question, have)) {
			ssize_t got = read(one, question + have,
					   sizeof(question) - have);

			if (got <= 0)
				break;
			have += (size_t)got;
		}
		scratch_write("asked", question, have);
		(void)!send(one, answer, len, MSG_NOSIGNAL);
		if (stay)
			(void)!read(one, question, 1);
		_exit(0);
	}
	close(fd);
	assert_true(pid > 0);
	return pid;
}

static enum err_code ask(const char *user, const char *password, bool *good)
{
	struct err e = ERR_INIT;

	return saslauthd_check(path, user, password, patience_ms, good, &e) < 0 ?
		       e.code :
		       ERR_NONE;
}

static void the_question_is_four_strings_with_their_lengths(void **state)
{
	static const char expected[] = "\0\3ann\0\6s\xc3\xa9"
				       "cre\0\20qemu-web-desktop\0\0";
	AUTO_BUF struct buf asked = BUF_INIT(8192);
	struct err e = ERR_INIT;
	pid_t pid = serve("\0\2OK", 4, false);
	bool good;

	(void)state;
	assert_int_equal(ask("ann", "s\xc3\xa9" "cre", &good), ERR_NONE);
	assert_true(good);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(file_read(scratch_fd, "asked", false, &asked, &e), 0);
	assert_int_equal(asked.len, sizeof(expected) - 1);
	assert_memory_equal(asked.data, expected, asked.len);
}

static void only_a_whole_answer_of_ok_is_a_yes(void **state)
{
	static const struct {
		const char *answer;
		size_t len;
		enum err_code code;
		bool good;
	} table[] = {
		{ "\0\2OK", 4, ERR_NONE, true },
		{ "\0\7OK what", 9, ERR_NONE, true },
		{ "\0\2NO", 4, ERR_NONE, false },
		{ "\0\12NO SUCCESS", 12, ERR_NONE, false },
		{ "\0\2ok", 4, ERR_DAMAGED, false },
		{ "\0\2KO", 4, ERR_DAMAGED, false },
		{ "\0\4 OK ", 6, ERR_DAMAGED, false },
		{ "\0\1O", 3, ERR_DAMAGED, false },
		{ "\0\0OK", 4, ERR_DAMAGED, false },
		{ "\0\3OK", 4, ERR_DAMAGED, false },
		{ "\0\2O", 3, ERR_DAMAGED, false },
		{ "\0", 1, ERR_DAMAGED, false },
		{ "", 0, ERR_DAMAGED, false },
		{ "OK", 2, ERR_DAMAGED, false },
		{ "\377\377OK", 4, ERR_DAMAGED, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		pid_t pid = serve(table[i].answer, table[i].len, false);
		bool good = true;
		enum err_code code = ask("ann", "secret", &good);

		if (code != table[i].code || good != table[i].good)
			fail_msg("row %zu: %s, %d", i, err_name(code), good);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
	}
}

static void one_that_is_silent_costs_the_deadline(void **state)
{
	static const char *const said[] = { "", "\0", "\0\2", "\0\2O" };

	(void)state;
	patience_ms = 300;
	for (size_t i = 0; i < ARRAY_LEN(said); i++) {
		long long start = clock_boot_ms();
		pid_t pid = serve(said[i], i, true);
		bool good = true;

		assert_int_equal(ask("ann", "secret", &good), ERR_TIMEOUT);
		assert_false(good);
		assert_true(clock_boot_ms() - start >= patience_ms);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
	}
	patience_ms = 20000;
}

static void nobody_there_is_a_failure(void **state)
{
	char long_one[2100];
	bool good = true;
	int fd;

	(void)state;
	(void)unlink(path);
	assert_int_equal(ask("ann", "secret", &good), ERR_SYSTEM);
	fd = listener();
	close(fd); /* the file stays */
	assert_int_equal(ask("ann", "secret", &good), ERR_SYSTEM);
	memset(long_one, 'x', sizeof(long_one) - 1);
	long_one[sizeof(long_one) - 1] = '\0';
	fd = listener();
	assert_int_equal(ask("ann", long_one, &good), ERR_INPUT);
	close(fd);
	assert_false(good);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			the_question_is_four_strings_with_their_lengths),
		cmocka_unit_test(only_a_whole_answer_of_ok_is_a_yes),
		cmocka_unit_test(one_that_is_silent_costs_the_deadline),
		cmocka_unit_test(nobody_there_is_a_failure),
	};

	return cmocka_run_group_tests(tests, begin, scratch_remove);
}
