/* src/farm/agent: how one gets to the farm's agent, and when not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cmocka.h>

#include "farm/agent.h"
#include "scratch.h"
#include "sys/file.h"

enum { LONG_MS = 30 * 1000 };

static struct config config;
static struct store store = STORE_INIT;
static int folder = -1;

static int open_store(void **state)
{
	struct err e = ERR_INIT;
	char path[4200];

	if (scratch_make(state) < 0 || config_init(&config, &e) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/cfg", scratch_path);
	if (config_set(&config, "dir_cfg", path, &e) < 0 ||
	    config_set(&config, "dir_libexec", scratch_path, &e) < 0 ||
	    store_open(&config, &store, &e) < 0)
		return -1;
	folder = file_private_dir(store.dir, "farm", &e);
	return folder < 0 ? -1 : 0;
}

static int close_store(void **state)
{
	close(folder);
	store_release(&store);
	config_release(&config);
	return scratch_remove(state);
}

/* ---- Somebody else in the agent's place ---- */

struct other {
	int listener;
	const char *greeting;
	size_t heard;
	pthread_t thread;
};

static int listen_as_agent(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	unlinkat(folder, AGENT_SOCKET, 0);
	snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/%s",
		 folder, AGENT_SOCKET);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

/* Greet each who comes, hear all, say how much that was; until the listener
 * is shut down. */
static void *be_agent(void *arg)
{
	struct other *o = arg;
	int fd;

	while ((fd = accept(o->listener, NULL, NULL)) >= 0) {
		char bytes[4096];
		ssize_t got;

		(void)!send(fd, o->greeting, strlen(o->greeting),
			    MSG_NOSIGNAL);
		while ((got = recv(fd, bytes, sizeof(bytes), 0)) > 0)
			o->heard += (size_t)got;
		snprintf(bytes, sizeof(bytes), "%zu", o->heard);
		(void)!send(fd, bytes, strlen(bytes), MSG_NOSIGNAL);
		close(fd);
	}
	return NULL;
}

static void begin_other(struct other *o, const char *greeting)
{
	*o = (struct other){ .greeting = greeting,
			     .listener = listen_as_agent() };
	assert_int_equal(pthread_create(&o->thread, NULL, be_agent, o), 0);
}

static void end_other(struct other *o)
{
	shutdown(o->listener, SHUT_RDWR);
	pthread_join(o->thread, NULL);
	close(o->listener);
}

/* ---- Tests ---- */

static void a_request_goes_there_whole_and_the_answer_comes_back(void **state)
{
	enum { LENGTH = 1000 * 1000 };
	AUTO_BUF struct buf answer = BUF_INIT(100);
	AUTO_FREE char *text = calloc(1, LENGTH + 1);
	struct err e = ERR_INIT;
	struct other o;
	int fd;

	(void)state;
	memset(text, 'x', LENGTH);
	begin_other(&o, AGENT_GREETING);
	fd = agent_connect(&config, &store, LONG_MS, &e);
	assert_true(fd >= 0);
	assert_int_equal(agent_send(fd, text, LONG_MS, &e), 0);
	assert_int_equal(agent_receive(fd, &answer, LONG_MS, &e), 0);
	assert_string_equal(buf_str(&answer), "1000000");
	close(fd);
	end_other(&o);
}

static void one_of_another_version_is_told_nothing(void **state)
{
	char greeting[] = AGENT_GREETING;
	struct err e = ERR_INIT;
	struct other o;

	(void)state;
	greeting[strlen(greeting) - 2]++;
	begin_other(&o, greeting);
	assert_int_equal(agent_connect(&config, &store, LONG_MS, &e), -1);
	assert_int_equal(e.code, ERR_BUSY);
	assert_non_null(strstr(e.msg, "another version"));
	end_other(&o);
	assert_int_equal(o.heard, 0);
}

static void one_that_says_nothing_loses_its_name(void **state)
{
	int listener = listen_as_agent();
	struct err e = ERR_INIT;
	struct stat st;

	(void)state;
	assert_int_equal(agent_connect(&config, &store, 20, &e), -1);
	assert_int_equal(e.code, ERR_TIMEOUT);
	assert_int_equal(fstatat(folder, AGENT_SOCKET, &st,
				 AT_SYMLINK_NOFOLLOW),
			 -1);
	close(listener);
}

static void an_answer_that_does_not_come_has_an_end(void **state)
{
	AUTO_BUF struct buf answer = BUF_INIT(100);
	struct err e = ERR_INIT;
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0,
				    pair),
			 0);
	assert_int_equal(agent_receive(pair[0], &answer, 20, &e), -1);
	assert_int_equal(e.code, ERR_TIMEOUT);
	close(pair[0]);
	close(pair[1]);
}

static void an_answer_that_is_there_is_read_however_late_it_is(void **state)
{
	AUTO_BUF struct buf answer = BUF_INIT(100);
	struct err e = ERR_INIT;
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0,
				    pair),
			 0);
	assert_int_equal(send(pair[1], "answer", 6, MSG_NOSIGNAL), 6);
	close(pair[1]);
	assert_int_equal(agent_receive(pair[0], &answer, -5, &e), 0);
	assert_string_equal(buf_str(&answer), "answer");
	close(pair[0]);
}

static void nobody_waits_where_another_one_starts_it(void **state)
{
	AUTO_CLOSE int lock = openat(folder, "agent.lock", O_RDWR | O_CREAT,
				     0600);
	struct err e = ERR_INIT;

	(void)state;
	unlinkat(folder, AGENT_SOCKET, 0);
	assert_int_equal(flock(lock, LOCK_EX | LOCK_NB), 0);
	assert_int_equal(agent_connect(&config, &store, LONG_MS, &e), -1);
	assert_int_equal(e.code, ERR_BUSY);
	assert_non_null(strstr(e.msg, "another one starts"));
}

static void without_its_program_there_is_none(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(agent_connect(&config, &store, LONG_MS, &e), -1);
	assert_int_equal(e.code, ERR_SYSTEM);
	assert_non_null(strstr(e.msg, "qwd-net"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_request_goes_there_whole_and_the_answer_comes_back),
		cmocka_unit_test(one_of_another_version_is_told_nothing),
		cmocka_unit_test(one_that_says_nothing_loses_its_name),
		cmocka_unit_test(an_answer_that_does_not_come_has_an_end),
		cmocka_unit_test(an_answer_that_is_there_is_read_however_late_it_is),
		cmocka_unit_test(nobody_waits_where_another_one_starts_it),
		cmocka_unit_test(without_its_program_there_is_none),
	};

	return cmocka_run_group_tests(tests, open_store, close_store);
}
