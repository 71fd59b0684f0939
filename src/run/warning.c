/* The warning before a session's end: the page shows it by itself, the mail
 * is sent by a role of this program of its own (web/warning.h). */
#include <string.h>

#include "auth/mail.h"
#include "base/address.h"
#include "base/log.h"
#include "run/owner_state.h"
#include "sys/clock.h"

enum { LETTER_MS = 30 * 1000 };

void warning_plan(struct owner *o)
{
	long long now = clock_boot_ms();
	long long left = o->s.ends_boot_ms - now;
	long long before = o->s.warn_boot_ms - now;

	owner_deadline(o, DEADLINE_LIFETIME,
		       !o->s.ends_boot_ms ? 0 :
		       left > 0		  ? left :
					    1);
	/* One whose time has come already was given. */
	owner_deadline(o, DEADLINE_WARNING,
		       o->s.warn_boot_ms && before > 0 ? before : 0);
}

static int start_letter(struct owner *o, struct err *e)
{
	AUTO_ARGV struct argv argv = { 0 };
	struct child c = CHILD_INIT;

	argv_add(&argv, "/proc/self/exe");
	argv_add(&argv, "--session-letter");
	argv_add(&argv, o->s.name);
	for (size_t i = 0; o->options && o->options[i]; i++)
		argv_add(&argv, o->options[i]);
	c.argv = &argv;
	c.err = STDERR_FILENO; /* the log */
	o->letter = child_start(&c, e);
	if (o->letter > 0)
		return 0;
	o->letter = 0;
	return -1;
}

void warning_give(struct owner *o)
{
	char address[ADDRESS_SIZE];
	bool mail = address_read(o->s.email, address) && mail_is_configured(&o->config);
	struct err e = ERR_INIT;

	if (o->s.state >= SESSION_STOPPING)
		return;
	log_event("warning", "session", o->s.name, "user", o->s.user, "mail",
		  mail ? "yes" : "no", NULL);
	if (!mail || o->letter)
		return;
	if (start_letter(o, &e) < 0)
		log_error("letter", &e);
	else
		owner_deadline(o, DEADLINE_LETTER, LETTER_MS);
}

void warning_letter_ended(struct owner *o, int status)
{
	char text[16];

	owner_deadline(o, DEADLINE_LETTER, 0);
	if (status == 0)
		return;
	snprintf(text, sizeof(text), "%d", status);
	log_event("letter", "session", o->s.name, "result", "failed", "status",
		  text, NULL);
}

/* A mail server that takes half a minute is not waited for. */
void warning_give_up(struct owner *o)
{
	log_event("letter", "session", o->s.name, "result", "timeout", NULL);
	child_end(&o->letter, false);
}
