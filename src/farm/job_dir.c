#include "farm/job_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/text.h"
#include "sys/file.h"
#include "sys/json.h"

enum {
	FILE_MAX = 64 * 1024,
	SCRIPT_MAX = 128 * 1024,
	HOST_SIZE = 256,
	WHOSE_MAX = 8192,
	PASSES = 10,
};

void job_dir_whose(const char *store, struct buf *ret)
{
	char host[HOST_SIZE] = "";

	if (gethostname(host, sizeof(host) - 1) < 0)
		host[0] = '\0';
	buf_printf(ret, "%s:%s\n", host, store);
}

int job_dir_make(const struct config *c, const char *store, const char *name,
		 char **ret_path, struct err *e)
{
	AUTO_FREE char *path = file_join(c->dir_slurm, name);
	AUTO_BUF struct buf host = BUF_INIT(WHOSE_MAX);
	int fd;

	if (!path)
		return err_set(e, ERR_SYSTEM, "no memory");
	if (file_make_dirs(c->dir_slurm, 0700, e) < 0)
		return -1;
	if (mkdir(path, 0700) < 0)
		return errno == EEXIST ?
			       err_set(e, ERR_CONFLICT, "%s is there already",
				       path) :
			       err_sys(e, "cannot make %s", path);
	fd = job_dir_open(path, geteuid(), e);
	if (fd < 0)
		return -1;
	job_dir_whose(store, &host);
	if (file_replace(fd, "host", buf_str(&host), host.len, 0600, false, e) <
	    0) {
		close(fd);
		return -1;
	}
	*ret_path = TAKE(path);
	return fd;
}

bool job_dir_is_ours(int dir, const char *store)
{
	AUTO_BUF struct buf text = BUF_INIT(WHOSE_MAX);
	AUTO_BUF struct buf host = BUF_INIT(WHOSE_MAX);
	struct err ignored = ERR_INIT;

	job_dir_whose(store, &host);
	return file_read(dir, "host", false, &text, &ignored) == 0 &&
	       strcmp(buf_str(&text), buf_str(&host)) == 0;
}

/* Private to its user, or his with a group that reads. */
static bool is_closed(const struct stat *st)
{
	return !(st->st_mode & 077) ||
	       ((st->st_mode & S_ISGID) && !(st->st_mode & 027));
}

int job_dir_open(const char *path, uid_t user, struct err *e)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
					       O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return errno == ENOENT ?
			       err_set(e, ERR_NOT_FOUND, "%s is gone", path) :
			       err_sys(e, "cannot open %s", path);
	if (fstat(fd, &st) < 0)
		return err_sys(e, "cannot look at %s", path);
	if (st.st_uid != user || !is_closed(&st))
		return err_set(e, ERR_DAMAGED, "%s is not private to its user",
			       path);
	return TAKE_FD(fd);
}

static bool is_not_host(int dirfd, const char *name, const void *arg)
{
	(void)dirfd;
	(void)arg;
	return strcmp(name, "host") != 0;
}

/*
 * What says whose it is goes last, or the next purge would not know that it is
 * ours.  NFS keeps what is removed while a process here has it open, by another
 * name, so it is looked again whether anything came.
 */
static int remove_one(int jobs, const char *name, struct err *e)
{
	size_t count = 1;

	/* Who writes there all the time does not keep us. */
	for (int passes = 0; count > 0 && passes < PASSES; passes++) {
		int dir = openat(jobs, name,
				 O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
					 O_CLOEXEC);

		if (dir < 0)
			break; /* gone, or to be removed without a look */
		if (file_remove_those(dir, is_not_host, NULL, &count, e) < 0)
			return -1;
	}
	return file_remove_tree(jobs, name, e);
}

int job_dir_remove(int jobs, const char *name, struct err *e)
{
	enum { TRIES = 20, PAUSE_MS = 50 };

	for (int tries = 1; tries < TRIES; tries++) {
		struct err ignored = ERR_INIT;

		if (remove_one(jobs, name, &ignored) == 0)
			return 0;
		poll(NULL, 0, PAUSE_MS);
	}
	return remove_one(jobs, name, e);
}

/*
 * NFS asks its server again where a directory is opened (close-to-open, nfs(5));
 * of what it has looked up, or has not found, it otherwise believes for up to a
 * minute that it is as it was (acdirmin, acdirmax).
 */
