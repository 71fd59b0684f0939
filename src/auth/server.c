/* Login servers, each asked by one run of qwd-net (net/net.h). */
#include "auth/method.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/text.h"
#include "sys/file.h"
#include "sys/json.h"

enum {
	ANSWER_MAX = 256 * 1024,
	SECRET_FILE_MAX = 1024,
	LDAPS_PORT = 636,
	LDAP_PORT = 389,
	GRACE_MS = 1000, /* between the server's time and the child's deadline */
};

static bool is_reason(const char *word)
{
	return strlen(word) < AUTH_REASON_SIZE && text_only(word, "-");
}

/* What is known of a user who is accepted.  A name that cannot be one of ours
 * is not: who would the sessions belong to? */
static void take_identity(const json_t *answer, struct auth_result *ret)
{
	struct err ignored = ERR_INIT;
	json_t *groups = json_object_get(answer, "groups");
	const char *user = NULL;
	const char *mail = NULL;

	(void)!json_get_string_or_null(answer, "user", 4096, &user, &ignored);
	(void)!json_get_string_or_null(answer, "mail", IDENTITY_MAIL_SIZE - 1,
				       &mail, &ignored);
	if (user && !session_user_ok(user)) {
		method_say(ret, AUTH_REFUSED, "bad-user");
		return;
	}
	if (user)
		snprintf(ret->who.user, sizeof(ret->who.user), "%s", user);
	if (mail)
		snprintf(ret->who.mail, sizeof(ret->who.mail), "%s", mail);
	for (size_t i = 0; i < json_array_size(groups); i++) {
		const char *group =
			json_string_value(json_array_get(groups, i));

		if (group)
			access_add_group(&ret->who, group);
	}
}

void method_read_answer(const struct buf *output, struct auth_result *ret)
{
	struct err e = ERR_INIT;
	AUTO_JSON json_t *answer =
		buf_failed(output) ? NULL :
				     json_parse_object(buf_str(output),
						       output->len, &e);
	const char *result = NULL;
	const char *reason = NULL;

	if (!answer ||
	    json_get_string(answer, "result", 16, &result, &e) < 0 ||
	    json_get_string(answer, "reason", AUTH_REASON_SIZE - 1, &reason,
			    &e) < 0 ||
	    !is_reason(reason)) {
		method_say(ret, AUTH_OUTAGE, "no-answer");
		return;
	}
	if (strcmp(result, "refused") == 0) {
		method_say(ret, AUTH_REFUSED, reason);
	} else if (strcmp(result, "accepted") == 0) {
		method_say(ret, AUTH_ACCEPTED, reason);
		take_identity(answer, ret);
	} else {
		method_say(ret, AUTH_OUTAGE, reason);
	}
}

static void ask(const struct auth_request *r, const char *verb,
		json_t *request, int ms, struct auth_result *ret)
{
	AUTO_BUF struct buf output = BUF_INIT(ANSWER_MAX);
	AUTO_FREE char *program = file_join(r->config->dir_libexec, "qwd-net");
	int status;

	if (!program) {
		method_discard(request);
		method_say(ret, AUTH_OUTAGE, "no-memory");
		return;
	}
	if (method_run(program, verb, request, &output, ms, &status, ret))
		method_read_answer(&output, ret);
}

/* What all verbs want.  A deadline that is nearer than login_timeout leaves
 * the server less time. */
static json_t *common(const struct auth_request *r, const char *host,
		      long long port, const char *tls, int ms)
{
	long long timeout = (ms - GRACE_MS) / 1000;
	const struct config *c = r->config;

	if (timeout > c->login_timeout)
		timeout = c->login_timeout;
	return json_pack("{ss sI ss ss? sI ss ss}", "host", host, "port",
			 (json_int_t)port, "tls", tls, "ca_file",
			 *c->login_ca_file ? c->login_ca_file : NULL, "timeout",
			 (json_int_t)(timeout > 0 ? timeout : 1), "user",
			 r->user, "password", r->password);
}

/* Mail servers take "ANN" and "ann" for one user; so do we then. */
static void fold_case(char *user)
{
	for (; *user; user++)
		if (*user >= 'A' && *user <= 'Z')
			*user = (char)(*user - 'A' + 'a');
}

void method_imap(const struct auth_request *r, int ms, struct auth_result *ret)
{
	const struct config *c = r->config;

	ask(r, "imap-check",
	    common(r, c->imap_server, c->imap_port, c->imap_tls, ms),
	    ms, ret);
	fold_case(ret->who.user);
}

void method_smtp(const struct auth_request *r, int ms, struct auth_result *ret)
{
	const struct config *c = r->config;
	bool starttls = strcmp(c->smtp_use_ssl, "starttls") == 0;

	ask(r, "smtp-check",
	    common(r, c->smtp_server, c->smtp_port,
		   starttls ? "starttls" : "tls", ms),
	    ms, ret);
	fold_case(ret->who.user);
}

/* The first line of a file that nobody else may read.  False if there is
 * none. */
static bool read_secret(const char *path, char ret[SECRET_FILE_MAX + 1])
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	ssize_t got;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    (st.st_mode & 027))
		return false;
	got = read(fd, ret, SECRET_FILE_MAX);
	if (got <= 0)
		return false;
	ret[got] = '\0';
	ret[strcspn(ret, "\r\n")] = '\0';
	return *ret != '\0';
}

/* Add what says who searches.  False if the file is no good. */
static bool add_bind(json_t *request, const struct config *c)
{
	char secret[SECRET_FILE_MAX + 1];
	bool good;

	if (!*c->ldap_bind_dn)
		return true;
	good = read_secret(c->ldap_bind_password_file, secret) &&
	       json_object_set_new(request, "bind_dn",
				   json_string(c->ldap_bind_dn)) == 0 &&
	       json_object_set_new(request, "bind_password",
				   json_string(secret)) == 0;
	explicit_bzero(secret, sizeof(secret));
	return good;
}

static json_t *ldap_request(const struct auth_request *r, int ms)
{
	const struct config *c = r->config;
	bool direct = strcmp(c->ldap_tls, "tls") == 0;
	bool groups = strcmp(c->ldap_groups, "none") != 0;
	long long port = c->ldap_port ? c->ldap_port :
			 direct       ? LDAPS_PORT :
					LDAP_PORT;
	json_t *request = common(r, c->ldap_server, port, c->ldap_tls, ms);
	AUTO_JSON json_t *more = json_pack(
		"{ss ss ss? ss ss? ss?}", "base", c->ldap_base, "attribute",
		c->ldap_attribute, "filter",
		*c->ldap_filter ? c->ldap_filter : NULL, "groups",
		c->ldap_groups, "group_base",
		groups ? c->ldap_group_base : NULL, "group_filter",
		groups && *c->ldap_group_filter ? c->ldap_group_filter : NULL);

	if (request && more && json_object_update(request, more) == 0)
		return request;
	method_discard(request);
	return NULL;
}

void method_ldap(const struct auth_request *r, int ms, struct auth_result *ret)
{
	json_t *request = ldap_request(r, ms);

	if (!request || !add_bind(request, r->config)) {
		method_discard(request);
		method_say(ret, AUTH_OUTAGE, "bind-password-file");
		return;
	}
	ask(r, "ldap-check", request, ms, ret);
}
