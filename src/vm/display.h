/*
 * The display's address: how a browser reaches a session's screen, and which
 * pages may open it.
 */
#ifndef QWD_VM_DISPLAY_H
#define QWD_VM_DISPLAY_H

#include "base/buf.h"
#include "conf/options.h"
#include "session/session.h"

/*
 * URL of the session's screen in noVNC (caller frees); NULL if the session is
 * not running or no memory.  The token stands in the fragment, which browsers
 * send to no server.  With service_reverse_proxy = /path the web server shows
 * noVNC and forwards /path/websockify; otherwise the gateway's own port does.
 */
char *display_url(const struct config *c, const struct session *s);

/*
 * Origins (RFC 6454), separated by blanks, of the pages that may open a
 * display: `origin` itself, and where it is this machine's loopback address,
 * that address by its other names; without a reverse proxy, the same with the
 * gateway's port.
 */
void display_origins(const struct config *c, const char *origin,
		     long long port, struct buf *ret);

/* The address on which the gateway listens: loopback behind the web server or
 * where `origin` is loopback itself, else every address. */
const char *display_bind_address(const struct config *c, const char *origin);

#endif
