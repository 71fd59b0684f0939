/* QEMU once it was started: to the first picture, and on. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/log.h"
#include "run/owner_state.h"
#include "sys/memory.h"
#include "vm/accel.h"
#include "vm/sandbox.h"

enum {
	LOOK_MS = 500,
	WATCH_MS = 10 * 1000, /* once the guest was seen */
	FIRST_VIEWER_MS = 300 * 1000,
	VIEWER_GRACE_MS = 30 * 1000,
	COMPLAINTS_MAX = 20,
};

/* Ids of our commands, which come back with QEMU's answers. */
enum {
	ID_CAPABILITIES = 1,
	ID_CONT,
	ID_DISKS,
	ID_VIEWERS,
	ID_PASSWORD,
};

void guest_on_info(struct owner *o)
{
	char piece[512];
	ssize_t got = read(o->info, piece, sizeof(piece));

	if (got < 0 && errno == EAGAIN)
		return;
	if (got > 0)
		buf_add(&o->info_text, piece, (size_t)got);
	/* Once known it stays: the end of the file says nothing new. */
	if (o->inside <= 0)
		o->inside = sandbox_child_pid(buf_str(&o->info_text));
	if (o->inside < 0)
		owner_fail(o, "The server could not start this machine's "
			      "sandbox.");
	/* Not reaped yet, since its parent writes to us: the pid is its own. */
	if (o->inside > 0 && o->inside_fd < 0)
		o->inside_fd = pidfd_open(o->inside, 0);
	/* bubblewrap writes once more if we close before it has: wait for the
	 * end of the file. */
	if (got <= 0) {
		close(o->info);
		o->info = -1;
	}
	if (o->inside > 0 && o->qmp_ready && o->network == NETWORK_UNDECIDED)
		guest_network_begin(o);
}

bool guest_may_complain(struct owner *o)
{
	if (o->complaints >= COMPLAINTS_MAX)
		return false;
	o->complaints++;
	return true;
}

static void command(struct owner *o, const char *name, long long id)
{
	struct err e = ERR_INIT;

	if (qmp_send(&o->qmp, name, id, &e) < 0 && guest_may_complain(o))
		log_error("qmp", &e);
}

/*
 * QEMU may write to vm/, so a QEMU that a guest has taken over could put a
 * link to somebody else's socket in its place, and the gateway, which is
 * outside, would follow it.  So the gateway gets the socket itself, by a name
 * that is out of QEMU's reach: a hard link, made once.
 */
static int publish_vnc(struct owner *o)
{
	struct stat st;

	if (linkat(o->dir, "vm/vnc", o->dir, "vnc", 0) < 0 ||
	    fstatat(o->dir, "vnc", &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	if (S_ISSOCK(st.st_mode) && st.st_uid == geteuid())
		return 0;
	unlinkat(o->dir, "vnc", 0);
	errno = EPERM;
	return -1;
}

static void connect_vnc(struct owner *o)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/vnc",
		 o->dir);
	o->vnc = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (o->vnc < 0 || publish_vnc(o) < 0 ||
	    connect(o->vnc, (struct sockaddr *)&a, sizeof(a)) < 0) {
		log_event("vnc", "session", o->s.name, "message",
			  strerror(errno), NULL);
		owner_fail(o, "The machine's screen could not be reached.");
	}
}

/* Before the guest starts.  Should it fail, nobody gets to the screen. */
static void set_password(struct owner *o)
{
	struct err e = ERR_INIT;

	if (qmp_send_with(&o->qmp, "set_password",
			  json_pack("{ss ss}", "protocol", "vnc", "password",
				    o->s.password),
			  ID_PASSWORD, &e) < 0)
		log_error("qmp", &e);
}

/* QEMU is up and has opened its sockets. */
static void on_ready(struct owner *o)
{
	o->qmp_ready = true;
	if (o->s.password[0])
		set_password(o);
	owner_move(o, SESSION_BOOTING, STEP_DISPLAY);
	connect_vnc(o);
	if (!o->sandboxed)
		guest_network_failed(o, "no sandbox, so no network");
	else if (o->inside > 0 && o->network == NETWORK_UNDECIDED)
		guest_network_begin(o);
}

/* {"return": [{"stats": {"rd_bytes": ...}}, ...]}: has the guest read? */
static bool has_read(const json_t *answer)
{
	const json_t *disks = json_object_get(answer, "return");
	const json_t *disk;
	size_t i;

	json_array_foreach(disks, i, disk) {
		const json_t *stats = json_object_get(disk, "stats");

		if (json_integer_value(json_object_get(stats, "rd_bytes")) > 0)
			return true;
	}
	return false;
}

/* {"return": {"clients": [...]}}: is anybody looking? */
static void count_viewers(struct owner *o, const json_t *answer)
{
	const json_t *clients = json_object_get(
		json_object_get(answer, "return"), "clients");

	if (o->s.oneshot && o->viewer_seen && json_array_size(clients) == 0)
		owner_deadline(o, DEADLINE_VIEWER, VIEWER_GRACE_MS);
}

static void on_return(struct owner *o, const struct qmp_message *m)
{
	switch (m->id) {
	case ID_CAPABILITIES:
		on_ready(o);
		break;
	case ID_CONT:
		o->started = true;
		guest_check_running(o);
		break;
	case ID_DISKS:
		if (has_read(m->json) && !o->s.guest_seen) {
			o->s.guest_seen = true;
			owner_save(o);
			owner_deadline(o, DEADLINE_LOOK, WATCH_MS);
		}
		break;
	case ID_VIEWERS:
		count_viewers(o, m->json);
		break;
	case QMP_ID_FREEZE:
		freeze_answered(o, true);
		break;
	default:
		break;
	}
}

