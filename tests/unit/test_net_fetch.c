/* src/net/fetch: requests, and which addresses are public. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cmocka.h>

#include "net/fetch.h"

static bool is_public(const char *text)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };

	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		return fetch_address_is_public((struct sockaddr *)&v4);
	assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
	return fetch_address_is_public((struct sockaddr *)&v6);
}

/* SR28: SSRF. */
static void special_addresses_are_not_public(void **state)
{
	static const char *const special[] = {
		"0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255",
		"100.64.0.1", "100.127.255.255", "127.0.0.1",
		"127.255.255.254", "169.254.169.254", "172.16.0.1",
		"172.31.255.255", "192.0.0.8", "192.0.2.1", "192.88.99.1",
		"192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.7",
		"203.0.113.9", "224.0.0.1", "239.255.255.255", "240.0.0.1",
		"255.255.255.255", "::", "::1", "::ffff:127.0.0.1",
		"::ffff:8.8.8.8", "::8.8.8.8", "64:ff9b::7f00:1", "100::1",
		"2001::1", "2001:db8::1", "2002:7f00:1::1", "3fff::1",
		"fc00::1", "fd12:3456::1", "fe80::1", "fec0::1", "ff02::1",
	};
	static const char *const good[] = {
		"1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0",
		"100.63.255.255", "100.128.0.0", "126.255.255.255",
		"128.0.0.1", "169.253.255.255", "172.15.255.255", "172.32.0.0",
		"192.167.255.255", "192.169.0.0", "223.255.255.255",
		"2001:4860:4860::8888", "2606:4700::1111", "2a00::1",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(special); i++)
		if (is_public(special[i]))
			fail_msg("%s", special[i]);
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		if (!is_public(good[i]))
			fail_msg("%s", good[i]);
}

static void a_host_that_is_an_address_is_looked_at_in_all_its_forms(void **state)
{
	static const struct {
		const char *host;
		bool public;
	} table[] = {
		{ "gitlab.com", true },	    { "1.1.1.1", true },
		{ "localhost", false },	    { "LocalHost", false },
		{ "localhost.", false },    { "x.localhost", false },
		{ "127.0.0.1.", false },    { "169.254.169.254.", false },
		{ "10.1.", false },	    { "1.1.1.1.", true },
		{ "notlocalhost", true },   { "127.0.0.1", false },
		{ "127.1", false },	    { "2130706433", false },
		{ "0x7f000001", false },    { "0x7f.1", false },
		{ "017700000001", false },  { "0", false },
		{ "10.1", false },	    { "::1", false },
		{ "::ffff:127.0.0.1", false },
		{ "2606:4700::1111", true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (fetch_host_is_public(table[i].host) != table[i].public)
			fail_msg("%s", table[i].host);
}

static void a_request_is_read_strictly(void **state)
{
	static const struct {
		const char *json;
		const char *message;
	} table[] = {
		{ "", "no JSON object" },
		{ "{\"max\":1,\"timeout\":1}", "url" },
		{ "{\"url\":\"u\",\"timeout\":1}", "max" },
		{ "{\"url\":\"u\",\"max\":0,\"timeout\":1}", "max" },
		{ "{\"url\":\"u\",\"max\":1048577,\"timeout\":1}", "max" },
		{ "{\"url\":\"u\",\"max\":1,\"timeout\":61}", "timeout" },
		{ "{\"url\":\"u\",\"max\":1,\"timeout\":1,\"x\":1}",
		  "unknown member" },
		{ "{\"url\":\"u\",\"max\":1,\"timeout\":1,\"http\":1}",
		  "http" },
		{ "{\"url\":\"u\",\"max\":1,\"timeout\":1,\"hosts\":\"h\"}",
		  "hosts: not an array" },
		{ "{\"url\":\"u\",\"max\":1,\"timeout\":1,\"hosts\":[1]}",
		  "hosts: not strings" },
		{ "{\"url\":\"u\",\"max\":1,\"timeout\":1,\"ca_file\":\"x\"}",
		  "ca_file: not absolute" },
	};
	static const char good[] = "{\"url\":\"u\",\"max\":5,\"timeout\":6,"
				   "\"hosts\":null,\"proxy\":null}";
	struct fetch_request r;
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		assert_int_equal(fetch_request_parse(table[i].json,
						     strlen(table[i].json), &r,
						     &e),
				 -1);
		assert_int_equal(e.code, ERR_DAMAGED);
		if (!strstr(e.msg, table[i].message))
			fail_msg("%s: %s", table[i].json, e.msg);
	}
	assert_int_equal(fetch_request_parse(good, strlen(good), &r, &e), 0);
	assert_string_equal(r.url, "u");
	assert_string_equal(r.proxy, "");
	assert_string_equal(r.ca_file, "/etc/ssl/certs/ca-certificates.crt");
	assert_null(r.hosts);
	assert_false(r.http);
	fetch_request_release(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(special_addresses_are_not_public),
		cmocka_unit_test(
			a_host_that_is_an_address_is_looked_at_in_all_its_forms),
		cmocka_unit_test(a_request_is_read_strictly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
