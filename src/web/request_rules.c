/* Which requests are served: by where they come from. */
#include "web/request.h"

#include <stdio.h>
#include <string.h>

#include "session/access.h"
#include "web/origin.h"

static bool service_origin(const struct config *c, struct origin *ret)
{
	return c->service_url[0] && origin_of_url(c->service_url, ret);
}

/* The server's own, from its configuration. */
static bool server_origin(const struct request *r, struct origin *ret)
{
	char host[ORIGIN_HOST_SIZE + 8];
	int len = snprintf(host, sizeof(host), "%s%s%s", r->server_name,
			   r->server_port[0] ? ":" : "", r->server_port);

	return len > 0 && (size_t)len < sizeof(host) &&
	       origin_of_host(host, r->https, ret);
}

/* Does the Host header name this machine as seen from itself? */
static bool host_is_ours(const struct request *r, const struct config *c)
{
	struct origin service;
	struct origin host;

	if (!r->host || !origin_of_host(r->host, r->https, &host))
		return false;
	return origin_is_local(&host) ||
	       (service_origin(c, &service) &&
		strcmp(service.host, host.host) == 0);
}

bool request_is_of_host(const struct request *r, const struct config *c)
{
	return r->peer_is_local && !r->forwarded && host_is_ours(r, c);
}

int request_admit(const struct request *r, const struct config *c,
		  struct err *e)
{
	if (r->below)
		return err_set(e, ERR_NOT_FOUND,
			       "There is no such page. The service's own "
			       "address ends with its name.");
	if (access_logins_checked(c) || c->allow_anonymous)
		return 0;
	if (!r->peer_is_local || r->forwarded)
		return err_set(e, ERR_FORBIDDEN,
			       "No login is configured, so this service is "
			       "open only to the computer that it runs on.");
	if (!host_is_ours(r, c))
		return err_set(e, ERR_FORBIDDEN,
			       "No login is configured, so this service "
			       "answers only as localhost, or by the name in "
			       "service_url.");
	return 0;
}

/* Two loopback names of one port: a visitor on this machine itself. */
static bool is_local_visitor(const struct request *r,
			     const struct origin *origin)
{
	struct origin host;

	return r->peer_is_local && r->host && origin_is_local(origin) &&
	       origin_of_host(r->host, origin->https, &host) &&
	       origin_is_local(&host) && host.port == origin->port;
}

static bool origin_is_ours(const struct request *r, const struct config *c)
{
	struct origin origin;
	struct origin ours;

	if (!origin_parse(r->origin, &origin))
		return false; /* "null" among others */
	if (service_origin(c, &ours) && origin_same(&ours, &origin))
		return true;
	if (server_origin(r, &ours) && origin_same(&ours, &origin))
		return true;
	return is_local_visitor(r, &origin);
}

int request_check_origin(const struct request *r, const struct config *c,
			 struct err *e)
{
	char own[SESSION_ORIGIN_SIZE];

	if (r->fetch_site && strcmp(r->fetch_site, "same-origin") != 0 &&
	    strcmp(r->fetch_site, "none") != 0)
		return err_set(e, ERR_FORBIDDEN,
			       "Another web site sent this request, so it was "
			       "not carried out.");
	if (!r->origin || origin_is_ours(r, c))
		return 0;
	request_link_origin(r, c, own);
	return err_set(e, ERR_FORBIDDEN,
		       "A page that is not this service's sent this request, "
		       "so it was not carried out. The service's address is "
		       "%s.",
		       own);
}

void request_link_origin(const struct request *r, const struct config *c,
			 char ret[SESSION_ORIGIN_SIZE])
{
	struct origin origin;

	if (!service_origin(c, &origin) && !server_origin(r, &origin))
		origin = (struct origin){ .host = "localhost", .port = 80 };
	origin_text(&origin, ret, SESSION_ORIGIN_SIZE);
}

static void add_name(struct farm_names *names, const struct origin *o)
{
	char *name = names->list[names->count];

	origin_text(o, name, sizeof(names->list[0]));
	if (!farm_is_name(names, name))
		names->count++;
}

void request_own_names(const struct request *r, const struct config *c,
		       struct farm_names *ret)
{
	bool six = strchr(r->server_addr, ':') != NULL;
	char address[128];
	struct origin o;

	*ret = (struct farm_names){ .count = 0 };
	if (service_origin(c, &o))
		add_name(ret, &o);
	if (server_origin(r, &o))
		add_name(ret, &o);
	snprintf(address, sizeof(address), "%s%s%s%s%s", six ? "[" : "",
		 r->server_addr, six ? "]" : "", r->server_port[0] ? ":" : "",
		 r->server_port);
	if (r->server_addr[0] && origin_of_host(address, r->https, &o))
		add_name(ret, &o);
}
