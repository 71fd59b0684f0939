/* src/vm/network: the helpers' command lines, the card, and the routes.  In a
 * network namespace of its own (tests/sandbox). */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/text.h"
#include "vm/network.h"
#include "vm/network_host.h"

static void compare(const struct argv *a, const char *const *expected,
		    size_t count)
{
	assert_false(a->failed);
	assert_int_equal(a->count, count);
	for (size_t i = 0; i < count; i++)
		assert_string_equal(a->list[i], expected[i]);
}

static void slirp_gets_no_way_to_the_hosts_loopback(void **state)
{
	static const char *const expected[] = {
		"/usr/bin/slirp4netns", "--configure", "--mtu=65520",
		"--disable-host-loopback", "--enable-sandbox",
		"--enable-seccomp", "--ready-fd=9", "4711",
		"tap0",
	};
	AUTO_ARGV struct argv a = { 0 };

	(void)state;
	network_attach_command("/usr/bin/slirp4netns", 4711, 9, &a);
	compare(&a, expected, ARRAY_LEN(expected));
}

static void routes_are_set_inside_the_namespace(void **state)
{
	static const char *const expected[] = {
		"/usr/bin/nsenter", "-t", "4711", "-U",	    "-n",
		"--preserve-credentials", "/sbin/ip", "-batch", "-",
	};
	AUTO_ARGV struct argv a = { 0 };

	(void)state;
	network_route_command("/usr/bin/nsenter", "/sbin/ip", 4711, &a);
	compare(&a, expected, ARRAY_LEN(expected));
}

