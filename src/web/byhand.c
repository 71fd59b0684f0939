#include "web/byhand.h"

#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "auth/login.h"
#include "base/text.h"
#include "conf/catalogue.h"
#include "conf/machines.h"
#include "run/control.h"
#include "run/launch.h"
#include "run/purge.h"
#include "session/admission.h"
#include "sys/child.h"
#include "sys/clock.h"
#include "sys/hostload.h"
#include "sys/news.h"
#include "vm/display.h"
#include "web/byhand_arguments.h"
#include "web/order.h"
#include "web/origin.h"
#include "web/page.h"

enum {
	START_DEADLINE_MS = 60000,
	STOP_DEADLINE_MS = 20000,
	LOOK_AGAIN_MS = 200, /* also where nothing was seen to change */
};

/* ---- Start ---- */

static void user_name(char ret[SESSION_USER_SIZE])
{
	const struct passwd *who = getpwuid(getuid());

	if (who && session_user_ok(who->pw_name))
		snprintf(ret, SESSION_USER_SIZE, "%s", who->pw_name);
	else
		snprintf(ret, SESSION_USER_SIZE, "uid-%u", (unsigned)getuid());
}

/* The machine as it is now, with its settings if machines.conf has some. */
static int examine(const struct config *c, struct catalogue_entry *ret,
		   struct err *e)
{
	AUTO_MACHINES struct machines machines = { .list = NULL };
	const struct machine *machine;
	struct err failure = ERR_INIT;

	if (machines_read(c->machines_conf, &machines, &failure) < 0 &&
	    failure.code != ERR_NOT_FOUND) {
		*e = failure;
		return -1;
	}
	machine = machines_find(&machines, c->machine);
	return machine ? catalogue_examine_machine(c, machine, ret, e) :
			 catalogue_examine(c, c->machine, ret, e);
}

/* What to start: the machine with its default resources. */
static int prepare(const struct config *c, struct session *s, struct err *e)
{
	struct catalogue_entry machine = { .name = NULL };
	struct origin origin;
	struct hostload host;
	struct limits limits;
	struct offer offer;
	int result;

	if (examine(c, &machine, e) < 0 || hostload_read(&host, e) < 0) {
		catalogue_entry_release(&machine);
		return -1;
	}
	limits_of(c, &host, &limits);
	result = order_machine(&machine, c, &limits, s, &offer, e);
	catalogue_entry_release(&machine);
	s->oneshot = c->oneshot;
	user_name(s->user);
	if (c->service_url[0] && origin_of_url(c->service_url, &origin))
		origin_text(&origin, s->origin, sizeof(s->origin));
	else
		snprintf(s->origin, sizeof(s->origin), "http://localhost");
	return result;
}

static void await_change(int news)
{
	struct pollfd p = { .fd = news, .events = POLLIN };

	(void)!poll(&p, 1, LOOK_AGAIN_MS);
	news_read(news);
}

/* Follow the session until it runs or is over. */
static int follow(const struct store *st, struct session *s, struct err *e)
{
	long long deadline = clock_boot_ms() + START_DEADLINE_MS;
	AUTO_CLOSE int news = news_of(st->dir, IN_MOVED_TO);

	for (;;) {
		if (store_read_true(st, s->name, s, e) < 0)
			return -1;
		if (session_is_final(s))
			return err_set(e, ERR_CONFLICT, "%s: %s",
				       session_state_name(s->state),
				       s->reason);
		if (s->state == SESSION_RUNNING)
			return 0;
		if (clock_boot_ms() > deadline)
			return err_set(e, ERR_TIMEOUT,
				       "session %s is still %s; stop it with "
				       "--session_stop=%s",
				       s->name, session_state_name(s->state),
				       s->name);
		await_change(news);
	}
}

/* The command that stops it finds it by these of our arguments. */
static void tell_how_to_stop(const struct by_hand *b, const struct session *s)
{
	static const char *const where[] = { "--config=", "--dir_cfg=",
					     "--dir-cfg=", "--service=" };

	printf("Stop it with: qemu-web-desktop");
	for (size_t i = 1; i < b->arguments.count; i++)
		for (size_t k = 0; k < ARRAY_LEN(where); k++)
			if (text_starts(b->arguments.list[i], where[k]))
				printf(" %s", b->arguments.list[i]);
	printf(" --session_stop=%s\n", s->name);
}

static int tell(const struct by_hand *b, const struct session *s)
{
	AUTO_FREE char *url = display_url(&b->config, s);
	char ends[32];

	if (!url) {
		fprintf(stderr, "qemu-web-desktop: no memory\n");
		return BY_HAND_FAILED;
	}
	clock_human(s->ends, ends, sizeof(ends));
	printf("Session: %s\nMachine: %s\nUser: %s\nProcessors: %lld\n"
	       "Memory: %lld MB\n",
	       s->name, s->machine, s->user, s->cpu, s->memory_mb);
	if (s->ends)
		printf("Ends: %s\n", ends);
	printf("URL: %s\n", url);
	tell_how_to_stop(b, s);
	return fflush(stdout) == 0 ? BY_HAND_DONE : BY_HAND_FAILED;
}

