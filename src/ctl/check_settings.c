/* What the machines want beside their images: is it there? */
#include "ctl/check.h"

#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "conf/mounts.h"
#include "sys/child.h"
#include "vm/firmware.h"
#include "vm/qemu.h"

enum { HELP_MS = 10000 };

/* The machine's settings, as a session has them. */
static struct session session_of(const struct machine *m)
{
	struct session s = { .name = "" };

	snprintf(s.firmware, sizeof(s.firmware), "%s", m->firmware);
	snprintf(s.arch, sizeof(s.arch), "%s", m->arch);
	(void)!text_bool(m->tpm, &s.tpm);
	return s;
}

static void check_programs(struct check *k, const struct machine *m)
{
	struct session s = session_of(m);
	struct firmware firmware;
	struct err e = ERR_INIT;
	AUTO_FREE char *qemu = qemu_program(k->config, s.arch, &e);
	AUTO_FREE char *swtpm = s.tpm ? child_find_program("swtpm", &e) : NULL;

	if (!qemu && !qemu_is_native(s.arch))
		check_say(k, CHECK_ERROR,
			  "machine %s: there is no qemu-system-%s; apt install "
			  "%s",
			  m->name, s.arch,
			  strcmp(s.arch, "aarch64") == 0 ? "qemu-system-arm" :
							   "qemu-system-x86");
	if (firmware_is_uefi(&s) && firmware_find(&s, &firmware, &e) < 0)
		check_say(k, CHECK_ERROR, "machine %s: %s", m->name, e.msg);
	if (s.tpm && !swtpm)
		check_say(k, CHECK_ERROR,
			  "machine %s: there is no swtpm for its TPM; apt "
			  "install swtpm",
			  m->name);
}

/* Of a path with the user's name in it only the part before can be looked
 * at.  True if there are volumes. */
static bool check_mounts(struct check *k, const char *whose, const char *text)
{
	struct mounts mounts;
	struct err e = ERR_INIT;
	struct stat st;

	if (!*text || strcmp(text, "none") == 0 ||
	    mounts_parse(text, "user", &mounts, &e) < 0)
		return false;
	for (size_t i = 0; i < mounts.count; i++) {
		struct mount *m = &mounts.list[i];

		if (m->fixed)
			m->path[m->fixed] = '\0';
		if (stat(m->path, &st) < 0 || !S_ISDIR(st.st_mode))
			check_say(k, CHECK_ERROR,
				  "%s: the volume %s is no directory; mount or "
				  "make it, or take it off the list",
				  whose, m->path);
	}
	return mounts.count > 0;
}

/* A volume is bound by the descriptor that was looked at (vm/sandbox.h). */
static void check_bubblewrap(struct check *k)
{
	AUTO_BUF struct buf help = BUF_INIT(65536);
	AUTO_ARGV struct argv argv = { .list = NULL };
	struct child child = CHILD_INIT;
	struct err e = ERR_INIT;
	AUTO_FREE char *bwrap = child_find_program("bwrap", &e);
	int status;

	if (!bwrap) /* which is told elsewhere */
		return;
	argv_add(&argv, bwrap);
	argv_add(&argv, "--help");
	child.argv = &argv;
	if (child_run(&child, NULL, &help, NULL, HELP_MS, &status, &e) < 0 ||
	    !strstr(buf_str(&help), "--ro-bind-fd"))
		check_say(k, CHECK_ERROR,
			  "%s has no --bind-fd, so that machines with volumes "
			  "do not start; apt install bubblewrap (0.8.0-2"
			  "+deb12u1 or later), or take the volumes away",
			  bwrap);
	else
		check_say(k, CHECK_OK, "%s can bind volumes", bwrap);
}

void check_settings(struct check *k, const struct machines *m)
{
	bool volumes = check_mounts(k, "dir_mounts", k->config->dir_mounts);

	for (size_t i = 0; i < m->count; i++) {
		AUTO_FREE char *whose = NULL;

		check_programs(k, &m->list[i]);
		if (asprintf(&whose, "machine %s", m->list[i].name) > 0)
			volumes |= check_mounts(k, whose, m->list[i].mounts);
	}
	if (volumes)
		check_bubblewrap(k);
}
