/* What the guest's card is connected with: vm/network.h. */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/log.h"
#include "run/owner_state.h"
#include "sys/file.h"
#include "vm/network.h"
#include "vm/network_host.h"

enum { ROUTES_MAX = 1 << 20 };

static void settle(struct owner *o)
{
	o->network = NETWORK_SETTLED;
	guest_check_running(o);
}

static void drop(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void guest_network_forget(struct owner *o)
{
	drop(&o->network_ready);
	drop(&o->network_watch);
	o->network = NETWORK_UNDECIDED;
	o->network_changed = false;
}

/* The guest goes on without network, and the record says so. */
void guest_network_failed(struct owner *o, const char *why)
{
	log_event("network", "session", o->s.name, "result", "failed",
		  "message", why, NULL);
	child_end(&o->slirp, false);
	child_end(&o->router, false);
	drop(&o->network_ready);
	drop(&o->network_watch);
	snprintf(o->s.network, sizeof(o->s.network), "failed");
	if (o->s.state == SESSION_RUNNING)
		owner_save(o);
	settle(o);
}

/* ---- A port of a bridge, before QEMU ---- */

static int start_bridge_helper(struct owner *o, struct err *e)
{
	const char *program = network_bridge_helper();
	AUTO_ARGV struct argv argv = { 0 };
	struct child c = CHILD_INIT;
	int ends[2];

	if (!program)
		return err_set(e, ERR_CONFIG, "there is no qemu-bridge-helper");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return err_sys(e, "socketpair");
	network_bridge_command(program, network_bridge(o->s.network), ends[1],
			       &argv);
	c.argv = &argv;
	c.err = o->said_write;
	c.keep = &ends[1];
	c.keep_count = 1;
	o->router = child_start(&c, e);
	close(ends[1]);
	o->network_ready = ends[0];
	if (o->router < 0) {
		o->router = 0;
		return -1;
	}
	o->network = NETWORK_BRIDGING;
	return 0;
}

bool guest_network_prepare(struct owner *o)
{
	struct err e = ERR_INIT;

	if (network_kind(o->s.network) != NETWORK_BRIDGE || o->tap >= 0)
		return true;
	if (!o->sandboxed || start_bridge_helper(o, &e) < 0) {
		guest_network_failed(o, o->sandboxed ? e.msg : "no sandbox");
		return true;
	}
	return false;
}

static void on_bridge(struct owner *o)
{
	o->tap = network_receive_tap(o->network_ready);
	if (o->tap < 0)
		guest_network_failed(o, "qemu-bridge-helper gave no port");
	guest_start(o);
}

/* ---- The user network, once there is a namespace ---- */

static int start_slirp(struct owner *o, struct err *e)
{
	AUTO_FREE char *program = child_find_program("slirp4netns", e);
	AUTO_ARGV struct argv argv = { 0 };
	struct child c = CHILD_INIT;
	int ready[2];

	if (!program)
		return -1;
	o->network_watch = network_watch(e);
	if (o->network_watch < 0)
		return -1;
	if (pipe2(ready, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_sys(e, "pipe");
	network_attach_command(program, o->inside, ready[1], &argv);
	c.argv = &argv;
	c.err = o->said_write;
	c.keep = &ready[1];
	c.keep_count = 1;
	o->slirp = child_start(&c, e);
	close(ready[1]);
	o->network_ready = ready[0];
	if (o->slirp < 0) {
		o->slirp = 0;
		return -1;
	}
	o->network = NETWORK_ATTACHING;
	return 0;
}

void guest_network_begin(struct owner *o)
{
	struct err e = ERR_INIT;

	if (network_kind(o->s.network) != NETWORK_USER)
		settle(o);
	else if (!network_can_tun())
		guest_network_failed(o, "/dev/net/tun may not be used");
	else if (start_slirp(o, &e) < 0)
		guest_network_failed(o, e.msg);
}

/* A file in memory, to be read from its beginning. */
static int memory_file(const struct buf *text, struct err *e)
{
	int fd = memfd_create("routes", MFD_CLOEXEC);

	if (fd < 0)
		return err_sys(e, "memfd_create");
	if (file_write_all(fd, buf_str(text), text->len) < 0 ||
	    lseek(fd, 0, SEEK_SET) < 0) {
		err_sys(e, "memory file");
		close(fd);
		return -1;
	}
	return fd;
}

static int start_router(struct owner *o, struct err *e)
{
	AUTO_FREE char *nsenter = child_find_program("nsenter", e);
	AUTO_FREE char *ip = nsenter ? child_find_program("ip", e) : NULL;
	AUTO_BUF struct buf routes = BUF_INIT(ROUTES_MAX);
	AUTO_ARGV struct argv argv = { 0 };
	AUTO_CLOSE int in = -1;
	struct child c = CHILD_INIT;

	o->network_changed = false;
	if (!ip || network_routes(&routes, e) < 0)
		return -1;
	in = memory_file(&routes, e);
	if (in < 0)
		return -1;
	network_route_command(nsenter, ip, o->inside, &argv);
	c.argv = &argv;
	c.in = in;
	c.err = o->said_write;
	o->router = child_start(&c, e);
	if (o->router < 0) {
		o->router = 0;
		return -1;
	}
	return 0;
}

static void close_routes(struct owner *o)
{
	struct err e = ERR_INIT;

	if (start_router(o, &e) < 0)
		guest_network_failed(o, e.msg);
}

/* slirp4netns has something to say: "1" when the interface is up. */
static void on_attached(struct owner *o)
{
	char byte = 0;

	(void)!read(o->network_ready, &byte, 1);
	drop(&o->network_ready);
	if (byte != '1') {
		guest_network_failed(o, "slirp4netns ended");
		return;
	}
	o->network = NETWORK_ROUTING;
	close_routes(o);
}

void guest_network_on_ready(struct owner *o)
{
	if (o->network == NETWORK_BRIDGING)
		on_bridge(o);
	else
		on_attached(o);
}

/*
 * This host has got another address.  Nothing goes out until that is closed
 * off as well.  (While slirp4netns starts, all of that is yet to come.)
 */
void guest_network_on_watch(struct owner *o)
{
	if (!network_watch_read(o->network_watch) ||
	    (o->network != NETWORK_ROUTING && o->network != NETWORK_SETTLED))
		return;
	child_signal(o->slirp, false, SIGSTOP);
	o->network_changed = true;
	if (!o->router)
		close_routes(o);
}

static void on_routed(struct owner *o, int status)
{
	/* Not all routes in: the guest could reach this host.  No network. */
	if (status != 0) {
		guest_network_failed(o, "ip could not close the routes");
	} else if (o->network_changed) {
		close_routes(o);
	} else {
		child_signal(o->slirp, false, SIGCONT);
		settle(o);
	}
}

void guest_network_on_child(struct owner *o)
{
	int status;

	if (o->slirp && child_reaped(o->slirp, false, &status)) {
		o->slirp = 0;
		if (o->network == NETWORK_ROUTING ||
		    o->network == NETWORK_SETTLED)
			guest_network_failed(o, "slirp4netns ended");
	}
	if (o->router && child_reaped(o->router, false, &status)) {
		o->router = 0;
		/* The bridge's helper has said what there is on its socket. */
		if (o->network != NETWORK_BRIDGING)
			on_routed(o, status);
	}
}
