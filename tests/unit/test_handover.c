/* src/sys/handover: what is handed over arrives, and from nobody else. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

#include "scratch.h"
#include "sys/file.h"
#include "sys/handover.h"

static char socket_path[256];

static int listen_here(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(socket_path, sizeof(socket_path), "%s/socket", scratch_path);
	unlink(socket_path);
	snprintf(a.sun_path, sizeof(a.sun_path), "%.100s", socket_path);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 4), 0);
	return fd;
}

/* Both ends of a connection. */
static void connect_pair(int *ret_sender, int *ret_receiver)
{
	AUTO_CLOSE int listener = listen_here();
	struct err e = ERR_INIT;

	*ret_sender = handover_connect(socket_path, &e);
	assert_true(*ret_sender >= 0);
	*ret_receiver = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(*ret_receiver >= 0);
}

/* An owner's command, which keeps `lock` unless that is NULL. */
static void make_command(struct argv *argv, struct child *c, const int *lock)
{
	argv_add(argv, "/bin/true");
	argv_add(argv, "--session-owner");
	c->argv = argv;
	c->keep = lock;
	c->keep_count = lock ? 1 : 0;
}

static void send_text(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), 0), strlen(text));
}

static void assert_refused(const char *packet, enum err_code code)
{
	struct handover h;
	struct err e = ERR_INIT;
	int sender;
	int receiver;

	connect_pair(&sender, &receiver);
	send_text(sender, packet);
	assert_int_equal(handover_receive(receiver, "/bin/true", &h, &e), -1);
	assert_int_equal(e.code, code);
	assert_int_equal(h.argv.count, 0);
	close(sender);
}

