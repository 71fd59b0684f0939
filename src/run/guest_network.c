/* The way out for the guest: see vm/network.h for what it must not reach. */
#include <fcntl.h>
#include <string.h>

#include "base/log.h"
#include "run/owner_state.h"
#include "sys/file.h"
#include "vm/network.h"

static void settle(struct owner *o)
{
	o->network = NETWORK_SETTLED;
	guest_check_running(o);
}

void guest_network_failed(struct owner *o, const char *why)
{
	log_event("network", "session", o->s.name, "result", "failed",
		  "message", why, NULL);
	child_end(&o->slirp, false);
	child_end(&o->router, false);
	snprintf(o->s.network, sizeof(o->s.network), "failed");
	settle(o);
}

static int start_slirp(struct owner *o, struct err *e)
{
	AUTO_FREE char *program = child_find_program("slirp4netns", e);
	AUTO_ARGV struct argv argv = { 0 };
	struct child c = CHILD_INIT;
	int ready[2];

	if (!program)
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
	o->slirp_ready = ready[0];
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

	if (strcmp(o->s.network, "user") != 0)
		settle(o);
	else if (!network_can_tun())
		guest_network_failed(o, "/dev/net/tun may not be used");
	else if (start_slirp(o, &e) < 0)
		guest_network_failed(o, e.msg);
}

static int start_router(struct owner *o, struct err *e)
{
	AUTO_FREE char *nsenter = child_find_program("nsenter", e);
	AUTO_FREE char *ip = nsenter ? child_find_program("ip", e) : NULL;
	AUTO_BUF struct buf routes = BUF_INIT(3000); /* below a pipe's room */
	AUTO_ARGV struct argv argv = { 0 };
	struct child c = CHILD_INIT;
	int in[2];
	int put;

	if (!ip || network_routes(&routes, e) < 0)
		return -1;
	if (pipe2(in, O_CLOEXEC) < 0)
		return err_sys(e, "pipe");
	put = file_write_all(in[1], buf_str(&routes), routes.len);
	close(in[1]);
	network_route_command(nsenter, ip, o->inside, &argv);
	c.argv = &argv;
	c.in = in[0];
	c.err = o->said_write;
	o->router = put < 0 ? err_sys(e, "pipe") : child_start(&c, e);
	close(in[0]);
	if (o->router < 0) {
		o->router = 0;
		return -1;
	}
	o->network = NETWORK_ROUTING;
	return 0;
}

/* slirp4netns has something to say: "1" when the interface is up. */
void guest_network_on_ready(struct owner *o)
{
	struct err e = ERR_INIT;
	char byte = 0;

	(void)!read(o->slirp_ready, &byte, 1);
	close(o->slirp_ready);
	o->slirp_ready = -1;
	if (byte != '1')
		guest_network_failed(o, "slirp4netns ended");
	else if (start_router(o, &e) < 0)
		guest_network_failed(o, e.msg);
}

void guest_network_on_routed(struct owner *o, int status)
{
	/* Not all routes in: the guest could reach this host.  No network. */
	if (status != 0)
		guest_network_failed(o, "ip could not close the routes");
	else
		settle(o);
}
