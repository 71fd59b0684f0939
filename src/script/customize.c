/* virt-customize on the session's overlay, in its sandbox. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/text.h"
#include "script/work.h"
#include "sys/file.h"
#include "vm/accel.h"
#include "vm/script_customize.h"

enum {
	PROGRAMS_MAX = 12, /* a descriptor each */
	ERRORS_MAX = 16 * 1024,
	WORD_MAX = 160,
};

/* Below dir_service, where the service may write. */
#define CACHE "libguestfs"

/* Text in anonymous memory: a descriptor, or -1. */
static int hold(const struct buf *text, struct err *e)
{
	AUTO_CLOSE int fd = memfd_create("script", MFD_CLOEXEC);

	if (fd < 0 || file_write_all(fd, buf_str(text), text->len) < 0)
		return err_sys(e, "memfd_create");
	return TAKE_FD(fd);
}

/* All that libguestfs's programs have written goes to the log, and their first
 * error is for people: unless a secret may be in it.  That cannot be seen in
 * the words: they quote lines in which the password is quoted already. */
static int say(const struct work *w, const char *what, struct buf *words,
	       struct err *e)
{
	char *text = words->len && !w->secret ? words->data : NULL;
	const char *line;
	size_t len;

	for (char *c = text; c && *c; c++)
		if (*c != '\n' && (*c < ' ' || *c > '~'))
			*c = '?';
	line = text ? strstr(text, "error: ") : NULL;
	if (text)
		fprintf(stderr, "%s\n", text);
	if (!line)
		return err_set(e, ERR_INPUT, "%s", what);
	line += strlen("error: ");
	len = strcspn(line, "\n");
	return err_set(e, ERR_INPUT, "%s: %.*s", what,
		       (int)(len < WORD_MAX ? len : WORD_MAX), line);
}

/* ---- libguestfs's appliance ---- */

static bool is_complete(const char *dir)
{
	static const char *const files[] = { "kernel", "initrd", "root",
					     "README.fixed" };
	bool complete = true;

	for (size_t i = 0; i < ARRAY_LEN(files) && complete; i++) {
		AUTO_FREE char *path = file_join(dir, files[i]);

		complete = path && access(path, R_OK) == 0;
	}
	return complete;
}

/*
 * Made once, from this host's own programs and kernel, without any guest's
 * disk in it; so outside of the sandbox.
 */
static int make_appliance(struct work *w, const char *dir, bool kvm,
			  struct err *e)
{
	AUTO_FREE char *program = child_find_program(
		"libguestfs-make-fixed-appliance", e);
	AUTO_FREE char *part = NULL;
	AUTO_FREE char *tmp = NULL;
	AUTO_BUF struct buf words = BUF_INIT(ERRORS_MAX);
	AUTO_ARGV struct argv argv = { 0 };
	struct child c = CHILD_INIT;
	const char *env[4] = { "LIBGUESTFS_BACKEND=direct" };
	int status;

	if (!program)
		return err_set(e, ERR_INPUT,
			       "need libguestfs-tools, which is not installed "
			       "on the server");
	if (asprintf(&part, "%s.part", dir) < 0 ||
	    asprintf(&tmp, "TMPDIR=%s/" CACHE, w->config.dir_service) < 0)
		return err_set(e, ERR_SYSTEM, "no memory");
	env[1] = tmp;
	env[2] = kvm ? NULL : "LIBGUESTFS_BACKEND_SETTINGS=force_tcg";
	if (file_remove_tree(AT_FDCWD, part, e) < 0)
		return -1;
	argv_add(&argv, program);
	argv_add(&argv, part);
	c.argv = &argv;
	c.env = env;
	if (child_run(&c, NULL, NULL, &words,
		      (int)w->config.config_script_timeout * 1000, &status,
		      e) < 0)
		return -1;
	if (status != 0 || rename(part, dir) < 0)
		return say(w, "need libguestfs's appliance, which could not be "
			      "made",
			   &words, e);
	return 0;
}

static int have_appliance(struct work *w, const char *dir, bool kvm,
			  struct err *e)
{
	AUTO_FREE char *above = file_join(w->config.dir_service, CACHE);
	AUTO_FREE char *name = NULL;
	AUTO_CLOSE int lock = -1;

