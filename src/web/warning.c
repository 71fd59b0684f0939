#include "web/warning.h"

#include "base/address.h"
#include "base/log.h"
#include "conf/arguments.h"
#include "session/store.h"
#include "web/letter.h"

static int post(const struct config *c, const struct session *s,
		struct err *e)
{
	AUTO_LETTER struct letter letter = LETTER_INIT;
	char address[ADDRESS_SIZE];
	struct mail_answer answer;

	if (!address_read(s->email, address))
		return err_set(e, ERR_SYSTEM, "no address to write to");
	if (letter_ending(c, s, &letter, e) < 0 ||
	    mail_send(c,
		      &(struct mail){
			      .to = address,
			      .subject = letter.subject,
			      .text = buf_str(&letter.text),
			      .html = buf_str(&letter.html),
		      },
		      &answer, e) < 0)
		return -1;
	log_event("letter", "session", s->name, "user", s->user, "result",
		  answer.taken ? "ok" : "refused", "reason", answer.reason,
		  NULL);
	return 0;
}

static int run(int argc, char **argv, struct config *c, struct err *e)
{
	AUTO_STORE struct store st = STORE_INIT;
	struct session s;

	if (argc < 3)
		return err_set(e, ERR_INPUT, "bad arguments");
	if (arguments_config(argc, argv, 3, c, e) < 0 ||
	    store_open(c, &st, e) < 0 || store_read(&st, argv[2], &s, e) < 0)
		return -1;
	/* It was extended, or stopped, in the meantime. */
	if (!session_is_ending(&s) || s.state >= SESSION_STOPPING)
		return 0;
	return post(c, &s, e);
}

int warning_main(int argc, char **argv)
{
	AUTO_CONFIG struct config c = { .file = NULL };
	struct err e = ERR_INIT;

	if (run(argc, argv, &c, &e) == 0)
		return 0;
	log_error("letter", &e);
	return 1;
}
