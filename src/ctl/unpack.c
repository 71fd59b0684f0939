#include "ctl/unpack.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>

#include "base/text.h"
#include "ctl/unpack_exit.h"
#include "sys/child.h"

enum {
	LOOK_MS = 200, /* how soon a stop is seen */
	WORDS_MAX = 4096,
};

/* The name at the end of a url's path, without query and fragment. */
static size_t last_name(const char *url, const char **ret)
{
	size_t len = strcspn(url, "?#");
	size_t start = len;

	while (start && url[start - 1] != '/')
		start--;
	*ret = url + start;
	return len - start;
}

static bool ends_with(const char *text, size_t len, const char *ending)
{
	size_t size = strlen(ending);

	return len > size && memcmp(text + len - size, ending, size) == 0;
}

enum packing unpack_kind(const char *url, const char *name)
{
	static const char *const streams[] = { ".gz", ".xz", ".zst", ".bz2" };
	const char *last;
	size_t len = last_name(url, &last);

	for (size_t i = 0; i < ARRAY_LEN(streams); i++)
		if (ends_with(last, len, streams[i]) &&
		    !text_ends(name, streams[i]))
			return PACKED_STREAM;
	if (ends_with(last, len, ".ova") && !text_ends(name, ".ova"))
		return PACKED_OVA;
	return PACKED_NOT;
}

/* ---- The sandbox ---- */

/* bubblewrap(1) with the system's programs and libraries, and nothing else. */
static int add_box(struct argv *a, struct err *e)
{
	static const char *const fixed[] = {
		"--unshare-all",   "--die-with-parent", "--new-session",
		"--cap-drop",      "ALL",		"--ro-bind",
		"/usr",		   "/usr",		"--symlink",
		"usr/lib",	   "/lib",		"--symlink",
		"usr/lib64",	   "/lib64",		"--symlink",
		"usr/bin",	   "/bin",		"--ro-bind-try",
		"/etc/ld.so.cache", "/etc/ld.so.cache", "--proc", "/proc",
	};
	AUTO_FREE char *bwrap = child_find_program("bwrap", e);

	if (!bwrap)
		return -1;
	argv_add(a, bwrap);
	for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
		argv_add(a, fixed[i]);
	return 0;
}

static void add_file(struct argv *a, const char *how, int fd, const char *path)
{
	argv_add(a, how);
	argv_addf(a, "/proc/self/fd/%d", fd);
	argv_add(a, path);
}

/* ---- Running a worker ---- */

/* How the wait for a worker ends. */
enum over { OVER_ENDED, OVER_STOPPED, OVER_LET_GO };

/* Read what it complains of until it has closed its end. */
static enum over listen_to(int fd, int held, struct buf *words,
			   const volatile sig_atomic_t *stop)
{
	struct pollfd p[] = { { .fd = fd, .events = POLLIN },
			      { .fd = held } };

	while (!*stop) {
		char piece[1024];
		ssize_t got;

		if (poll(p, ARRAY_LEN(p), LOOK_MS) <= 0)
			continue;
		if (p[1].revents)
			return OVER_LET_GO;
		got = read(fd, piece, sizeof(piece));
		if (got <= 0)
			return OVER_ENDED;
		if (words->len + (size_t)got <= words->max)
			buf_add(words, piece, (size_t)got);
	}
	return OVER_STOPPED;
}