/* What ip(8) tells of the table `local`, so as not to ask as the code does. */
static void run_ip(const char *arguments, struct buf *output)
{
	struct err e = ERR_INIT;
	AUTO_FREE char *ip = child_find_program("ip", &e);
	AUTO_FREE char *words = strdup(arguments);
	AUTO_ARGV struct argv argv = { 0 };
	struct child c = CHILD_INIT;
	char *rest = words;
	char *word;
	int status;

	assert_non_null(ip);
	argv_add(&argv, ip);
	while ((word = strsep(&rest, " ")) != NULL)
		argv_add(&argv, word);
	c.argv = &argv;
	if (child_run(&c, NULL, output, NULL, 10000, &status, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(status, 0);
}

static void check_closed(const char *routes, const char *prefix)
{
	char line[100];

	snprintf(line, sizeof(line), "\nroute replace unreachable %s%s\n",
		 prefix, strchr(prefix, '/') ? "" : "/32");
	if (!strstr(routes, line))
		fail_msg("no route for %s in%s", prefix, routes);
}

static void read_routes(struct buf *routes)
{
	struct err e = ERR_INIT;

	buf_reset(routes);
	buf_putc(routes, '\n');
	if (network_routes(routes, &e) < 0)
		fail_msg("%s", e.msg);
}

/* SR25.  Also those of the loopback interface, and whole networks. */
static void whatever_this_host_answers_to_is_made_unreachable(void **state)
{
	AUTO_BUF struct buf routes = BUF_INIT(65536);
	AUTO_BUF struct buf told = BUF_INIT(65536);
	char *rest;
	char *line;

	(void)state;
	run_ip("address add 198.51.100.1/32 dev lo", NULL);
	run_ip("route add local 203.0.113.0/28 dev lo", NULL);
	read_routes(&routes);
	run_ip("-4 route show table local", &told);
	assert_true(told.len > 0);
	rest = told.data;
	while ((line = strsep(&rest, "\n")) != NULL && *line) {
		char type[16];
		char prefix[40];

		assert_int_equal(sscanf(line, "%15s %39s", type, prefix), 2);
		check_closed(buf_str(&routes), prefix);
	}
	check_closed(buf_str(&routes), "198.51.100.1");
	check_closed(buf_str(&routes), "203.0.113.0/28");
	check_closed(buf_str(&routes), "127.0.0.0/8");
	run_ip("address del 198.51.100.1/32 dev lo", NULL);
	run_ip("route del local 203.0.113.0/28 dev lo", NULL);
}

static void what_is_nobodys_address_is_unreachable_in_any_case(void **state)
{
	static const char *const always[] = { "0.0.0.0/8", "169.254.0.0/16",
					      "224.0.0.0/4", "240.0.0.0/4" };
	AUTO_BUF struct buf routes = BUF_INIT(65536);

	(void)state;
	read_routes(&routes);
	for (size_t i = 0; i < ARRAY_LEN(always); i++)
		check_closed(buf_str(&routes), always[i]);
}

static void a_host_where_everything_is_local_keeps_its_network(void **state)
{
	AUTO_BUF struct buf routes = BUF_INIT(65536);

	(void)state;
	run_ip("route add local 0.0.0.0/0 dev lo table local", NULL);
	read_routes(&routes);
	run_ip("route del local 0.0.0.0/0 dev lo table local", NULL);
	assert_null(strstr(buf_str(&routes), "unreachable 0.0.0.0/0"));
}

static void routes_that_do_not_fit_are_an_error(void **state)
{
	AUTO_BUF struct buf small = BUF_INIT(8);
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(network_routes(&small, &e), -1);
	assert_int_equal(e.code, ERR_SYSTEM);
	assert_string_equal(e.msg, "too many addresses");
}

static bool is_readable(int fd)
{
	struct pollfd p = { fd, POLLIN, 0 };

	return poll(&p, 1, 0) == 1;
}

static void a_watch_tells_of_new_addresses_and_of_nothing_else(void **state)
{
	struct err e = ERR_INIT;
	AUTO_CLOSE int fd = network_watch(&e);

	(void)state;
	if (fd < 0)
		fail_msg("%s", e.msg);
	assert_false(network_watch_read(fd));
	run_ip("address add 198.51.100.2/32 dev lo", NULL);
	assert_true(is_readable(fd));
	assert_true(network_watch_read(fd));
	assert_false(network_watch_read(fd));
	run_ip("route add unreachable 192.0.2.0/24", NULL);
	run_ip("route del unreachable 192.0.2.0/24", NULL);
	run_ip("address del 198.51.100.2/32 dev lo", NULL);
	assert_false(is_readable(fd));
	run_ip("route add local 203.0.113.0/28 dev lo", NULL);
	assert_true(network_watch_read(fd));
	run_ip("route del local 203.0.113.0/28 dev lo", NULL);
	assert_false(network_watch_read(fd));
}

static void a_word_tells_what_the_card_is_connected_with(void **state)
{
	static const struct {
		const char *word;
		enum network_kind kind;
		const char *netdev;
		const char *card;
	} table[] = {
		{ "user", NETWORK_USER, "user,id=net0,ipv6=off", "" },
		{ "isolated", NETWORK_ISOLATED,
		  "user,id=net0,ipv6=off,restrict=on", "" },
		{ "bridge=br0", NETWORK_BRIDGE, "tap,id=net0,fd=9",
		  ",mac=02:" },
		{ "none", NETWORK_NONE, "", "" },
		{ "failed", NETWORK_NONE, "", "" },
		{ "", NETWORK_NONE, "", "" },
		{ "users", NETWORK_NONE, "", "" },
		{ "bridge", NETWORK_NONE, "", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		AUTO_BUF struct buf netdev = BUF_INIT(100);
		AUTO_BUF struct buf card = BUF_INIT(100);

		assert_int_equal(network_kind(table[i].word), table[i].kind);
		network_netdev(table[i].word, 9, &netdev);
		assert_string_equal(buf_str(&netdev), table[i].netdev);
		network_card(table[i].word, "svc-a", &card);
		assert_int_equal(strlen(buf_str(&card)),
				 *table[i].card ? 22 : 0);
		assert_true(text_starts(buf_str(&card), table[i].card));
	}
	assert_string_equal(network_bridge("bridge=br0"), "br0");
}

static void each_session_has_its_own_address_on_a_bridge(void **state)
{
	AUTO_BUF struct buf one = BUF_INIT(100);
	AUTO_BUF struct buf again = BUF_INIT(100);
	AUTO_BUF struct buf other = BUF_INIT(100);

	(void)state;
	network_card("bridge=br0", "svc-aaaaaaaaaaaaaaaaaaaa", &one);
	network_card("bridge=br0", "svc-aaaaaaaaaaaaaaaaaaaa", &again);
	network_card("bridge=br0", "svc-aaaaaaaaaaaaaaaaaaab", &other);
	assert_string_equal(buf_str(&one), buf_str(&again));
	assert_string_not_equal(buf_str(&one), buf_str(&other));
}

static void the_bridges_helper_is_told_bridge_and_socket(void **state)
{
	static const char *const expected[] = { "/helper", "--br=br0",
						"--fd=7" };
	AUTO_ARGV struct argv a = { 0 };

	(void)state;
	network_bridge_command("/helper", "br0", 7, &a);
	compare(&a, expected, ARRAY_LEN(expected));
}

/* As qemu-bridge-helper sends it: one byte, and with it the descriptor. */
static void send_descriptor(int to, int what)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .head = { .cmsg_len = CMSG_LEN(sizeof(int)),
				.cmsg_level = SOL_SOCKET,
				.cmsg_type = SCM_RIGHTS } };
	struct iovec data = { (char[]){ 0 }, 1 };
	struct msghdr message = { .msg_iov = &data,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };

	memcpy(CMSG_DATA(&control.head), &what, sizeof(what));
	assert_int_equal(sendmsg(to, &message, 0), 1);
}

static void the_bridges_port_is_taken_from_its_socket(void **state)
{
	int ends[2];
	int tap;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	assert_int_equal(network_receive_tap(ends[0]), -1);
	send_descriptor(ends[1], STDERR_FILENO);
	tap = network_receive_tap(ends[0]);
	assert_true(tap > STDERR_FILENO);
	assert_int_equal(fcntl(tap, F_GETFD), FD_CLOEXEC);
	close(tap);
	assert_int_equal(send(ends[1], "x", 1, 0), 1);
	assert_int_equal(network_receive_tap(ends[0]), -1);
	close(ends[1]);
	assert_int_equal(network_receive_tap(ends[0]), -1);
	close(ends[0]);
}

static void the_guests_name_server_is_slirps(void **state)
{
	(void)state;
	assert_string_equal(NETWORK_RESOLV, "nameserver 10.0.2.3\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slirp_gets_no_way_to_the_hosts_loopback),
		cmocka_unit_test(routes_are_set_inside_the_namespace),
		cmocka_unit_test(
			whatever_this_host_answers_to_is_made_unreachable),
		cmocka_unit_test(
			what_is_nobodys_address_is_unreachable_in_any_case),
		cmocka_unit_test(
			a_host_where_everything_is_local_keeps_its_network),
		cmocka_unit_test(routes_that_do_not_fit_are_an_error),
		cmocka_unit_test(the_guests_name_server_is_slirps),
		cmocka_unit_test(
			a_watch_tells_of_new_addresses_and_of_nothing_else),
		cmocka_unit_test(a_word_tells_what_the_card_is_connected_with),
		cmocka_unit_test(each_session_has_its_own_address_on_a_bridge),
		cmocka_unit_test(the_bridges_helper_is_told_bridge_and_socket),
		cmocka_unit_test(the_bridges_port_is_taken_from_its_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
