#include "farm/tunnel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/text.h"
#include "sys/file.h"

enum {
	BACKLOG = 32,
	PORTS = 1000, /* tried from slurm_port on */
};

void tunnel_key_command(const char *openssl, struct argv *ret)
{
	argv_add(ret, openssl);
	argv_add(ret, "req");
	argv_add(ret, "-x509");
	argv_add(ret, "-config");
	argv_add(ret, "/dev/null");
	argv_add(ret, "-newkey");
	argv_add(ret, "ec");
	argv_add(ret, "-pkeyopt");
	argv_add(ret, "ec_paramgen_curve:prime256v1");
	argv_add(ret, "-nodes");
	argv_add(ret, "-keyout");
	argv_add(ret, "tunnel.key");
	argv_add(ret, "-out");
	argv_add(ret, "tunnel.crt");
	argv_add(ret, "-subj");
	argv_add(ret, "/CN=display");
	argv_add(ret, "-days");
	argv_add(ret, "36500");
}

int tunnel_read_certificate(int dir, char *ret, size_t size, struct err *e)
{
	AUTO_BUF struct buf text = BUF_INIT(size - 1);

	if (file_read(dir, "tunnel.crt", false, &text, e) < 0)
		return -1;
	if (!text_starts(buf_str(&text), "-----BEGIN CERTIFICATE-----\n"))
		return err_set(e, ERR_DAMAGED, "openssl made no certificate");
	memcpy(ret, buf_str(&text), text.len + 1);
	return 0;
}

int tunnel_listen_unix(struct tunnel *t, struct err *e)
{
	AUTO_CLOSE int fd = socket(AF_UNIX,
				   SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
				   0);
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	if (fd < 0)
		return err_sys(e, "socket");
	/* Through its descriptor: dir_cfg may be longer than a socket's
	 * address can hold (unix(7)). */
	snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/vnc",
		 t->dir);
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    listen(fd, BACKLOG) < 0)
		return err_sys(e, "cannot listen for viewers");
	t->listener = TAKE_FD(fd);
	return 0;
}

static int bind_tcp(int fd, long long port)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6,
				  .sin6_addr = in6addr_any };
	struct sockaddr_in four = { .sin_family = AF_INET };
	struct sockaddr_storage own = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(own);

	a.sin6_port = four.sin_port = htons((uint16_t)port);
	if (getsockname(fd, (struct sockaddr *)&own, &len) < 0)
		return -1;
	return own.ss_family == AF_INET6 ?
		       bind(fd, (struct sockaddr *)&a, sizeof(a)) :
		       bind(fd, (struct sockaddr *)&four, sizeof(four));
}

/* For both families where the kernel has both. */
static int tcp_socket(void)
{
	int kind = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
	int fd = socket(AF_INET6, kind, 0);
	int off = 0;

	if (fd >= 0 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return socket(AF_INET, kind, 0);
}

static long long port_of(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in four;
		struct sockaddr_in6 six;
	} a = { .six = { .sin6_family = AF_UNSPEC } };
	socklen_t len = sizeof(a);

	if (getsockname(fd, &a.any, &len) < 0)
		return 0;
	return ntohs(a.any.sa_family == AF_INET6 ? a.six.sin6_port :
						   a.four.sin_port);
}

int tunnel_listen_tcp(struct tunnel *t, long long port, struct err *e)
{
	long long last = port ? port + PORTS - 1 : 0;

	for (; port <= last && port <= 65535; port++) {
		AUTO_CLOSE int fd = tcp_socket();

		if (fd < 0)
			return err_sys(e, "cannot make a socket");
		if (bind_tcp(fd, port) < 0) {
			if (errno == EADDRINUSE)
				continue;
			return err_sys(e, "cannot take port %lld", port);
		}
		if (listen(fd, BACKLOG) < 0)
			return err_sys(e, "cannot listen on port %lld", port);
		t->port = port_of(fd);
		t->listener = TAKE_FD(fd);
		return 0;
	}
	return err_set(e, ERR_CONFLICT, "no port from slurm_port on is free");
}

bool tunnel_port_ok(long long port, long long first)
{
	if (!first)
		return port >= 1024 && port <= 65535;
	return port >= first && port < first + PORTS && port <= 65535;
}

int tunnel_configure(struct tunnel *t, bool client, const char *target,
		     const char *peer, struct err *e)
{
	AUTO_BUF struct buf text = BUF_INIT(4096);

	if (text_has_control(target) || !*target)
		return err_set(e, ERR_INPUT, "a display cannot be there");
	if (!text_starts(peer, "-----BEGIN CERTIFICATE-----\n"))
		return err_set(e, ERR_INPUT, "the other end of the display has "
					     "no certificate");
	buf_printf(&text,
		   "foreground = yes\n"
		   "syslog = no\n"
		   "debug = err\n"
		   "client = %s\n"
		   "cert = tunnel.crt\n"
		   "key = tunnel.key\n"
		   "CAfile = tunnel.peer\n"
		   "verifyPeer = yes\n"
		   "sslVersionMin = TLSv1.3\n"
		   "TIMEOUTbusy = 10\n"
		   "TIMEOUTconnect = 10\n"
		   "TIMEOUTidle = 86400\n"
		   "connect = %s\n",
		   client ? "yes" : "no", target);
	if (buf_failed(&text))
		return err_set(e, ERR_SYSTEM, "no memory");
	if (file_replace(t->dir, "tunnel.peer", peer, strlen(peer), 0600, false,
			 e) < 0)
		return -1;
	return file_replace(t->dir, "tunnel.conf", buf_str(&text), text.len,
			    0600, false, e);
}

static pid_t *free_place(struct tunnel *t)
{
	for (size_t i = 0; i < TUNNEL_VIEWERS; i++)
		if (!t->viewers[i])
			return &t->viewers[i];
	return NULL;
}

bool tunnel_is_full(const struct tunnel *t)
{
	for (size_t i = 0; i < TUNNEL_VIEWERS; i++)
		if (!t->viewers[i])
			return false;
	return true;
}

static int start_viewer(struct tunnel *t, int fd, int said, pid_t *ret,
			struct err *e)
{
	AUTO_ARGV struct argv argv = { 0 };
	struct child c = CHILD_INIT;

	argv_add(&argv, t->program);
	argv_add(&argv, "tunnel.conf");
	c.argv = &argv;
	c.in = fd;
	c.out = fd;
	c.err = said;
	c.dir = t->path;
	c.keep = &t->inherited;
	c.keep_count = t->inherited >= 0;
	*ret = child_start(&c, e);
	if (*ret >= 0)
		return 0;
	*ret = 0;
	return -1;
}

int tunnel_accept(struct tunnel *t, int said, struct err *e)
{
	pid_t *place = free_place(t);
	AUTO_CLOSE int fd = -1;
	int on = 1;

	if (!place)
		return 0;
	fd = accept4(t->listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return 0;
	/* Keys and pointers are small and must not wait; of a unix socket
	 * that is refused, and does not matter. */
	(void)!setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)!setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	return start_viewer(t, fd, said, place, e);
}

void tunnel_reap(struct tunnel *t)
{
	int status;

	for (size_t i = 0; i < TUNNEL_VIEWERS; i++)
		if (t->viewers[i] &&
		    child_reaped(t->viewers[i], false, &status))
			t->viewers[i] = 0;
}

void tunnel_release(struct tunnel *t)
{
	for (size_t i = 0; i < TUNNEL_VIEWERS; i++)
		child_end(&t->viewers[i], false);
	if (t->listener >= 0)
		close(TAKE_FD(t->listener));
	free(TAKE(t->program));
}
