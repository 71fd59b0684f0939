#include "session/session.h"

#include <string.h>

#include "base/text.h"
#include "sys/clock.h"
#include "sys/json.h"

static const char *const state_names[] = {
	[SESSION_STARTING] = "starting",   [SESSION_QUEUED] = "queued",
	[SESSION_PREPARING] = "preparing", [SESSION_BOOTING] = "booting",
	[SESSION_RUNNING] = "running",     [SESSION_STOPPING] = "stopping",
	[SESSION_ENDED] = "ended",	   [SESSION_FAILED] = "failed",
};

const char *session_state_name(enum session_state state)
{
	return state_names[state];
}

bool session_is_final(const struct session *s)
{
	return s->state == SESSION_ENDED || s->state == SESSION_FAILED;
}

long long session_ends(const struct session *s)
{
	enum { SAME_S = 2 }; /* rounding is no step of the clock */
	long long now_ends;

	if (!s->ends_boot_ms || session_is_final(s))
		return s->ends;
	now_ends = clock_wall() +
		   (s->ends_boot_ms - clock_boot_ms() + 500) / 1000;
	return now_ends > s->ends + SAME_S || now_ends < s->ends - SAME_S ?
		       now_ends :
		       s->ends;
}

bool session_stands_still(const struct session *s)
{
	return text_starts(s->notice, SESSION_STANDS_STILL);
}

bool session_is_ending(const struct session *s)
{
	return !session_is_final(s) && s->warn_boot_ms &&
	       clock_boot_ms() >= s->warn_boot_ms;
}

bool session_name_ok(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len < SESSION_NAME_SIZE &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len &&
	       name[0] != '-';
}

bool session_user_ok(const char *user)
{
	size_t len = strlen(user);

	if (len < 1 || len >= SESSION_USER_SIZE || !text_is_utf8(user, len) ||
	    text_has_control(user) || text_is_deceptive(user))
		return false;
	if (user[0] == '-' || user[0] == '.' || user[0] == ' ' ||
	    user[len - 1] == ' ')
		return false;
	return strpbrk(user, "/\\\"'<>*?()[]{},;:|&$`!%^=~") == NULL;
}

/*
 * One list of the record's members gives writer and reader.  X(kind, member,
 * limit): for strings the longest length, for integers the largest value.
 */
#define MEMBERS(X)                                                             \
	X(STR, name, SESSION_NAME_SIZE - 1)                                    \
	X(STR, user, SESSION_USER_SIZE - 1)                                    \
	X(STR, email, SESSION_EMAIL_SIZE - 1)                                  \
	X(STR, machine, SESSION_MACHINE_SIZE - 1)                              \
	X(STR, title, SESSION_MACHINE_SIZE - 1)                                \
	X(STR, format, 15)                                                     \
	X(BOOL, iso, 0)                                                        \
	X(INT, virtual_size, 1LL << 62)                                        \
	X(INT, cpu, 4096)                                                      \
	X(INT, memory_mb, 1LL << 40)                                           \
	X(INT, touched_mb, 1LL << 40)                                          \
	X(INT, disk_mb, 1LL << 40)                                             \
	X(BOOL, oneshot, 0)                                                    \
	X(STATE, state, 0)                                                     \
	X(STEP, step, 0)                                                       \
	X(BOOL, guest_seen, 0)                                                 \
	X(BOOL, kvm, 0)                                                        \
	X(STR, network, 23)                                                    \
	X(STR, firmware, 11)                                                   \
	X(STR, arch, 11)                                                       \
	X(BOOL, tpm, 0)                                                        \
	X(STR, gpu, SESSION_GPU_SIZE - 1)                                      \
	X(BOOL, master, 0)                                                     \
	X(STR, qemu_options, SESSION_OPTIONS_SIZE - 1)                         \
	X(STR, mounts, SESSION_OPTIONS_SIZE - 1)                               \
	X(BOOL, scripted, 0)                                                   \
	X(STR, notice, SESSION_REASON_SIZE - 1)                                \
	X(STR, reason, SESSION_REASON_SIZE - 1)                                \
	X(STR, token, SESSION_TOKEN_SIZE - 1)                                  \
	X(STR, origin, SESSION_ORIGIN_SIZE - 1)                                \
	X(INT, started, 1LL << 60)                                             \
	X(INT, started_boot_ms, 1LL << 60)                                     \
	X(INT, ends, 1LL << 60)                                                \
	X(INT, ends_boot_ms, 1LL << 60)                                        \
	X(INT, warn_boot_ms, 1LL << 60)                                        \
	X(INT, ended, 1LL << 60)                                               \
	X(INT, ended_boot_ms, 1LL << 60)                                       \
	X(BOOL, own_port, 0)                                                   \
	X(STR, password, SESSION_PASSWORD_SIZE - 1)                            \
	X(INT, port, 65535)                                                    \
	X(STR, boot_id, 36)                                                    \
	X(BOOL, remote, 0)                                                     \
	X(INT, job, 1LL << 31)                                                 \
	X(STR, node, SESSION_NODE_SIZE - 1)                                    \
	X(STR, job_reason, SESSION_JOB_REASON_SIZE - 1)                        \
	X(INT, job_start, 1LL << 60)                                           \
	X(BOOL, job_away, 0)                                                   \
	X(BOOL, display_away, 0)                                               \
	X(STR, account, SESSION_CLUSTER_SIZE - 1)                              \
	X(STR, partition, SESSION_CLUSTER_SIZE - 1)                            \
	X(STR, qos, SESSION_CLUSTER_SIZE - 1)

