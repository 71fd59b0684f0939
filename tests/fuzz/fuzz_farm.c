/*
 * What comes from other servers of a farm, by the first byte: the JSON of an
 * assertion; the text of one, signed rightly or as it is; an answer; a page of
 * a Perl server; a list of servers; the id of an order; a request to qwd-net.
 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/macros.h"
#include "base/text.h"
#include "conf/servers.h"
#include "farm/answer.h"
#include "farm/assertion.h"
#include "farm/heard.h"
#include "farm/perl.h"
#include "net/farm.h"
#include "sys/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct secret secret = { .key = "the key of a fuzzer" };

static void require(bool holds)
{
	if (!holds)
		abort();
}

/* What is read is what the rest of the program relies on. */
static void check(const struct assertion *a)
{
	require(!a->who.admin);
	require(session_user_ok(a->who.user) ||
		(a->verb == FARM_STATUS && !a->who.user[0]));
	require(!a->session[0] || session_name_ok(a->session));
	require(text_only(a->nonce, "") &&
		strlen(a->nonce) == FARM_NONCE_SIZE - 1);
	require(text_only(a->id, "") && strlen(a->id) == FARM_ID_SIZE - 1);
	require(!text_has_control(a->from) && !text_has_control(a->to));
}

static void try_json(const char *text, size_t len)
{
	struct assertion a;
	struct err e = ERR_INIT;

	if (assertion_parse(text, len, &a, &e) == 0)
		check(&a);
	else
		require(e.code != ERR_NONE);
}

static void try_text(const char *text, bool sign)
{
	AUTO_FREE char *whole = NULL;
	char mac[SECRET_MAC_SIZE];
	struct assertion a;
	struct err e = ERR_INIT;

	secret_mac(&secret, "farm", text, mac);
	if (asprintf(&whole, "%s.%s", text, mac) < 0)
		abort();
	if (assertion_read(sign ? whole : text, &secret, &a, &e) == 0)
		check(&a);
	else
		require(e.code == ERR_FORBIDDEN);
}

static void check_face(const json_t *face)
{
	require(json_object_size(face) == 13);
	require(session_name_ok(
		json_string_value(json_object_get(face, "name"))));
	require(session_user_ok(
		json_string_value(json_object_get(face, "user"))));
}

static void try_answer(const char *text, size_t len)
{
	struct err e = ERR_INIT;
	AUTO_JSON json_t *json = json_parse_object(text, len, &e);
	AUTO_JSON json_t *session = answer_session(json, &e);
	AUTO_JSON json_t *list = answer_sessions(json, &e);
	struct farm_status status;
	const json_t *face;
	char told[256];
	size_t i;

	if (session)
		check_face(session);
	json_array_foreach(list, i, face)
		check_face(face);
	require(json_array_size(list) <= FARM_LIST_MAX);
	if (answer_status(json, &status, &e) == 0)
		require(status.user_sessions >= 0 &&
			strlen(status.id) == FARM_ID_SIZE - 1);
	if (answer_error(json, told, sizeof(told)))
		require(strlen(told) < sizeof(told));
}

static void try_servers(const char *text)
{
	static struct servers s;

	if (servers_parse(text, &s))
		return;
	for (size_t i = 0; i < s.count; i++) {
		struct server again;

		require(!server_parse(s.list[i].origin, &again));
		require(strcmp(again.origin, s.list[i].origin) == 0);
		require(text_starts(s.list[i].url, s.list[i].origin));
	}
}

static void try_page(const char *text)
{
	static const struct server server = { .origin = "https://a" };
	char url[PERL_URL_SIZE];

	if (!perl_find_display(text, &server, url))
		return;
	require(text_starts(url, "https://a") || text_starts(url, "http://a") ||
		text_starts(url, "https://A") || text_starts(url, "http://A"));
	require(strchr(url, '"') == NULL && strchr(url, '<') == NULL);
	require(strstr(url, ".html") != NULL);
}

static void try_order(const char *text)
{
	char again[ORDER_ID_TEXT_SIZE];
	struct order_id o;
	struct err e = ERR_INIT;

	if (order_id_parse(text, &o, &e) < 0)
		return;
	require(text_only(o.nonce, "") &&
		strlen(o.nonce) == FARM_NONCE_SIZE - 1);
	order_id_text(&o, again);
	require(order_id_parse(again, &o, &e) == 0);
}

static void try_request(const char *text, size_t len)
{
	struct farm_request r;
	struct err e = ERR_INIT;

	if (farm_request_parse(text, len, &r, &e) == 0) {
		require(json_array_size(r.calls) <= NET_FARM_CALLS_MAX);
		farm_request_release(&r);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = NULL;

	if (size == 0)
		return 0;
	text = strndup((const char *)data + 1, size - 1);
	require(text != NULL);
	switch (data[0]) {
	case 'j':
		try_json(text, strlen(text));
		break;
	case 's':
		try_text(text, true);
		break;
	case 't':
		try_text(text, false);
		break;
	case 'a':
		try_answer(text, strlen(text));
		break;
	case 'p':
		try_page(text);
		break;
	case 'o':
		try_order(text);
		break;
	case 'l':
		try_servers(text);
		break;
	default:
		try_request(text, strlen(text));
	}
	return 0;
}
