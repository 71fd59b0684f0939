#include "farm/visitor.h"

#include <pwd.h>
#include <string.h>
#include <sys/mman.h>

#include "base/log.h"
#include "base/text.h"
#include "sys/file.h"
#include "sys/json.h"

enum { ACCOUNT_MAX = 32, WORDS_MAX = 4096 };

static const char *const verbs[] = {
	[VISITOR_START] = "start",
	[VISITOR_KNOCK] = "knock",
	[VISITOR_CANCEL] = "cancel",
	[VISITOR_REMOVE] = "remove",
};

/* ---- Accounts ---- */

static bool is_person(const struct passwd *p, const char *user)
{
	return p && strcmp(p->pw_name, user) == 0 &&
	       p->pw_uid >= VISITOR_FIRST_UID &&
	       p->pw_uid != VISITOR_NOBODY_UID && p->pw_uid != (uid_t)-1 &&
	       p->pw_uid != (uid_t)0xffff && p->pw_uid != geteuid();
}

int visitor_check(const char *user, uid_t *ret_uid, struct err *e)
{
	/* What sudo and Slurm would take for something else than a name is
	 * not even looked up. */
	bool plain = text_only(user, "._-") && *user != '-' && *user != '.' &&
		     strlen(user) <= ACCOUNT_MAX;
	const struct passwd *p = plain ? getpwnam(user) : NULL;

	if (is_person(p, user)) {
		if (ret_uid)
			*ret_uid = p->pw_uid;
		return 0;
	}
	log_event("slurm", "user", user, "result", "no account", NULL);
	return err_set(e, ERR_FORBIDDEN,
		       "Your name has no account on the cluster. Ask the "
		       "administrator for one.");
}

/* ---- The helper ---- */

int visitor_command(const struct config *c, const char *user,
		    struct argv *ret, struct err *e)
{
	AUTO_FREE char *sudo = child_find_program("sudo", e);
	AUTO_FREE char *helper = file_join(c->dir_libexec, "qwd-visitor");

	if (!sudo)
		return -1;
	if (!helper)
		return err_set(e, ERR_SYSTEM, "no memory");
	argv_add(ret, sudo);
	argv_add(ret, "-n");
	argv_add(ret, "-u");
	argv_add(ret, user);
	argv_add(ret, "--");
	argv_add(ret, helper);
	argv_add(ret, *c->file ? c->file : CONFIG_DEFAULT_FILE);
	return 0;
}

bool visitor_is_refused(const char *errors)
{
	return strstr(errors, "sudo: a password is required") ||
	       strstr(errors, "is not allowed to execute") ||
	       strstr(errors, "is not in the sudoers file") ||
	       strstr(errors, "may not run sudo") ||
	       strstr(errors, "sudo: unknown user");
}

bool visitor_is_hindered(const char *errors)
{
	return strstr(errors, "\"no new privileges\" flag") ||
	       strstr(errors, "effective uid is not 0");
}

int visitor_remove(const struct config *c, const char *user,
		   const char *name, struct err *e)
{
	struct visitor_request r = { .verb = VISITOR_REMOVE };
	AUTO_BUF struct buf errors = BUF_INIT(WORDS_MAX);
	AUTO_ARGV struct argv argv = { 0 };
	struct child child = CHILD_INIT;
	AUTO_CLOSE int in = -1;
	int status;

	snprintf(r.name, sizeof(r.name), "%s", name);
	in = visitor_request(&r, -1, e);
	if (in < 0 || visitor_command(c, user, &argv, e) < 0)
		return -1;
	child.argv = &argv;
	child.in = in;
	if (child_run(&child, NULL, NULL, &errors, VISITOR_MS, &status, e) < 0)
		return -1;
	if (status == 0)
		return 0;
	text_make_printable(errors.data ? errors.data : (char[]){ "" });
	return err_set(e, ERR_SYSTEM, "the job of %s could not be removed: %s",
		       user, buf_str(&errors));
}

/* ---- What it is asked ---- */

int visitor_request(const struct visitor_request *r, int script,
		    struct err *e)
{
	AUTO_JSON json_t *value = json_pack("{si ss ss}", "version", 1, "verb",
					    verbs[r->verb], "name", r->name);
	AUTO_CLOSE int fd = memfd_create("request", MFD_CLOEXEC);
	AUTO_FREE char *text = NULL;

	if (fd < 0)
		return err_sys(e, "memfd_create");
	if (r->verb == VISITOR_START &&
	    json_object_set_new(value, "order", job_order_value(&r->order)) < 0)
		return err_set(e, ERR_SYSTEM, "no memory");
	if (r->verb == VISITOR_KNOCK &&
	    json_object_set_new(value, "wish", job_wish_value(&r->wish)) < 0)
		return err_set(e, ERR_SYSTEM, "no memory");
	text = json_text(value);
	if (!text)
		return err_set(e, ERR_SYSTEM, "no memory");
	if (file_write_all(fd, text, strlen(text)) < 0 ||
	    file_write_all(fd, "\n", 1) < 0)
		return err_sys(e, "cannot write the request");
	if (script >= 0 && job_dir_copy_script(script, fd, e) < 0)
		return -1;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, "lseek");
	return TAKE_FD(fd);
}

static int read_verb(const json_t *value, enum visitor_verb *ret,
		     struct err *e)
{
	const char *word;

	if (json_get_string(value, "verb", 16, &word, e) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		if (strcmp(word, verbs[i]) == 0) {
			*ret = (enum visitor_verb)i;
			return 0;
		}
	}
	return err_set(e, ERR_DAMAGED, "verb: none of ours");
}

static int read_name(const json_t *value, char ret[SESSION_NAME_SIZE],
		     struct err *e)
{
	const char *name;

	if (json_get_string(value, "name", SESSION_NAME_SIZE - 1, &name, e) < 0)
		return -1;
	if (!session_name_ok(name))
		return err_set(e, ERR_DAMAGED, "name: not a session's name");
	memcpy(ret, name, strlen(name) + 1);
	return 0;
}

static int read_part(const json_t *value, struct visitor_request *ret,
		     struct err *e)
{
	if (ret->verb == VISITOR_KNOCK)
		return job_wish_read(json_object_get(value, "wish"),
				     &ret->wish, e);
	if (ret->verb != VISITOR_START)
		return 0;
	if (job_order_read(json_object_get(value, "order"), &ret->order, e) < 0)
		return -1;
	if (strcmp(ret->order.session.name, ret->name) != 0)
		return err_set(e, ERR_DAMAGED, "order: of another session");
	return 0;
}

int visitor_read(const char *text, size_t len, struct visitor_request *ret,
		 const char **ret_script, struct err *e)
{
	const char *end = memchr(text, '\n', len);
	AUTO_JSON json_t *value = NULL;
	struct visitor_request r = { .name = "" };
	long long version;

	if (!end || end - text > VISITOR_REQUEST_MAX)
		return err_set(e, ERR_DAMAGED, "no line of a request");
	value = json_parse_object(text, (size_t)(end - text), e);
	if (!value || json_get_int(value, "version", 1, 1, &version, e) < 0 ||
	    read_verb(value, &r.verb, e) < 0 ||
	    read_name(value, r.name, e) < 0 || read_part(value, &r, e) < 0)
		return -1;
	*ret = r;
	*ret_script = end + 1;
	return 0;
}
