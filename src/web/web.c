#include "web/web.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "conf/servers.h"
#include "sys/clock.h"
#include "sys/core.h"
#include "sys/user.h"
#include "web/actions.h"
#include "web/page.h"

enum { DRAIN_MS = 2000 };

/* Pages: by the field of the query that asks for them. */
static const struct {
	const char *field;
	int (*show)(struct visit *v, struct err *e);
} pages[] = {
	{ "session", page_session },
	{ "ticket", page_ticket },
	{ "manage", page_manage },
	{ "host", page_host },
	{ "health", page_health },
	{ "metrics", page_metrics },
	{ "style", page_style },
	{ "terms", page_terms },
};

/* Nothing is changed by following a link. */
static int refuse_actions(const struct form *query, struct err *e)
{
	static const char *const names[] = { "create", "session_stop",
					     "session_extend",
					     "service_purge" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (form_get(query, names[i]))
			return err_set(e, ERR_METHOD,
				       "A link cannot do this: %s must be "
				       "sent by a form.",
				       names[i]);
	return 0;
}

static int show(struct visit *v, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(pages); i++)
		if (form_get(&v->request.query, pages[i].field))
			return pages[i].show(v, e);
	if (refuse_actions(&v->request.query, e) < 0)
		return -1;
	return page_form(v, e);
}

/* Where somebody may have chosen our environment, it chooses no file. */
static int configure(struct visit *v, struct err *e)
{
	const char *file = secure_getenv("QWD_CONFIG");

	if (file && file[0] != '/')
		return err_set(e, ERR_CONFIG,
			       "QWD_CONFIG: %s is no absolute path", file);
	if (config_read(&v->config, file ? file : CONFIG_DEFAULT_FILE,
			file != NULL, e) < 0)
		return -1;
	return config_finish(&v->config, e);
}

/* An answer to a form may lead to another server of the farm. */
static int allow_servers(struct visit *v, struct err *e)
{
	struct servers servers;

	if (!*v->config.fallback_servers)
		return 0;
	if (servers_parse(v->config.fallback_servers, &servers))
		return err_set(e, ERR_SYSTEM, "no memory");
	for (size_t i = 0; i < servers.count; i++)
		buf_printf(&v->reply.forms, " %s", servers.list[i].origin);
	return 0;
}

static int answer(struct visit *v, struct err *e)
{
	struct err unread = ERR_INIT;
	int result = request_read(&v->request, environ, STDIN_FILENO, &unread);

	v->reply.secret_url = form_get(&v->request.query, "ticket") != NULL;
	if (config_init(&v->config, e) < 0 || user_settle(e) < 0 ||
	    configure(v, e) < 0 || allow_servers(v, e) < 0 ||
	    request_admit(&v->request, &v->config, e) < 0)
		return -1;
	if (v->request.method == METHOD_OTHER)
		return err_set(e, ERR_METHOD,
			       "This service knows GET, HEAD and POST only.");
	if (v->request.method == METHOD_POST &&
	    request_check_origin(&v->request, &v->config, e) < 0)
		return -1;
	if (result < 0) {
		*e = unread;
		return -1;
	}
	if (visit_recognise(v, e) < 0)
		return -1;
	return v->request.method == METHOD_POST ? actions_post(v, e) :
						  show(v, e);
}

/* What the web server left us is not for us, nor for our children. */
static void harden(void)
{
	struct err e = ERR_INIT;

	umask(077);
	(void)!chdir("/");
	closefrom(3);
	if (core_forbid(&e) < 0)
		log_error("request", &e);
	(void)signal(SIGPIPE, SIG_IGN);
}

/* Read what is left of the body.  mod_cgid gives us a socket: if that is closed
 * with bytes in it, it is reset, and the visitor gets half of the reply. */
static void drain(int fd)
{
	long long end = clock_boot_ms() + DRAIN_MS;
	struct pollfd body = { .fd = fd, .events = POLLIN };
	char piece[4096];

	for (long long left = DRAIN_MS; left > 0; left = end - clock_boot_ms())
		if (poll(&body, 1, (int)left) <= 0 ||
		    read(fd, piece, sizeof(piece)) <= 0)
			return;
}

int web_main(void)
{
	AUTO_VISIT struct visit v = VISIT_INIT;
	struct err e = ERR_INIT;

	harden();
	if (answer(&v, &e) < 0)
		page_error(&v, &e);
	visit_give_cookie(&v);
	if (reply_send(&v.reply, v.request.https,
		       v.request.method == METHOD_HEAD, STDOUT_FILENO, &e) < 0)
		log_error("reply", &e);
	visit_launch(&v);
	drain(STDIN_FILENO);
	return 0;
}
