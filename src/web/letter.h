/*
 * Letters: the mails that visitors get.  Each has a plain part and an HTML
 * part, by the templates mail_NAME.txt and mail_NAME.html of dir_html/desktop.
 *
 * Links begin with service_url, or the web server's own name; never with
 * what the browser says in its Host header.
 */
#ifndef QWD_WEB_LETTER_H
#define QWD_WEB_LETTER_H

#include "auth/mail.h"
#include "auth/ticket.h"
#include "base/address.h"
#include "web/visit.h"

enum { LETTER_PART_MAX = 24 * 1024 };

/*
 * Where we can write to `who`: the address that the login has told, or, where
 * a mail server has checked the login, its name, if that is an address.  False
 * if neither is.
 */
MUST_CHECK bool letter_address(const struct identity *who,
			       char ret[ADDRESS_SIZE]);

struct letter {
	char subject[MAIL_SUBJECT_MAX + 1];
	struct buf text;
	struct buf html;
};

#define AUTO_LETTER __attribute__((cleanup(letter_release)))
#define LETTER_INIT                                                            \
	{ .text = BUF_INIT(LETTER_PART_MAX), .html = BUF_INIT(LETTER_PART_MAX) }

/* What one confirms: a session that was ordered, with its lifetime. */
struct letter_order {
	const struct session *session;
	long long lifetime_s;
};

/*
 * The link that logs in: `token` stands for ticket *t.  `order` is what it
 * creates, NULL for a ticket of another purpose.
 */
MUST_CHECK int letter_login(const struct visit *v, const struct ticket *t,
			    const char *token, const struct letter_order *order,
			    struct letter *ret, struct err *e);

/* How to reach session *s, which runs or will: for who is logged in. */
MUST_CHECK int letter_session(const struct visit *v, const struct session *s,
			      struct letter *ret, struct err *e);

/* That session *s ends soon: for its user. */
MUST_CHECK int letter_ending(const struct config *c, const struct session *s,
			     struct letter *ret, struct err *e);

/*
 * {"machine", "cpu", "memory", "time"} for people, of an order, or JSON's
 * null for none.  NULL if no memory.
 */
json_t *letter_order_value(const struct letter_order *order);

void letter_release(struct letter *l);

#endif
