#include "web/request.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/text.h"
#include "sys/clock.h"
#include "sys/random.h"

enum { HEADER_MAX = 8192 };

/* The allow-list: what is read of the environment. */
#define VARIABLES(X)                                                           \
	X(REQUEST_METHOD)                                                      \
	X(QUERY_STRING)                                                        \
	X(PATH_INFO)                                                           \
	X(CONTENT_TYPE)                                                        \
	X(CONTENT_LENGTH)                                                      \
	X(REMOTE_ADDR)                                                         \
	X(REMOTE_USER)                                                         \
	X(SERVER_NAME)                                                         \
	X(SERVER_PORT)                                                         \
	X(SERVER_ADDR)                                                         \
	X(HTTPS)                                                               \
	X(UNIQUE_ID)                                                           \
	X(HTTP_HOST)                                                           \
	X(HTTP_ORIGIN)                                                         \
	X(HTTP_SEC_FETCH_SITE)                                                 \
	X(HTTP_SEC_FETCH_DEST)                                                 \
	X(HTTP_COOKIE)                                                         \
	X(HTTP_ACCEPT)                                                         \
	X(HTTP_X_FORWARDED_FOR)                                                \
	X(HTTP_FORWARDED)                                                      \
	X(HTTP_VIA)

#define VARIABLE_INDEX(name) name,
enum variable { VARIABLES(VARIABLE_INDEX) VARIABLE_COUNT };

#define VARIABLE_NAME(name) [name] = #name,
static const char *const variable_names[] = { VARIABLES(VARIABLE_NAME) };

struct environment {
	const char *value[VARIABLE_COUNT]; /* NULL: absent */
};

static void take_variable(struct environment *ret, const char *entry)
{
	size_t len = strcspn(entry, "=");

	for (size_t i = 0; i < VARIABLE_COUNT; i++) {
		if (strlen(variable_names[i]) != len || ret->value[i] ||
		    memcmp(entry, variable_names[i], len) != 0 ||
		    entry[len] != '=')
			continue;
		ret->value[i] = entry + len + 1;
		return;
	}
}

static int read_environment(struct environment *ret, char *const *env,
			    struct err *e)
{
	*ret = (struct environment){ 0 };
	for (; *env; env++)
		take_variable(ret, *env);
	for (size_t i = 0; i < VARIABLE_COUNT; i++) {
		/* form_parse() has the limit of a query. */
		if (i != QUERY_STRING && ret->value[i] &&
		    strlen(ret->value[i]) > HEADER_MAX)
			return err_set(e, ERR_TOO_LARGE,
				       "A header of the request is longer "
				       "than %d bytes.",
				       HEADER_MAX);
	}
	return 0;
}

static enum request_method method_of(const char *name)
{
	if (strcmp(name, "GET") == 0)
		return METHOD_GET;
	if (strcmp(name, "HEAD") == 0)
		return METHOD_HEAD;
	return strcmp(name, "POST") == 0 ? METHOD_POST : METHOD_OTHER;
}

static bool wants_json(const char *accept)
{
	const char *json = strcasestr(accept, "application/json");
	const char *html = strcasestr(accept, "text/html");

	return json && (!html || json < html);
}

/* 127.0.0.0/8, ::1, and the former as IPv6 writes it. */
static bool is_loopback(const char *address)
{
	struct in6_addr six;
	struct in_addr four;

	if (inet_pton(AF_INET, address, &four) == 1)
		return ntohl(four.s_addr) >> 24 == 127;
	if (inet_pton(AF_INET6, address, &six) != 1)
		return false;
	return IN6_IS_ADDR_LOOPBACK(&six) ||
	       (IN6_IS_ADDR_V4MAPPED(&six) && six.s6_addr[12] == 127);
}

static void name_request(struct request *r, const char *unique)
{
	struct err ignored = ERR_INIT;

	if (unique && strlen(unique) < sizeof(r->id) && text_only(unique, "@-_"))
		snprintf(r->id, sizeof(r->id), "%s", unique);
	else if (random_text(r->id, 12, &ignored) < 0)
		snprintf(r->id, sizeof(r->id), "unnamed");
}

static const char *or_empty(const char *text)
{
	return text ? text : "";
}

