/* src/vm/display: addresses of the screen, and who may open it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "vm/display.h"

#define TOKEN "abcdefghijklmnopqrstuvwxyz234567"
#define NOVNC                                                                  \
	"/vnc.html#autoconnect=true&reconnect=true&reconnect_delay=2000"       \
	"&resize=scale&path="
#define QUERY "websockify%3Ftoken%3D" TOKEN

static struct config config;

static int init(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	return config_init(&config, &e);
}

static int release(void **state)
{
	(void)state;
	config_release(&config);
	return 0;
}

static void set_proxy(const char *value)
{
	struct err e = ERR_INIT;

	if (config_set(&config, "service_reverse_proxy", value, &e) < 0)
		fail_msg("%s", e.msg);
}

static struct session running(const char *origin)
{
	struct session s = { .name = "svc-a", .state = SESSION_RUNNING,
			     .token = TOKEN, .port = 6080 };

	snprintf(s.origin, sizeof(s.origin), "%s", origin);
	return s;
}

struct row {
	const char *proxy;
	const char *origin;
	const char *expected;
};

static void the_url_leads_to_novnc(void **state)
{
	static const struct row table[] = {
		/* through the web server */
		{ "/display", "https://desktop.lab.example",
		  "https://desktop.lab.example/display" NOVNC
		  "display%2F" QUERY },
		{ "/display", "http://localhost:8080",
		  "http://localhost:8080/display" NOVNC "display%2F" QUERY },
		{ "/a/b", "https://[2001:db8::1]:8443",
		  "https://[2001:db8::1]:8443/a/b" NOVNC "a%2Fb%2F" QUERY },
		/* at the gateway's own port */
		{ "", "http://desktop.lab.example",
		  "http://desktop.lab.example:6080" NOVNC QUERY },
		{ "", "http://desktop.lab.example:8080",
		  "http://desktop.lab.example:6080" NOVNC QUERY },
		{ "", "http://127.0.0.1:8080",
		  "http://127.0.0.1:6080" NOVNC QUERY },
		{ "", "http://[::1]:8080", "http://[::1]:6080" NOVNC QUERY },
		{ "", "http://[2001:db8::1]",
		  "http://[2001:db8::1]:6080" NOVNC QUERY },
		/* at a port that is forwarded to it */
		{ ":7000", "http://desktop.lab.example:8080",
		  "http://desktop.lab.example:7000" NOVNC QUERY },
		{ ":7000", "http://[::1]",
		  "http://[::1]:7000" NOVNC QUERY },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct session s = running(table[i].origin);
		AUTO_FREE char *url = NULL;

		set_proxy(table[i].proxy);
		url = display_url(&config, &s);
		assert_non_null(url);
		assert_string_equal(url, table[i].expected);
	}
}

static void the_token_stands_in_the_fragment_only(void **state)
{
	static const char *const proxies[] = { "", "/display", ":7000" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(proxies); i++) {
		struct session s = running("https://desktop.lab.example");
		AUTO_FREE char *url = NULL;
		const char *fragment;

		set_proxy(proxies[i]);
		url = display_url(&config, &s);
		assert_non_null(url);
		fragment = strchr(url, '#');
		assert_non_null(fragment);
		assert_true(strstr(url, TOKEN) > fragment);
		assert_null(strchr(fragment, '?'));
	}
}

static void only_a_running_session_has_a_url(void **state)
{
	struct session s = running("https://desktop.lab.example");

	(void)state;
	for (int i = SESSION_STARTING; i <= SESSION_FAILED; i++) {
		AUTO_FREE char *url = NULL;

		s.state = (enum session_state)i;
		url = display_url(&config, &s);
		assert_int_equal(url != NULL, i == SESSION_RUNNING);
	}
}

static void only_our_pages_may_open_a_display(void **state)
{
	static const struct row table[] = {
		{ "/display", "https://desktop.lab.example",
		  "https://desktop.lab.example" },
		{ "/display", "https://desktop.lab.example:8443",
		  "https://desktop.lab.example:8443" },
		{ "/display", "https://[2001:db8::1]:8443",
		  "https://[2001:db8::1]:8443" },
		/* the loopback address by all of its names */
		{ "/display", "http://localhost:8080",
		  "http://localhost:8080 http://127.0.0.1:8080 "
		  "http://[::1]:8080" },
		{ "/display", "http://[::1]:8080",
		  "http://localhost:8080 http://127.0.0.1:8080 "
		  "http://[::1]:8080" },
		/* without the web server the gateway's own pages, too */
		{ "", "http://desktop.lab.example",
		  "http://desktop.lab.example http://desktop.lab.example:6080" },
		{ ":7000", "http://desktop.lab.example:8080",
		  "http://desktop.lab.example:8080 "
		  "http://desktop.lab.example:7000" },
		{ "", "http://127.0.0.1",
		  "http://localhost http://127.0.0.1 http://[::1] "
		  "http://localhost:6080 http://127.0.0.1:6080 "
		  "http://[::1]:6080" },
		{ "", "http://[2001:db8::1]:80",
		  "http://[2001:db8::1]:80 http://[2001:db8::1]:6080" },
		/* names that only look like it */
		{ "/display", "http://localhost.evil.example",
		  "http://localhost.evil.example" },
		{ "/display", "http://127.0.0.10", "http://127.0.0.10" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		AUTO_BUF struct buf origins = BUF_INIT(4096);

		set_proxy(table[i].proxy);
		display_origins(&config, table[i].origin, 6080, &origins);
		assert_false(buf_failed(&origins));
		assert_string_equal(buf_str(&origins), table[i].expected);
	}
}

static void the_gateway_listens_where_it_must_and_no_further(void **state)
{
	static const struct row table[] = {
		{ "/display", "https://desktop.lab.example", "127.0.0.1" },
		{ "/display", "http://localhost:8080", "127.0.0.1" },
		{ "", "http://localhost:8080", "127.0.0.1" },
		{ "", "http://127.0.0.1", "127.0.0.1" },
		{ "", "http://[::1]:8080", "127.0.0.1" },
		{ "", "http://desktop.lab.example", "0.0.0.0" },
		{ ":7000", "http://desktop.lab.example", "0.0.0.0" },
		{ "", "http://localhost.evil.example", "0.0.0.0" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		set_proxy(table[i].proxy);
		assert_string_equal(
			display_bind_address(&config, table[i].origin),
			table[i].expected);
	}
}

/* No origin of ours, but a record could hold it. */
static void a_malformed_origin_is_read_to_its_end_only(void **state)
{
	static const char *const origins[] = { "", "http://", "http://[",
					       "[::1", "http://[::1", ":" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(origins); i++) {
		AUTO_FREE char *exact = strdup(origins[i]);
		AUTO_BUF struct buf list = BUF_INIT(4096);

		assert_non_null(exact);
		display_origins(&config, exact, 6080, &list);
		assert_false(buf_failed(&list));
		assert_string_equal(display_bind_address(&config, exact),
				    "0.0.0.0");
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, init, release)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_url_leads_to_novnc),
		T(the_token_stands_in_the_fragment_only),
		T(only_a_running_session_has_a_url),
		T(only_our_pages_may_open_a_display),
		T(the_gateway_listens_where_it_must_and_no_further),
		T(a_malformed_origin_is_read_to_its_end_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