static void on_event(struct owner *o, const struct qmp_message *m)
{
	const json_t *data = json_object_get(m->json, "data");

	if (strcmp(m->text, "SHUTDOWN") == 0) {
		o->guest_off = json_is_true(json_object_get(data, "guest"));
	} else if (strcmp(m->text, "VNC_INITIALIZED") == 0) {
		o->viewer_seen = true;
		owner_deadline(o, DEADLINE_VIEWER, 0);
	} else if (strcmp(m->text, "VNC_DISCONNECTED") == 0 && o->s.oneshot) {
		command(o, "query-vnc", ID_VIEWERS);
	} else if (strcmp(m->text, "BLOCK_IO_ERROR") == 0) {
		stall_begin(o, json_is_true(json_object_get(data, "nospace")));
	}
}

static void on_refusal(struct owner *o, const struct qmp_message *m)
{
	if (guest_may_complain(o))
		log_event("qmp-error", "session", o->s.name, "message",
			  m->text, NULL);
	if (m->id == QMP_ID_FREEZE)
		freeze_answered(o, false);
}

void guest_on_qmp(struct owner *o)
{
	bool open = qmp_fill(&o->qmp);
	struct qmp_message m;

	while (qmp_next(&o->qmp, &m)) {
		if (m.kind == QMP_ERROR && m.id == ID_PASSWORD)
			owner_fail(o, "QEMU could not be given the password "
				      "of the screen.");
		if (m.kind == QMP_GREETING)
			command(o, "qmp_capabilities", ID_CAPABILITIES);
		else if (m.kind == QMP_RETURN)
			on_return(o, &m);
		else if (m.kind == QMP_EVENT)
			on_event(o, &m);
		else
			on_refusal(o, &m);
		qmp_message_release(&m);
	}
	if (!open)
		qmp_release(&o->qmp);
}

/* RFB's greeting is twelve bytes, "RFB 003.008\n" (RFC 6143, 7.1.1). */
void guest_on_vnc(struct owner *o)
{
	ssize_t got = recv(o->vnc, o->vnc_greeting + o->vnc_read,
			   sizeof(o->vnc_greeting) - o->vnc_read, 0);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got > 0)
		o->vnc_read += (size_t)got;
	if (got > 0 && o->vnc_read < sizeof(o->vnc_greeting))
		return;
	close(o->vnc);
	o->vnc = -1;
	if (o->vnc_read < sizeof(o->vnc_greeting) ||
	    memcmp(o->vnc_greeting, "RFB ", 4) != 0) {
		owner_fail(o, "The machine's screen does not answer.");
		return;
	}
	o->vnc_greeted = true;
	guest_check_running(o);
}

/* Running means: the guest goes, the greeting was read, the way is open. */
void guest_check_running(struct owner *o)
{
	if (o->s.state != SESSION_BOOTING || !o->qmp_ready)
		return;
	if (o->network == NETWORK_SETTLED && !o->started) {
		command(o, "cont", ID_CONT);
		return;
	}
	if (!o->started || !o->vnc_greeted || 
	    !guest_display_is_open(o))
		return;
	owner_deadline(o, DEADLINE_STEP, 0);
	owner_deadline(o, DEADLINE_LOOK, LOOK_MS);
	if (o->s.oneshot)
		owner_deadline(o, DEADLINE_VIEWER, FIRST_VIEWER_MS);
	boot_script_close(o);
	owner_move(o, SESSION_RUNNING, STEP_GUEST);
	/* Not QEMU's or the image's fault, then. */
	if (o->kvm_suspect)
		accel_remember_broken(&o->st);
	log_event("running", "session", o->s.name, "accelerator",
		  o->s.kvm ? "kvm" : "tcg", "network", o->s.network, NULL);
}

/* From time to time: has the guest shown life?  Is the gateway there? */
void guest_look(struct owner *o)
{
	if (o->s.state == SESSION_BOOTING) {
		guest_check_running(o);
		return;
	}
	guest_display_look(o);
	guest_watch_memory(o);
	stall_look(o);
	if (!o->s.guest_seen && o->qmp.fd >= 0)
		command(o, "query-blockstats", ID_DISKS);
	owner_deadline(o, DEADLINE_LOOK,
		       o->s.guest_seen ? WATCH_MS : LOOK_MS);
	/* Waiting again, for much longer than this has taken. */
	if (o->s.guest_seen)
		memory_give_back();
}

static void nothing_comes(struct owner *o)
{
	(void)o; /* viewers come to QEMU's own socket, news by its monitor */
}

static int extend(struct owner *o, int client, long long ends_boot_ms,
		  const char *who, struct err *e)
{
	(void)o;
	(void)client;
	(void)ends_boot_ms;
	(void)who;
	(void)e;
	return 0; /* there is nobody else to ask */
}

static void clean(struct owner *o)
{
	(void)o; /* all is in the session's directory, or the overlay */
}

const struct guest_place guest_here = {
	.begin = guest_begin,
	.look = guest_look,
	.on_child = guest_on_child,
	.on_vnc = guest_on_vnc,
	.on_viewer = nothing_comes,
	.on_news = nothing_comes,
	.stop = guest_stop,
	.stop_further = owner_stop_further,
	.extend = extend,
	.clean = clean,
};