static void describe(struct request *r, const struct environment *env)
{
	const char *const *v = env->value;

	r->method = method_of(or_empty(v[REQUEST_METHOD]));
	r->https = v[HTTPS] && strcasecmp(v[HTTPS], "on") == 0;
	r->wants_json = wants_json(or_empty(v[HTTP_ACCEPT]));
	r->remote = or_empty(v[REMOTE_ADDR]);
	r->peer_is_local = is_loopback(r->remote);
	r->forwarded = v[HTTP_X_FORWARDED_FOR] || v[HTTP_FORWARDED] ||
		       v[HTTP_VIA];
	r->server_name = or_empty(v[SERVER_NAME]);
	r->server_port = or_empty(v[SERVER_PORT]);
	r->server_addr = or_empty(v[SERVER_ADDR]);
	r->host = v[HTTP_HOST];
	r->origin = v[HTTP_ORIGIN];
	r->fetch_site = v[HTTP_SEC_FETCH_SITE];
	r->below = *or_empty(v[PATH_INFO]) != '\0';
	r->by_script = strcmp(or_empty(v[HTTP_SEC_FETCH_DEST]), "empty") == 0;
	r->cookie = v[HTTP_COOKIE];
	if (v[REMOTE_USER] && *v[REMOTE_USER])
		r->remote_user = v[REMOTE_USER];
	name_request(r, v[UNIQUE_ID]);
}

/* Wait until `fd` can be read.  ERR_INPUT at `deadline` (clock_boot_ms): who
 * sends so slowly is told. */
static int await(int fd, long long deadline, struct err *e)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };

	for (;;) {
		long long left = deadline - clock_boot_ms();
		int n;

		if (left <= 0)
			return err_set(e, ERR_INPUT,
				       "The form did not arrive in time. Send "
				       "it again.");
		n = poll(&ready, 1, (int)left);
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return err_sys(e, "poll");
	}
}

static int read_body(int fd, char *bytes, size_t len, struct err *e)
{
	long long deadline = clock_boot_ms() + REQUEST_DEADLINE_MS;
	size_t have = 0;

	while (have < len) {
		ssize_t got;

		if (await(fd, deadline, e) < 0)
			return -1;
		got = read(fd, bytes + have, len - have);
		if (got < 0 && errno != EINTR && errno != EAGAIN)
			return err_sys(e, "cannot read the request's body");
		if (got == 0)
			return err_set(e, ERR_INPUT,
				       "The form is shorter than it says.");
		if (got > 0)
			have += (size_t)got;
	}
	return 0;
}

/* CONTENT_LENGTH: digits, and nothing else. */
static int body_length(const char *text, size_t *ret, struct err *e)
{
	long long length;

	if (!text || !*text)
		return err_set(e, ERR_INPUT,
			       "The form does not say how long it is.");
	if (strspn(text, "0123456789") != strlen(text))
		return err_set(e, ERR_INPUT,
			       "The form's length is not a number.");
	if (!text_long(text, 0, FORM_BODY_MAX, &length))
		return err_set(e, ERR_TOO_LARGE,
			       "The form is longer than %d bytes.",
			       FORM_BODY_MAX);
	*ret = (size_t)length;
	return 0;
}

static int read_fields(struct request *r, const struct environment *env,
		       int fd, struct err *e)
{
	size_t len = 0;
	char *bytes;
	int result;

	if (body_length(env->value[CONTENT_LENGTH], &len, e) < 0)
		return -1;
	bytes = malloc(len + 1);
	if (!bytes)
		return err_set(e, ERR_SYSTEM, "no memory");
	result = read_body(fd, bytes, len, e);
	if (result == 0)
		result = form_parse(&r->fields, env->value[CONTENT_TYPE], bytes,
				    len, e);
	explicit_bzero(bytes, len); /* it may hold a password */
	free(bytes);
	return result;
}

int request_read(struct request *ret, char *const *env, int body,
		 struct err *e)
{
	struct environment environment;
	struct err ignored = ERR_INIT;
	const char *query;
	int result;

	*ret = (struct request)REQUEST_INIT;
	result = read_environment(&environment, env, e);
	describe(ret, &environment);
	if (result < 0)
		return -1;
	if (ret->method == METHOD_POST)
		return read_fields(ret, &environment, body, e);
	query = or_empty(environment.value[QUERY_STRING]);
	/* What is no query of ours shows the form, like no query at all. */
	(void)!form_parse(&ret->query, FORM_URLENCODED, query, strlen(query),
			  &ignored);
	return 0;
}

void request_release(struct request *r)
{
	form_release(&r->query);
	form_release(&r->fields);
}