	if (is_complete(dir))
		return 0;
	if (above)
		(void)mkdir(above, 0700); /* if it fails, so does the lock */
	if (asprintf(&name, "%s.lock", dir) < 0) {
		name = NULL;
		return err_set(e, ERR_SYSTEM, "no memory");
	}
	lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (lock < 0)
		return err_set(e, ERR_INPUT,
			       "need libguestfs's appliance, which cannot be "
			       "made in %.200s: %s",
			       dir, strerror(errno));
	while (flock(lock, LOCK_EX) < 0)
		if (errno != EINTR)
			return err_sys(e, "%s", name);
	if (is_complete(dir))
		return 0;
	return make_appliance(w, dir, kvm, e);
}

/* ---- The run ---- */

/* A memfd for each program, and a line that names it, in front of *lines. */
static int hold_programs(struct work *w, int *fds, struct buf *lines,
			 struct err *e)
{
	if (w->cloud_init)
		return 0;
	if (w->count > PROGRAMS_MAX)
		return err_set(e, ERR_INPUT,
			       "are more than the %d that a machine without "
			       "cloud-init takes",
			       PROGRAMS_MAX);
	for (size_t i = 0; i < w->count; i++) {
		fds[i] = hold(&w->programs[i], e);
		if (fds[i] < 0)
			return -1;
		buf_printf(lines, "firstboot /proc/self/fd/%d\n", fds[i]);
	}
	return 0;
}

static int run(struct work *w, const struct customize *how, const int *fds,
	       size_t count, struct err *e)
{
	AUTO_BUF struct buf words = BUF_INIT(ERRORS_MAX);
	AUTO_ARGV struct argv argv = { 0 };
	struct child c = CHILD_INIT;
	int status;

	script_customize_command(how, &argv);
	c.argv = &argv;
	c.keep = fds;
	c.keep_count = count;
	c.env = script_customize_environment(how->kvm);
	c.home = "/tmp";
	if (child_run(&c, NULL, NULL, &words,
		      (int)w->config.config_script_timeout * 1000, &status,
		      e) < 0) {
		if (e->code == ERR_TIMEOUT)
			return err_set(e, ERR_INPUT,
				       "were not in place in time");
		return -1;
	}
	return status == 0 ? 0 :
			     say(w, "could not be put into the machine's disk",
				 &words, e);
}

static int customize(struct work *w, struct customize *how, int *fds,
		     struct err *e)
{
	AUTO_BUF struct buf lines = BUF_INIT(WORK_LINES_MAX);
	size_t count = w->cloud_init ? 0 : w->count;

	buf_add(&lines, buf_str(&w->lines), w->lines.len);
	if (hold_programs(w, fds, &lines, e) < 0)
		return -1;
	if (buf_failed(&lines))
		return err_set(e, ERR_SYSTEM, "no memory");
	how->commands = fds[count] = hold(&lines, e);
	return how->commands < 0 ? -1 : run(w, how, fds, count + 1, e);
}

int work_customize(struct work *w, struct err *e)
{
	AUTO_FREE char *bwrap = child_find_program("bwrap", e);
	AUTO_FREE char *tool = child_find_program("virt-customize", e);
	AUTO_FREE char *appliance = file_join(w->config.dir_service,
					      CACHE "/appliance");
	AUTO_FREE char *image = file_join(w->config.dir_machines,
					  w->session.machine);
	AUTO_FREE char *overlay = store_overlay_path(&w->store,
						     w->session.name);
	struct customize how = {
		.bwrap = bwrap,
		.virt_customize = tool,
		.overlay = overlay,
		.image = image,
		.appliance = appliance,
		.kvm = accel_use_kvm(&w->config, &w->store),
		.files = &w->files,
	};
	int fds[PROGRAMS_MAX + 1];
	int result;

	if (!bwrap || !tool)
		return err_set(e, ERR_INPUT,
			       "need virt-customize and bubblewrap, which are "
			       "not installed on the server");
	if (!appliance || !image || !overlay)
		return err_set(e, ERR_SYSTEM, "no memory");
	if (have_appliance(w, appliance, how.kvm, e) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		fds[i] = -1;
	result = customize(w, &how, fds, e);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	return result;
}
