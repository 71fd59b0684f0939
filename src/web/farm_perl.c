/* Servers of the Perl program: forms that go to them, and that come from
 * them. */
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "farm/perl.h"
#include "sys/json.h"
#include "web/farm.h"
#include "web/page.h"

enum { URL_BYTES_MAX = FARM_ASSERTION_MAX + 512 };

/* ---- To one ---- */

/* Its names of fields are ours; a list of servers for it to go on with is not
 * sent. */
static int fill_form(const struct visit *v, struct buf *out, struct err *e)
{
	static const char *const names[] = {
		"user",	  "password", "machine",       "cpu",
		"memory", "gpu",      "config_script", "snapshot_lifetime",
		"oneshot",
	};

	buf_puts(out, "create=1");
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const char *value = form_get(&v->request.fields, names[i]);

		if (!value)
			continue;
		buf_printf(out, "&%s=", names[i]);
		text_url_escape(out, value);
	}
	return buf_failed(out) ? err_set(e, ERR_TOO_LARGE,
					 "The form is too long.") :
				 0;
}

static void log_perl(const struct visit *v, const struct server *server,
		     const char *result, const char *reason,
		     const char *message)
{
	log_event("farm", "result", result, "request", v->request.id, "user",
		  v->who.user, "server", server->origin, "reason", reason,
		  "message", message, NULL);
}

static int reply_display(struct visit *v, const struct server *server,
			 const char *url, struct err *e)
{
	const char *host = strstr(server->origin, "://") + 3;

	log_perl(v, server, "forwarded", NULL, NULL);
	if (v->request.wants_json)
		return page_json(v, 201,
				 json_pack("{sn ss ss}", "session", "server",
					   server->origin, "url", url),
				 e);
	return page_html(v, 200, "elsewhere.html",
			 "Your desktop is on another server", 0,
			 json_pack("{ss ss}", "server", host, "url", url), e);
}

/* What the server says, if it says anything. */
static bool take_page(struct visit *v, const struct farm *f,
		      const struct server *server, const struct call *c)
{
	char url[PERL_URL_SIZE];
	struct err e = ERR_INIT;

	if (strcmp(c->reason, "ok") != 0 || !c->text) {
		log_perl(v, server, "silent", c->reason, c->message);
		if (peer_skip(f->store, server->origin, c->reason,
			      f->config->farm_skip, &e) < 0)
			log_error("farm", &e);
		return false;
	}
	if (c->status != 200 || !perl_find_display(c->text, server, url)) {
		log_perl(v, server, "refused", "no-display",
			 "no link to a display of that server");
		return false;
	}
	if (reply_display(v, server, url, &e) == 0)
		return true;
	log_error("farm", &e);
	return false;
}

/* A server that checks logins wants the password, which is only in the form
 * that it was typed into. */
static bool may_ask(const struct visit *v, const struct farm *f,
		    const struct server *server)
{
	const char *password = form_get(&v->request.fields, "password");
	char reason[PEER_REASON_SIZE];

	if (access_logins_checked(&v->config) && (!password || !*password)) {
		log_perl(v, server, "passed-by", "no-password",
			 "the visitor is known by a cookie");
		return false;
	}
	return !peer_is_skipped(f->store, server->origin, reason);
}

bool farm_try_perl(struct visit *v, const struct farm *f,
		   const struct server *server)
{
	struct call c = {
		.url = server->url,
		.accept = "text/html",
		.body = BUF_INIT(FARM_BODY_MAX),
	};
	struct err e = ERR_INIT;
	bool taken = false;

	if (!may_ask(v, f, server))
		return false;
	if (fill_form(v, &c.body, &e) == 0 &&
	    farm_ask(f->config, &c, 1, f->config->farm_wait,
		     f->config->farm_timeout * 1000, &e) == 0)
		taken = take_page(v, f, server, &c);
	else
		log_error("farm", &e);
	call_release(&c);
	return taken;
}

/* ---- From one ---- */

/* Forms of the Perl program carry its list of servers, and ours do not. */
bool farm_is_from_perl(const struct visit *v)
{
	return !v->by_farm && !v->request.wants_json &&
	       form_get(&v->request.fields, "fallback_servers") != NULL;
}

/* Where the browser is logged in, if we have what that is signed with. */
static json_t *ticket_url(struct visit *v, const struct session *s)
{
	AUTO_BUF struct buf url = BUF_INIT(URL_BYTES_MAX);
	AUTO_FARM struct farm f = FARM_INIT;
	struct server self = { .https = true };
	struct err e = ERR_INIT;

	if (access(v->config.farm_secret, F_OK) < 0)
		return json_null();
	if (farm_of_visit(v, &f, &e) == 0) {
		memcpy(self.origin, f.from, sizeof(self.origin));
		if (farm_enter_url(&f, &self, s->name, &url, &e) == 0)
			return json_string(buf_str(&url));
	}
	log_error("farm", &e);
	return json_null();
}

int farm_reply_to_perl(struct visit *v, const struct session *s,
		       struct err *e)
{
	return page_html(v, 200, "handed.html", "Your desktop", 0,
			 json_pack("{so so}", "url_session",
				   json_sprintf("%s" PAGE_CGI "?session=%s",
						s->origin, s->name),
				   "url_enter", ticket_url(v, s)),
			 e);
}
