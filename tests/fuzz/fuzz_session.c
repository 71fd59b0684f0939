/* The record loader: whatever it loads comes back as it was. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "session/session.h"
#include "sys/json.h"
#include "vm/display.h"

static void require(bool ok)
{
	if (!ok)
		abort();
}

/* The parts of a loaded record that others rely on. */
static void check_loaded(const struct session *s)
{
	require(session_name_ok(s->name));
	require(session_user_ok(s->user));
	require(text_is_file_name(s->machine));
	require(s->state <= SESSION_FAILED);
	require(s->step < STEP_COUNT);
	require(s->port >= 0 && s->port <= 65535);
	require(s->cpu >= 0 && s->memory_mb >= 0 && s->disk_mb >= 0);
	require(session_state_name(s->state) != NULL);
}

static void check_round_trip(const struct session *s)
{
	AUTO_JSON json_t *record = session_to_record(s);
	AUTO_JSON json_t *again = NULL;
	AUTO_FREE char *text = NULL;
	struct session back;
	struct err e = ERR_INIT;

	require(record != NULL);
	text = json_dumps(record, JSON_INDENT(1));
	require(text != NULL);
	again = json_parse_object(text, strlen(text), &e);
	require(again != NULL);
	require(session_from_record(again, &back, &e) == 0);
	require(memcmp(s, &back, sizeof(back)) == 0);
}

/* What pages make of it. */
static void check_faces(struct session *s)
{
	static struct config config;
	struct err e = ERR_INIT;
	AUTO_JSON json_t *public = NULL;
	AUTO_BUF struct buf origins = BUF_INIT(65536);
	AUTO_FREE char *url = NULL;

	if (!config.service)
		require(config_init(&config, &e) == 0);
	url = display_url(&config, s);
	require((url != NULL) == (s->state == SESSION_RUNNING));
	display_origins(&config, s->origin, s->port, &origins);
	public = session_to_public(s, url);
	require(public != NULL);
	require(json_object_size(public) == 12);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_JSON json_t *record = NULL;
	struct session s;
	struct err e = ERR_INIT;

	record = json_parse_object((const char *)data, size, &e);
	if (!record) {
		require(e.code == ERR_DAMAGED);
		return 0;
	}
	if (session_from_record(record, &s, &e) < 0) {
		require(e.code == ERR_DAMAGED && e.msg[0]);
		return 0;
	}
	check_loaded(&s);
	check_round_trip(&s);
	check_faces(&s);
	return 0;
}
