#include "session/port.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "sys/random.h"

enum { PORT_MAX = 65535 };

bool port_is_own(const struct config *c, bool oneshot)
{
	return !*c->service_reverse_proxy &&
	       (c->service_port_multiple ||
		(oneshot && (c->form_oneshot || c->oneshot)));
}

static bool is_reserved(const struct session_list *alive, long long port)
{
	for (size_t i = 0; i < alive->count; i++)
		if (alive->list[i].own_port && alive->list[i].port == port)
			return true;
	return false;
}

/* Is nobody there now?  Who comes later is met when the session listens. */
static bool is_free(long long port)
{
	AUTO_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in a = { .sin_family = AF_INET };
	int on = 1;

	a.sin_port = htons((uint16_t)port);
	return fd >= 0 &&
	       setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	       bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0;
}

static int choose(const struct config *c, const struct session_list *alive,
		  long long *ret, struct err *e)
{
	long long first = c->service_port + !c->service_port_multiple;
	long long last = c->service_port + c->service_max_instance_nb;

	for (long long port = first; port <= last && port <= PORT_MAX; port++) {
		if (!is_reserved(alive, port) && is_free(port)) {
			*ret = port;
			return 0;
		}
	}
	return err_set(e, ERR_BUSY,
		       "All ports for displays, %lld to %lld, are taken. Try "
		       "again later.",
		       first, last > PORT_MAX ? PORT_MAX : last);
}

int port_reserve(const struct config *c, const struct session_list *alive,
		 struct session *s, struct err *e)
{
	s->own_port = port_is_own(c, s->oneshot);
	s->port = 0;
	s->password[0] = '\0';
	if (!s->own_port)
		return 0;
	if (c->service_port && choose(c, alive, &s->port, e) < 0)
		return -1;
	return random_text(s->password, SESSION_PASSWORD_SIZE - 1, e);
}
