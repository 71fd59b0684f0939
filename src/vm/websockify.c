#include "vm/websockify.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/text.h"
#include "sys/file.h"
#include "vm/display.h"

enum { BACKLOG = 64 };

void websockify_command(const struct config *c,
			const struct websockify_place *place,
			struct argv *ret)
{
	argv_add(ret, place->program);
	argv_add(ret, "--inetd");
	argv_add(ret, "--heartbeat=30");
	argv_add(ret, "--token-plugin=qwd_display.Displays");
	argv_addf(ret, "--token-source=%s", place->tokens);
	argv_add(ret, "--auth-plugin=qwd_display.Pages");
	argv_addf(ret, "--auth-source=%s", place->pages);
	if (!display_through_web_server(c))
		argv_addf(ret, "--web=%s", c->dir_novnc);
	if (display_is_encrypted(c)) {
		argv_add(ret, "--ssl-only");
		argv_add(ret, "--ssl-version=tlsv1_2");
		argv_addf(ret, "--cert=%s", c->certificate_crt);
		argv_addf(ret, "--key=%s", c->certificate_key);
	}
}

int websockify_listen(struct websockify *w, const char *address,
		      long long port, struct err *e)
{
	AUTO_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof(a);
	int on = 1;

	a.sin_port = htons((uint16_t)port);
	if (inet_pton(AF_INET, address, &a.sin_addr) != 1)
		return err_set(e, ERR_CONFIG, "%s is no IPv4 address", address);
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return err_sys(e, "cannot make a socket");
	if (bind(fd, (struct sockaddr *)&a, len) < 0 ||
	    listen(fd, BACKLOG) < 0) {
		if (errno == EADDRINUSE)
			return err_set(e, ERR_CONFLICT,
				       "port %lld is taken by another program",
				       port);
		return err_sys(e, "cannot listen on port %lld", port);
	}
	if (getsockname(fd, (struct sockaddr *)&a, &len) < 0)
		return err_sys(e, "getsockname");
	w->port = ntohs(a.sin_port);
	w->listener = TAKE_FD(fd);
	return 0;
}

/* What it would only complain about once somebody connects. */
static int check_files(const struct config *c, struct err *e)
{
	AUTO_FREE char *plugin = file_join(c->dir_libexec, "qwd_display.py");
	const char *const files[][2] = {
		{ "dir_libexec", plugin },
		{ "certificate_crt", c->certificate_crt },
		{ "certificate_key", c->certificate_key },
	};

	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		if (files[i][1] && *files[i][1] &&
		    access(files[i][1], R_OK) < 0)
			return err_set(e, ERR_CONFIG,
				       "%s: the service cannot read %s: %s",
				       files[i][0], files[i][1],
				       strerror(errno));
	return plugin ? 0 : err_set(e, ERR_SYSTEM, "no memory");
}

/* A connection that says nothing: websockify closes it, once it runs. */
static int open_probe(long long port)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_in a = { .sin_family = AF_INET };

	a.sin_port = htons((uint16_t)port);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd >= 0 && ((connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0 &&
			 errno != EINPROGRESS) ||
			shutdown(fd, SHUT_WR) < 0)) {
		close(fd);
		return -1;
	}
	return fd;
}

static pid_t start_child(const struct websockify *w, const struct config *c,
			 const struct websockify_place *place, int said,
			 struct err *e)
{
	AUTO_ARGV struct argv argv = { 0 };
	AUTO_FREE char *path = NULL;
	const char *env[] = { NULL, "PYTHONDONTWRITEBYTECODE=1", NULL };
	struct child child = CHILD_INIT;

	if (asprintf(&path, "PYTHONPATH=%s", c->dir_libexec) < 0) {
		path = NULL;
		return err_set(e, ERR_SYSTEM, "no memory");
	}
	env[0] = path;
	websockify_command(c, place, &argv);
	child.argv = &argv;
	child.in = w->listener;
	child.err = said;
	child.dir = place->dir;
	child.env = env;
	child.group = true;
	return child_start(&child, e);
}

int websockify_start(struct websockify *w, const struct config *c,
		     const struct websockify_place *place, struct err *e)
{
	int said[2];

	if (check_files(c, e) < 0)
		return -1;
	if (pipe2(said, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_sys(e, "pipe");
	buf_reset(&w->words);
	w->ready = false;
	w->pid = start_child(w, c, place, said[1], e);
	close(said[1]);
	w->said = said[0];
	if (w->pid < 0) {
		w->pid = 0;
		websockify_end(w);
		return -1;
	}
	w->probe = open_probe(w->port);
	if (w->probe < 0) {
		err_sys(e, "cannot connect to port %lld", w->port);
		websockify_end(w);
		return -1;
	}
	return 0;
}

bool websockify_is_ready(struct websockify *w)
{
	char byte;

	if (w->probe < 0)
		return w->ready;
	if (recv(w->probe, &byte, 1, 0) < 0 &&
	    (errno == EAGAIN || errno == ENOTCONN || errno == EINTR))
		return false;
	close(w->probe);
	w->probe = -1;
	w->ready = true;
	return true;
}

void websockify_listen_to(struct websockify *w)
{
	char piece[1024];
	ssize_t got;

	while (w->said >= 0 &&
	       (got = read(w->said, piece, sizeof(piece))) > 0) {
		if (w->words.len + (size_t)got > WEBSOCKIFY_SAID_MAX)
			buf_reset(&w->words);
		buf_add(&w->words, piece, (size_t)got);
	}
}

const char *websockify_last_words(struct websockify *w)
{
	char *text = w->words.len ? text_trim(w->words.data) : w->words.data;
	const char *line = text ? strrchr(text, '\n') : NULL;

	line = line ? line + 1 : text ? text : "";
	/* Of a viewer that had waited for it. */
	return strcasestr(line, "token") ? "" : line;
}

void websockify_end(struct websockify *w)
{
	child_end(&w->pid, true);
	if (w->said >= 0)
		close(w->said);
	if (w->probe >= 0)
		close(w->probe);
	w->said = w->probe = -1;
	w->ready = false;
}

void websockify_release(struct websockify *w)
{
	websockify_end(w);
	if (w->listener >= 0)
		close(w->listener);
	w->listener = -1;
	w->port = 0;
	buf_reset(&w->words);
	buf_release(&w->words);
}
