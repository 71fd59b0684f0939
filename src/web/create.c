#include "web/create.h"

#include <signal.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "conf/options_slurm.h"
#include "farm/visitor.h"
#include "session/admission.h"
#include "sys/hostload.h"
#include "vm/script_order.h"
#include "web/farm.h"
#include "web/letter.h"
#include "web/order.h"
#include "web/page.h"

/* The box that asks for the connection information by mail. */
static bool is_mail_asked(const struct visit *v)
{
	const char *text = form_get(&v->request.fields, "mail_me");
	bool asked = false;

	return text && text_bool(text, &asked) && asked;
}

static int check_mail_me(const struct visit *v, struct err *e)
{
	const char *text = form_get(&v->request.fields, "mail_me");
	bool asked;

	if (text && !text_bool(text, &asked))
		return err_field(e, "mail_me", "Mail me is yes or no.");
	if (is_mail_asked(v) && !mail_is_configured(&v->config))
		return err_field(e, "mail_me", "No mail is sent from here.");
	return 0;
}

int create_read_order(const struct visit *v, struct session *s,
		      long long *ret_lifetime_s, struct err *e)
{
	struct hostload host;
	struct limits limits;

	if (check_mail_me(v, e) < 0 || hostload_read(&host, e) < 0)
		return -1;
	limits_of(&v->config, &host, &limits);
	if (order_read(&v->request.fields, &v->config, &limits, s,
		       ret_lifetime_s, e) < 0 ||
	    order_read_cluster(&v->request.fields, &v->config, v->by_farm, s,
			       e) < 0)
		return -1;
	request_link_origin(&v->request, &v->config, s->origin);
	return 0;
}

static void log_create(const struct visit *v, const struct session *s)
{
	char cpu[32];
	char memory[32];

	snprintf(cpu, sizeof(cpu), "%lld", s->cpu);
	snprintf(memory, sizeof(memory), "%lld", s->memory_mb);
	log_event("create", "result", "ok", "request", v->request.id, "remote",
		  v->request.remote, "user", s->user, "session", s->name,
		  "machine", s->machine, "cpu", cpu, "memory_mb", memory, NULL);
}

/*
 * From the reservation until the owner has taken over, the web server's
 * SIGTERM (the visitor went away, or it restarts) must not come in between.
 */
static void hold_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

/* What boot scripts need and the record does not hold. */
static int make_order(struct visit *v, struct err *e)
{
	const struct form *f = &v->request.fields;
	const char *script = form_get(f, "config_script");
	const char *password = form_get(f, "password");

	if (!v->config.script_password || !password)
		password = "";
	if (!script)
		script = "";
	if (!*script && !*password)
		return 0;
	v->launch_order = script_order_make(password, script, e);
	return v->launch_order < 0 ? -1 : 0;
}

int create_check(struct visit *v, struct session *s, struct err *e)
{
	char address[ADDRESS_SIZE];

	/* For boot scripts, and the warning before its end. */
	snprintf(s->email, sizeof(s->email), "%s",
		 letter_address(&v->who, address) ? address : v->who.mail);
	if (access_check(&v->who, ACTION_CREATE, NULL, e) < 0 ||
	    order_check_machine(s, &v->config, &v->who, e) < 0)
		return -1;
	if (config_has_visitors(&v->config) &&
	    visitor_check(v->who.user, NULL, e) < 0)
		return -1;
	return visit_store(v, e);
}

static int reserve(struct visit *v, struct session *s, long long lifetime_s,
		   const struct elsewhere *more, struct err *e)
{
	if (make_order(v, e) < 0)
		return -1;
	hold_signals();
	v->launch_lock = admission_reserve_with(&v->store, s, lifetime_s, more,
						e);
	if (v->launch_lock < 0)
		return -1;
	v->launch = *s;
	log_create(v, s);
	return 0;
}

/* No reply could be made, or nobody waits for it: nobody would know of the
 * session. */
static void unreserve(struct visit *v)
{
	struct err ignored = ERR_INIT;

	if (v->launch_lock < 0)
		return;
	(void)!store_forget(&v->store, v->launch.name, &ignored);
	close(TAKE_FD(v->launch_lock));
}

static int reply_created(struct visit *v, const struct session *s,
			 struct err *e)
{
	if (farm_is_from_perl(v))
		return farm_reply_to_perl(v, s, e);
	if (!v->request.wants_json) {
		page_see_other(v, "session=%s", s->name);
		return 0;
	}
	if (page_session_json(v, 201, s, e) < 0)
		return -1;
	reply_header(&v->reply, "Location", PAGE_CGI "?session=%s", s->name);
	return 0;
}

static int post_letter(const struct visit *v, const struct session *s,
		       const char *to, struct err *e)
{
	AUTO_LETTER struct letter letter = LETTER_INIT;
	AUTO_CLOSE int log = store_open_log(&v->store);

	if (letter_session(v, s, &letter, e) < 0)
		return -1;
	return mail_post(&v->config,
			 &(struct mail){
				 .to = to,
				 .subject = letter.subject,
				 .text = buf_str(&letter.text),
				 .html = buf_str(&letter.html),
			 },
			 log, e);
}

/* To the address that is known of the user, and to no other.  The session is
 * there without the mail, too. */
static void mail_owner(const struct visit *v, const struct session *s)
{
	char address[ADDRESS_SIZE];
	struct err e = ERR_INIT;
	const char *result = "posted";

	if (!is_mail_asked(v))
		return;
	if (!letter_address(&v->who, address))
		result = "no-address";
	else if (post_letter(v, s, address, &e) < 0)
		log_error("mail", &e);
	if (e.code == ERR_NONE)
		log_event("mail", "result", result, "request", v->request.id,
			  "user", v->who.user, "session", s->name, NULL);
}

int create_here(struct visit *v, struct session *s, long long lifetime_s,
		const struct elsewhere *more, struct err *e)
{
	if (reserve(v, s, lifetime_s, more, e) == 0 &&
	    farm_order_done(v, s, e) == 0 && reply_created(v, s, e) == 0) {
		mail_owner(v, s);
		return 0;
	}
	unreserve(v);
	return -1;
}

int create_place(struct visit *v, struct session *s, long long lifetime_s,
		 struct err *e)
{
	if (create_check(v, s, e) < 0)
		return -1;
	return *v->config.fallback_servers ?
		       farm_create(v, s, lifetime_s, e) :
		       create_here(v, s, lifetime_s, NULL, e);
}

int create_session(struct visit *v, struct err *e)
{
	struct session s = { .name = "" };
	long long lifetime_s = 0;

	if (create_read_order(v, &s, &lifetime_s, e) < 0)
		return -1;
	memcpy(s.user, v->who.user, sizeof(s.user));
	return create_place(v, &s, lifetime_s, e);
}
