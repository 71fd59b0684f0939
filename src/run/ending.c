/* How a session ends, and what is removed then. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "run/owner_state.h"
#include "run/stray.h"
#include "session/history.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "vm/accel.h"
#include "vm/gateway.h"
#include "vm/overlay.h"

enum {
	QUIT_MS = 2000, /* for QEMU to obey `quit` */
	GONE_MS = 5000, /* for the kernel to end what was killed */
};

static void set_reason(struct owner *o, const char *sentence)
{
	if (!o->s.reason[0])
		snprintf(o->s.reason, sizeof(o->s.reason), "%s", sentence);
}

/* What QEMU and the others wrote, into the log, a line each. */
static void log_words(struct owner *o)
{
	char *save = NULL;

	if (!o->words.len)
		return;
	for (char *line = strtok_r(o->words.data, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		log_event("child-says", "session", o->s.name, "message", line,
			  NULL);
	buf_reset(&o->words);
}

void owner_fail(struct owner *o, const char *sentence)
{
	if (o->finished)
		return;
	set_reason(o, sentence);
	o->s.state = SESSION_FAILED;
	o->finished = true;
}

void owner_end(struct owner *o, const char *sentence)
{
	if (o->finished)
		return;
	set_reason(o, sentence);
	o->s.state = SESSION_ENDED;
	o->finished = true;
}

/* Next means: ask the guest, tell QEMU, kill it. */
void owner_stop_further(struct owner *o)
{
	struct err e = ERR_INIT;
	long long wait = QUIT_MS;
	const char *word = "quit";

	o->stop++;
	if (o->stop == STOP_POWERDOWN) {
		word = "system_powerdown";
		wait = o->config.service_stop_grace * 1000;
	}
	if (o->stop >= STOP_KILL || o->qmp.fd < 0 || !o->qmp_ready) {
		child_end(&o->qemu, false);
		owner_end(o, "Stopped.");
		return;
	}
	if (qmp_send(&o->qmp, word, 0, &e) < 0)
		wait = 1;
	owner_deadline(o, DEADLINE_STOP, wait > 0 ? wait : 1);
}

void owner_stop(struct owner *o, bool now, const char *sentence)
{
	if (o->finished)
		return;
	set_reason(o, sentence);
	if (o->s.state != SESSION_STOPPING)
		owner_move(o, SESSION_STOPPING, o->s.step);
	owner_deadline(o, DEADLINE_STEP, 0);
	owner_deadline(o, DEADLINE_LOOK, 0);
	o->place->stop(o, now);
}

void guest_stop(struct owner *o, bool now)
{
	bool at_once = now || !o->started;

	if (!o->qemu) {
		owner_end(o, "Stopped.");
		return;
	}
	/* A guest that does not run yet cannot be asked. */
	if (at_once && o->stop < STOP_POWERDOWN)
		o->stop = STOP_POWERDOWN;
	if (o->stop == STOP_NONE || (at_once && o->stop < STOP_QUIT))
		owner_stop_further(o);
}

/* May this host's users make any?  A limit that is only reached will pass. */
static bool namespaces_forbidden(void)
{
	AUTO_BUF struct buf text = BUF_INIT(32);
	struct err e = ERR_INIT;

	return file_read(AT_FDCWD, "/proc/sys/user/max_user_namespaces", true,
			 &text, &e) == 0 &&
	       strcmp(buf_str(&text), "0\n") == 0;
}

/*
 * Does this host let no user namespace be made?  Only bubblewrap's own word
 * for it counts: any other failure of it ends the session, since going on
 * means going on without a sandbox.
 */
static bool sandbox_impossible(const struct owner *o)
{
	const char *words = buf_str(&o->words);

	if (!o->sandboxed || o->qmp_ready || !text_starts(words, "bwrap: ") ||
	    strstr(words, "temporarily"))
		return false;
	if (strstr(words, "(ENOSPC)"))
		return namespaces_forbidden();
	return strstr(words, "namespace") || strstr(words, "uid map");
}

void owner_qemu_gone(struct owner *o, int status)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", status);
	log_event("qemu-ended", "session", o->s.name, "status", text, NULL);
	child_end(&o->slirp, false);
	child_end(&o->router, false);
	if (o->s.state == SESSION_STOPPING) {
		owner_end(o, "Stopped.");
	} else if (o->s.state == SESSION_BOOTING && sandbox_impossible(o)) {
		log_words(o);
		log_event("sandbox", "result", "failed", "message",
			  "this host lets no user namespace be made: the "
			  "guest gets no network",
			  NULL);
		o->sandboxed = false;
		guest_start(o);
	} else if (o->s.state == SESSION_BOOTING && o->s.kvm &&
		   strcmp(o->config.accel, "auto") == 0) {
		log_words(o);
		o->kvm_suspect = true;
		o->s.kvm = false;
		guest_start(o);
	} else if (o->guest_off && status == 0) {
		owner_end(o, "The machine was shut down from within.");
	} else if (o->s.state == SESSION_BOOTING) {
		owner_fail(o, "QEMU ended before the machine had started.");
	} else {
		owner_fail(o, "The machine ended unexpectedly.");
	}
}

/*
 * bubblewrap's end brings the sandbox's: by a signal, so a moment later.  What
 * QEMU may still write to is removed only when it is gone.
 */
static void await_sandbox(struct owner *o)
{
	struct pollfd p = { .fd = o->inside_fd, .events = POLLIN };

	if (o->inside_fd < 0)
		return;
	if (poll(&p, 1, GONE_MS) == 0)
		log_event("sandbox", "session", o->s.name, "result",
			  "lives-on", NULL);
	close(TAKE_FD(o->inside_fd));
}

static void end_children(struct owner *o)
{
	child_end(&o->qemu_img, false);
	child_end(&o->script, true);
	child_end(&o->qemu, false);
	child_end(&o->slirp, false);
	child_end(&o->router, false);
	child_end(&o->tpm, false);
	child_end(&o->letter, false);
	await_sandbox(o);
	websockify_release(&o->web);
}

/* Nothing of the session is left but its record, which says why. */
void owner_clean(struct owner *o)
{
	struct err e = ERR_INIT;

	end_children(o);
	if (stray_end(&o->st, o->s.name, &e) < 0)
		log_error("clean", &e);
	if (o->s.state == SESSION_FAILED && o->words.len)
		log_words(o);
	if (gateway_revoke(&o->st, o->s.name, &e) < 0)
		log_error("clean", &e);
	if (file_remove_tree(o->st.run, o->s.name, &e) < 0)
		log_error("clean", &e);
	if (overlay_remove(&o->st, &o->s, &e) < 0)
		log_error("clean", &e);
	o->place->clean(o);
	/* Who reads that it has ended may have its card. */
	if (o->gpu_fd >= 0)
		close(TAKE_FD(o->gpu_fd));
	stall_end(o);
	o->s.ended = clock_wall();
	o->s.ended_boot_ms = clock_boot_ms();
	/* Before the record is final: once it is, nobody would add it. */
	if (history_append(&o->config, &o->s, &e) < 0)
		log_error("history", &e);
	owner_save(o);
	log_event("ended", "session", o->s.name, "user", o->s.user, "machine",
		  o->s.machine, "state", session_state_name(o->s.state),
		  "reason", o->s.reason, NULL);
}
