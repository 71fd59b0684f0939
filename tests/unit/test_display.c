/* src/vm/display: addresses of the screen, and who may open it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "settings.h"
#include "vm/display.h"
#include "vm/websockify.h"

#define TOKEN "abcdefghijklmnopqrstuvwxyz234567"
#define NOVNC                                                                  \
	"/vnc.html#autoconnect=true&reconnect=true&reconnect_delay=2000"       \
	"&resize=scale&path="
#define QUERY "websockify%3Ftoken%3D" TOKEN

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

		settings_set("service_reverse_proxy", table[i].proxy);
		url = display_url(&settings, &s);
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

		settings_set("service_reverse_proxy", proxies[i]);
		url = display_url(&settings, &s);
		assert_non_null(url);
		fragment = strchr(url, '#');
		assert_non_null(fragment);
		assert_true(strstr(url, TOKEN) > fragment);
		assert_null(strchr(fragment, '?'));
	}
}

static void a_certificate_makes_the_ports_https(void **state)
{
	struct session s = running("http://desktop.lab.example");
	AUTO_FREE char *direct = NULL;
	AUTO_FREE char *hidden = NULL;
	AUTO_BUF struct buf origins = BUF_INIT(4096);

	(void)state;
	settings_set("certificate_crt", "/etc/crt");
	settings_set("certificate_key", "/etc/key");
	settings_set("service_reverse_proxy", "");
	direct = display_url(&settings, &s);
	assert_string_equal(direct, "https://desktop.lab.example:6080" NOVNC
				    QUERY);
	display_origins(&settings, s.origin, 6080, &origins);
	assert_string_equal(buf_str(&origins),
			    "http://desktop.lab.example "
			    "https://desktop.lab.example:6080");
	/* the web server's affair, then */
	settings_set("service_reverse_proxy", "/display");
	hidden = display_url(&settings, &s);
	assert_string_equal(hidden, "http://desktop.lab.example/display" NOVNC
				    "display%2F" QUERY);
}

static void a_vnc_password_stands_in_the_fragment(void **state)
{
	struct session s = running("http://desktop.lab.example");
	AUTO_FREE char *url = NULL;

	(void)state;
	snprintf(s.password, sizeof(s.password), "abcd2345");
	url = display_url(&settings, &s);
	assert_non_null(url);
	assert_true(strstr(url, "&password=abcd2345&path=") > strchr(url, '#'));
}

/* One gateway for all host names: not just those of who came first. */
static void the_shared_gateway_listens_as_the_configuration_says(void **state)
{
	(void)state;
	settings_set("service_reverse_proxy", "/display");
	assert_string_equal(display_bind_address(&settings, NULL), "127.0.0.1");
	settings_set("service_reverse_proxy", "");
	/* nobody but this machine's users is let in */
	assert_string_equal(display_bind_address(&settings, NULL), "127.0.0.1");
	settings_set("allow_anonymous", "yes");
	assert_string_equal(display_bind_address(&settings, NULL), "0.0.0.0");
	settings_set("service_url", "http://localhost:8080");
	assert_string_equal(display_bind_address(&settings, NULL), "127.0.0.1");
	settings_set("service_url", "https://desktop.lab.example");
	assert_string_equal(display_bind_address(&settings, NULL), "0.0.0.0");
}

/* ---- websockify ---- */

static void check_words(const struct argv *argv, const char *const *words)
{
	for (size_t i = 0; i < argv->count; i++) {
		assert_non_null(words[i]);
		assert_string_equal(argv->list[i], words[i]);
	}
	assert_null(words[argv->count]);
}

static const struct websockify_place place = {
	.program = "/usr/bin/websockify",
	.dir = "/d",
	.tokens = "/d/tokens",
	.pages = "/d/pages",
};

static void websockify_behind_the_web_server_shows_no_files(void **state)
{
	static const char *const words[] = {
		"/usr/bin/websockify", "--inetd", "--heartbeat=30",
		"--token-plugin=qwd_display.Displays", "--token-source=/d/tokens",
		"--auth-plugin=qwd_display.Pages", "--auth-source=/d/pages",
		NULL,
	};
	AUTO_ARGV struct argv argv = { .list = NULL };

	(void)state;
	settings_set("service_reverse_proxy", "/display");
	settings_set("certificate_crt", "/etc/crt");
	websockify_command(&settings, &place, &argv);
	check_words(&argv, words);
}

