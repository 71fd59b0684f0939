/* The request role: sessions, and what becomes of them. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "scratch.h"
#include "site.h"
#include "web/web.h"

static void a_session_is_shown_to_its_user_alone(void **state)
{
	static const char *const strangers[] = { "bob", "an", "annn", "ANN" };
	char cookie[200];
	struct session s;
	int lock = site_make_session(&s, "qwd-mine", "ann", SESSION_RUNNING);
	AUTO_ANSWER struct answer a;

	(void)state;
	site_expect_error(&(struct ask){ .query = "session=qwd-mine" }, 401,
			  "not-logged-in", NULL);
	site_expect_error(&(struct ask){ .query = "session=qwd-mine",
					 .env = { "HTTP_COOKIE=qwd="
						  "abcdefghijklmnopqrstuvw"
						  "xyz234567" } },
			  401, "not-logged-in", NULL);
	for (size_t i = 0; i < ARRAY_LEN(strangers); i++) {
		site_log_in(strangers[i], cookie, sizeof(cookie));
		site_expect_error(&(struct ask){ .query = "session=qwd-mine",
						 .env = { cookie } },
				  403, "forbidden", NULL);
	}
	site_log_in("ann", cookie, sizeof(cookie));
	site_visit(&(struct ask){ .query = "session=qwd-mine",
				  .env = { cookie } },
		   &a);
	assert_int_equal(a.status, 200);
	assert_string_equal(
		answer_member(json_object_get(a.json, "session"), "name"), "qwd"
									   "-mi"
									   "n"
									   "e");
	site_forget_session(&s, lock);
}

static void a_session_that_does_not_exist_is_not_found(void **state)
{
	static const char *const names[] = {
		"none", "", "..", "../config.conf", "a/b", "-a", "A",
		"qwd-mine.json", "%2e%2e%2fcfg",
	};
	char cookie[200];

	(void)state;
	site_log_in("ann", cookie, sizeof(cookie));
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char text[128];

		snprintf(text, sizeof(text), "session=%s", names[i]);
		site_expect_error(&(struct ask){ .query = text,
						 .env = { cookie } },
				  404, "not-found", NULL);
		snprintf(text, sizeof(text), "session_stop=%s&now=1", names[i]);
		site_expect_error(&(struct ask){ .method = "POST",
						 .body = text,
						 .env = { cookie } },
				  404, "not-found", NULL);
	}
}

static void each_state_has_its_page(void **state)
{
	static const struct {
		enum session_state state;
		const char *word;
		const char *title;
		bool can_stop;
		bool refresh;
	} table[] = {
		{ SESSION_STARTING, "starting", "is starting", true, true },
		{ SESSION_QUEUED, "queued", "waits for its turn", true, true },
		{ SESSION_PREPARING, "preparing", "is starting", true, true },
		{ SESSION_BOOTING, "booting", "is starting", true, true },
		{ SESSION_RUNNING, "running", "is ready", true, true },
		{ SESSION_STOPPING, "stopping", "is stopping", false, true },
		{ SESSION_ENDED, "ended", "has ended", false, false },
		{ SESSION_FAILED, "failed", "has failed", false, false },
	};
	char cookie[200];

	(void)state;
	site_log_in("ann", cookie, sizeof(cookie));
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		AUTO_ANSWER struct answer page;
		AUTO_ANSWER struct answer a;
		const json_t *session;
		struct session s;
		bool running = table[i].state == SESSION_RUNNING;
		int lock = site_make_session(&s, "qwd-state", "ann",
					     table[i].state);
		struct ask ask = { .query = "session=qwd-state",
				   .env = { cookie } };

		site_visit(&ask, &a);
		ask.html = true;
		site_visit(&ask, &page);
		site_forget_session(&s, lock);
		assert_int_equal(a.status, 200);
		session = json_object_get(a.json, "session");
		assert_string_equal(answer_member(session, "state"),
				    table[i].word);
		assert_int_equal(json_is_string(json_object_get(session, "ur"
									 "l")),
				 running);
		assert_int_equal(page.status, 200);
		assert_non_null(strstr(page.body, table[i].title));
		assert_int_equal(!!strstr(page.body, "id=\"stop\""),
				 table[i].can_stop);
		assert_int_equal(!!strstr(page.body, "http-equiv=\"refresh\""),
				 table[i].refresh);
		assert_int_equal(!!strstr(page.body, "data:image/svg+xml"),
				 running);
		assert_null(strstr(page.body, "<good>"));
		assert_null(strstr(page.body, "<reason>"));
	}
}

static void the_page_of_an_ended_session_says_why_first(void **state)
{
	AUTO_ANSWER struct answer page;
	struct session s;
	char cookie[200];
	int lock = site_make_session(&s, "qwd-why", "ann", SESSION_ENDED);

	(void)state;
	site_log_in("ann", cookie, sizeof(cookie));
	site_visit(&(struct ask){ .query = "session=qwd-why",
				  .env = { cookie },
				  .html = true },
		   &page);
	site_forget_session(&s, lock);
	assert_non_null(strstr(page.body,
			       "<p>A &lt;reason&gt;. It is switched off, and "
			       "its disk is erased.</p>"));
}

static void who_is_asked_before_a_stop_is_not_told_to_press_connect(
	void **state)
{
	AUTO_ANSWER struct answer plain;
	AUTO_ANSWER struct answer asked;
	struct session s;
	char cookie[200];
	int lock = site_make_session(&s, "qwd-ask", "ann", SESSION_RUNNING);
	struct ask ask = { .query = "session=qwd-ask",
			   .env = { cookie },
			   .html = true };

	(void)state;
	site_log_in("ann", cookie, sizeof(cookie));
	site_visit(&ask, &plain);
	ask.query = "session=qwd-ask&confirm=stop";
	site_visit(&ask, &asked);
	site_forget_session(&s, lock);
	assert_non_null(strstr(plain.body, "Press Connect"));
	assert_non_null(strstr(asked.body, "id=\"confirm\""));
	assert_null(strstr(asked.body, "Press Connect"));
	assert_null(strstr(asked.body, "id=\"connect\""));
}

static void what_waits_for_its_job_does_not_run_until_it_is_stopped(
	void **state)
{
	AUTO_ANSWER struct answer page;
	AUTO_ANSWER struct answer endless;
	struct err e = ERR_INIT;
	struct session s;
	char cookie[200];
	int lock = site_make_session(&s, "qwd-job", "ann", SESSION_STARTING);
	struct ask ask = { .query = "session=qwd-job",
			   .env = { cookie },
			   .html = true };

	(void)state;
	s.ends = s.ends_boot_ms = 0;
	assert_int_equal(store_write(&site_store, &s, &e), 0);
	site_log_in("ann", cookie, sizeof(cookie));
	site_visit(&ask, &page);
	s.state = SESSION_RUNNING;
	assert_int_equal(store_write(&site_store, &s, &e), 0);
	site_visit(&ask, &endless);
	site_forget_session(&s, lock);
	assert_non_null(strstr(page.body, "Its time begins when it starts"));
	assert_null(strstr(page.body, "When you stop it"));
	assert_non_null(strstr(endless.body, "When you stop it"));
}

static void a_failed_session_says_which_step_why_and_what_to_do(void **state)
{
	static const char *const steps[] = {
		"Request accepted", "Disk",    "Boot scripts",
		"Virtual machine",  "Display", "Operating system"
	};
	struct err e = ERR_INIT;
	char cookie[200];

	(void)state;
	site_log_in("ann", cookie, sizeof(cookie));
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		AUTO_ANSWER struct answer a;
		const json_t *progress;
		const json_t *failure;
		struct session s;
		int lock = site_make_session(&s, "qwd-failed", "ann",
					     SESSION_FAILED);

		s.step = (enum session_step)i;
		s.scripted = true;
		assert_int_equal(store_write(&site_store, &s, &e), 0);
		site_visit(&(struct ask){ .query = "session=qwd-failed",
					  .env = { cookie } },
			   &a);
		site_forget_session(&s, lock);
		progress = json_object_get(a.json, "progress");
		failure = json_object_get(progress, "failure");
		assert_string_equal(answer_member(failure, "step"), steps[i]);
		assert_string_equal(answer_member(failure, "why"), "A "
								   "<reason>.");
		assert_true(strlen(answer_member(failure, "advice")) > 20);
		assert_string_equal(
			answer_member(
				json_array_get(json_object_get(progress, "step"
									 "s"),
					       i),
				"status"),
			"failed");
	}
}

static void the_guest_step_is_shown_only_if_it_was_observed(void **state)
{
	struct err e = ERR_INIT;
	char cookie[200];

	(void)state;
	site_log_in("ann", cookie, sizeof(cookie));
	for (int seen = 0; seen < 2; seen++) {
		AUTO_ANSWER struct answer a;
		const json_t *steps;
		struct session s;
		int lock = site_make_session(&s, "qwd-guest", "ann",
					     SESSION_RUNNING);

		s.guest_seen = seen;
		assert_int_equal(store_write(&site_store, &s, &e), 0);
		site_visit(&(struct ask){ .query = "session=qwd-guest",
					  .env = { cookie } },
			   &a);
		site_forget_session(&s, lock);
		steps = json_object_get(json_object_get(a.json, "progress"),
					"steps");
		assert_int_equal(json_array_size(steps), 4 + seen);
		/* Seen is not there yet. */
		if (seen)
			assert_string_equal(
				answer_member(json_array_get(steps, 4),
					      "detail"),
				"It has begun to start; its screen shows how "
				"far it is.");
	}
}

