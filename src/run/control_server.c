/* The owner's side of run/control.h. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/text.h"
#include "run/control.h"
#include "run/owner_state.h"
#include "session/lifetime.h"
#include "sys/clock.h"
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

static void log_extension(const struct owner *o, const char *who)
{
	char ends[32] = "never";

	if (o->s.ends)
		clock_rfc3339(o->s.ends, ends, sizeof(ends));
	log_event("extend", "session", o->s.name, "user", who, "ends", ends,
		  NULL);
}

void control_answer(int client, int result, const struct err *e)
{
	char text[CONTROL_ANSWER_SIZE] = "ok";

	if (result < 0)
		snprintf(text, sizeof(text), "no%s",
			 e->code == ERR_CONFLICT ? e->msg : "");
	(void)!send(client, text, strlen(text), MSG_NOSIGNAL);
	close(client);
}

int control_extended(struct owner *o, long long ends_boot_ms, const char *who,
		     struct err *e)
{
	struct session before = o->s;

	lifetime_end_at(&o->config, &o->s, clock_boot_ms(), ends_boot_ms);
	if (store_write(&o->st, &o->s, e) < 0) {
		o->s = before;
		return -1;
	}
	warning_plan(o);
	log_extension(o, who);
	return 0;
}

/* What was decided by lifetime_extended(): here it is only made sure that the
 * end does not come nearer, and is kept. */
static int obey_extend(struct owner *o, int client, const json_t *message,
		       struct err *e)
{
	int result;
	const char *who;
	long long ends;

	if (json_get_int(message, "ends_boot_ms", 0, 1LL << 60, &ends, e) < 0 ||
	    json_get_string(message, "who", SESSION_USER_SIZE, &who, e) < 0)
		return -1;
	if (o->finished || o->s.state >= SESSION_STOPPING ||
	    !o->s.ends_boot_ms || (ends && ends < o->s.ends_boot_ms))
		return err_set(e, ERR_CONFLICT, "It cannot be extended now.");
	result = o->place->extend(o, client, ends, who, e);
	return result == 0 ? control_extended(o, ends, who, e) : result;
}

/* 0: done; 1: the answer comes later, and the client is no longer ours. */
static int obey(struct owner *o, int client, const char *text, size_t len,
		struct err *e)
{
	AUTO_JSON json_t *message = json_parse_object(text, len, e);
	const char *verb;

	if (!message || json_get_string(message, "verb", 16, &verb, e) < 0)
		return -1;
	if (strcmp(verb, "stop") == 0)
		return obey_stop(o, message, e);
	if (strcmp(verb, "extend") == 0)
		return obey_extend(o, client, message, e);
	if (strcmp(verb, "freeze") == 0)
		return freeze_begin(o, client, e) < 0 ? -1 : 1;
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
		int result = obey(o, *client, text, (size_t)got, &e);

		if (result > 0) {
			*client = -1;
			return;
		}
		if (result < 0)
			log_error("control", &e);
		control_answer(TAKE_FD(*client), result, &e);
		return;
	}
	close(*client);
	*client = -1;
}
