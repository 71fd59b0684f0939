#include "run/owner.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/text.h"
#include "conf/arguments.h"
#include "conf/image.h"
#include "conf/options_slurm.h"
#include "run/control.h"
#include "run/owner_state.h"
#include "run/purge.h"
#include "sys/clock.h"
#include "sys/core.h"
#include "sys/file.h"
#include "sys/memory.h"
#include "vm/accel.h"
#include "vm/network.h"
#include "vm/overlay.h"
#include "vm/qemu.h"

enum { DISK_MS = 120 * 1000 };

void owner_save(struct owner *o)
{
	struct err e = ERR_INIT;

	if (store_write(&o->st, &o->s, &e) < 0)
		log_error("record", &e);
}

void owner_move(struct owner *o, enum session_state state,
		enum session_step step)
{
	if (o->finished || state < o->s.state)
		return;
	o->s.state = state;
	o->s.step = step;
	owner_save(o);
}

void owner_deadline(struct owner *o, enum deadline which, long long ms)
{
	o->deadlines[which] = ms ? clock_boot_ms() + ms : 0;
}

/* Directory and paths: what the session needs around it. */
static int prepare(struct owner *o, struct err *e)
{
	o->dir = file_private_dir(o->st.run, o->s.name, e);
	if (o->dir < 0 || mkdirat(o->dir, "vm", 0700) < 0)
		return err_sys(e, "cannot make the session's directory");
	if (asprintf(&o->dir_path, "%s/run/%s", o->st.path, o->s.name) < 0) {
		o->dir_path = NULL;
		return err_set(e, ERR_SYSTEM, "no memory");
	}
	o->image = file_join(o->config.dir_machines, o->s.machine);
	o->overlay = store_overlay_path(&o->st, o->s.name);
	if (!o->image || !o->overlay)
		return err_set(e, ERR_SYSTEM, "no memory");
	return file_replace(o->dir, "resolv.conf", NETWORK_RESOLV,
			    strlen(NETWORK_RESOLV), 0600, false, e);
}

/* The guest before this one wrote to the image, perhaps after it was looked
 * into for this one: not any more, since we hold it. */
static int check_master(struct owner *o, struct err *e)
{
	struct image image = { .iso = false };
	int result = image_identify(o->image_fd, o->s.machine, &image, e);

	if (result == 0 && strcmp(image.format, o->s.format) == 0 &&
	    image.iso == o->s.iso && image.virtual_size == o->s.virtual_size)
		return 0;
	owner_fail(o, "The disk of this machine is another one than when it "
		      "was asked for. Create it again, and tell the "
		      "administrator if that happens again.");
	return result < 0 ? -1 :
			    err_set(e, ERR_CONFLICT, "the image has changed");
}

int owner_start_disk(struct owner *o, struct err *e)
{
	AUTO_FREE char *qemu_img = child_find_program("qemu-img", e);
	AUTO_ARGV struct argv argv = { 0 };
	struct child c = CHILD_INIT;

	if (!qemu_img)
		return -1;
	if (o->image_fd < 0)
		o->image_fd = overlay_lock_image(&o->s, o->image, e);
	if (o->image_fd < 0) {
		if (e->code == ERR_CONFLICT)
			owner_fail(o, "This machine is in use, and can be used "
				      "by one session at a time only.");
		return -1;
	}
	if (o->s.master)
		return check_master(o, e);
	if (o->overlay_fd < 0)
		o->overlay_fd = overlay_reserve(&o->st, &o->s, e);
	if (o->overlay_fd < 0)
		return -1;
	overlay_command(qemu_img, &o->s, o->image, o->overlay, &argv);
	c.argv = &argv;
	c.err = o->said_write;
	o->qemu_img = child_start(&c, e);
	if (o->qemu_img < 0) {
		o->qemu_img = 0;
		return -1;
	}
	return 0;
}

void guest_begin(struct owner *o)
{
	struct err e = ERR_INIT;

	owner_move(o, SESSION_PREPARING, STEP_DISK);
	owner_deadline(o, DEADLINE_STEP, DISK_MS);
	if (prepare(o, &e) < 0) {
		log_error("prepare", &e);
		owner_fail(o, "The server could not prepare this machine.");
	} else if (owner_start_disk(o, &e) < 0) {
		log_error("disk", &e);
		owner_fail(o, "The machine's disk could not be made.");
	} else {
		guest_display_begin(o);
		/* No overlay to wait for. */
		if (o->s.master && !o->finished)
			boot_script_begin(o);
	}
}

