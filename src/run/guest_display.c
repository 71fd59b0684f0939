/* The way to the screen: the gateway of all sessions, or the port of one. */
#include <poll.h>
#include <string.h>

#include "base/log.h"
#include "run/owner_state.h"
#include "sys/file.h"
#include "vm/display.h"
#include "vm/gateway.h"

enum { SOON_MS = 20 };

/* websockify's two files, in the session's own directory. */
static int write_files(struct owner *o, struct err *e)
{
	AUTO_BUF struct buf tokens = BUF_INIT(256);
	AUTO_BUF struct buf pages = BUF_INIT(4096);
	AUTO_BUF struct buf origins = BUF_INIT(4096);

	display_origins(&o->config, o->s.origin, o->s.port, &origins);
	buf_printf(&tokens, "%s: unix_socket:vnc\n", o->s.token);
	buf_printf(&pages, "%s: %s\n", o->s.name, buf_str(&origins));
	if (buf_failed(&tokens) || buf_failed(&pages) || buf_failed(&origins))
		return err_set(e, ERR_SYSTEM, "no memory");
	if (file_replace(o->dir, "tokens", buf_str(&tokens), tokens.len, 0600,
			 false, e) < 0)
		return -1;
	return file_replace(o->dir, "pages", buf_str(&pages), pages.len, 0600,
			    false, e);
}

static int start_own(struct owner *o, struct err *e)
{
	AUTO_FREE char *program = child_find_program(o->config.dir_websockify,
						     e);
	AUTO_FREE char *tokens = file_join(o->dir_path, "tokens");
	AUTO_FREE char *pages = file_join(o->dir_path, "pages");
	const char *address = display_bind_address(&o->config, o->s.origin);
	struct websockify_place place = {
		.program = program,
		.dir = o->dir_path,
		.tokens = tokens,
		.pages = pages,
	};

	if (!program)
		return -1;
	if (!tokens || !pages)
		return err_set(e, ERR_SYSTEM, "no memory");
	if (o->web.listener < 0) {
		if (websockify_listen(&o->web, address, o->s.port, e) < 0)
			return -1;
		o->s.port = o->web.port;
		if (write_files(o, e) < 0)
			return -1;
	}
	return websockify_start(&o->web, &o->config, &place, e);
}

void guest_display_begin(struct owner *o)
{
	struct err e = ERR_INIT;

	if (o->s.remote)
		return;
	if (o->s.own_port && start_own(o, &e) == 0)
		return;
	if (!o->s.own_port && gateway_ensure(&o->st, o->options, &e) == 0)
		return;
	log_error("gateway", &e);
	owner_fail(o, e.code == ERR_CONFLICT ?
			      "The port of its display was taken by another "
			      "program of the server." :
			      "The display gateway could not be started.");
}

static bool own_is_open(struct owner *o)
{
	if (websockify_is_ready(&o->web))
		return true;
	owner_deadline(o, DEADLINE_LOOK, SOON_MS);
	return false;
}

static bool gateway_is_open(struct owner *o)
{
	struct err e = ERR_INIT;
	int port = gateway_port(&o->st);

	if (port < 0) {
		owner_fail(o, "The display gateway could not be started.");
		return false;
	}
	if (port == 0) {
		owner_deadline(o, DEADLINE_LOOK, SOON_MS);
		return false;
	}
	o->s.port = port;
	if (gateway_admit(&o->st, &o->s, &e) < 0) {
		log_error("gateway", &e);
		owner_fail(o, "The display gateway could not be told of this "
			      "machine.");
		return false;
	}
	return true;
}

bool guest_display_is_open(struct owner *o)
{
	if (o->s.remote)
		return true;
	return o->s.own_port ? own_is_open(o) : gateway_is_open(o);
}

void guest_display_look(struct owner *o)
{
	struct err e = ERR_INIT;
	int result = 0;

	if (o->s.remote)
		return;
	if (!o->s.own_port)
		result = gateway_ensure(&o->st, o->options, &e);
	else if (!o->web.pid)
		result = start_own(o, &e);
	if (result < 0)
		log_error("gateway", &e);
}

void guest_display_on_child(struct owner *o)
{
	char text[16];
	int status;

	if (!o->web.pid || !child_reaped(o->web.pid, true, &status))
		return;
	o->web.pid = 0;
	websockify_listen_to(&o->web);
	snprintf(text, sizeof(text), "%d", status);
	/* Once it has served, its words hold tokens. */
	log_event("gateway", "session", o->s.name, "result", "websockify died",
		  "status", text, "message",
		  o->web.ready ? NULL : websockify_last_words(&o->web), NULL);
	if (o->s.state < SESSION_RUNNING && !o->web.ready)
		owner_fail(o, "The display gateway could not be started.");
	websockify_end(&o->web);
	/* The browsers wait at our listener: start it again, but not in a
	 * loop. */
	if (o->s.state == SESSION_RUNNING)
		guest_look(o);
}
