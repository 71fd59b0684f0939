/* QEMU's start, in its sandbox. */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "run/guest_parts.h"
#include "run/owner_state.h"
#include "sys/file.h"
#include "vm/network.h"
#include "vm/overlay.h"
#include "vm/qemu.h"
#include "vm/sandbox.h"

enum { BOOT_MS = 60 * 1000 }; /* from QEMU's start to a screen */

/* Pipes and socket pair of one QEMU; what is the child's is closed here. */
struct ends {
	int qmp[2];
	int info[2];
	int tpm; /* QEMU's; -1 without one */
	struct mounts mounts; /* open, for bubblewrap */
};

static int open_ends(struct ends *ends, struct err *e)
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends->qmp) < 0)
		return err_sys(e, "socketpair");
	if (pipe2(ends->info, O_CLOEXEC) < 0) {
		close(ends->qmp[0]);
		close(ends->qmp[1]);
		return err_sys(e, "pipe");
	}
	if (fcntl(ends->info[0], F_SETFL, O_NONBLOCK) == 0)
		return 0;
	err_sys(e, "fcntl");
	for (int i = 0; i < 2; i++) {
		close(ends->qmp[i]);
		close(ends->info[i]);
	}
	return -1;
}

/* Everything inside of the sandbox but for QEMU itself. */
static int add_sandbox(struct owner *o, const struct ends *ends,
		       const char *bwrap, struct qemu_place *place,
		       struct mounts *mounts, struct argv *ret, struct err *e)
{
	AUTO_FREE char *resolv = file_join(o->dir_path, "resolv.conf");
	AUTO_FREE char *inner = file_join(o->dir_path, "vm");

	if (!resolv || !inner)
		return err_set(e, ERR_SYSTEM, "no memory");
	sandbox_command(&(struct sandbox){
				.bwrap = bwrap,
				.image = o->image,
				.overlay = o->s.master ? NULL : o->overlay,
				.dir = inner,
				.resolv = resolv,
				.mounts = mounts,
				.gpu = place->gpu,
				.sysfs = o->config.dir_sysfs,
				.info = ends->info[1],
				.kvm = o->s.kvm,
			},
			ret);
	for (size_t i = 0; i < mounts->count; i++)
		snprintf(mounts->list[i].path, sizeof(mounts->list[i].path),
			 SANDBOX_MOUNT "%zu", i);
	place->image = SANDBOX_IMAGE;
	place->overlay = SANDBOX_OVERLAY;
	place->vnc = SANDBOX_VNC;
	place->vars = SANDBOX_DIR "/vars";
	place->gpu_dir = SANDBOX_GPU;
	return 0;
}

static int build_command(struct owner *o, struct ends *ends, struct argv *ret,
			 struct err *e)
{
	AUTO_FREE char *program = qemu_program(&o->config, o->s.arch, e);
	AUTO_FREE char *bwrap = NULL;
	AUTO_FREE char *vnc = file_join(o->dir_path, "vm/vnc");
	AUTO_BUF struct buf netdev = BUF_INIT(100);
	AUTO_BUF struct buf card = BUF_INIT(100);
	AUTO_FREE char *vars = file_join(o->dir_path, "vm/vars");
	struct firmware firmware;
	AUTO_FREE char *gpu_dir = NULL;
	struct gpu gpu;
	bool has_gpu;
	struct qemu_place place = {
		.program = program,
		.image = o->image,
		.overlay = o->overlay,
		.vnc = vnc,
		.vars = vars,
		.qmp = ends->qmp[1],
		.mounts = &ends->mounts,
		.kvm = o->s.kvm,
		.seed = o->seed < 0 ? 0 : o->seed,
	};