/* Every new session cleans up behind those that died. */
static void housekeeping(struct owner *o)
{
	struct purge_result result;
	struct err e = ERR_INIT;

	if (purge_everything(&o->st, &result, &e) < 0)
		log_error("purge", &e);
	/* From here on it waits, for hours: give back what that took. */
	memory_give_back();
}

static int open_pipes(struct owner *o, struct err *e)
{
	sigset_t set;
	int said[2];

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	o->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (o->signals < 0)
		return err_sys(e, "signalfd");
	if (pipe2(said, O_CLOEXEC) < 0)
		return err_sys(e, "pipe");
	o->said = said[0];
	o->said_write = said[1];
	return fcntl(o->said, F_SETFL, O_NONBLOCK) < 0 ? err_sys(e, "fcntl") :
							 0;
}

static void live(struct owner *o)
{
	struct err e = ERR_INIT;
	bool cleaned = false;

	if (open_pipes(o, &e) < 0) {
		log_error("prepare", &e);
		owner_fail(o, "The server could not prepare this machine.");
	} else {
		warning_plan(o);
		o->place->begin(o);
	}
	while (!o->finished) {
		owner_turn(o);
		if (!cleaned && o->s.state == SESSION_RUNNING) {
			housekeeping(o);
			cleaned = true;
		}
	}
	owner_clean(o);
}

static void release(struct owner *o)
{
	qmp_release(&o->qmp);
	websockify_release(&o->web);
	buf_release(&o->words);
	buf_release(&o->info_text);
	free(o->dir_path);
	free(o->image);
	free(o->overlay);
	store_release(&o->st);
	config_release(&o->config);
}

static int adopt(struct owner *o, int argc, char **argv, struct err *e)
{
	long long lock;
	long long control;
	long long order;

	if (argc < 6 || !text_long(argv[3], 3, 1 << 20, &lock) ||
	    !text_long(argv[4], 3, 1 << 20, &control) ||
	    !text_long(argv[5], 0, 1 << 20, &order))
		return err_set(e, ERR_INPUT, "bad arguments");
	o->lock = (int)lock;
	o->control = (int)control;
	o->order = order ? (int)order : -1;
	/* No child may inherit them, or a dead owner would look alive. */
	if (fcntl(o->lock, F_SETFD, FD_CLOEXEC) < 0 ||
	    fcntl(o->control, F_SETFD, FD_CLOEXEC) < 0 ||
	    (order && fcntl(o->order, F_SETFD, FD_CLOEXEC) < 0))
		return err_sys(e, "the lock was not handed over");
	/* So that a purge can find us if we hang (run/purge.h). */
	if (control_adopt(o->control, e) < 0)
		return -1;
	if (arguments_config(argc, argv, 6, &o->config, e) < 0)
		return -1;
	if (store_open(&o->config, &o->st, e) < 0 ||
	    store_read(&o->st, argv[2], &o->s, e) < 0) {
		config_release(&o->config);
		return -1;
	}
	o->options = (const char *const *)argv + 6;
	o->s.kvm = qemu_is_native(o->s.arch) &&
		   accel_use_kvm(&o->config, &o->st);
	if (!o->s.network[0])
		snprintf(o->s.network, sizeof(o->s.network), "%s",
			 o->config.guest_network);
	o->sandboxed = true;
	if (config_has_slurm(&o->config))
		o->place = &guest_on_cluster;
	return 0;
}

int owner_main(int argc, char **argv)
{
	struct owner o = {
		.place = &guest_here, .viewers = -1, .news = -1,
		.st = STORE_INIT,
		.dir = -1, .overlay_fd = -1, .image_fd = -1,
		.gpu_fd = -1, .signals = -1, .control = -1,
		.said = -1, .said_write = -1, .info = -1,
		.network_ready = -1, .network_watch = -1, .tap = -1, .vnc = -1,
		.freezer = -1,
		.inside_fd = -1, .qmp = QMP_INIT, .web = WEBSOCKIFY_INIT,
		.order = -1, .seed = -1, .report = -1,
		.words = BUF_INIT(2 * OWNER_WORDS_MAX), .info_text = BUF_INIT(4096),
	};
	struct err e = ERR_INIT;

	for (size_t i = 0; i < OWNER_CLIENTS; i++)
		o.clients[i] = -1;
	umask(077);
	memory_begin_small();
	if (core_forbid(&e) < 0 || adopt(&o, argc, argv, &e) < 0) {
		log_error("adopt", &e);
		return 1;
	}
	live(&o);
	release(&o);
	return 0;
}