static void stopping_needs_the_right_user(void **state)
{
	struct session s;
	int lock = site_make_session(&s, "qwd-stop", "ann", SESSION_RUNNING);
	AUTO_ANSWER struct answer a;

	(void)state;
	site_expect_error(&(struct ask){ .method = "POST",
					 .body = "session_stop=qwd-stop" },
			  401, "not-logged-in", NULL);
	site_expect_error(&(struct ask){ .method = "POST",
					 .body = "session_stop=qwd-stop&user="
						 "bob" },
			  403, "forbidden", NULL);
	site_expect_error(&(struct ask){ .method = "POST",
					 .body = "service_purge=1" },
			  401, "not-logged-in", NULL);
	site_expect_error(&(struct ask){ .method = "POST",
					 .body = "service_purge=1&user=ann" },
			  403, "forbidden", NULL);
	/* Its owner is this test, which does not listen: the visitor hears
	 * nothing of sockets, the log does. */
	site_visit(&(struct ask){ .method = "POST",
				  .body = "session_stop=qwd-stop&user=ann" },
		   &a);
	answer_check_error(&a, 500, "internal", NULL);
	assert_null(strstr(a.body, "owner"));
	assert_non_null(strstr(a.body, "the-request"));
	assert_non_null(strstr(buf_str(&a.log), "event=error"));
	assert_non_null(strstr(buf_str(&a.log), "request=the-request"));
	assert_non_null(strstr(buf_str(&a.log), "owner"));
	site_forget_session(&s, lock);
}

