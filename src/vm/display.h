/*
 * The display's address: how a browser reaches a session's screen, and which
 * pages may open it.
 */
#ifndef QWD_VM_DISPLAY_H
#define QWD_VM_DISPLAY_H

#include "base/buf.h"
#include "conf/options.h"
#include "session/session.h"

/* Does the web server show the displays, service_reverse_proxy being a path? */
bool display_through_web_server(const struct config *c);

/* Is the display's own port spoken to with TLS? */
bool display_is_encrypted(const struct config *c);

/*
 * URL of the session's screen in noVNC (caller frees); NULL if the session is
 * not running or no memory.  The token stands in the fragment, which browsers
 * send to no server, and so does the VNC password of a session that has one.
 * With service_reverse_proxy = /path the web server shows noVNC and forwards
 * /path/websockify; otherwise the session's own port or the gateway's does, by
 * https where there is a certificate.
 */
char *display_url(const struct config *c, const struct session *s);

/*
 * Origins (RFC 6454), separated by blanks, of the pages that may open a
 * display: `origin` itself, and where it is this machine's loopback address,
 * that address by its other names; without a reverse proxy, the same with the
 * display's port.
 */
void display_origins(const struct config *c, const char *origin,
		     long long port, struct buf *ret);

/*
 * The address on which a session with this origin listens, or with `origin`
 * NULL the gateway of all sessions: loopback behind the web server, or where
 * none but this machine's own users come (the origin, service_url, or, where
 * there is neither, who is let in), else every address.
 */
const char *display_bind_address(const struct config *c, const char *origin);

#endif