bool job_dir_is_there(const char *path, int dir)
{
	AUTO_CLOSE int now = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
						O_CLOEXEC);
	struct stat here;
	struct stat there;

	if (now < 0 || fstat(now, &there) < 0)
		return errno != ENOENT && errno != ESTALE &&
		       errno != ENOTDIR && errno != ELOOP;
	return fstat(dir, &here) < 0 ? errno != ESTALE :
				       here.st_ino == there.st_ino;
}

static int write_json(int dir, const char *name, unsigned mode, json_t *value,
		      struct err *e)
{
	AUTO_JSON json_t *owned = value;
	AUTO_FREE char *text = json_text(owned);

	if (!text)
		return err_set(e, ERR_SYSTEM, "no memory");
	return file_replace(dir, name, text, strlen(text), mode, false, e);
}

static json_t *read_json(int dir, const char *name, struct err *e)
{
	AUTO_BUF struct buf text = BUF_INIT(FILE_MAX);
	json_t *value;

	if (file_read(dir, name, false, &text, e) < 0)
		return NULL;
	value = json_parse_object(buf_str(&text), text.len, e);
	if (!value)
		err_prefix(e, "%s", name);
	return value;
}

static int write_config(int dir, const struct config *c, struct err *e)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	int result;

	if (!out)
		return err_sys(e, "no memory");
	config_print(c, false, out);
	if (fclose(out) != 0) {
		free(text);
		return err_set(e, ERR_SYSTEM, "no memory");
	}
	result = file_replace(dir, "config", text, len, 0600, false, e);
	free(text);
	return result;
}

int job_dir_copy_script(int from, int to, struct err *e)
{
	char piece[8192];
	off_t at = 0;
	ssize_t got;

	while ((got = pread(from, piece, sizeof(piece), at)) > 0) {
		if (file_write_all(to, piece, (size_t)got) < 0)
			return err_sys(e, "cannot write the boot script");
		at += got;
		if (at > SCRIPT_MAX)
			return err_set(e, ERR_TOO_LARGE,
				       "a boot script of over %d bytes",
				       SCRIPT_MAX);
	}
	return got < 0 ? err_sys(e, "cannot read the boot script") : 0;
}

static int write_script(int dir, int script, struct err *e)
{
	AUTO_CLOSE int to = openat(dir, "script",
				   O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW |
					   O_CLOEXEC,
				   0600);

	return to < 0 ? err_sys(e, "cannot make the boot script") :
			job_dir_copy_script(script, to, e);
}

