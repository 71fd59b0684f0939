/*
 * The agent of a farm: a qwd-net that stays for a while, and so has libcurl
 * loaded, the certificates read and connections to the other servers at hand
 * (net/agent.h).  The first who asks other servers starts it; there is one for
 * a store, and none where nobody asks.  In the folder farm of the store:
 *
 *     agent         its socket, for processes of the same user
 *     agent.lock    held by it (flock(2)), from before it is started to its
 *                   end or until it takes nobody any more
 *
 * Whoever connects reads AGENT_GREETING, which is the agent's word that it
 * takes a request; then writes the request, as net/farm.h has it, shuts its
 * side down, and reads the answer to the end.  Before the greeting nothing has
 * been said, so that whoever gets none can ask without an agent.  After it
 * nothing may be asked a second time: the other servers may have heard it.
 */
#ifndef QWD_FARM_AGENT_H
#define QWD_FARM_AGENT_H

#include "base/buf.h"
#include "base/version.h"
#include "session/store.h"

#define AGENT_SOCKET "agent"
#define AGENT_GREETING "farm-agent " QWD_VERSION "\n"

/*
 * Connect to the agent, which is started if there is none, and take its
 * greeting.  ERR_BUSY if it takes nobody now, ERR_TIMEOUT if it has said
 * nothing after `wait_ms`: then it loses its name, so that it costs this only
 * once.  ERR_SYSTEM if it cannot be started.  Returns the connection.
 */
MUST_CHECK int agent_connect(const struct config *c, const struct store *st,
			     long long wait_ms, struct err *e);

/* Send the whole request.  ERR_SYSTEM, ERR_TIMEOUT. */
MUST_CHECK int agent_send(int fd, const char *text, long long wait_ms,
			  struct err *e);

/* Read the answer to its end.  The same; what is there already is read also when
 * there is no time left: who asks does other things meanwhile. */
MUST_CHECK int agent_receive(int fd, struct buf *out, long long wait_ms,
			     struct err *e);

#endif
