#include "farm/answer.h"

#include <string.h>

#include "base/text.h"
#include "sys/clock.h"
#include "sys/json.h"

#define NUMBER_MAX (1LL << 40)

int answer_status(const json_t *json, struct farm_status *ret, struct err *e)
{
	const json_t *server = json_object_get(json, "server");
	const json_t *user = json_object_get(server, "user");
	struct farm_status s = { .id = "" };
	const char *id;

#define GET(from, key, member)                                                 \
	json_get_int(from, key, 0, NUMBER_MAX, &s.member, e)
	if (!json_is_object(server) || !json_is_object(user))
		return err_set(e, ERR_DAMAGED, "server: missing");
	if (json_get_string(server, "id", FARM_ID_SIZE - 1, &id, e) < 0 ||
	    GET(server, "time", time) < 0 ||
	    GET(server, "busy_milli", busy_milli) < 0 ||
	    GET(server, "free_sessions", free_sessions) < 0 ||
	    GET(server, "free_cpu", free_cpu) < 0 ||
	    GET(server, "free_memory_mb", free_memory_mb) < 0 ||
	    GET(user, "sessions", user_sessions) < 0 ||
	    GET(user, "cpu", user_cpu) < 0 ||
	    GET(user, "memory_mb", user_memory_mb) < 0)
		return -1;
#undef GET
	if (strlen(id) != FARM_ID_SIZE - 1 || !text_only(id, ""))
		return err_set(e, ERR_DAMAGED, "id: malformed");
	memcpy(s.id, id, sizeof(s.id));
	*ret = s;
	return 0;
}

json_t *status_value(const struct farm_status *s)
{
	return json_pack("{s{ss sI sI sI sI sI s{sI sI sI}}}", "server", "id",
			 s->id, "time", (json_int_t)s->time, "busy_milli",
			 (json_int_t)s->busy_milli, "free_sessions",
			 (json_int_t)s->free_sessions, "free_cpu",
			 (json_int_t)s->free_cpu, "free_memory_mb",
			 (json_int_t)s->free_memory_mb, "user", "sessions",
			 (json_int_t)s->user_sessions, "cpu",
			 (json_int_t)s->user_cpu, "memory_mb",
			 (json_int_t)s->user_memory_mb);
}

/* ---- Sessions ---- */

static bool is_state(const char *word)
{
	for (int i = SESSION_STARTING; i <= SESSION_FAILED; i++)
		if (strcmp(word, session_state_name((enum session_state)i)) ==
		    0)
			return true;
	return false;
}

/* A text of the face into `out`; with `null` it may be missing. */
static int copy_text(const json_t *face, json_t *out, const char *key,
		     size_t max, bool null, struct err *e)
{
	const char *text = NULL;
	int result = null ? json_get_string_or_null(face, key, max, &text, e) :
			    json_get_string(face, key, max, &text, e);

	if (result < 0)
		return -1;
	if (text && text_has_control(text))
		return err_set(e, ERR_DAMAGED, "%s: a control character", key);
	if (json_object_set_new(out, key,
				text ? json_string(text) : json_null()))
		return err_set(e, ERR_SYSTEM, "no memory");
	return 0;
}

static int copy_number(const json_t *face, json_t *out, const char *key,
		       struct err *e)
{
	long long number;

	if (json_get_int(face, key, 0, NUMBER_MAX, &number, e) < 0)
		return -1;
	return json_object_set_new(out, key, json_integer(number)) ?
		       err_set(e, ERR_SYSTEM, "no memory") :
		       0;
}

static int copy_bool(const json_t *face, json_t *out, const char *key,
		     struct err *e)
{
	bool value;

	if (json_get_bool(face, key, &value, e) < 0)
		return -1;
	return json_object_set_new(out, key, json_boolean(value)) ?
		       err_set(e, ERR_SYSTEM, "no memory") :
		       0;
}

static int copy_members(const json_t *face, json_t *out, struct err *e)
{
	if (copy_text(face, out, "name", SESSION_NAME_SIZE - 1, false, e) <
		    0 ||
	    copy_text(face, out, "user", SESSION_USER_SIZE - 1, false, e) <
		    0 ||
	    copy_text(face, out, "machine", SESSION_MACHINE_SIZE - 1, false,
		      e) < 0 ||
	    copy_text(face, out, "state", 16, false, e) < 0 ||
	    copy_text(face, out, "reason", SESSION_REASON_SIZE, true, e) <
		    0 ||
	    copy_text(face, out, "notice", SESSION_REASON_SIZE, true, e) <
		    0 ||
	    copy_number(face, out, "cpu", e) < 0 ||
	    copy_number(face, out, "memory_mb", e) < 0 ||
	    copy_text(face, out, "gpu", SESSION_GPU_SIZE, true, e) < 0 ||
	    copy_bool(face, out, "oneshot", e) < 0 ||
	    copy_text(face, out, "started", 31, false, e) < 0 ||
	    copy_text(face, out, "ends", 31, true, e) < 0)
		return -1;
	return copy_bool(face, out, "ending", e);
}

static const char *text_of(const json_t *face, const char *key)
{
	return json_string_value(json_object_get(face, key));
}

static int check_face(const json_t *face, struct err *e)
{
	const char *ends = text_of(face, "ends");
	long long ignored;

	if (!session_name_ok(text_of(face, "name")))
		return err_set(e, ERR_DAMAGED, "name: malformed");
	if (!session_user_ok(text_of(face, "user")))
		return err_set(e, ERR_DAMAGED, "user: malformed");
	if (!text_is_file_name(text_of(face, "machine")))
		return err_set(e, ERR_DAMAGED, "machine: malformed");
	if (!is_state(text_of(face, "state")))
		return err_set(e, ERR_DAMAGED, "state: unknown");
	if (!clock_read(text_of(face, "started"), &ignored) ||
	    (ends && !clock_read(ends, &ignored)))
		return err_set(e, ERR_DAMAGED, "started, ends: no times");
	return 0;
}

static json_t *face_of(const json_t *face, struct err *e)
{
	json_t *out = json_object();

	if (json_is_object(face) && copy_members(face, out, e) == 0 &&
	    check_face(out, e) == 0)
		return out;
	if (!json_is_object(face))
		err_set(e, ERR_DAMAGED, "session: missing");
	json_decref(out);
	return NULL;
}

json_t *answer_session(const json_t *json, struct err *e)
{
	return face_of(json_object_get(json, "session"), e);
}

json_t *answer_sessions(const json_t *json, struct err *e)
{
	const json_t *list = json_object_get(json, "sessions");
	json_t *out = json_is_array(list) ? json_array() : NULL;

	if (!out) {
		err_set(e, ERR_DAMAGED, "sessions: missing");
		return NULL;
	}
	for (size_t i = 0; i < json_array_size(list) && i < FARM_LIST_MAX;
	     i++) {
		json_t *face = face_of(json_array_get(list, i), e);

		if (!face || json_array_append_new(out, face)) {
			json_decref(out);
			return NULL;
		}
	}
	return out;
}

bool answer_error(const json_t *json, char *ret, size_t size)
{
	const json_t *error = json_object_get(json, "error");
	const char *code = text_of(error, "code");
	const char *message = text_of(error, "message");

	if (!code || !message)
		return false;
	snprintf(ret, size, "%.30s: %.200s", code, message);
	return true;
}
