/* What some machines have beside QEMU: UEFI firmware, a TPM, volumes. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/log.h"
#include "run/guest_parts.h"
#include "session/gpu_lease.h"
#include "sys/file.h"
#include "vm/tpm.h"

int guest_firmware(struct owner *o, struct firmware *ret, struct err *e)
{
	*ret = (struct firmware){ .code = NULL };
	if (!firmware_is_uefi(&o->s))
		return 0;
	if (firmware_find(&o->s, ret, e) < 0 ||
	    firmware_copy_vars(ret->vars, o->dir, "vm/vars", e) < 0) {
		owner_fail(o, "This machine starts by UEFI, and its firmware "
			      "is not installed on the server.");
		return -1;
	}
	return 0;
}

static int start_tpm(struct owner *o, const char *bwrap, const char *dir,
		     int fd, struct err *e)
{
	AUTO_FREE char *swtpm = child_find_program("swtpm", e);
	AUTO_ARGV struct argv argv = { 0 };
	struct child c = CHILD_INIT;

	if (!swtpm)
		return -1;
	tpm_command(&(struct tpm){ bwrap, swtpm, dir, fd }, &argv);
	c.argv = &argv;
	c.err = o->said_write;
	c.keep = &fd;
	c.keep_count = 1;
	o->tpm = child_start(&c, e);
	if (o->tpm > 0)
		return 0;
	o->tpm = 0;
	return -1;
}

int guest_tpm(struct owner *o, const char *bwrap, int *ret_fd, struct err *e)
{
	AUTO_FREE char *dir = file_join(o->dir_path, "tpm");
	int ends[2] = { -1, -1 };

	*ret_fd = -1;
	if (!o->s.tpm)
		return 0;
	child_end(&o->tpm, false);
	if (!dir)
		return err_set(e, ERR_SYSTEM, "no memory");
	if ((mkdirat(o->dir, "tpm", 0700) < 0 && errno != EEXIST) ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return err_sys(e, "cannot prepare the TPM");
	if (start_tpm(o, bwrap, dir, ends[1], e) < 0) {
		close(ends[0]);
		close(ends[1]);
		owner_fail(o, "This machine has a TPM, and swtpm, which is "
			      "that, cannot be started on the server.");
		return -1;
	}
	close(ends[1]);
	*ret_fd = ends[0];
	return 0;
}

/*
 * Open the directory.  Behind the user's name no link is followed: what is
 * there is the user's, and must not lead to somebody else's.
 */
static int open_volume(const struct mount *m, struct err *e)
{
	AUTO_FREE char *path = strdup(m->path);
	AUTO_CLOSE int fd = -1;
	char *rest;

	if (!path)
		return err_set(e, ERR_SYSTEM, "no memory");
	if (!m->fixed) {
		fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		return fd < 0 ? err_sys(e, "%s", path) : TAKE_FD(fd);
	}
	rest = path + m->fixed;
	rest[-1] = '\0';
	fd = open(m->fixed > 1 ? path : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (char *word = strsep(&rest, "/"); word && fd >= 0;
	     word = strsep(&rest, "/")) {
		int next = openat(fd, word, O_PATH | O_DIRECTORY | O_NOFOLLOW |
						    O_CLOEXEC);

		close(fd);
		fd = next;
	}
	return fd < 0 ? err_sys(e, "%s", m->path) : TAKE_FD(fd);
}

int guest_mounts(struct owner *o, struct mounts *ret, struct err *e)
{
	char sentence[200];

	if (mounts_parse(o->s.mounts, o->s.user, ret, e) < 0)
		return -1;
	if (ret->count && !o->sandboxed) {
		owner_fail(o, "This machine has volumes, which the server "
			      "cannot give it: it lets no user namespace be "
			      "made.");
		return err_set(e, ERR_CONFIG, "volumes need the sandbox");
	}
	for (size_t i = 0; i < ret->count; i++) {
		ret->list[i].fd = open_volume(&ret->list[i], e);
		if (ret->list[i].fd >= 0)
			continue;
		snprintf(sentence, sizeof(sentence),
			 "The volume %s of this machine is not there. Tell "
			 "the administrator.",
			 ret->list[i].tag);
		owner_fail(o, sentence);
		return err_prefix(e, "volume");
	}
	return 0;
}

/* The card pins all of the guest's memory. */
static int allow_memory(const struct session *s, struct err *e)
{
	rlim_t need = ((rlim_t)s->memory_mb + 512) << 20;
	struct rlimit limit;

	if (getrlimit(RLIMIT_MEMLOCK, &limit) < 0)
		return err_sys(e, "getrlimit");
	if (limit.rlim_cur >= need)
		return 0;
	limit.rlim_cur = limit.rlim_max;
	if (limit.rlim_max >= need && setrlimit(RLIMIT_MEMLOCK, &limit) == 0)
		return 0;
	return err_set(e, ERR_CONFIG,
		       "the limit of locked memory is %llu MB, and a guest of "
		       "%lld MB with a graphics card needs more; run qwdctl "
		       "gpu VENDOR:DEVICE",
		       (unsigned long long)(limit.rlim_max >> 20),
		       s->memory_mb);
}

static int find_gpu(struct owner *o, struct gpu *ret, struct err *e)
{
	AUTO_FREE char *device = NULL;
	struct gpu_list all;
	const struct gpu *gpu;

	if (gpu_scan(o->config.dir_sysfs, o->config.gpu_blacklist, &all, e) <
	    0)
		return -1;
	gpu = gpu_find(&all, o->s.gpu);
	if (!gpu)
		return err_set(e, ERR_CONFIG, "graphics card %s is gone",
			       o->s.gpu);
	if (gpu->problem[0])
		return err_set(e, ERR_CONFIG, "graphics card %s: %s",
			       o->s.gpu, gpu->problem);
	if (asprintf(&device, "/dev/vfio/%s", gpu->group) < 0) {
		device = NULL;
		return err_set(e, ERR_SYSTEM, "no memory");
	}
	if (access(device, R_OK | W_OK) < 0)
		return err_sys(e, "graphics card %s: %s", o->s.gpu, device);
	*ret = *gpu;
	return 0;
}

int guest_gpu(struct owner *o, struct gpu *ret, bool *ret_has, struct err *e)
{
	*ret_has = o->s.gpu[0] != '\0';
	if (!*ret_has)
		return 0;
	if (o->gpu_fd < 0)
		o->gpu_fd = gpu_lease_take(&o->st, o->s.gpu, e);
	if (o->gpu_fd < 0) {
		owner_fail(o, "The graphics card is taken by another session.");
		return -1;
	}
	if (find_gpu(o, ret, e) < 0) {
		owner_fail(o, "The graphics card of this machine cannot be "
			      "used. Tell the administrator, or start the "
			      "machine without one.");
		return -1;
	}
	if (allow_memory(&o->s, e) == 0)
		return 0;
	owner_fail(o, "The server may not lock as much memory as this machine "
		      "needs with a graphics card. Ask for less memory, or "
		      "tell the administrator.");
	return -1;
}
