/*
 * Boot scripts: the step between disk and QEMU.  qwd-script does it, in a
 * process group of its own, and says at its end what a person may read.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "base/log.h"
#include "base/text.h"
#include "conf/machines.h"
#include "run/owner_state.h"
#include "sys/file.h"

/* What qwd-script's exit status means. */
enum {
	STATUS_READY = 0,
	STATUS_AGAIN = 3, /* without scripts, on a disk made anew */
};

static void close_order(struct owner *o)
{
	if (o->order >= 0)
		close(TAKE_FD(o->order));
}

static void close_seed(struct owner *o)
{
	if (o->seed >= 0)
		close(TAKE_FD(o->seed));
}

void boot_script_close(struct owner *o)
{
	close_order(o);
	close_seed(o);
}

/* Has the machine scripts of its own?  -1 if that cannot be known. */
static int machine_has_scripts(const struct owner *o, struct err *e)
{
	AUTO_MACHINES struct machines machines = { .list = NULL };
	const struct machine *m;
	struct err why = ERR_INIT;

	if (machines_read(o->config.machines_conf, &machines, &why) < 0) {
		if (why.code == ERR_NOT_FOUND)
			return 0;
		*e = why;
		return -1;
	}
	m = machines_find(&machines, o->s.machine);
	return m && m->scripts.count;
}

static int start(struct owner *o, struct err *e)
{
	AUTO_FREE char *program = file_join(o->config.dir_libexec,
					    "qwd-script");
	AUTO_ARGV struct argv argv = { 0 };
	struct child c = CHILD_INIT;
	int keep[2];

	o->seed = memfd_create("seed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	o->report = memfd_create("report", MFD_CLOEXEC);
	if (!program || o->seed < 0 || o->report < 0)
		return err_sys(e, "memfd_create");
	argv_add(&argv, program);
	argv_add(&argv, o->s.name);
	argv_addf(&argv, "%d", o->order < 0 ? 0 : o->order);
	argv_addf(&argv, "%d", o->seed);
	for (size_t i = 0; o->options[i]; i++)
		argv_add(&argv, o->options[i]);
	keep[c.keep_count++] = o->seed;
	if (o->order >= 0)
		keep[c.keep_count++] = o->order;
	c.argv = &argv;
	c.out = o->report;
	c.err = o->said_write;
	c.keep = keep;
	c.group = true;
	o->script = child_start(&c, e);
	if (o->script < 0) {
		o->script = 0;
		return -1;
	}
	return 0;
}

void boot_script_begin(struct owner *o)
{
	struct err e = ERR_INIT;
	int wanted = o->order >= 0 || o->config.config_script.count;

	if (!wanted && !o->script_done)
		wanted = machine_has_scripts(o, &e);
	if (wanted == 0 || o->script_done) {
		guest_start(o);
		return;
	}
	o->s.scripted = true;
	owner_move(o, SESSION_PREPARING, STEP_SCRIPT);
	owner_deadline(o, DEADLINE_STEP, o->config.config_script_timeout * 1000);
	if (wanted < 0 || start(o, &e) < 0) {
		log_error("script", &e);
		owner_fail(o, "The boot scripts of this service could not be "
			      "looked at.");
	}
}

/* What qwd-script has said, a sentence. */
static void read_report(const struct owner *o, char ret[SESSION_REASON_SIZE])
{
	ssize_t got = pread(o->report, ret, SESSION_REASON_SIZE - 1, 0);

	ret[got > 0 ? got : 0] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
	/* It may be cut in the middle of a character. */
	for (size_t len = strlen(ret); len && !text_is_utf8(ret, len);)
		ret[--len] = '\0';
}

/* QEMU gets a seed that it cannot write to. */
static int hand_over_seed(struct owner *o, struct err *e)
{
	char path[64];
	int fd;

	if (lseek(o->seed, 0, SEEK_END) == 0) {
		close_seed(o);
		return 0;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", o->seed);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fcntl(o->seed, F_ADD_SEALS,
			    F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE |
				    F_SEAL_SEAL) < 0) {
		err_sys(e, "seed");
		if (fd >= 0)
			close(fd);
		return -1;
	}
	close_seed(o);
	o->seed = fd;
	return 0;
}

/* A disk that was half changed is made anew. */
static void go_on_without(struct owner *o)
{
	struct err e = ERR_INIT;

	close_seed(o);
	owner_save(o);
	if (o->s.master) {
		guest_start(o);
		return;
	}
	if (owner_start_disk(o, &e) < 0) {
		log_error("disk", &e);
		owner_fail(o, "The machine's disk could not be made.");
	}
}

void boot_script_ended(struct owner *o, int status)
{
	char said[SESSION_REASON_SIZE];
	struct err e = ERR_INIT;

	read_report(o, said);
	close(TAKE_FD(o->report));
	close_order(o);
	o->script_done = true;
	if (o->finished || o->s.state != SESSION_PREPARING)
		return;
	log_event("script", "session", o->s.name, "result",
		  status == STATUS_READY ? "ok" :
		  status == STATUS_AGAIN ? "without" :
					   "failed",
		  "message", said, NULL);
	if (status == STATUS_READY || status == STATUS_AGAIN)
		memcpy(o->s.notice, said, sizeof(said));
	if (status == STATUS_AGAIN) {
		go_on_without(o);
	} else if (status != STATUS_READY) {
		owner_fail(o, said[0] ? said :
					"The boot scripts could not be "
					"prepared.");
	} else if (hand_over_seed(o, &e) < 0) {
		log_error("script", &e);
		owner_fail(o, "The boot scripts could not be handed over.");
	} else {
		guest_start(o);
	}
}

void boot_script_late(struct owner *o)
{
	static const char sentence[] = "The boot scripts were not in place in "
				       "time.";

	child_end(&o->script, true);
	close_order(o);
	o->script_done = true;
	if (o->config.config_script_required) {
		owner_fail(o, sentence);
		return;
	}
	snprintf(o->s.notice, sizeof(o->s.notice), "%s", sentence);
	go_on_without(o);
}
