#include "auth/mail.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/address.h"
#include "base/text.h"
#include "sys/child.h"
#include "sys/file.h"
#include "sys/json.h"

enum {
	PASSWORD_MAX = 1024,
	ANSWER_MAX = 16384,
	GRACE_MS = 2000, /* behind qwd-net's own deadline */
	SMTP_PORT = 25,
	SMTPS_PORT = 465,
};

/* ---- To whom ---- */

/* Is `len` bytes of `word` an item of the list? */
static bool is_listed(const char *list, const char *word)
{
	size_t len = strlen(word);

	while (*list) {
		size_t item = strcspn(list, ",");

		if (item == len && memcmp(list, word, len) == 0)
			return true;
		list += item + (list[item] == ',');
	}
	return false;
}

enum mail_verdict mail_judge(const struct config *c, const char *address)
{
	const char *at = strchr(address, '@');

	if (!at || is_listed(c->email_deny, at))
		return MAIL_OTHER_DOMAIN;
	if (strcmp(c->email_domains, "any") != 0 &&
	    !is_listed(c->email_domains, at + 1))
		return MAIL_OTHER_DOMAIN;
	return is_listed(c->email_deny, address) ? MAIL_DENIED : MAIL_ALLOWED;
}

/* ---- By which server ---- */

bool mail_is_configured(const struct config *c)
{
	return *c->email_from &&
	       (*c->smtp_server || strcmp(c->email_method, "simple") == 0);
}

struct way {
	const char *host;
	long long port;
	const char *tls;
	bool login;
};

static struct way way_of(const struct config *c, bool password)
{
	bool port_set = c->is_set[CONFIG_smtp_port];
	bool starttls = strcmp(c->smtp_use_ssl, "starttls") == 0;
	struct way way = {
		.host = c->smtp_server,
		.port = c->smtp_port,
		.tls = starttls ? "starttls" : "tls",
		.login = password,
	};

	if (strcmp(c->email_method, "SSL") == 0) {
		way.tls = "tls";
		way.port = port_set ? c->smtp_port : SMTPS_PORT;
	} else if (strcmp(c->email_method, "port") == 0) {
		way.tls = password ? "starttls" : "none";
	} else if (strcmp(c->email_method, "simple") == 0) {
		way.host = *c->smtp_server ? c->smtp_server : "localhost";
		way.port = port_set ? c->smtp_port : SMTP_PORT;
		way.tls = "none";
		way.login = false;
	}
	return way;
}

static bool is_header(const char *text)
{
	size_t len = strlen(text);

	return len && len <= MAIL_SUBJECT_MAX && text_is_utf8(text, len) &&
	       !text_has_control(text);
}

/* Exactly as address_read() gives it. */
static bool is_address(const char *text)
{
	char address[ADDRESS_SIZE];

	return address_read(text, address) && strcmp(text, address) == 0;
}

json_t *mail_request(const struct config *c, const struct mail *m,
		     const char *password, struct err *e)
{
	struct way way = way_of(c, password != NULL);
	const char *user = *c->email_user ? c->email_user : c->email_from;
	const char *ca_file = *c->login_ca_file ? c->login_ca_file : NULL;
	json_t *request;

	if (!is_address(m->to) || !is_address(c->email_from) ||
	    !is_header(m->subject)) {
		err_set(e, ERR_SYSTEM,
			"a mail's sender, recipient or subject is not fit for "
			"a header");
		return NULL;
	}
	request = json_pack("{ss sI ss si ss? ss? ss? ss ss ss ss ss}", "host",
			    way.host, "port", (json_int_t)way.port, "tls",
			    way.tls, "timeout", MAIL_TIMEOUT_S, "ca_file",
			    ca_file, "user", way.login ? user : NULL,
			    "password", way.login ? password : NULL, "from",
			    c->email_from, "to", m->to, "subject", m->subject,
			    "text", m->text, "html", m->html);
	if (!request)
		err_set(e, ERR_SYSTEM, "cannot make a mail");
	return request;
}

/* ---- Sending ---- */

/* The first line of email_passwd_file. */
static int read_password(const char *path, struct buf *out, struct err *e)
{
	struct stat st;
	size_t len;

	if (stat(path, &st) < 0 || (st.st_mode & 027))
		return err_set(e, ERR_CONFIG,
			       "email_passwd_file: %s cannot be looked at, or "
			       "others may use it: its mode must be 0640 or "
			       "less",
			       path);
	if (file_read(AT_FDCWD, path, true, out, e) < 0)
		return err_prefix(e, "email_passwd_file");
	len = strcspn(buf_str(out), "\r\n");
	if (len == 0)
		return err_set(e, ERR_CONFIG,
			       "email_passwd_file: %s has no password in its "
			       "first line",
			       path);
	out->data[len] = '\0';
	out->len = len;
	return 0;
}

