#include "vm/display.h"

#include <string.h>

#include "base/text.h"
#include "session/access.h"

static const char *const loopback_names[] = { "localhost", "127.0.0.1",
					      "[::1]" };

/* "https://host:1" -> where the host begins, and its length. */
static const char *host_of(const char *origin, size_t *ret_len)
{
	const char *host = strstr(origin, "://");

	host = host ? host + 3 : origin;
	*ret_len = strcspn(host, host[0] == '[' ? "]" : ":");
	if (host[0] == '[' && host[*ret_len])
		++*ret_len; /* the bracket, too */
	return host;
}

static bool is_loopback(const char *origin)
{
	size_t len;
	const char *host = host_of(origin, &len);

	for (size_t i = 0; i < ARRAY_LEN(loopback_names); i++)
		if (strlen(loopback_names[i]) == len &&
		    strncmp(loopback_names[i], host, len) == 0)
			return true;
	return false;
}

bool display_through_web_server(const struct config *c)
{
	return c->service_reverse_proxy[0] == '/';
}

bool display_is_encrypted(const struct config *c)
{
	return *c->certificate_crt && !display_through_web_server(c);
}

static const char *scheme_of(const struct config *c)
{
	return display_is_encrypted(c) ? "https://" : "http://";
}

/* The port that the visitor's URL shows: that of ":port", or the display's. */
static long long shown_port(const struct config *c, long long port)
{
	long long shown;

	if (c->service_reverse_proxy[0] == ':' &&
	    text_long(c->service_reverse_proxy + 1, 1, 65535, &shown))
		return shown;
	return port;
}

char *display_url(const struct config *c, const struct session *s)
{
	AUTO_BUF struct buf url = BUF_INIT(4096);
	AUTO_BUF struct buf path = BUF_INIT(1024);
	size_t len;
	const char *host = host_of(s->origin, &len);

	if (s->state != SESSION_RUNNING)
		return NULL;
	if (display_through_web_server(c)) {
		buf_printf(&url, "%s%s", s->origin, c->service_reverse_proxy);
		buf_printf(&path, "%s/", c->service_reverse_proxy + 1);
	} else {
		buf_printf(&url, "%s%.*s:%lld", scheme_of(c), (int)len, host,
			   shown_port(c, s->port));
	}
	buf_printf(&path, "websockify?token=%s", s->token);
	buf_puts(&url, "/vnc.html#autoconnect=true&reconnect=true"
		       "&reconnect_delay=2000&resize=scale");
	if (s->password[0])
		buf_printf(&url, "&password=%s", s->password);
	buf_puts(&url, "&path=");
	text_url_escape(&url, buf_str(&path));
	return buf_take(&url);
}

static void add_origin(struct buf *ret, const char *scheme, size_t scheme_len,
		       const char *host, size_t host_len, const char *port)
{
	buf_printf(ret, "%s%.*s%.*s%s", ret->len ? " " : "", (int)scheme_len,
		   scheme, (int)host_len, host, port);
}

/* One origin, or all names of the loopback address. */
static void add_origins(struct buf *ret, const char *scheme, size_t scheme_len,
			const char *host, size_t host_len, const char *port,
			bool loopback)
{
	if (!loopback) {
		add_origin(ret, scheme, scheme_len, host, host_len, port);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(loopback_names); i++)
		add_origin(ret, scheme, scheme_len, loopback_names[i],
			   strlen(loopback_names[i]), port);
}

void display_origins(const struct config *c, const char *origin,
		     long long port, struct buf *ret)
{
	bool loopback = is_loopback(origin);
	size_t len;
	const char *host = host_of(origin, &len);
	char number[16];

	add_origins(ret, origin, (size_t)(host - origin), host, len, host + len,
		    loopback);
	if (display_through_web_server(c))
		return;
	snprintf(number, sizeof(number), ":%lld", shown_port(c, port));
	add_origins(ret, scheme_of(c), strlen(scheme_of(c)), host, len, number,
		    loopback);
}

const char *display_bind_address(const struct config *c, const char *origin)
{
	bool local;

	if (!origin && *c->service_url)
		origin = c->service_url;
	local = origin ? is_loopback(origin) :
			 !access_logins_checked(c) && !c->allow_anonymous;
	return display_through_web_server(c) || local ? "127.0.0.1" :
							"0.0.0.0";
}