static void a_lock_and_the_arguments_arrive_at_their_numbers(void **state)
{
	AUTO_ARGV struct argv argv = { 0 };
	struct child c = CHILD_INIT;
	struct err e = ERR_INIT;
	AUTO_CLOSE int again = -1;
	struct handover h;
	int sender;
	int receiver;
	int lock;

	(void)state;
	scratch_puts("lock", "");
	lock = openat(scratch_fd, "lock", O_RDWR | O_CLOEXEC);
	assert_int_equal(flock(lock, LOCK_EX | LOCK_NB), 0);
	argv_add(&argv, "/usr/bin/program");
	argv_add(&argv, "--session-owner");
	argv_add(&argv, "a \"name\"");
	argv_addf(&argv, "%d", lock);
	c.argv = &argv;
	c.keep = &lock;
	c.keep_count = 1;
	connect_pair(&sender, &receiver);
	assert_int_equal(handover_send(sender, &c, 0, &e), 0);

	/* On its way the lock is held, although the sender has let go of it. */
	again = openat(scratch_fd, "lock", O_RDWR | O_CLOEXEC);
	close(lock);
	assert_int_equal(flock(again, LOCK_EX | LOCK_NB), -1);

	assert_int_equal(handover_receive(receiver, "/bin/true", &h, &e), 0);
	assert_int_equal(h.argv.count, 4);
	assert_string_equal(h.argv.list[0], "/bin/true");
	assert_string_equal(h.argv.list[1], "--session-owner");
	assert_string_equal(h.argv.list[2], "a \"name\"");
	assert_int_equal(h.count, 1);
	assert_int_equal(h.fds[0], lock);
	assert_true(fcntl(lock, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(flock(again, LOCK_EX | LOCK_NB), -1);
	close(h.fds[0]);
	assert_int_equal(flock(again, LOCK_EX | LOCK_NB), 0);
	argv_release(&h.argv);
	close(sender);
}

static void a_lock_that_nobody_takes_over_is_let_go(void **state)
{
	AUTO_ARGV struct argv argv = { 0 };
	struct child c = CHILD_INIT;
	struct err e = ERR_INIT;
	AUTO_CLOSE int again = -1;
	int sender;
	int receiver;
	int lock;

	(void)state;
	scratch_puts("lock", "");
	lock = openat(scratch_fd, "lock", O_RDWR | O_CLOEXEC);
	assert_int_equal(flock(lock, LOCK_EX | LOCK_NB), 0);
	make_command(&argv, &c, &lock);
	connect_pair(&sender, &receiver);
	assert_int_equal(handover_send(sender, &c, 0, &e), 0);
	close(lock);
	close(sender);
	close(receiver);
	again = openat(scratch_fd, "lock", O_RDWR | O_CLOEXEC);
	assert_int_equal(flock(again, LOCK_EX | LOCK_NB), 0);
}

static void a_connection_that_is_closed_is_a_failure(void **state)
{
	AUTO_ARGV struct argv argv = { 0 };
	struct child c = CHILD_INIT;
	struct err e = ERR_INIT;
	int sender;
	int receiver;

	(void)state;
	make_command(&argv, &c, NULL);
	connect_pair(&sender, &receiver);
	/* As systemd does with one connection too many. */
	assert_int_equal(shutdown(receiver, SHUT_WR), 0);
	assert_int_equal(handover_send(sender, &c, 20000, &e), -1);
	assert_int_equal(e.code, ERR_SYSTEM);
	assert_non_null(strstr(e.msg, "did not start"));
	close(sender);
	close(receiver);
}

static void so_it_is_when_it_is_closed_before_anything_was_sent(void **state)
{
	AUTO_ARGV struct argv argv = { 0 };
	struct child c = CHILD_INIT;
	struct err e = ERR_INIT;
	int sender;
	int receiver;

	(void)state;
	make_command(&argv, &c, NULL);
	connect_pair(&sender, &receiver);
	close(receiver);
	assert_int_equal(handover_send(sender, &c, 20000, &e), -1);
	assert_int_equal(e.code, ERR_SYSTEM);
	assert_non_null(strstr(e.msg, "did not start"));
	close(sender);
}

static void no_answer_in_time_is_no_failure(void **state)
{
	AUTO_ARGV struct argv argv = { 0 };
	struct child c = CHILD_INIT;
	struct err e = ERR_INIT;
	int sender;
	int receiver;

	(void)state;
	make_command(&argv, &c, NULL);
	connect_pair(&sender, &receiver);
	assert_int_equal(handover_send(sender, &c, 1, &e), 0);
	close(sender);
	close(receiver);
}

static void another_users_process_is_refused(void **state)
{
	struct handover h;
	struct err e = ERR_INIT;
	int sender;
	int receiver;

	(void)state;
	if (geteuid() != 0)
		skip();
	connect_pair(&sender, &receiver);
	send_text(sender, "{\"version\":1,\"arguments\":[\"--session-owner\"],"
			  "\"descriptors\":[]}");
	/* The credentials are those of the connecting: be another one since. */
	assert_int_equal(setresuid(65534, 65534, 0), 0);
	assert_int_equal(handover_receive(receiver, "/bin/true", &h, &e), -1);
	assert_int_equal(setresuid(0, 0, 0), 0);
	assert_int_equal(e.code, ERR_FORBIDDEN);
	assert_non_null(strstr(e.msg, "user 0"));
	close(sender);
}

static void packets_that_are_none_of_ours_are_refused(void **state)
{
	static const char *const bad[] = {
		"x",
		"[]",
		"{}",
		"{\"version\":2,\"arguments\":[\"--a\"],\"descriptors\":[]}",
		"{\"version\":1,\"arguments\":[],\"descriptors\":[]}",
		"{\"version\":1,\"arguments\":[1],\"descriptors\":[]}",
		"{\"version\":1,\"arguments\":\"--a\",\"descriptors\":[]}",
		"{\"version\":1,\"arguments\":[\"--a\"]}",
		/* A descriptor that did not come along. */
		"{\"version\":1,\"arguments\":[\"--a\"],\"descriptors\":[7]}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_refused(bad[i], ERR_INPUT);
}

static void descriptors_go_only_to_sensible_numbers(void **state)
{
	static const char *const bad[] = { "0", "1", "-3", "256", "\"7\"" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		union {
			struct cmsghdr align;
			char bytes[CMSG_SPACE(sizeof(int))];
		} control = { .bytes = { 0 } };
		struct cmsghdr *head = &control.align;
		struct msghdr message = { .msg_iovlen = 1 };
		AUTO_CLOSE int passed = dup(scratch_fd);
		struct handover h;
		struct err e = ERR_INIT;
		char text[128];
		struct iovec iov = { text, 0 };
		int sender;
		int receiver;

		iov.iov_len = (size_t)snprintf(
			text, sizeof(text),
			"{\"version\":1,\"arguments\":[\"--a\"],"
			"\"descriptors\":[%s]}",
			bad[i]);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(head), &passed, sizeof(int));
		message.msg_iov = &iov;
		message.msg_control = control.bytes;
		message.msg_controllen = sizeof(control.bytes);
		connect_pair(&sender, &receiver);
		assert_true(sendmsg(sender, &message, 0) > 0);
		assert_int_equal(handover_receive(receiver, "/bin/true", &h,
						  &e),
				 -1);
		assert_int_equal(e.code, ERR_INPUT);
		assert_non_null(strstr(e.msg, "descriptor"));
		close(sender);
	}
}

static void only_a_process_that_systemd_started_has_a_connection(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	setenv("LISTEN_FDS", "1", 1);
	setenv("LISTEN_PID", "1", 1);
	assert_int_equal(handover_connection(&e), -1);
	assert_int_equal(e.code, ERR_INPUT);
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
	assert_int_equal(handover_connection(&e), -1);
}

static void nobody_listening_is_an_error_that_names_the_socket(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(handover_connect("/nowhere/at/all", &e), -1);
	assert_int_equal(e.code, ERR_SYSTEM);
	assert_int_equal(e.sys, ENOENT);
	assert_non_null(strstr(e.msg, "/nowhere/at/all"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_lock_and_the_arguments_arrive_at_their_numbers),
		cmocka_unit_test(a_lock_that_nobody_takes_over_is_let_go),
		cmocka_unit_test(a_connection_that_is_closed_is_a_failure),
		cmocka_unit_test(so_it_is_when_it_is_closed_before_anything_was_sent),
		cmocka_unit_test(no_answer_in_time_is_no_failure),
		cmocka_unit_test(another_users_process_is_refused),
		cmocka_unit_test(packets_that_are_none_of_ours_are_refused),
		cmocka_unit_test(descriptors_go_only_to_sensible_numbers),
		cmocka_unit_test(
			only_a_process_that_systemd_started_has_a_connection),
		cmocka_unit_test(
			nobody_listening_is_an_error_that_names_the_socket),
	};

	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