/* Its last line, fit for a terminal. */
static const char *last_words(struct buf *words)
{
	char *text = text_trim(words->data ? words->data : (char[]){ "" });
	char *line = strrchr(text, '\n');

	if (line)
		text = line + 1;
	for (char *c = text; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	return text;
}

static int judge(int status, struct buf *words, long long max, struct err *e)
{
	const char *said = last_words(words);

	if (status == 0)
		return 0;
	if (status == UNPACK_TOO_LARGE)
		return err_set(e, ERR_TOO_LARGE,
			       "is larger than the %lld MB that fit, once it "
			       "is unpacked",
			       max / 1000000);
	return err_set(e, ERR_CONFIG, "cannot be unpacked: %.200s",
		       *said ? said : "the program for it failed");
}

static int run(struct child *c, int held, long long max,
	       const volatile sig_atomic_t *stop, struct err *e)
{
	AUTO_BUF struct buf words = BUF_INIT(WORDS_MAX);
	AUTO_CLOSE int ours = -1;
	enum over over;
	int status = 0;
	int said[2];
	pid_t pid;

	if (pipe2(said, O_CLOEXEC) < 0)
		return err_sys(e, "pipe");
	ours = said[0];
	c->err = said[1];
	c->max_file = (unsigned long long)max;
	pid = child_start(c, e);
	close(said[1]);
	if (pid < 0)
		return -1;
	over = listen_to(ours, held, &words, stop);
	if (over != OVER_ENDED) {
		child_end(&pid, false);
		return err_set(e, ERR_CONFLICT, "%s",
			       over == OVER_STOPPED ?
				       "interrupted" :
				       "it has ended meanwhile");
	}
	/* Its end of the pipe is closed: it is ending, or has. */
	while (!child_reaped(pid, false, &status))
		poll(NULL, 0, 5);
	return judge(status, &words, max, e);
}

int unpack_file(enum packing packing, int from, int to, long long max,
		const volatile sig_atomic_t *stop, struct err *e)
{
	AUTO_ARGV struct argv argv = { 0 };
	struct child c = CHILD_INIT;
	AUTO_CLOSE int self = open("/proc/self/exe", O_PATH);
	int keep[] = { self };

	if (self < 0 || lseek(from, 0, SEEK_SET) < 0)
		return err_sys(e, "cannot be unpacked");
	if (add_box(&argv, e) < 0)
		return -1;
	add_file(&argv, "--ro-bind", self, "/worker");
	argv_add(&argv, "/worker");
	argv_add(&argv, "unpack-worker");
	argv_add(&argv, packing == PACKED_OVA ? "ova" : "stream");
	argv_addf(&argv, "%lld", max);
	c.argv = &argv;
	c.in = from;
	c.out = to;
	c.keep = keep;
	c.keep_count = ARRAY_LEN(keep);
	return run(&c, -1, max, stop, e);
}

/* Options of -blockdev's kind, in which the paths are ours. */
static void add_disk(struct argv *a, const struct unpack_disk *disk)
{
	if (disk->image < 0)
		argv_add(a, "driver=qcow2,backing=null,file.driver=file,"
			    "file.filename=/overlay");
	else
		argv_addf(a,
			  "driver=qcow2,file.driver=file,"
			  "file.filename=/overlay,backing.driver=%s,"
			  "backing.file.driver=file,"
			  "backing.file.filename=/image",
			  disk->format);
}

int unpack_flatten(const struct unpack_disk *disk, int to, long long max,
		   const volatile sig_atomic_t *stop, struct err *e)
{
	AUTO_FREE char *qemu_img = child_find_program("qemu-img", e);
	AUTO_ARGV struct argv argv = { 0 };
	struct child c = CHILD_INIT;
	int keep[] = { to, disk->overlay, disk->image };

	if (!qemu_img || add_box(&argv, e) < 0)
		return -1;
	add_file(&argv, "--ro-bind", disk->overlay, "/overlay");
	if (disk->image >= 0)
		add_file(&argv, "--ro-bind", disk->image, "/image");
	add_file(&argv, "--bind", to, "/to");
	argv_add(&argv, qemu_img);
	argv_add(&argv, "convert");
	argv_add(&argv, "-q");
	/* Its QEMU stands still, but has it locked. */
	argv_add(&argv, "-U");
	argv_add(&argv, "--image-opts");
	argv_add(&argv, "-O");
	argv_add(&argv, "qcow2");
	add_disk(&argv, disk);
	argv_add(&argv, "/to");
	c.argv = &argv;
	c.keep = keep;
	c.keep_count = disk->image < 0 ? 2 : 3;
	return run(&c, disk->held, max, stop, e);
}

int unpack_convert(int from, int to, long long max,
		   const volatile sig_atomic_t *stop, struct err *e)
{
	AUTO_FREE char *qemu_img = child_find_program("qemu-img", e);
	static const char *const convert[] = {
		"convert", "-q", "-f", "vmdk", "-O", "qcow2", "/from", "/to",
	};
	AUTO_ARGV struct argv argv = { 0 };
	struct child c = CHILD_INIT;
	int keep[] = { from, to };

	if (!qemu_img || add_box(&argv, e) < 0)
		return -1;
	add_file(&argv, "--ro-bind", from, "/from");
	add_file(&argv, "--bind", to, "/to");
	argv_add(&argv, qemu_img);
	for (size_t i = 0; i < ARRAY_LEN(convert); i++)
		argv_add(&argv, convert[i]);
	c.argv = &argv;
	c.keep = keep;
	c.keep_count = ARRAY_LEN(keep);
	return run(&c, -1, max, stop, e);
}
