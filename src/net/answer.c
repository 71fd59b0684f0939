#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "net/mail_text.h"
#include "net/net.h"
#include "sys/json.h"

#define REASON_RESULT(result, name, word) [NET_##name] = NET_##result,
#define REASON_WORD(result, name, word) [NET_##name] = word,

static const enum net_result results[] = { NET_REASONS(REASON_RESULT) };
static const char *const words[] = { NET_REASONS(REASON_WORD) };

enum net_result net_result_of(enum net_reason reason)
{
	return results[reason];
}

const char *net_reason_word(enum net_reason reason)
{
	return words[reason];
}

static void print_plainly(char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

int net_say(struct net_answer *a, enum net_reason reason, const char *fmt, ...)
{
	va_list ap;

	a->reason = reason;
	va_start(ap, fmt);
	vsnprintf(a->message, sizeof(a->message), fmt, ap);
	va_end(ap);
	print_plainly(a->message);
	return -1;
}

void net_withhold(struct net_answer *a, const char *secret)
{
	char plain[NET_PASSWORD_MAX + 1];

	if (!secret || !*secret)
		return;
	snprintf(plain, sizeof(plain), "%s", secret);
	print_plainly(plain);
	if (strstr(a->message, plain))
		net_say(a, a->reason, "withheld: it quotes a password");
	explicit_bzero(plain, sizeof(plain));
}

char *net_answer_text(const struct net_answer *a)
{
	static const char *const names[] = {
		[NET_ACCEPTED] = "accepted",
		[NET_REFUSED] = "refused",
		[NET_ERROR] = "error",
	};
	AUTO_FREE char *text = NULL;
	bool good = net_result_of(a->reason) == NET_ACCEPTED;
	char *line = NULL;
	json_t *json;

	json = json_pack("{ss ss ss ss? ss? so}", "result",
			 names[net_result_of(a->reason)], "reason",
			 net_reason_word(a->reason), "message", a->message,
			 "user", good && *a->user ? a->user : NULL, "mail",
			 good && *a->mail ? a->mail : NULL, "groups",
			 good && a->groups ? json_incref(a->groups) :
					     json_array());
	text = json_text(json);
	json_decref(json);
	if (!text || asprintf(&line, "%s\n", text) < 0)
		return NULL;
	return line;
}

void net_answer_release(struct net_answer *a)
{
	json_decref(a->groups);
	*a = (struct net_answer){ .reason = NET_OK };
}

static int refuse_send(const struct net_request *r, struct net_answer *a)
{
	if (!mail_address_ok(r->to))
		return net_say(a, NET_BAD_ADDRESS, "to: no address");
	if (!*r->subject || strlen(r->subject) > NET_SUBJECT_MAX ||
	    text_has_control(r->subject))
		return net_say(a, NET_BAD_INPUT, "subject");
	if (!mail_body_ok(r->text))
		return net_say(a, NET_BAD_INPUT, "text");
	if (r->html && !mail_body_ok(r->html))
		return net_say(a, NET_BAD_INPUT, "html");
	return 0;
}

int net_refusal(enum net_verb verb, const struct net_request *r,
		struct net_answer *a)
{
	if (verb == NET_MAIL_SEND)
		return refuse_send(r, a);
	if (!*r->user || strlen(r->user) > NET_USER_MAX ||
	    text_has_control(r->user))
		return net_say(a, NET_BAD_INPUT, "user");
	if (!*r->password)
		return net_say(a, NET_EMPTY_PASSWORD, "password");
	if (strlen(r->password) > NET_PASSWORD_MAX ||
	    text_has_control(r->password))
		return net_say(a, NET_BAD_INPUT, "password");
	return 0;
}
