/* qwd-net: see net/net.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/macros.h"
#include "net/agent.h"
#include "net/farm.h"
#include "net/fetch.h"
#include "net/limits.h"
#include "net/net.h"
#include "sys/file.h"

enum { EXIT_ANSWER, EXIT_UNKNOWN, EXIT_MISUSE };

/* Read standard input to its end.  -1 if that fails or it is too long. */
static ssize_t read_request(char *to, size_t room)
{
	size_t len = 0;

	for (;;) {
		ssize_t got = read(STDIN_FILENO, to + len, room - len);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -1 : (ssize_t)len;
		len += (size_t)got;
		if (len == room)
			return -1;
	}
}

/* The limits of the process, and what it is asked.  -1: *a says why. */
static ssize_t begin(char *to, size_t room, struct net_answer *a)
{
	struct err e = ERR_INIT;
	ssize_t len;

	if (limits_set(&e) < 0 ||
	    limits_deadline(NET_TIMEOUT_MAX_S * 1000, &e) < 0) {
		net_say(a, NET_INTERNAL, "%s", e.msg);
		return -1;
	}
	len = read_request(to, room);
	if (len < 0) {
		explicit_bzero(to, room);
		limits_met();
		net_say(a, NET_REQUEST, "cannot be read, or too long");
	}
	return len;
}

static void run(enum net_verb verb, const struct net_request *r,
		struct net_answer *a)
{
	static void (*const verbs[])(const struct net_request *,
				     struct net_answer *) = {
		[NET_LDAP_CHECK] = net_ldap_check,
		[NET_IMAP_CHECK] = net_imap_check,
		[NET_SMTP_CHECK] = net_smtp_check,
		[NET_MAIL_SEND] = net_mail_send,
	};
	struct err e = ERR_INIT;

	if (net_refusal(verb, r, a) < 0)
		return;
	if (limits_deadline(r->timeout * 1000 + NET_GRACE_MS, &e) < 0) {
		net_say(a, NET_INTERNAL, "%s", e.msg);
		return;
	}
	verbs[verb](r, a);
	limits_met();
	net_withhold(a, r->password);
	net_withhold(a, r->bind_password);
}

static void converse(enum net_verb verb, struct net_answer *a)
{
	static char text[NET_REQUEST_MAX + 1];
	struct net_request r = { .json = NULL };
	struct err e = ERR_INIT;
	ssize_t len;

	net_request_secret();
	len = begin(text, sizeof(text), a);
	if (len < 0)
		return;
	if (net_request_parse(verb, text, (size_t)len, &r, &e) < 0)
		net_say(a, NET_REQUEST, "%s", e.msg);
	explicit_bzero(text, sizeof(text));
	if (r.json)
		run(verb, &r, a);
	limits_met();
	net_request_release(&r);
}

static void fetch(struct net_answer *a, struct buf *body)
{
	static char text[NET_REQUEST_MAX + 1];
	struct fetch_request r = { .json = NULL };
	struct err e = ERR_INIT;
	ssize_t len;

	len = begin(text, sizeof(text), a);
	if (len < 0)
		return;
	if (fetch_request_parse(text, (size_t)len, &r, &e) < 0)
		net_say(a, NET_REQUEST, "%s", e.msg);
	else if (limits_deadline(r.timeout * 1000 + NET_GRACE_MS, &e) < 0)
		net_say(a, NET_INTERNAL, "%s", e.msg);
	else
		net_fetch(&r, a, body);
	limits_met();
	fetch_request_release(&r);
}

/* Passwords may be in it, for servers of the Perl program. */
static void farm(struct net_answer *a, json_t **ret_answers)
{
	static char text[NET_FARM_REQUEST_MAX + 1];
	struct farm_request r = { .json = NULL };
	struct err e = ERR_INIT;
	ssize_t len;

	net_request_secret();
	len = begin(text, sizeof(text), a);
	if (len < 0)
		return;
	if (farm_request_parse(text, (size_t)len, &r, &e) < 0)
		net_say(a, NET_REQUEST, "%s", e.msg);
	else if (limits_deadline(r.timeout_ms + NET_GRACE_MS, &e) < 0)
		net_say(a, NET_INTERNAL, "%s", e.msg);
	else
		net_farm(&r, a, ret_answers);
	explicit_bzero(text, (size_t)len);
	limits_met();
	farm_request_release(&r);
}

static int tell(const struct net_answer *a, char *text)
{
	AUTO_FREE char *line = text;

	if (!line || file_write_all(STDOUT_FILENO, line, strlen(line)) < 0)
		return EXIT_UNKNOWN;
	if (a->reason == NET_REQUEST)
		return EXIT_MISUSE;
	return net_result_of(a->reason) == NET_ERROR ? EXIT_UNKNOWN :
						       EXIT_ANSWER;
}

int main(int argc, char **argv)
{
	struct net_answer a = { .reason = NET_INTERNAL };
	AUTO_BUF struct buf body = BUF_INIT(FETCH_MAX);
	json_t *answers = NULL;
	enum net_verb verb;
	int status;

	if (argc > 1 && strcmp(argv[1], "farm-agent") == 0)
		return agent_main(argc, argv);
	if (argc == 2 && strcmp(argv[1], "farm") == 0) {
		farm(&a, &answers);
		status = tell(&a, farm_answer_text(&a, answers));
		json_decref(answers);
		return status;
	}
	if (argc == 2 && strcmp(argv[1], "fetch") == 0) {
		fetch(&a, &body);
		return tell(&a, fetch_answer_text(&a, &body));
	}
	if (argc != 2 || !net_verb_of(argv[1], &verb)) {
		fputs("usage: qwd-net "
		      "ldap-check|imap-check|smtp-check|mail-send|fetch|farm "
		      "<REQUEST\n"
		      "A helper of qemu-web-desktop: JSON in, JSON out.\n",
		      stderr);
		return EXIT_MISUSE;
	}
	converse(verb, &a);
	status = tell(&a, net_answer_text(&a));
	net_answer_release(&a);
	return status;
}