static void extending_needs_the_right_user(void **state)
{
	static const char *const nowhere[] = {
		"session_extend=..%2Fqwd-more&user=ann",
		"session_extend=%2Fqwd-more&user=ann",
		"session_extend=..&user=ann",
		"session_extend=qwd-more%00&user=ann",
		"session_extend=&user=ann",
		"session_extend=qwd-other&user=ann",
	};
	struct session s;
	int lock = site_make_session(&s, "qwd-more", "ann", SESSION_RUNNING);
	struct session back;
	struct err e = ERR_INIT;

	(void)state;
	site_expect_error(&(struct ask){ .method = "POST",
					 .body = "session_extend=qwd-more" },
			  401, "not-logged-in", NULL);
	site_expect_error(&(struct ask){ .method = "POST",
					 .body = "session_extend=qwd-more&user="
						 "bob" },
			  403, "forbidden", NULL);
	site_expect_error(&(struct ask){ .query = "session_extend=qwd-more" },
			  405, "method-not-allowed", NULL);
	for (size_t i = 0; i < ARRAY_LEN(nowhere); i++) {
		AUTO_ANSWER struct answer a;

		site_visit(&(struct ask){ .method = "POST",
					  .body = nowhere[i] },
			   &a);
		if (a.status != 404 && a.status != 400)
			fail_msg("%s: %d", nowhere[i], a.status);
	}
	assert_int_equal(store_read(&site_store, "qwd-more", &back, &e), 0);
	assert_int_equal(back.ends_boot_ms, s.ends_boot_ms);
	site_forget_session(&s, lock);
}

static void extending_what_has_ended_is_refused(void **state)
{
	struct session s;
	int lock = site_make_session(&s, "qwd-over", "ann", SESSION_ENDED);

	(void)state;
	site_expect_error(&(struct ask){ .method = "POST",
					 .body = "session_extend=qwd-over&user="
						 "ann" },
			  409, "conflict", NULL);
	site_forget_session(&s, lock);
}

static void stopping_what_has_ended_is_no_error(void **state)
{
	struct session s;
	int lock = site_make_session(&s, "qwd-ended", "ann", SESSION_ENDED);
	AUTO_ANSWER struct answer a;
	AUTO_ANSWER struct answer page;

	(void)state;
	site_visit(&(struct ask){ .method = "POST",
				  .body = "session_stop=qwd-ended&user=ann" },
		   &a);
	site_visit(&(struct ask){ .method = "POST",
				  .html = true,
				  .body = "session_stop=qwd-ended&user=ann" },
		   &page);
	site_forget_session(&s, lock);
	assert_int_equal(a.status, 200);
	assert_string_equal(answer_member(json_object_get(a.json, "session"),
					  "state"),
			    "ended");
	assert_int_equal(page.status, 303);
	assert_string_equal(answer_header(&page, "Location"), "/cgi-bin/"
							      "qemu-web-"
							      "desktop?session="
							      "qwd-ended");
}