int mail_read_answer(const char *text, size_t len, struct mail_answer *ret,
		     struct err *e)
{
	AUTO_JSON json_t *answer = json_parse_object(text, len, e);
	const char *message;
	const char *result;
	const char *reason;

	if (!answer || json_get_string(answer, "result", 16, &result, e) < 0 ||
	    json_get_string(answer, "reason", sizeof(ret->reason) - 1, &reason,
			    e) < 0 ||
	    json_get_string(answer, "message", sizeof(ret->message) - 1,
			    &message, e) < 0)
		return err_set(e, ERR_SYSTEM,
			       "qwd-net gave no answer that makes sense");
	*ret = (struct mail_answer){
		.taken = strcmp(result, "accepted") == 0,
	};
	memcpy(ret->reason, reason, strlen(reason) + 1);
	memcpy(ret->message, message, strlen(message) + 1);
	if (ret->taken || strcmp(result, "refused") == 0 ||
	    strcmp(reason, "later") == 0)
		return 0;
	return err_set(e, ERR_SYSTEM, "no mail was sent: %s: %s", reason,
		       message);
}

static int run(const struct config *c, const char *input,
	       struct mail_answer *ret, struct err *e)
{
	AUTO_FREE char *program = file_join(c->dir_libexec, "qwd-net");
	AUTO_BUF struct buf output = BUF_INIT(ANSWER_MAX);
	AUTO_ARGV struct argv argv = { 0 };
	struct child child = CHILD_INIT;
	int status;

	if (!program)
		return err_set(e, ERR_SYSTEM, "no memory");
	argv_add(&argv, program);
	argv_add(&argv, "mail-send");
	child.argv = &argv;
	if (child_run(&child, input, &output, NULL,
		      MAIL_TIMEOUT_S * 1000 + GRACE_MS, &status, e) < 0)
		return err_prefix(e, "mail");
	if (status > 2 || buf_failed(&output) || output.len == 0)
		return err_set(e, ERR_SYSTEM, "qwd-net ended with status %d",
			       status);
	return mail_read_answer(buf_str(&output), output.len, ret, e);
}

static void wipe(struct buf *b)
{
	if (b->data)
		explicit_bzero(b->data, b->room);
}

/* The request as text, which holds the password: end it with forget(). */
static char *make_input(const struct config *c, const struct mail *m,
			struct err *e)
{
	AUTO_BUF struct buf password = BUF_INIT(PASSWORD_MAX);
	bool login = *c->email_passwd_file;
	AUTO_JSON json_t *request = NULL;
	char *input = NULL;

	if (login && read_password(c->email_passwd_file, &password, e) < 0)
		return NULL;
	request = mail_request(c, m, login ? buf_str(&password) : NULL, e);
	wipe(&password);
	if (!request)
		return NULL;
	input = json_text(request);
	if (!input)
		err_set(e, ERR_SYSTEM, "cannot make a mail");
	return input;
}

static void forget(char *input)
{
	explicit_bzero(input, strlen(input));
	free(input);
}

int mail_send(const struct config *c, const struct mail *m,
	      struct mail_answer *ret, struct err *e)
{
	char *input = make_input(c, m, e);
	int result;

	if (!input)
		return -1;
	result = run(c, input, ret, e);
	forget(input);
	return result;
}

/* A pipe with all of `text` in it, which nobody has to read for that. */
static int filled_pipe(const char *text, struct err *e)
{
	AUTO_CLOSE int in = -1;
	AUTO_CLOSE int out = -1;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(e, "pipe");
	in = ends[1];
	out = ends[0];
	if (fcntl(in, F_SETFL, O_NONBLOCK) < 0 ||
	    file_write_all(in, text, strlen(text)) < 0)
		return err_sys(e, "cannot hand a mail over");
	return TAKE_FD(out);
}

int mail_post(const struct config *c, const struct mail *m, int log,
	      struct err *e)
{
	AUTO_FREE char *program = file_join(c->dir_libexec, "qwd-net");
	AUTO_ARGV struct argv argv = { 0 };
	AUTO_CLOSE int request = -1;
	struct child child = CHILD_INIT;
	char *input = make_input(c, m, e);

	if (!input)
		return -1;
	request = filled_pipe(input, e);
	forget(input);
	if (request < 0)
		return -1;
	argv_add(&argv, program ? program : "");
	argv_add(&argv, "mail-send");
	child.argv = &argv;
	child.in = request;
	child.out = log;
	child.detach = true;
	return child_start(&child, e) < 0 ? -1 : 0;
}
