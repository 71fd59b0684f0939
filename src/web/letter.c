#include "web/letter.h"

#include <string.h>

#include "session/lifetime.h"
#include "sys/clock.h"
#include "sys/json.h"
#include "web/page.h"
#include "web/view.h"

bool letter_address(const struct identity *who, char ret[ADDRESS_SIZE])
{
	bool mailbox = strcmp(who->method, "imap") == 0 ||
		       strcmp(who->method, "smtp") == 0;

	return address_read(who->mail, ret) ||
	       (mailbox && address_read(who->user, ret));
}

/* "2 hours" where that is exact. */
static void say_duration(long long seconds, char *ret, size_t size)
{
	static const struct {
		long long seconds;
		const char *name;
	} units[] = { { 86400, "day" }, { 3600, "hour" }, { 60, "minute" } };

	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		long long count = seconds / units[i].seconds;

		if (!count || seconds % units[i].seconds)
			continue;
		snprintf(ret, size, "%lld %s%s", count, units[i].name,
			 count == 1 ? "" : "s");
		return;
	}
	clock_duration(seconds, ret, size);
}

json_t *letter_order_value(const struct letter_order *order)
{
	char time[32];

	if (!order)
		return json_null();
	if (order->lifetime_s)
		say_duration(order->lifetime_s, time, sizeof(time));
	else
		snprintf(time, sizeof(time), "until you stop it");
	return json_pack("{ss sI so ss}", "machine",
			 view_machine_title(order->session), "cpu",
			 (json_int_t)order->session->cpu, "memory",
			 json_sprintf("%lld MB", order->session->memory_mb),
			 "time", time);
}

/* Both parts of letter `name`, with `value` (taken over) in them. */
static int fill(const struct config *c, const char *name, json_t *value,
		struct letter *ret, struct err *e)
{
	AUTO_JSON json_t *letter = value;
	char file[64];

	if (!letter)
		return err_set(e, ERR_SYSTEM, "no memory for a mail");
	snprintf(file, sizeof(file), "mail_%s.txt", name);
	if (page_fill(c, file, letter, &ret->text, e) < 0)
		return -1;
	snprintf(file, sizeof(file), "mail_%s.html", name);
	return page_fill(c, file, letter, &ret->html, e);
}

int letter_login(const struct visit *v, const struct ticket *t,
		 const char *token, const struct letter_order *order,
		 struct letter *ret, struct err *e)
{
	char origin[SESSION_ORIGIN_SIZE];
	char lifetime[32];

	request_link_origin(&v->request, &v->config, origin);
	say_duration(v->config.email_link_lifetime, lifetime, sizeof(lifetime));
	snprintf(ret->subject, sizeof(ret->subject), "%s: your link",
		 v->config.layout_title);
	return fill(&v->config, "login",
		    json_pack("{ss ss ss ss so so}", "title",
			      v->config.layout_title, "user", t->user,
			      "lifetime", lifetime, "remote",
			      v->request.remote, "link",
			      json_sprintf("%s" PAGE_CGI "?ticket=%s", origin,
					   token),
			      "order", letter_order_value(order)),
		    ret, e);
}

int letter_session(const struct visit *v, const struct session *s,
		   struct letter *ret, struct err *e)
{
	char ends[32] = "";

	if (s->ends)
		clock_human(s->ends, ends, sizeof(ends));
	snprintf(ret->subject, sizeof(ret->subject), "%s: your desktop",
		 v->config.layout_title);
	return fill(&v->config, "session",
		    json_pack("{ss ss ss sI sI ss so}", "title",
			      v->config.layout_title, "user", s->user,
			      "machine", view_machine_title(s), "cpu",
			      (json_int_t)s->cpu, "memory_mb",
			      (json_int_t)s->memory_mb, "ends", ends, "link",
			      json_sprintf("%s" PAGE_CGI "?session=%s",
					   s->origin, s->name)),
		    ret, e);
}

int letter_ending(const struct config *c, const struct session *s,
		  struct letter *ret, struct err *e)
{
	long long now = clock_boot_ms();
	bool more = lifetime_offer_s(c, s, now) > 0 || c->snapshot_unlimited;
	char ends[32];
	char left[32];

	clock_human(session_ends(s), ends, sizeof(ends));
	clock_duration(lifetime_left_s(s, now), left, sizeof(left));
	snprintf(ret->subject, sizeof(ret->subject),
		 "%s: your desktop ends soon", c->layout_title);
	return fill(c, "ending",
		    json_pack("{ss ss ss ss ss sb so}", "title",
			      c->layout_title, "user", s->user, "machine",
			      view_machine_title(s), "ends", ends, "left",
			      left, "can_extend", (int)more, "link",
			      json_sprintf("%s" PAGE_CGI "?session=%s",
					   s->origin, s->name)),
		    ret, e);
}

void letter_release(struct letter *l)
{
	buf_release(&l->text);
	buf_release(&l->html);
}
