#include "farm/assertion.h"

#include <sha256.h>
#include <string.h>

#include "base/text.h"
#include "sys/clock.h"
#include "sys/json.h"
#include "sys/random.h"

enum { MAC_LEN = SECRET_MAC_SIZE - 1 };

static const char purpose[] = "farm";

static const char *const verbs[] = {
	[FARM_CREATE] = "create", [FARM_STATUS] = "status",
	[FARM_LIST] = "list",	  [FARM_STOP] = "stop",
	[FARM_ENTER] = "enter",	  [FARM_SETTLE] = "settle",
};

int farm_secret_read(const struct config *c, struct secret *ret,
		     struct err *e)
{
	const struct secret_file f = {
		.path = c->farm_secret,
		.option = "farm_secret",
		.command = "qwdctl secret --farm",
	};

	return secret_read_file(&f, ret, e);
}

int farm_digest(const char *text, char ret[FARM_DIGEST_SIZE], struct err *e)
{
	return SHA256Data((const uint8_t *)text, strlen(text), ret) ?
		       0 :
		       err_set(e, ERR_SYSTEM, "cannot make a digest");
}

/* ---- Base64url without padding (RFC 4648, section 5) ---- */

static void encode(struct buf *out, const char *text)
{
	size_t at = out->len;

	text_base64(out, text, strlen(text));
	for (; at < out->len; at++) {
		char *c = &out->data[at];

		if (*c == '=')
			break;
		*c = (char)(*c == '+' ? '-' : *c == '/' ? '_' : *c);
	}
	if (!buf_failed(out) && at < out->len) {
		out->len = at;
		out->data[at] = '\0';
	}
}

static int value_of(char c)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "abcdefghijklmnopqrstuvwxyz"
				       "0123456789-_";
	const char *at = c ? strchr(alphabet, c) : NULL;

	return at ? (int)(at - alphabet) : -1;
}

static bool decode(const char *text, size_t len, struct buf *out)
{
	unsigned bits = 0;
	unsigned have = 0;

	for (size_t i = 0; i < len; i++) {
		int value = value_of(text[i]);

		if (value < 0)
			return false;
		bits = bits << 6 | (unsigned)value;
		have += 6;
		if (have >= 8) {
			have -= 8;
			buf_putc(out, (char)(bits >> have & 0xff));
		}
	}
	return !buf_failed(out);
}

/* ---- Signing ---- */

static json_t *groups_value(const struct identity *who, size_t max)
{
	json_t *list = json_array();
	const char *at = who->groups;

	for (size_t used = 0; *at; at += strcspn(at, "\n") + 1) {
		size_t len = strcspn(at, "\n");

		used += len + 3;
		if (used <= max)
			json_array_append_new(list, json_stringn(at, len));
		if (!at[len])
			break;
	}
	return list;
}

static json_t *to_json(const struct assertion *a)
{
	size_t max = a->verb == FARM_ENTER ? FARM_ENTER_GROUPS_MAX :
					     IDENTITY_GROUPS_SIZE;

	return json_pack("{si ss ss ss s[s] ss ss ss so ss ss ss ss sI}", "v",
			 1, "verb", verbs[a->verb], "from", a->from, "to",
			 a->to, "path", a->id, "user", a->who.user, "mail",
			 a->who.mail, "method", a->who.method, "groups",
			 groups_value(&a->who, max), "remote", a->remote,
			 "session", a->session, "digest", a->digest, "nonce",
			 a->nonce, "expires", (json_int_t)a->expires);
}

int assertion_sign(struct assertion *a, const struct secret *s,
		   struct buf *out, struct err *e)
{
	AUTO_BUF struct buf payload = BUF_INIT(FARM_ASSERTION_MAX);
	AUTO_JSON json_t *json = NULL;
	AUTO_FREE char *text = NULL;
	char mac[SECRET_MAC_SIZE];

	if (random_text(a->nonce, FARM_NONCE_SIZE - 1, e) < 0)
		return -1;
	a->expires = clock_wall() +
		     (a->verb == FARM_ENTER ? FARM_ENTER_S : FARM_LIFE_S);
	json = to_json(a);
	text = json_text(json);
	if (!text)
		return err_set(e, ERR_SYSTEM, "cannot make an assertion");
	encode(&payload, text);
	if (buf_failed(&payload))
		return err_set(e, ERR_SYSTEM, "an assertion is too long");
	secret_mac(s, purpose, buf_str(&payload), mac);
	buf_printf(out, "%s.%s", buf_str(&payload), mac);
	return 0;
}

/* ---- Reading ---- */

static int get_text(const json_t *json, const char *key, char *ret,
		    size_t size, struct err *e)
{
	const char *text;

	if (json_get_string(json, key, size - 1, &text, e) < 0)
		return -1;
	if (text_has_control(text))
		return err_set(e, ERR_DAMAGED, "%s: a control character", key);
	memcpy(ret, text, strlen(text) + 1);
	return 0;
}

static int get_verb(const json_t *json, enum farm_verb *ret, struct err *e)
{
	const char *word;

	if (json_get_string(json, "verb", 16, &word, e) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		if (strcmp(word, verbs[i]) == 0) {
			*ret = (enum farm_verb)i;
			return 0;
		}
	}
	return err_set(e, ERR_DAMAGED, "verb: unknown");
}