static void websockify_on_its_own_shows_novnc_and_speaks_tls_only(void **state)
{
	static const char *const words[] = {
		"/usr/bin/websockify", "--inetd", "--heartbeat=30",
		"--token-plugin=qwd_display.Displays", "--token-source=/d/tokens",
		"--auth-plugin=qwd_display.Pages", "--auth-source=/d/pages",
		"--web=/usr/share/novnc", "--ssl-only", "--ssl-version=tlsv1_2",
		"--cert=/etc/crt", "--key=/etc/key", NULL,
	};
	AUTO_ARGV struct argv argv = { .list = NULL };

	(void)state;
	settings_set("certificate_crt", "/etc/crt");
	settings_set("certificate_key", "/etc/key");
	websockify_command(&settings, &place, &argv);
	check_words(&argv, words);
}

/* P18, RR2: a port is the kernel's to give, once. */
static void a_port_that_another_has_is_refused(void **state)
{
	struct websockify one = WEBSOCKIFY_INIT;
	struct websockify two = WEBSOCKIFY_INIT;
	struct err e = ERR_INIT;
	long long port;

	(void)state;
	assert_int_equal(websockify_listen(&one, "127.0.0.1", 0, &e), 0);
	port = one.port;
	assert_true(port > 0);
	assert_int_equal(websockify_listen(&two, "127.0.0.1", port, &e), -1);
	assert_int_equal(e.code, ERR_CONFLICT);
	websockify_release(&one);
	assert_int_equal(websockify_listen(&two, "127.0.0.1", port, &e), 0);
	assert_int_equal(two.port, port);
	websockify_release(&two);
}

static void websockify_is_not_started_without_what_it_needs(void **state)
{
	struct websockify w = WEBSOCKIFY_INIT;
	struct err e = ERR_INIT;

	(void)state;
	settings_set("dir_libexec", "/nonexistent");
	assert_int_equal(websockify_listen(&w, "127.0.0.1", 0, &e), 0);
	assert_int_equal(websockify_start(&w, &settings, &place, &e), -1);
	assert_int_equal(e.code, ERR_CONFIG);
	assert_non_null(strstr(e.msg, "dir_libexec: the service cannot read "
				      "/nonexistent/qwd_display.py"));
	assert_int_equal(w.pid, 0);
	websockify_release(&w);
}

/* SR16: what goes to the log holds no token of a viewer that had waited. */
static void the_last_words_of_websockify_hold_no_token(void **state)
{
	static const struct {
		const char *said;
		const char *told;
	} table[] = {
		{ "", "" },
		{ "one line", "one line" },
		{ "Traceback\n  File\nImportError: no module\n\n",
		  "ImportError: no module" },
		{ "x\n127.0.0.1: Token '" TOKEN "' not found\n", "" },
		{ "GET /websockify?token=" TOKEN " HTTP/1.1\n", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct websockify w = WEBSOCKIFY_INIT;

		buf_puts(&w.words, table[i].said);
		assert_string_equal(websockify_last_words(&w), table[i].told);
		websockify_release(&w);
	}
}

static void only_a_running_session_has_a_url(void **state)
{
	struct session s = running("https://desktop.lab.example");

	(void)state;
	for (int i = SESSION_STARTING; i <= SESSION_FAILED; i++) {
		AUTO_FREE char *url = NULL;

		s.state = (enum session_state)i;
		url = display_url(&settings, &s);
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
		  "http://desktop.lab.example "
		  "http://desktop.lab.example:6080" },
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

		settings_set("service_reverse_proxy", table[i].proxy);
		display_origins(&settings, table[i].origin, 6080, &origins);
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
		settings_set("service_reverse_proxy", table[i].proxy);
		assert_string_equal(display_bind_address(&settings,
							 table[i].origin),
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
		display_origins(&settings, exact, 6080, &list);
		assert_false(buf_failed(&list));
		assert_string_equal(display_bind_address(&settings, exact),
				    "0.0.0.0");
	}
}

#define T SETTINGS_TEST

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_url_leads_to_novnc),
		T(the_token_stands_in_the_fragment_only),
		T(a_certificate_makes_the_ports_https),
		T(a_vnc_password_stands_in_the_fragment),
		T(the_shared_gateway_listens_as_the_configuration_says),
		T(websockify_behind_the_web_server_shows_no_files),
		T(websockify_on_its_own_shows_novnc_and_speaks_tls_only),
		T(a_port_that_another_has_is_refused),
		T(websockify_is_not_started_without_what_it_needs),
		T(the_last_words_of_websockify_hold_no_token),
		T(only_a_running_session_has_a_url),
		T(only_our_pages_may_open_a_display),
		T(the_gateway_listens_where_it_must_and_no_further),
		T(a_malformed_origin_is_read_to_its_end_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
