#include "web/mail_login.h"

#include <poll.h>
#include <string.h>

#include "auth/attempt.h"
#include "base/address.h"
#include "base/log.h"
#include "base/text.h"
#include "sys/clock.h"
#include "sys/json.h"
#include "web/create.h"
#include "web/order.h"
#include "web/page.h"

enum { RETRY_S = 60 };

/* ---- Asking for a mail ---- */

bool mail_login_wanted(const struct visit *v)
{
	const char *user = form_get(&v->request.fields, "user");
	const char *password = form_get(&v->request.fields, "password");
	bool passwords = access_passwords_checked(&v->config);
	char address[ADDRESS_SIZE] = "";

	if (!v->config.check_user_with_email || visit_remote_user(v) || !user ||
	    !*user || (password && *password && passwords))
		return false;
	if (!address_read(user, address))
		return !passwords && strcmp(user, v->who.user) != 0;
	return strcmp(address, v->who.user) != 0;
}

static int read_address(const struct visit *v, char ret[ADDRESS_SIZE],
			enum mail_verdict *ret_verdict, struct err *e)
{
	const char *user = form_get(&v->request.fields, "user");

	if (!user || !address_read(user, ret))
		return err_field(e, "user",
				 "Enter your mail address, as "
				 "ann@lab.example.");
	*ret_verdict = mail_judge(&v->config, ret);
	if (*ret_verdict == MAIL_OTHER_DOMAIN)
		return err_field(e, "user",
				 "This address cannot be used here.");
	return 0;
}

static void become(struct visit *v, const char *address)
{
	v->who = (struct identity){ .method = "email" };
	snprintf(v->who.user, sizeof(v->who.user), "%s", address);
	snprintf(v->who.mail, sizeof(v->who.mail), "%s", address);
	v->who.admin = access_is_admin(&v->config, &v->who);
}

/* May they have what they order?  Whoever asks stays who they were. */
static int check_order(struct visit *v, const char *address, struct session *s,
		       struct letter_order *ret, struct err *e)
{
	struct identity before = v->who;
	int result = -1;

	become(v, address);
	*ret = (struct letter_order){ .session = s };
	if (create_read_order(v, s, &ret->lifetime_s, e) == 0 &&
	    access_check(&v->who, ACTION_CREATE, NULL, e) == 0)
		result = order_check_machine(s, &v->config, &v->who, e);
	v->who = before;
	return result;
}

static void log_mail(const struct visit *v, const char *user,
		     const char *result, const struct mail_answer *answer)
{
	log_event("mail", "result", result, "request", v->request.id, "remote",
		  v->request.remote, "user", user, "reason",
		  answer ? answer->reason : NULL, "message",
		  answer ? answer->message : NULL, NULL);
}

static int send_link(const struct visit *v, const struct ticket *t,
		     const char *token, const struct letter_order *order,
		     struct err *e)
{
	AUTO_LETTER struct letter letter = LETTER_INIT;
	struct mail_answer answer;

	if (letter_login(v, t, token, order, &letter, e) < 0 ||
	    mail_send(&v->config,
		      &(struct mail){
			      .to = t->user,
			      .subject = letter.subject,
			      .text = buf_str(&letter.text),
			      .html = buf_str(&letter.html),
		      },
		      &answer, e) < 0)
		return -1;
	log_mail(v, t->user, answer.taken ? "sent" : "refused", &answer);
	return 0;
}

static int not_sent(struct visit *v, const char *token, const struct err *why,
		    struct err *e)
{
	struct err failure = ERR_INIT;

	log_error("mail", why);
	if (ticket_drop(&v->store, token, &failure) < 0)
		log_error("mail", &failure);
	err_set(e, ERR_BUSY,
		"The mail with your link could not be sent. Try again in some "
		"minutes. If it happens again, tell the administrator.");
	e->retry_after = RETRY_S;
	return -1;
}

/* Also for an address that gets no mail there is a ticket, and it counts. */
static int make_and_send(struct visit *v, const struct ticket *t,
			 const struct letter_order *order, bool denied,
			 struct err *e)
{
	char token[TICKET_TOKEN_SIZE];
	struct err why = ERR_INIT;

	if (visit_store(v, e) < 0 ||
	    ticket_make(&v->store, t, v->request.remote,
			v->config.email_link_lifetime, token, e) < 0)
		return -1;
	if (denied)
		log_mail(v, t->user, "denied", NULL);
	else if (send_link(v, t, token, order, &why) < 0)
		return not_sent(v, token, &why, e);
	return 0;
}

/* Wait until a multiple of the step has passed since `start`. */
static void pad(long long start)
{
	long long passed = clock_boot_ms() - start;
	long long end = start + (passed / MAIL_LOGIN_STEP_MS + 1) *
					MAIL_LOGIN_STEP_MS;

	for (long long left = end - clock_boot_ms(); left > 0;
	     left = end - clock_boot_ms())
		(void)poll(NULL, 0, (int)left);
}