/* RR7: of the program's own descriptors, at every one that may be missing. */
static void without_descriptors_it_is_busy_and_says_so(void **state)
{
	size_t busy = 0;
	int limit = 4;

	(void)state;
	if (getenv("QWD_CGI"))
		skip();
	for (; limit < 40; limit++) {
		AUTO_ANSWER struct answer a;
		char text[32];

		snprintf(text, sizeof(text), "TEST_NOFILE=%d", limit);
		site_visit(&(struct ask){ .method = "POST",
					  .body = "manage=1&user=ann",
					  .env = { text } },
			   &a);
		if (a.status == 200)
			break;
		answer_check_error(&a, 503, "busy", NULL);
		assert_string_equal(answer_header(&a, "Retry-After"), "120");
		assert_non_null(strstr(a.body, "too many files open"));
		assert_non_null(strstr(buf_str(&a.log), "event=error"));
		assert_non_null(strstr(buf_str(&a.log), "Too many open files"));
		busy++;
	}
	assert_true(limit < 40);
	assert_true(busy > 0);
}

static void the_list_holds_ones_own_sessions(void **state)
{
	AUTO_ANSWER struct answer a;
	AUTO_ANSWER struct answer page;
	struct session mine;
	struct session other;
	int one = site_make_session(&mine, "qwd-one", "ann", SESSION_RUNNING);
	int two = site_make_session(&other, "qwd-two", "annn", SESSION_RUNNING);
	const json_t *sessions;
	char cookie[200];

	(void)state;
	site_log_in("ann", cookie, sizeof(cookie));
	site_visit(&(struct ask){ .query = "manage=1", .env = { cookie } }, &a);
	site_visit(&(struct ask){ .query = "manage=1",
				  .env = { cookie },
				  .html = true },
		   &page);
	site_forget_session(&mine, one);
	site_forget_session(&other, two);
	assert_int_equal(a.status, 200);
	sessions = json_object_get(a.json, "sessions");
	assert_int_equal(json_array_size(sessions), 1);
	assert_string_equal(answer_member(json_array_get(sessions, 0), "name"),
			    "qwd-one");
	/* The host's load is for who oversees it. */
	assert_true(json_is_object(json_object_get(a.json, "host")));
	assert_null(json_object_get(json_object_get(a.json, "host"), "load"));
	assert_int_equal(page.status, 200);
	assert_non_null(strstr(page.body, "qwd-one"));
	assert_null(strstr(page.body, "qwd-two"));
	assert_null(strstr(page.body, "service_purge"));
}

static void a_damaged_record_breaks_nothing_else(void **state)
{
	AUTO_ANSWER struct answer a;
	struct session s;
	int lock = site_make_session(&s, "qwd-whole", "ann", SESSION_RUNNING);
	char cookie[200];

	(void)state;
	scratch_puts("cfg/qwd-damaged.json", "{\"version\":1");
	site_log_in("ann", cookie, sizeof(cookie));
	site_visit(&(struct ask){ .query = "manage=1", .env = { cookie } }, &a);
	site_forget_session(&s, lock);
	assert_int_equal(a.status, 200);
	assert_int_equal(json_array_size(json_object_get(a.json, "sessions")),
			 1);
	assert_non_null(strstr(buf_str(&a.log), "event=record-damaged"));
	assert_int_equal(faccessat(scratch_fd, "cfg/damaged/qwd-damaged.json",
				   F_OK, 0),
			 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_session_is_shown_to_its_user_alone),
		cmocka_unit_test(a_session_that_does_not_exist_is_not_found),
		cmocka_unit_test(each_state_has_its_page),
		cmocka_unit_test(the_page_of_an_ended_session_says_why_first),
		cmocka_unit_test(
			what_waits_for_its_job_does_not_run_until_it_is_stopped),
		cmocka_unit_test(
			who_is_asked_before_a_stop_is_not_told_to_press_connect),
		cmocka_unit_test(
			a_failed_session_says_which_step_why_and_what_to_do),
		cmocka_unit_test(
			the_guest_step_is_shown_only_if_it_was_observed),
		cmocka_unit_test(stopping_needs_the_right_user),
		cmocka_unit_test(extending_needs_the_right_user),
		cmocka_unit_test(extending_what_has_ended_is_refused),
		cmocka_unit_test(stopping_what_has_ended_is_no_error),
		cmocka_unit_test(without_descriptors_it_is_busy_and_says_so),
		cmocka_unit_test(the_list_holds_ones_own_sessions),
		cmocka_unit_test(a_damaged_record_breaks_nothing_else),
	};

	/* This program is its own CGI. */
	if (site_is_asked())
		return web_main();
	return cmocka_run_group_tests(tests, site_make, site_remove);
}
