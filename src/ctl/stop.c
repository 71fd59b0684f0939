/* qwdctl stop: one session, some, or all. */
#include "ctl/ctl.h"

#include <string.h>

#include "ctl/service_store.h"
#include "run/control.h"

enum { NAMES_MAX = 1000 };

struct order {
	bool all;
	bool now;
	bool yes;
	const char *names[NAMES_MAX];
	size_t count;
};

static int usage(const char *what)
{
	fprintf(stderr,
		"qwdctl stop: %s\n"
		"Usage: qwdctl stop NAME...|--all [--now] [--yes]\n",
		what);
	return CTL_USAGE;
}

static int read_arguments(int argc, char **argv, struct order *ret)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--all") == 0)
			ret->all = true;
		else if (strcmp(argv[i], "--now") == 0)
			ret->now = true;
		else if (strcmp(argv[i], "--yes") == 0)
			ret->yes = true;
		else if (argv[i][0] == '-')
			return usage("there are only --all, --now and --yes");
		else if (!session_name_ok(argv[i]))
			return usage("this is no session's name");
		else if (ret->count == NAMES_MAX)
			return usage("too many names");
		else
			ret->names[ret->count++] = argv[i];
	}
	if (ret->all == (ret->count > 0))
		return usage("name sessions, or say --all");
	return CTL_DONE;
}

static int find_all(const struct store *st, struct session_list *ret,
		    struct err *e)
{
	size_t kept = 0;

	if (store_list(st, NULL, ret, e) < 0)
		return -1;
	for (size_t i = 0; i < ret->count; i++)
		if (!session_is_final(&ret->list[i]))
			ret->list[kept++] = ret->list[i];
	ret->count = kept;
	return 0;
}

static int find_named(const struct store *st, const struct order *o,
		      struct session_list *ret, struct err *e)
{
	ret->list = calloc(o->count, sizeof(*ret->list));
	if (!ret->list)
		return err_set(e, ERR_SYSTEM, "no memory");
	for (size_t i = 0; i < o->count; i++) {
		if (store_read_true(st, o->names[i], &ret->list[i], e) < 0)
			return e->code != ERR_NOT_FOUND ?
				       -1 :
				       err_set(e, ERR_NOT_FOUND,
					       "%s: no such session",
					       o->names[i]);
		ret->count = i + 1;
	}
	return 0;
}

/* Ask on the terminal.  Names that were typed need none. */
static int confirm(const struct order *o, const struct session_list *list)
{
	char answer[16];

	if (o->yes)
		return CTL_DONE;
	if (!isatty(STDIN_FILENO))
		return o->all ? usage("--all needs --yes where nobody can be "
				      "asked") :
				CTL_DONE;
	for (size_t i = 0; i < list->count; i++)
		printf("%s  %s of %s\n", list->list[i].name,
		       list->list[i].machine, list->list[i].user);
	printf("Stop %zu session%s, and erase what is in %s? [y/N] ",
	       list->count, list->count == 1 ? "" : "s",
	       list->count == 1 ? "it" : "them");
	fflush(stdout);
	if (fgets(answer, sizeof(answer), stdin) &&
	    (answer[0] == 'y' || answer[0] == 'Y'))
		return CTL_DONE;
	printf("Nothing was stopped.\n");
	return CTL_NOTHING;
}

static int stop_each(const struct store *st, const struct order *o,
		     const struct session_list *list)
{
	int status = CTL_NOTHING;

	for (size_t i = 0; i < list->count; i++) {
		const char *name = list->list[i].name;
		struct err e = ERR_INIT;
		struct session s;

		if (session_is_final(&list->list[i])) {
			printf("%s: has %s already\n", name,
			       session_state_name(list->list[i].state));
		} else if (control_stop(st, name, o->now, "the administrator",
					&s, &e) == 0) {
			printf("%s: %s\n", name, session_state_name(s.state));
			status = status == CTL_FAILED ? CTL_FAILED : CTL_DONE;
		} else {
			fprintf(stderr, "qwdctl stop: %s: %s\n", name, e.msg);
			status = CTL_FAILED;
		}
	}
	return status;
}

int ctl_stop(const struct config *c, int argc, char **argv)
{
	AUTO_SESSION_LIST struct session_list list = { 0 };
	AUTO_STORE struct store store = STORE_INIT;
	struct order o = { .all = false };
	struct err e = ERR_INIT;
	int status = read_arguments(argc, argv, &o);

	if (status != CTL_DONE)
		return status;
	if (service_store_open(c, &store, &e) < 0 ||
	    (o.all ? find_all(&store, &list, &e) :
		     find_named(&store, &o, &list, &e)) < 0) {
		fprintf(stderr, "qwdctl stop: %s\n", e.msg);
		return CTL_FAILED;
	}
	if (!list.count) {
		printf("There is no session to stop.\n");
		return CTL_NOTHING;
	}
	status = confirm(&o, &list);
	return status == CTL_DONE ? stop_each(&store, &o, &list) : status;
}