	if (!program)
		return -1;
	if (!vnc || !vars)
		return err_set(e, ERR_SYSTEM, "no memory");
	if (o->sandboxed && !(bwrap = child_find_program("bwrap", e)))
		return -1;
	if (guest_mounts(o, &ends->mounts, e) < 0 ||
	    guest_firmware(o, &firmware, e) < 0 ||
	    guest_gpu(o, &gpu, &has_gpu, e) < 0 ||
	    guest_tpm(o, bwrap, &ends->tpm, e) < 0)
		return -1;
	place.firmware = firmware.code;
	place.tpm = ends->tpm;
	place.gpu = has_gpu ? &gpu : NULL;
	gpu_dir = file_join(o->config.dir_sysfs, "bus/pci/devices");
	if (!gpu_dir)
		return err_set(e, ERR_SYSTEM, "no memory");
	place.gpu_dir = gpu_dir;
	if (bwrap) {
		network_netdev(o->s.network, o->tap, &netdev);
		network_card(o->s.network, o->s.name, &card);
		place.netdev = buf_str(&netdev);
		place.card = buf_str(&card);
	}
	if (bwrap &&
	    add_sandbox(o, ends, bwrap, &place, &ends->mounts, ret, e) < 0)
		return -1;
	qemu_command(&o->config, &o->s, &place, ret);
	return 0;
}

static int start_qemu(struct owner *o, struct ends *ends, struct err *e)
{
	AUTO_ARGV struct argv argv = { 0 };
	struct child c = CHILD_INIT;
	int keep[5 + MOUNTS_MAX];
	size_t count = 0;

	if (build_command(o, ends, &argv, e) < 0)
		return -1;
	keep[count++] = ends->qmp[1];
	keep[count++] = ends->info[1];
	if (ends->tpm >= 0)
		keep[count++] = ends->tpm;
	if (o->tap >= 0)
		keep[count++] = o->tap;
	if (o->seed >= 0)
		keep[count++] = o->seed;
	for (size_t i = 0; i < ends->mounts.count; i++)
		keep[count++] = ends->mounts.list[i].fd;
	c.argv = &argv;
	c.err = o->said_write;
	c.keep = keep;
	c.keep_count = count;
	c.max_file = overlay_max_bytes(&o->s);
	o->qemu = child_start(&c, e);
	if (o->qemu > 0)
		return 0;
	o->qemu = 0;
	return -1;
}

static int start(struct owner *o, struct err *e)
{
	struct ends ends = { .tpm = -1, .mounts = { .count = 0 } };
	int result;

	if (open_ends(&ends, e) < 0)
		return -1;
	result = start_qemu(o, &ends, e);
	close(ends.qmp[1]);
	close(ends.info[1]);
	if (ends.tpm >= 0)
		close(ends.tpm);
	for (size_t i = 0; i < ends.mounts.count; i++)
		if (ends.mounts.list[i].fd >= 0)
			close(ends.mounts.list[i].fd);
	o->qmp.fd = ends.qmp[0];
	o->info = ends.info[0];
	return result;
}

/* Forget the QEMU before this one (another accelerator, no sandbox). */
static void reset(struct owner *o)
{
	qmp_release(&o->qmp);
	if (o->info >= 0)
		close(o->info);
	if (o->vnc >= 0)
		close(o->vnc);
	o->info = o->vnc = -1;
	if (o->inside_fd >= 0)
		close(TAKE_FD(o->inside_fd));
	o->inside = 0;
	o->qmp_ready = o->started = o->vnc_greeted = false;
	o->vnc_read = 0;
	guest_network_forget(o);
	buf_reset(&o->info_text);
	buf_reset(&o->words);
	unlinkat(o->dir, "vnc", 0);
	unlinkat(o->dir, "vm/vnc", 0);
}

void guest_start(struct owner *o)
{
	struct err e = ERR_INIT;

	reset(o);
	owner_move(o, SESSION_BOOTING, STEP_QEMU);
	owner_deadline(o, DEADLINE_STEP, BOOT_MS);
	if (!guest_network_prepare(o))
		return;
	if (start(o, &e) < 0) {
		log_error("qemu-start", &e);
		owner_fail(o, e.code == ERR_CONFIG ?
				      "QEMU or its sandbox is not installed on "
				      "the server." :
				      "QEMU could not be started.");
	}
}
