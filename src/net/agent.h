/*
 * qwd-net farm-agent: stays for a while, and does for many what `qwd-net farm`
 * does for one (net/farm.h), over connections, TLS sessions and certificates
 * that it keeps.  farm/agent.h tells who starts it, and how one talks to it.
 *
 * It uses nothing of a request longer than that takes.  Memory that libcurl and
 * jansson have given back is not wiped: what has a password in it is not for it
 * (farm/ask.h).
 *
 * It serves processes of its own user, at most AGENT_CLIENTS at a time (who
 * comes beyond is closed without greeting).  It takes nobody any more, ends what
 * it has begun, and then itself
 *
 *   - after AGENT_IDLE_MS without a request, and after AGENT_AGE_MS;
 *   - where its program, or the file of certificates that it has used, is not
 *     what it was, or a request names another one;
 *   - where its socket has lost its name.
 *
 * What it keeps of the network is no older than FARM_CONNECTION_S (net/farm.h)
 * for a connection, and AGENT_AGE_MS for a TLS session.
 */
#ifndef QWD_NET_AGENT_H
#define QWD_NET_AGENT_H

#include "base/macros.h"

enum {
	AGENT_CLIENTS = 16,
	AGENT_IDLE_MS = 60 * 1000,
	AGENT_AGE_MS = 600 * 1000,
};

/*
 * main() of the agent: argv is PROGRAM farm-agent FOLDER SOCKET LOCK, the
 * numbers of inherited descriptors: the folder that the socket is in, the
 * socket, which listens, and the lock.  Returns the exit status.
 */
int agent_main(int argc, char **argv);

#endif
