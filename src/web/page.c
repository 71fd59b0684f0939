#include "web/page.h"

#include <fcntl.h>
#include <stdarg.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "base/version.h"
#include "sys/json.h"
#include "web/template.h"

/* What visitors must know about who else may be here. */
static json_t *warnings(const struct config *c)
{
	const char *text;

	if (access_logins_checked(c))
		return json_array();
	text = c->allow_anonymous ?
		       "No login is configured. Everybody who reaches this "
		       "page can create desktops, under any name, and use "
		       "those of others by giving their name." :
		       "No login is configured. The service is open only to "
		       "the computer that it runs on, under any name.";
	return json_pack("[{ss}]", "text", text);
}

static json_t *site_value(const struct config *c)
{
	return json_pack("{ss ss ss ss ss ss ss ss ss ss so sb sb}",
			 "title", c->layout_title, "service", c->service,
			 "logo", c->layout_logo[0] ? c->layout_logo :
						     PAGE_ASSETS "/logo.svg",
			 "home", PAGE_HOME, "cgi", PAGE_CGI,
			 "assets", PAGE_ASSETS, "style", PAGE_CGI "?style=1",
			 "terms", PAGE_CGI "?terms=1",
			 "manage", PAGE_CGI "?manage=1",
			 "version", QWD_VERSION, "warnings", warnings(c),
			 "minimal", c->layout_level == 0, "technical",
			 c->layout_level == 2);
}

/* dir_html/desktop, where the templates are. */
static int open_templates(const struct config *c, struct err *e)
{
	AUTO_FREE char *path = NULL;
	int fd;

	if (asprintf(&path, "%s/desktop", c->dir_html) < 0) {
		path = NULL;
		return err_set(e, ERR_SYSTEM, "no memory");
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_sys(e, "cannot open %s", path) : fd;
}

/*
 * The site's own templates stand in for ours, but for what is wrong with them:
 * that is for the log (and for qwdctl check), and ours for the visitor.
 */
int page_fill(const struct config *c, const char *file, const json_t *value,
	      struct buf *out, struct err *e)
{
	AUTO_CLOSE int templates = open_templates(c, e);
	AUTO_CLOSE int site = -1;
	struct err wrong = ERR_INIT;

	if (templates < 0)
		return -1;
	site = open(c->dir_html_site, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (site >= 0) {
		if (template_render(site, templates, file, value, out,
				    &wrong) == 0)
			return 0;
		log_event("template", "directory", c->dir_html_site, "message",
			  wrong.msg, NULL);
	}
	return template_render(-1, templates, file, value, out, e);
}

static int render(struct visit *v, int status, const char *file,
		  const char *type, const json_t *value, struct err *e)
{
	reply_reset(&v->reply, status, type);
	return page_fill(&v->config, file, value, &v->reply.body, e);
}

/* Whether the visitor is asked for a name and a password, and can log out. */
static json_t *login_value(const struct visit *v)
{
	bool checked = access_logins_checked(&v->config);
	const char *remote = visit_remote_user(v);
	bool known = remote || (checked && v->who.user[0]);
	bool has_cookie = v->cookie[0] || v->new_cookie[0];

	return json_pack("{ss? sb sb sb sb}", "known_as",
			 remote ? remote :
			 known	? v->who.user :
				  NULL,
			 "name_needed", !known, "password_needed",
			 access_passwords_checked(&v->config) && !known, "mail",
			 v->config.check_user_with_email && !known,
			 "can_log_out",
			 has_cookie && checked && !remote);
}

int page_html(struct visit *v, int status, const char *file,
	      const char *title, int refresh, json_t *value, struct err *e)
{
	AUTO_JSON json_t *page = value;
	AUTO_JSON json_t *common =
		json_pack("{so so ss? ss si}", "site", site_value(&v->config),
			  "login", login_value(v), "user",
			  v->who.user[0] ? v->who.user : NULL, "page_title",
			  title, "refresh", refresh);

	if (!page || !common || json_object_update(page, common) < 0)
		return err_set(e, ERR_SYSTEM, "no memory for a page");
	return render(v, status, file, REPLY_HTML, page, e);
}

static int add_piece(const char *bytes, size_t len, void *buf)
{
	buf_add(buf, bytes, len);
	return buf_failed(buf) ? -1 : 0;
}

int page_json(struct visit *v, int status, json_t *value, struct err *e)
{
	AUTO_JSON json_t *body = value;

	reply_reset(&v->reply, status, REPLY_JSON);
	if (!body ||
	    json_dump_callback(body, add_piece, &v->reply.body,
			       JSON_REAL_PRECISION(10)) < 0)
		return err_set(e, ERR_SYSTEM, "no memory for a reply");
	buf_putc(&v->reply.body, '\n');
	return 0;
}

void page_see_other(struct visit *v, const char *fmt, ...)
{
	AUTO_FREE char *query = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&query, fmt, ap) < 0)
		query = NULL;
	va_end(ap);
	reply_reset(&v->reply, 303, NULL);
	reply_header(&v->reply, "Location", PAGE_CGI "?%s", query ? query : "");
}

int page_terms(struct visit *v, struct err *e)
{
	return page_html(v, 200, "terms.html", "Terms and conditions", 0,
			 json_object(), e);
}

int page_style(struct visit *v, struct err *e)
{
	const struct config *c = &v->config;
	AUTO_JSON json_t *colours =
		json_pack("{ss ss ss ss}",
			  "color_accent", c->layout_color_accent,
			  "color_accent_text", c->layout_color_accent_text,
			  "color_header", c->layout_color_header,
			  "color_header_text", c->layout_color_header_text);

	if (!colours)
		return err_set(e, ERR_SYSTEM, "no memory for a page");
	return render(v, 200, "theme.css", REPLY_CSS, colours, e);
}
