/*
 * One request, read whole from the CGI environment (RFC 3875) and standard
 * input before anything acts on it.
 *
 * The environment is read through an allow-list; nothing else of it is ever
 * looked at.  None of its values is trusted further than this header says.
 */
#ifndef QWD_WEB_REQUEST_H
#define QWD_WEB_REQUEST_H

#include <stdbool.h>

#include "base/err.h"
#include "conf/options.h"
#include "farm/farm.h"
#include "session/session.h"
#include "web/form.h"

enum request_method { METHOD_GET, METHOD_HEAD, METHOD_POST, METHOD_OTHER };

enum {
	REQUEST_ID_SIZE = 33,
	REQUEST_DEADLINE_MS = 10000, /* for the body, from its first byte on */
};

struct request {
	enum request_method method;
	bool https;          /* as the web server says */
	bool wants_json;     /* Accept: see request_read() */
	bool by_script;      /* a page's script asks (Sec-Fetch-Dest: empty) */
	bool below;          /* the URL goes on behind the program's name */
	bool peer_is_local;  /* REMOTE_ADDR is a loopback address */
	bool forwarded;      /* X-Forwarded-For, Forwarded or Via is there */
	char id[REQUEST_ID_SIZE]; /* UNIQUE_ID, or one of ours; for the log */
	/* Texts of the environment, which must outlive the request; "" where
	 * they are absent, but for those that may be NULL. */
	const char *remote;      /* REMOTE_ADDR */
	const char *server_name; /* SERVER_NAME and SERVER_PORT: the server's */
	const char *server_port; /* own, where UseCanonicalName is on */
	const char *server_addr; /* SERVER_ADDR: where the request came in */
	const char *host;        /* the Host header; NULL if absent */
	const char *origin;      /* the Origin header; NULL if absent */
	const char *fetch_site;  /* Sec-Fetch-Site; NULL if absent */
	const char *cookie;      /* the Cookie header; NULL if absent */
	const char *remote_user; /* whom the web server has checked, if it is
				    configured to; NULL if absent or empty */
	struct form query;       /* empty if it could not be parsed */
	struct form fields;      /* of a POST's body */
};

#define REQUEST_INIT { .method = METHOD_OTHER, .remote = "" }

/*
 * Read the request from `env`, a vector of NAME=value, and, for a POST, the
 * body from descriptor `body`.  Also on failure *ret says as much as could be
 * found out, so that the error can be shown; release it in any case.
 *
 * ERR_TOO_LARGE for a body of more than FORM_BODY_MAX bytes or a header of
 * more than 8 KiB; ERR_INPUT if there is no length, if the body is shorter
 * than that or no form (with the field, if it is one field's fault);
 * ERR_TIMEOUT if it does not come in time.
 *
 * JSON is wanted if Accept names application/json, and does not name
 * text/html before it; weights (";q=") are not looked at.
 */
MUST_CHECK int request_read(struct request *ret, char *const *env, int body,
			    struct err *e);
void request_release(struct request *r);

/*
 * Does it come from this machine itself: a loopback peer, not through a proxy,
 * by a Host that names the loopback or service_url's host (a page elsewhere
 * whose name was bound to 127.0.0.1 has another)?
 */
bool request_is_of_host(const struct request *r, const struct config *c);

/*
 * May this peer be served at all?  While no login is checked, only this
 * machine itself is (request_is_of_host()), unless allow_anonymous is set.
 * ERR_FORBIDDEN with a sentence that says so.
 *
 * ERR_NOT_FOUND for a URL that goes on behind the program's name (PATH_INFO):
 * what the web server was told about the program's own URLs, that its name is
 * not the Host header's above all, need not hold there.
 */
MUST_CHECK int request_admit(const struct request *r, const struct config *c,
			     struct err *e);

/*
 * Did a page of ours send this POST?  Sec-Fetch-Site, if present, must be
 * same-origin or none; Origin, if present, must be service_url's or the
 * server's own, or, for a loopback peer, a loopback host with the port of the
 * Host header, which must name the loopback too.  Neither header: a program,
 * which is fine.  ERR_FORBIDDEN with a sentence.
 */
MUST_CHECK int request_check_origin(const struct request *r,
				    const struct config *c, struct err *e);

/*
 * "https://host[:port]" for links that leave this page: service_url's, or the
 * server's own name; never the Host header's.
 */
void request_link_origin(const struct request *r, const struct config *c,
			 char ret[SESSION_ORIGIN_SIZE]);

/*
 * The origins by which this server is called: service_url's, its own name's,
 * and that of the address which the request came in by; never the Host
 * header's.
 */
void request_own_names(const struct request *r, const struct config *c,
		       struct farm_names *ret);

#endif