static int start(const struct by_hand *b)
{
	AUTO_STORE struct store store = STORE_INIT;
	/* Without the program and without --config: the owner gets that. */
	const char *options[1024] = { NULL };
	const struct config *c = &b->config;
	struct session s = { .name = "" };
	AUTO_CLOSE int lock = -1;
	struct err e = ERR_INIT;
	size_t count = 0;

	if (!c->machine[0])
		return by_hand_usage("--machine=NAME",
				     "which machine shall start?");
	for (size_t i = 1; i < b->arguments.count; i++)
		if (!text_starts(b->arguments.list[i], "--config=") &&
		    count + 1 < ARRAY_LEN(options))
			options[count++] = b->arguments.list[i];
	if (store_open(c, &store, &e) < 0 || prepare(c, &s, &e) < 0)
		return by_hand_complain(&e);
	lock = admission_reserve(&store, &s, c->snapshot_lifetime, &e);
	if (lock < 0 || launch_owner(&store, &s, lock, -1, options, &e) < 0)
		return by_hand_complain(&e);
	close(TAKE_FD(lock));
	if (follow(&store, &s, &e) < 0)
		return by_hand_complain(&e);
	return tell(b, &s);
}

/* ---- Stop, purge, monitor ---- */

/* "/path/NAME.json" -> NAME: only the base name is looked up. */
static bool base_name(const char *text, char ret[SESSION_NAME_SIZE])
{
	const char *slash = strrchr(text, '/');
	const char *base = slash ? slash + 1 : text;
	size_t len = strlen(base);

	if (text_ends(base, ".json"))
		len -= strlen(".json");
	if (len >= SESSION_NAME_SIZE)
		return false;
	memcpy(ret, base, len);
	ret[len] = '\0';
	return session_name_ok(ret);
}

static int stop(const struct by_hand *b)
{
	AUTO_STORE struct store store = STORE_INIT;
	char name[SESSION_NAME_SIZE];
	char who[SESSION_USER_SIZE];
	struct err e = ERR_INIT;
	struct session s;

	if (!base_name(b->session, name))
		return by_hand_usage("--session_stop",
				     "this is no session's name");
	user_name(who);
	if (store_open(&b->config, &store, &e) < 0)
		return by_hand_complain(&e);
	if (control_stop(&store, name, true, who, &s, &e) < 0) {
		if (e.code == ERR_NOT_FOUND)
			err_set(&e, ERR_NOT_FOUND, "%s: no such session", name);
		return by_hand_complain(&e);
	}
	printf("%s: %s\n", s.name, session_state_name(s.state));
	return BY_HAND_DONE;
}

static int stop_each(const struct store *st, struct err *e)
{
	AUTO_SESSION_LIST struct session_list list = { 0 };
	char who[SESSION_USER_SIZE];
	struct session s;

	user_name(who);
	if (store_list(st, NULL, &list, e) < 0)
		return -1;
	for (size_t i = 0; i < list.count; i++) {
		if (session_is_final(&list.list[i]))
			continue;
		if (control_stop(st, list.list[i].name, true, who, &s, e) < 0)
			return err_prefix(e, "%s", list.list[i].name);
		printf("%s: stopped\n", s.name);
	}
	return 0;
}

static int purge(const struct by_hand *b)
{
	long long deadline = clock_boot_ms() + STOP_DEADLINE_MS;
	AUTO_STORE struct store store = STORE_INIT;
	AUTO_CLOSE int news = -1;
	struct purge_result result;
	struct err e = ERR_INIT;

	if (store_open(&b->config, &store, &e) < 0 ||
	    stop_each(&store, &e) < 0)
		return by_hand_complain(&e);
	news = news_of(store.dir, IN_MOVED_TO);
	while (store_count_alive(&store) && clock_boot_ms() < deadline)
		await_change(news);
	if (purge_patiently(&store, &result, &e) < 0)
		return by_hand_complain(&e);
	return BY_HAND_DONE;
}

/* The page of all sessions, as the web server would send it. */
static int monitor(struct by_hand *b)
{
	struct visit v = VISIT_INIT;
	struct err e = ERR_INIT;
	int result = BY_HAND_FAILED;

	v.config = b->config;
	v.who.admin = true;
	user_name(v.who.user);
	if (page_manage(&v, &e) < 0)
		by_hand_complain(&e);
	else if (fputs(buf_str(&v.reply.body), stdout) >= 0 &&
		 fflush(stdout) == 0)
		result = BY_HAND_DONE;
	v.config = (struct config){ .file = NULL }; /* stays b's */
	visit_release(&v);
	return result;
}

static int run(struct by_hand *b)
{
	switch (b->task) {
	case TASK_START:
		return start(b);
	case TASK_STOP:
		return stop(b);
	case TASK_PURGE:
		return purge(b);
	case TASK_MONITOR:
		return monitor(b);
	case TASK_SHOW:
		break;
	}
	return BY_HAND_DONE;
}

int by_hand_main(int argc, char **argv)
{
	struct by_hand b = { .task = TASK_START };
	int status = by_hand_arguments(argc, argv, &b);

	if (status == BY_HAND_DONE)
		status = run(&b);
	by_hand_release(&b);
	return status;
}
