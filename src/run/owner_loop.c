/* The owner's loop: one turn of poll(2), and what it may bring. */
#include <poll.h>
#include <sys/signalfd.h>

#include "base/log.h"
#include "run/owner_state.h"
#include "sys/clock.h"

static void on_words(struct owner *o)
{
	char piece[1024];
	ssize_t got;

	while ((got = read(o->said, piece, sizeof(piece))) > 0) {
		if (o->words.len + (size_t)got > OWNER_WORDS_MAX)
			buf_reset(&o->words);
		buf_add(&o->words, piece, (size_t)got);
	}
}

void guest_on_child(struct owner *o)
{
	int status;

	if (o->qemu_img && child_reaped(o->qemu_img, false, &status)) {
		o->qemu_img = 0;
		if (status == 0 && o->s.state == SESSION_PREPARING)
			boot_script_begin(o);
		else if (status != 0)
			owner_fail(o, "The machine's disk could not be made.");
	}
	guest_network_on_child(o);
	if (o->tpm && child_reaped(o->tpm, false, &status)) {
		o->tpm = 0;
		log_event("tpm-ended", "session", o->s.name, NULL);
	}
	if (o->script && child_reaped(o->script, true, &status)) {
		o->script = 0;
		on_words(o);
		boot_script_ended(o, status);
	}
	if (o->qemu && child_reaped(o->qemu, false, &status)) {
		o->qemu = 0;
		/* Its last words and events may still be in the pipes. */
		on_words(o);
		if (o->qmp.fd >= 0)
			guest_on_qmp(o);
		owner_qemu_gone(o, status);
	}
}

static void on_child(struct owner *o)
{
	int status;

	o->place->on_child(o);
	guest_display_on_child(o);
	if (o->letter && child_reaped(o->letter, false, &status)) {
		o->letter = 0;
		warning_letter_ended(o, status);
	}
}

static void on_signal(struct owner *o)
{
	struct signalfd_siginfo info;

	while (read(o->signals, &info, sizeof(info)) == sizeof(info))
		if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
			owner_stop(o, true, "The server was told to end it.");
	on_words(o);
	on_child(o);
}

static void on_deadline(struct owner *o, enum deadline which)
{
	o->deadlines[which] = 0;
	switch (which) {
	case DEADLINE_STEP:
		log_event("deadline", "session", o->s.name, NULL);
		if (o->script) {
			boot_script_late(o);
			break;
		}
		owner_fail(o, o->s.state == SESSION_PREPARING ?
				      "The machine's disk was not ready in time." :
				      "The machine did not start in time.");
		break;
	case DEADLINE_LIFETIME:
		owner_stop(o, true, "Its lifetime was over.");
		break;
	case DEADLINE_WARNING:
		warning_give(o);
		break;
	case DEADLINE_LETTER:
		warning_give_up(o);
		break;
	case DEADLINE_VIEWER:
		owner_stop(o, true, "Its viewer has left.");
		break;
	case DEADLINE_STOP:
		o->place->stop_further(o);
		break;
	case DEADLINE_LOOK:
		store_follow_log(&o->st, STDERR_FILENO);
		o->place->look(o);
		break;
	case DEADLINE_COUNT:
		break;
	}
}

/* Milliseconds until the next deadline, at most a minute. */
static int next_deadline(const struct owner *o)
{
	long long now = clock_boot_ms();
	long long wait = 60000;

	for (size_t i = 0; i < DEADLINE_COUNT; i++)
		if (o->deadlines[i] && o->deadlines[i] - now < wait)
			wait = o->deadlines[i] - now;
	return wait < 0 ? 0 : (int)wait;
}

static void on_deadlines(struct owner *o)
{
	long long now = clock_boot_ms();

	for (size_t i = 0; i < DEADLINE_COUNT && !o->finished; i++)
		if (o->deadlines[i] && o->deadlines[i] <= now)
			on_deadline(o, (enum deadline)i);
}

void owner_turn(struct owner *o)
{
	enum {
		SIGNALS, SAID, CONTROL, INFO, QMP, VNC, NETWORK, WATCH, WEB,
		FREEZER, VIEWERS, NEWS, CLIENTS
	};
	struct pollfd p[CLIENTS + OWNER_CLIENTS] = {
		[SIGNALS] = { o->signals, POLLIN, 0 },
		[SAID] = { o->said, POLLIN, 0 },
		[CONTROL] = { o->control, POLLIN, 0 },
		[INFO] = { o->info, POLLIN, 0 },
		[QMP] = { o->qmp.fd, POLLIN, 0 },
		[VNC] = { o->vnc, POLLIN, 0 },
		[NETWORK] = { o->network_ready, POLLIN, 0 },
		[WATCH] = { o->network_watch, POLLIN, 0 },
		[WEB] = { o->web.said, POLLIN, 0 },
		[FREEZER] = { o->freezer, POLLIN, 0 },
		[VIEWERS] = { o->viewers, POLLIN, 0 },
		[NEWS] = { o->news, POLLIN, 0 },
	};

	for (size_t i = 0; i < OWNER_CLIENTS; i++)
		p[CLIENTS + i] = (struct pollfd){ o->clients[i], POLLIN, 0 };
	if (poll(p, ARRAY_LEN(p), next_deadline(o)) < 0)
		return;
	/* One event may close another's descriptor: ask again before use. */
	if (p[SAID].revents)
		on_words(o);
	if (p[QMP].revents && o->qmp.fd >= 0)
		guest_on_qmp(o);
	if (p[INFO].revents && o->info >= 0)
		guest_on_info(o);
	if (p[VNC].revents && o->vnc == p[VNC].fd)
		o->place->on_vnc(o);
	if (p[VIEWERS].revents && o->viewers == p[VIEWERS].fd)
		o->place->on_viewer(o);
	if (p[NEWS].revents && o->news == p[NEWS].fd)
		o->place->on_news(o);
	if (p[WATCH].revents && o->network_watch == p[WATCH].fd)
		guest_network_on_watch(o);
	if (p[NETWORK].revents && o->network_ready == p[NETWORK].fd)
		guest_network_on_ready(o);
	if (p[WEB].revents)
		websockify_listen_to(&o->web);
	if (p[FREEZER].revents && o->freezer == p[FREEZER].fd)
		freeze_end(o);
	for (size_t i = 0; i < OWNER_CLIENTS; i++)
		if (p[CLIENTS + i].revents && o->clients[i] >= 0)
			control_on_message(o, &o->clients[i]);
	if (p[CONTROL].revents)
		control_on_connect(o);
	if (p[SIGNALS].revents)
		on_signal(o);
	on_deadlines(o);
}
