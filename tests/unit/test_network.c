/* src/vm/network: the helpers' command lines, and the routes. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "vm/network.h"

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
		"/usr/bin/slirp4netns",	 "--configure",	  "--mtu=65520",
		"--disable-host-loopback", "--ready-fd=9", "4711",
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

static void every_address_of_the_host_is_made_unreachable(void **state)
{
	static const char begin[] = "route replace unreachable ";
	AUTO_BUF struct buf routes = BUF_INIT(65536);
	struct err e = ERR_INIT;

	(void)state;
	if (network_routes(&routes, &e) < 0)
		fail_msg("%s", e.msg);
	/* A host without any but the loopback has none. */
	for (const char *line = buf_str(&routes); *line;) {
		size_t len = strcspn(line, "\n");
		char text[64];
		struct in_addr in;

		assert_int_equal(line[len], '\n');
		assert_true(len > strlen(begin) && len < sizeof(text));
		assert_memory_equal(line, begin, strlen(begin));
		snprintf(text, sizeof(text), "%.*s",
			 (int)(len - strlen(begin)), line + strlen(begin));
		assert_int_equal(inet_pton(AF_INET, text, &in), 1);
		assert_false(text_starts(text, "127."));
		line += len + 1;
	}
}

static void routes_that_do_not_fit_are_an_error(void **state)
{
	AUTO_BUF struct buf all = BUF_INIT(65536);
	AUTO_BUF struct buf small = BUF_INIT(8);
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(network_routes(&all, &e), 0);
	if (!all.len)
		skip(); /* this host has no address */
	assert_int_equal(network_routes(&small, &e), -1);
	assert_int_equal(e.code, ERR_SYSTEM);
	assert_string_equal(e.msg, "too many addresses");
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
		cmocka_unit_test(every_address_of_the_host_is_made_unreachable),
		cmocka_unit_test(routes_that_do_not_fit_are_an_error),
		cmocka_unit_test(the_guests_name_server_is_slirps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
