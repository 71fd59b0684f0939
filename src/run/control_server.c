/* The owner's side of run/control.h. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/text.h"
#include "run/owner_state.h"
#include "sys/json.h"

/* The directory is private, and the kernel knows who it is all the same. */
static bool may_command(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	       (peer.uid == geteuid() || peer.uid == 0);
}

void control_on_connect(struct owner *o)
{
	int fd = accept4(o->control, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	for (size_t i = 0; i < OWNER_CLIENTS && may_command(fd); i++) {
		if (o->clients[i] < 0) {
			o->clients[i] = fd;
			return;
		}
	}
	close(fd);
}

static int obey_stop(struct owner *o, const json_t *message, struct err *e)
{
	char sentence[SESSION_REASON_SIZE];
	const char *who;
	bool now;

	if (json_get_bool(message, "now", &now, e) < 0 ||
	    json_get_string(message, "who", SESSION_USER_SIZE, &who, e) < 0)
		return -1;
	if (strcmp(who, o->s.user) == 0)
		snprintf(sentence, sizeof(sentence), "Stopped by its user.");
	else
		snprintf(sentence, sizeof(sentence), "Stopped by %s.", who);
	log_event("stop", "session", o->s.name, "user", who, "now",
		  now ? "yes" : "no", NULL);
	owner_stop(o, now, sentence);
	return 0;
}

static int obey(struct owner *o, const char *text, size_t len, struct err *e)
{
	AUTO_JSON json_t *message = json_parse_object(text, len, e);
	const char *verb;

	if (!message || json_get_string(message, "verb", 16, &verb, e) < 0)
		return -1;
	if (strcmp(verb, "stop") == 0)
		return obey_stop(o, message, e);
	return err_set(e, ERR_DAMAGED, "unknown verb");
}

void control_on_message(struct owner *o, int *client)
{
	struct err e = ERR_INIT;
	char text[1024];
	ssize_t got = recv(*client, text, sizeof(text), 0);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got > 0) {
		bool ok = obey(o, text, (size_t)got, &e) == 0;

		if (!ok)
			log_error("control", &e);
		(void)!send(*client, ok ? "ok" : "no", 2, MSG_NOSIGNAL);
	}
	close(*client);
	*client = -1;
}