/* Exactly so many hops: an entry for each. */
static int get_path(const json_t *json, struct assertion *ret, struct err *e)
{
	const json_t *path = json_object_get(json, "path");
	const char *id = json_string_value(json_array_get(path, 0));

	if (json_array_size(path) != FARM_HOPS_MAX || !id ||
	    strlen(id) != FARM_ID_SIZE - 1 || !text_only(id, ""))
		return err_set(e, ERR_DAMAGED, "path: not %d server",
			       FARM_HOPS_MAX);
	memcpy(ret->id, id, FARM_ID_SIZE);
	return 0;
}

static int get_groups(const json_t *json, struct identity *who, struct err *e)
{
	const json_t *list = json_object_get(json, "groups");
	const json_t *group;
	size_t i;

	if (!json_is_array(list))
		return err_set(e, ERR_DAMAGED, "groups: not an array");
	json_array_foreach(list, i, group) {
		if (!json_is_string(group))
			return err_set(e, ERR_DAMAGED, "groups: not strings");
		access_add_group(who, json_string_value(group));
	}
	return 0;
}

/* Whom and what it is about; a status is also asked about nobody. */
static int check_values(const struct assertion *a, struct err *e)
{
	if (!session_user_ok(a->who.user) &&
	    (a->verb != FARM_STATUS || a->who.user[0]))
		return err_set(e, ERR_DAMAGED, "user: no user's name");
	if (a->session[0] && !session_name_ok(a->session))
		return err_set(e, ERR_DAMAGED, "session: no session's name");
	if (strlen(a->nonce) != FARM_NONCE_SIZE - 1 ||
	    !text_only(a->nonce, ""))
		return err_set(e, ERR_DAMAGED, "nonce: malformed");
	return 0;
}

static int read_members(const json_t *json, struct assertion *ret,
			struct err *e)
{
	struct identity *who = &ret->who;
	long long version;

#define GET(key, member) get_text(json, key, member, sizeof(member), e)
	if (json_get_int(json, "v", 1, 1, &version, e) < 0 ||
	    get_verb(json, &ret->verb, e) < 0 ||
	    GET("from", ret->from) < 0 || GET("to", ret->to) < 0 ||
	    get_path(json, ret, e) < 0 || GET("user", who->user) < 0 ||
	    GET("mail", who->mail) < 0 || GET("method", who->method) < 0 ||
	    get_groups(json, who, e) < 0 || GET("remote", ret->remote) < 0 ||
	    GET("session", ret->session) < 0 ||
	    GET("digest", ret->digest) < 0 || GET("nonce", ret->nonce) < 0 ||
	    json_get_int(json, "expires", 0, 1LL << 60, &ret->expires, e) < 0)
		return -1;
#undef GET
	return check_values(ret, e);
}

int assertion_parse(const char *json, size_t len, struct assertion *ret,
		    struct err *e)
{
	AUTO_JSON json_t *value = json_parse_object(json, len, e);
	struct assertion a = { .from = "" };

	if (!value || read_members(value, &a, e) < 0)
		return -1;
	*ret = a;
	return 0;
}

static int refuse(struct err *e, const char *why)
{
	return err_set(e, ERR_FORBIDDEN, "assertion: %s", why);
}

/* By how much it is too old or too young. */
static int check_time(const struct assertion *a, struct err *e)
{
	long long left = a->expires - clock_wall();
	long long life = a->verb == FARM_ENTER ? FARM_ENTER_S : FARM_LIFE_S;

	if (left < -FARM_SKEW_S)
		err_set(e, ERR_FORBIDDEN,
			"assertion: expired %lld s ago, or the clocks differ",
			-left);
	else if (left > life + FARM_SKEW_S)
		err_set(e, ERR_FORBIDDEN,
			"assertion: from the future: the clocks differ by "
			"%lld s",
			left - life);
	else
		return 0;
	snprintf(e->field, sizeof(e->field), FARM_FIELD_TIME);
	return -1;
}

int assertion_read(const char *text, const struct secret *s,
		   struct assertion *ret, struct err *e)
{
	AUTO_BUF struct buf json = BUF_INIT(FARM_ASSERTION_MAX);
	const char *dot = strchr(text, '.');
	AUTO_FREE char *payload = NULL;
	struct err why = ERR_INIT;
	char mac[SECRET_MAC_SIZE];

	if (!dot || strlen(dot + 1) != MAC_LEN ||
	    dot - text > FARM_ASSERTION_MAX)
		return refuse(e, "malformed");
	payload = strndup(text, (size_t)(dot - text));
	if (!payload)
		return err_set(e, ERR_SYSTEM, "no memory");
	secret_mac(s, purpose, payload, mac);
	if (!text_same_secret(mac, dot + 1))
		return refuse(e, "not signed with the secret of this farm");
	if (!decode(payload, strlen(payload), &json) ||
	    assertion_parse(buf_str(&json), json.len, ret, &why) < 0)
		return refuse(e, why.msg[0] ? why.msg : "not base64url");
	return check_time(ret, e);
}