#define SET_STR(s, m) json_string((s)->m)
#define SET_INT(s, m) json_integer((s)->m)
#define SET_BOOL(s, m) json_boolean((s)->m)
#define SET_STATE(s, m) json_string(state_names[(s)->m])
#define SET_STEP(s, m) json_integer((s)->m)
#define SET(kind, member, limit)                                               \
	failed |= json_object_set_new(record, #member, SET_##kind(s, member));

json_t *session_to_record(const struct session *s)
{
	json_t *record = json_object();
	int failed = !record;

	failed |= json_object_set_new(record, "version", json_integer(1));
	MEMBERS(SET)
	if (failed) {
		json_decref(record);
		return NULL;
	}
	return record;
}

static int get_state(const json_t *record, enum session_state *ret,
		     struct err *e)
{
	const char *name;

	if (json_get_string(record, "state", 16, &name, e) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(state_names); i++) {
		if (strcmp(name, state_names[i]) == 0) {
			*ret = (enum session_state)i;
			return 0;
		}
	}
	return err_set(e, ERR_DAMAGED, "state: unknown word");
}

static int get_step(const json_t *record, enum session_step *ret,
		    struct err *e)
{
	long long step;

	if (json_get_int(record, "step", 0, STEP_COUNT - 1, &step, e) < 0)
		return -1;
	*ret = (enum session_step)step;
	return 0;
}

static int get_text(const json_t *record, const char *key, size_t limit,
		    char *ret, struct err *e)
{
	const char *text;

	if (json_get_string(record, key, limit, &text, e) < 0)
		return -1;
	memcpy(ret, text, strlen(text) + 1);
	return 0;
}

#define GET_STR(m, limit) get_text(record, #m, limit, ret->m, e)
#define GET_INT(m, limit) json_get_int(record, #m, 0, limit, &ret->m, e)
#define GET_BOOL(m, limit) json_get_bool(record, #m, &ret->m, e)
#define GET_STATE(m, limit) get_state(record, &ret->m, e)
#define GET_STEP(m, limit) get_step(record, &ret->m, e)
#define GET(kind, member, limit)                                               \
	if (GET_##kind(member, limit) < 0)                                     \
		return -1;

int session_from_record(const json_t *record, struct session *ret,
			struct err *e)
{
	long long version;

	memset(ret, 0, sizeof(*ret));
	if (json_get_int(record, "version", 1, 1, &version, e) < 0)
		return -1;
	MEMBERS(GET)
	if (!session_name_ok(ret->name) || !session_user_ok(ret->user) ||
	    !text_is_file_name(ret->machine))
		return err_set(e, ERR_DAMAGED,
			       "name, user or machine is malformed");
	return 0;
}

static json_t *job_value(const struct session *s)
{
	char start[32];

	if (!s->job)
		return json_null();
	clock_rfc3339(s->job_start, start, sizeof(start));
	return json_pack("{sI ss? ss? ss? sb}", "id", (json_int_t)s->job, "node",
			 s->node[0] ? s->node : NULL, "reason",
			 s->job_reason[0] ? s->job_reason : NULL,
			 "expected_start", s->job_start ? start : NULL,
			 "control", (int)!s->job_away);
}

json_t *session_cluster_value(const struct session *s)
{
	if (!s->account[0] && !s->partition[0] && !s->qos[0])
		return json_null();
	return json_pack("{ss? ss? ss?}", "account",
			 s->account[0] ? s->account : NULL, "partition",
			 s->partition[0] ? s->partition : NULL, "qos",
			 s->qos[0] ? s->qos : NULL);
}

json_t *session_to_public(const struct session *s, const char *url)
{
	char started[32];
	char ends[32];
	bool running = s->state == SESSION_RUNNING;

	clock_rfc3339(s->started, started, sizeof(started));
	clock_rfc3339(session_ends(s), ends, sizeof(ends));
	return json_pack("{ss ss ss ss ss? ss? sI sI ss? sb ss ss? sb so so ss?}",
			 "name", s->name, "user", s->user,
			 "machine", s->machine,
			 "state", state_names[s->state],
			 "reason", s->reason[0] ? s->reason : NULL,
			 "notice", s->notice[0] ? s->notice : NULL,
			 "cpu", (json_int_t)s->cpu,
			 "memory_mb", (json_int_t)s->memory_mb, "gpu",
			 s->gpu[0] ? s->gpu : NULL,
			 "oneshot", (int)s->oneshot, "started", started,
			 "ends", s->ends ? ends : NULL, "ending",
			 (int)session_is_ending(s), "cluster",
			 session_cluster_value(s), "job", job_value(s), "url",
			 running ? url : NULL);
}