static int reply_mailed(struct visit *v, const char *address, struct err *e)
{
	char lifetime[32];

	if (v->request.wants_json)
		return page_json(v, 202, json_pack("{s{sb}}", "mail", "sent", 1),
				 e);
	clock_duration(v->config.email_link_lifetime, lifetime,
		       sizeof(lifetime));
	return page_html(v, 202, "mailed.html", "Look into your mail", 0,
			 json_pack("{ss ss}", "address", address, "lifetime",
				   lifetime),
			 e);
}

int mail_login_ask(struct visit *v, enum ticket_purpose purpose,
		   struct err *e)
{
	long long start = clock_boot_ms();
	struct ticket t = { .purpose = purpose };
	bool create = purpose == TICKET_CREATE;
	AUTO_FREE char *packed = NULL;
	char address[ADDRESS_SIZE];
	enum mail_verdict verdict = MAIL_OTHER_DOMAIN;
	struct letter_order order = { .session = NULL };
	struct session s = { .name = "" };

	if (read_address(v, address, &verdict, e) < 0 ||
	    (create && check_order(v, address, &s, &order, e) < 0))
		return -1;
	packed = create ? order_pack(&v->request.fields) : strdup("");
	if (!packed || strlen(packed) > TICKET_ORDER_MAX)
		return err_set(e, ERR_TOO_LARGE, "The form is too long.");
	snprintf(t.user, sizeof(t.user), "%s", address);
	t.order = packed;
	if (make_and_send(v, &t, create ? &order : NULL,
			  verdict == MAIL_DENIED, e) < 0)
		return -1;
	pad(start);
	return reply_mailed(v, address, e);
}

/* ---- Using the link ---- */

int mail_login_order(struct visit *v, const struct ticket *t,
		     struct session *s, struct letter_order *ret,
		     struct err *e)
{
	form_release(&v->request.fields);
	if (form_parse(&v->request.fields, FORM_URLENCODED, t->order,
		       strlen(t->order), e) < 0)
		return -1;
	return check_order(v, t->user, s, ret, e);
}

/* The ticket says what is done; nothing can be put in beside it. */
static int check_alone(const struct form *f, struct err *e)
{
	static const char *const known[] = { "ticket", "create", "manage" };

	for (size_t i = 0; i < f->count; i++) {
		bool found = false;

		for (size_t k = 0; k < ARRAY_LEN(known); k++)
			found |= strcmp(f->fields[i].name, known[k]) == 0;
		if (!found)
			return err_field(e, f->fields[i].name,
					 "%s does not go with a ticket.",
					 f->fields[i].name);
	}
	return 0;
}

/* The site's own program has the last word about this login, too. */
static int ask_custom(struct visit *v, struct err *e)
{
	struct auth_result result;
	const struct auth_request r = {
		.config = &v->config,
		.user = v->who.user,
		.password = "",
		.remote = true,
		.mail = v->who.mail,
		.rhost = v->request.remote,
	};
	int answer;

	if (!*v->config.check_user_custom)
		return 0;
	answer = attempt_login(&v->store, &r, &result, e);
	if (answer < 0)
		log_auth(result.verdict == AUTH_OUTAGE ? "error" : "failure",
			 "email", v->request.remote, result.reason,
			 v->who.user);
	return answer;
}

/* v->who becomes whom the ticket is for. */
static int log_in(struct visit *v, const struct ticket *t, struct err *e)
{
	struct identity before = v->who;

	become(v, t->user);
	if (ask_custom(v, e) == 0)
		return visit_begin_login(v, e);
	v->who = before;
	return -1;
}

static int use(struct visit *v, struct ticket *ret, struct err *e)
{
	const char *token = form_get(&v->request.fields, "ticket");

	if (check_alone(&v->request.fields, e) < 0 || visit_store(v, e) < 0 ||
	    ticket_use(&v->store, token, ret, e) < 0)
		return -1;
	/* The configuration may have changed since. */
	if (!v->config.check_user_with_email ||
	    mail_judge(&v->config, ret->user) != MAIL_ALLOWED)
		return err_set(e, ERR_FORBIDDEN,
			       "This address cannot be used here.");
	return log_in(v, ret, e);
}

int mail_login_use(struct visit *v, struct err *e)
{
	AUTO_TICKET struct ticket t = TICKET_INIT;
	struct letter_order order = { .session = NULL };
	struct session s = { .name = "" };

	if (use(v, &t, e) < 0)
		return -1;
	if (t.purpose == TICKET_CREATE)
		return mail_login_order(v, &t, &s, &order, e) < 0 ?
			       -1 :
			       create_session(v, e);
	if (v->request.wants_json)
		return page_manage(v, e);
	page_see_other(v, "manage=1");
	return 0;
}
