/*
 * Pages: each is a JSON value; a template makes HTML of it, or the value
 * itself is the reply.
 *
 * A page's function fills v->reply and returns 0, or -1 with *e, for which
 * page_error() then makes a page of its own.
 */
#ifndef QWD_WEB_PAGE_H
#define QWD_WEB_PAGE_H

#include <jansson.h>

#include "web/visit.h"

/* Where the pages are; requests also come by PAGE_HOME. */
#define PAGE_CGI "/cgi-bin/qemu-web-desktop"
#define PAGE_HOME "/qemu-web-desktop/"
#define PAGE_ASSETS "/qemu-web-desktop/assets"

/* ---- Pages ---- */

MUST_CHECK int page_form(struct visit *v, struct err *e);
MUST_CHECK int page_session(struct visit *v, struct err *e);
MUST_CHECK int page_manage(struct visit *v, struct err *e);
/* What a mailed link leads to: a button that uses the ticket. */
MUST_CHECK int page_ticket(struct visit *v, struct err *e);
/* For an administrator: the host's state. */
MUST_CHECK int page_host(struct visit *v, struct err *e);
/* For programs: 200 or 503, and what works; figures, if they are offered. */
MUST_CHECK int page_health(struct visit *v, struct err *e);
MUST_CHECK int page_metrics(struct visit *v, struct err *e);
MUST_CHECK int page_terms(struct visit *v, struct err *e);
MUST_CHECK int page_style(struct visit *v, struct err *e); /* theme.css */

/* The form again, as it was filled in, with what was wrong (400). */
MUST_CHECK int page_form_refused(struct visit *v, const struct err *why,
				 struct err *e);

/* Who are you?  401, or the status of `why`, which is shown at its field. */
MUST_CHECK int page_login(struct visit *v, const struct err *why,
			  struct err *e);

/* The reply to an error, which is logged here, once.  Cannot fail. */
void page_error(struct visit *v, const struct err *why);

/* One session as JSON: {"session", "progress"}. */
MUST_CHECK int page_session_json(struct visit *v, int status,
				 const struct session *s, struct err *e);

/* ---- What pages are made with ---- */

/*
 * Fill template `file` with `value` (taken over; NULL means no memory) and
 * what every page has: site, user, login (known_as, name_needed,
 * password_needed, mail, can_log_out), page_title, refresh (seconds, 0 =
 * never).
 */
MUST_CHECK int page_html(struct visit *v, int status, const char *file,
			 const char *title, int refresh, json_t *value,
			 struct err *e);

/* Fill template `file` with `value` and add it to `out`: for what is no page,
 * such as a mail. */
MUST_CHECK int page_fill(const struct config *c, const char *file,
			 const json_t *value, struct buf *out, struct err *e);

/* Reply with `value` (taken over; NULL means no memory). */
MUST_CHECK int page_json(struct visit *v, int status, json_t *value,
			 struct err *e);

/* 303 to PAGE_CGI with this query. */
void page_see_other(struct visit *v, const char *fmt, ...) PRINTF_LIKE(2, 3);

/*
 * "error" for a page that shows it: {"code", "message", "field"}, where the
 * message is one that the visitor may read.  `field` is null unless it is in
 * `fields` (NULL-terminated; NULL: any).  NULL if no memory.
 */
json_t *page_error_value(const struct visit *v, const struct err *why,
			 const char *const *fields);

/*
 * "fields" of a form: {NAME: {"value", "error", "invalid"}} for each of
 * `names`, with the posted values (never the password) and the message of
 * `why` (may be NULL) at its field.  NULL if no memory.
 */
json_t *page_fields_value(const struct visit *v, const char *const *names,
			  const struct err *why);

#endif