int job_dir_open_script(int dir, struct err *e)
{
	AUTO_CLOSE int from = openat(dir, "script",
				     O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	AUTO_CLOSE int to = -1;

	if (from < 0)
		return errno == ENOENT ?
			       0 :
			       err_sys(e, "cannot open the boot script");
	to = memfd_create("order", MFD_CLOEXEC);
	if (to < 0)
		return err_sys(e, "memfd_create");
	if (job_dir_copy_script(from, to, e) < 0)
		return -1;
	if (lseek(to, 0, SEEK_SET) < 0)
		return err_sys(e, "lseek");
	return TAKE_FD(to);
}

int job_dir_write_order(int dir, const struct config *c,
			const struct job_order *order, int script,
			struct err *e)
{
	if (write_config(dir, c, e) < 0 ||
	    (script >= 0 && write_script(dir, script, e) < 0))
		return -1;
	return write_json(dir, "order", 0600, job_order_value(order), e);
}

json_t *job_order_value(const struct job_order *order)
{
	return json_pack("{si so sI ss}", "version", 1, "session",
			 session_to_record(&order->session), "lifetime_s",
			 (json_int_t)order->lifetime_s, "certificate",
			 order->certificate);
}

static int get_version(const json_t *value, struct err *e)
{
	long long version;

	return json_get_int(value, "version", 1, 1, &version, e);
}

static int get_certificate(const json_t *value,
			   char ret[JOB_CERTIFICATE_SIZE], struct err *e)
{
	const char *text;

	if (json_get_string(value, "certificate", JOB_CERTIFICATE_SIZE - 1,
			    &text, e) < 0)
		return -1;
	memcpy(ret, text, strlen(text) + 1);
	return 0;
}

int job_order_read(const json_t *value, struct job_order *ret, struct err *e)
{
	if (get_version(value, e) < 0 ||
	    session_from_record(json_object_get(value, "session"),
				&ret->session, e) < 0 ||
	    json_get_int(value, "lifetime_s", 0, 1LL << 40, &ret->lifetime_s,
			 e) < 0)
		return -1;
	return get_certificate(value, ret->certificate, e);
}

int job_dir_read_order(int dir, struct job_order *ret, struct err *e)
{
	AUTO_JSON json_t *value = read_json(dir, "order", e);

	return value ? job_order_read(value, ret, e) : -1;
}

json_t *job_wish_value(const struct job_wish *wish)
{
	return json_pack("{si sb sb ss sI}", "version", 1, "stop",
			 (int)wish->stop, "now", (int)wish->now, "who",
			 wish->who, "ends", (json_int_t)wish->ends);
}

int job_dir_write_wish(int dir, const struct job_wish *wish, struct err *e)
{
	return write_json(dir, "wish", 0600, job_wish_value(wish), e);
}

int job_wish_read(const json_t *value, struct job_wish *ret, struct err *e)
{
	const char *who;

	if (get_version(value, e) < 0 ||
	    json_get_bool(value, "stop", &ret->stop, e) < 0 ||
	    json_get_bool(value, "now", &ret->now, e) < 0 ||
	    json_get_int(value, "ends", 0, 1LL << 40, &ret->ends, e) < 0 ||
	    json_get_string(value, "who", SESSION_USER_SIZE - 1, &who, e) < 0)
		return -1;
	memcpy(ret->who, who, strlen(who) + 1);
	return 0;
}

int job_dir_read_wish(int dir, struct job_wish *ret, struct err *e)
{
	AUTO_JSON json_t *value = read_json(dir, "wish", e);

	return value ? job_wish_read(value, ret, e) : -1;
}

int job_dir_claim(int dir, long long job, const char *node, struct err *e)
{
	AUTO_CLOSE int fd = openat(dir, "claim",
				   O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW |
					   O_CLOEXEC,
				   0600);

	if (fd < 0)
		return errno == EEXIST ?
			       err_set(e, ERR_CONFLICT,
				       "a job has run this session before: "
				       "nothing is started a second time") :
			       err_sys(e, "cannot make the claim");
	return dprintf(fd, "%lld %s\n", job, node) < 0 ?
		       err_sys(e, "cannot write the claim") :
		       0;
}

int job_dir_write_mark(int dir, const struct job_mark *mark, struct err *e)
{
	struct stat st;
	bool is_read = fstat(dir, &st) == 0 && (st.st_mode & S_ISGID);

	return write_json(dir, "mark", is_read ? 0640 : 0600,
			  json_pack("{si sI ss sI sI ss so}", "version", 1,
				    "job", (json_int_t)mark->job, "node",
				    mark->node, "port", (json_int_t)mark->port,
				    "left_ms", (json_int_t)mark->left_ms,
				    "certificate", mark->certificate, "session",
				    session_to_record(&mark->session)),
			  e);
}

static int get_mark(const json_t *value, struct job_mark *ret, struct err *e)
{
	const char *node;

	if (get_version(value, e) < 0 ||
	    json_get_int(value, "job", 1, 1LL << 31, &ret->job, e) < 0 ||
	    json_get_int(value, "port", 0, 65535, &ret->port, e) < 0 ||
	    json_get_int(value, "left_ms", 0, 1LL << 50, &ret->left_ms, e) <
		    0 ||
	    json_get_string(value, "node", SESSION_NODE_SIZE - 1, &node, e) <
		    0 ||
	    get_certificate(value, ret->certificate, e) < 0)
		return -1;
	if (!text_only(node, "-._"))
		return err_set(e, ERR_DAMAGED, "node: not a node's name");
	memcpy(ret->node, node, strlen(node) + 1);
	if (session_from_record(json_object_get(value, "session"),
				&ret->session, e) < 0)
		return -1;
	if (text_has_control(ret->session.reason) ||
	    text_has_control(ret->session.notice) ||
	    text_has_control(ret->session.network))
		return err_set(e, ERR_DAMAGED, "session: control characters");
	return 0;
}

int job_mark_parse(const char *text, size_t len, struct job_mark *ret,
		   struct err *e)
{
	AUTO_JSON json_t *value = json_parse_object(text, len, e);

	return value ? get_mark(value, ret, e) : -1;
}

int job_dir_read_mark(int dir, struct job_mark *ret, struct err *e)
{
	/* The node has made it: see job_dir_is_there(). */
	AUTO_CLOSE int now = openat(dir, ".",
				    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_JSON json_t *value = read_json(now < 0 ? dir : now, "mark", e);

	return value ? get_mark(value, ret, e) : -1;
}
