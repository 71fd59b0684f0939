/* qwdctl stop: one session, some, a user's, or all. */
#include "ctl/ctl.h"

#include <string.h>

#include "ctl/service_store.h"
#include "run/control.h"
#include "sys/json.h"

/* Sessions that live, of `user` or (NULL) of all. */
static int find_living(const struct store *st, const char *user,
		       struct session_list *ret, struct err *e)
{
	size_t kept = 0;

	if (store_list(st, user, ret, e) < 0)
		return -1;
	for (size_t i = 0; i < ret->count; i++)
		if (!session_is_final(&ret->list[i]))
			ret->list[kept++] = ret->list[i];
	ret->count = kept;
	return 0;
}

static int append(struct session_list *ret, const struct session *more,
		  size_t count, struct err *e)
{
	struct session *list = reallocarray(ret->list, ret->count + count + 1,
					    sizeof(*list));

	if (!list)
		return err_set(e, ERR_SYSTEM, "no memory");
	ret->list = list;
	if (count)
		memcpy(list + ret->count, more, count * sizeof(*list));
	ret->count += count;
	return 0;
}

/* A session, or else a user, of whom all are meant. */
static int add_word(const struct store *st, const char *word,
		    struct session_list *ret, struct err *e)
{
	AUTO_SESSION_LIST struct session_list more = { 0 };
	struct err failure = ERR_INIT;
	struct session s;

	if (session_name_ok(word) &&
	    store_read_true(st, word, &s, &failure) == 0)
		return append(ret, &s, 1, e);
	if (failure.code != ERR_NONE && failure.code != ERR_NOT_FOUND) {
		*e = failure;
		return -1;
	}
	if (session_user_ok(word) && find_living(st, word, &more, e) < 0)
		return -1;
	return more.count ? append(ret, more.list, more.count, e) :
			    err_set(e, ERR_NOT_FOUND,
				    "%s: no such session, nor a user who has "
				    "one",
				    word);
}

static int find(const struct store *st, const struct given *g,
		struct session_list *ret, struct err *e)
{
	if (given_has(g, "all"))
		return find_living(st, NULL, ret, e);
	for (size_t i = 0; i < g->count; i++)
		if (add_word(st, g->words[i], ret, e) < 0)
			return -1;
	return 0;
}

static int check_arguments(const struct given *g)
{
	if (given_has(g, "all") == (g->count > 0))
		return command_usage(g->command,
				     "name sessions or users, or say --all");
	for (size_t i = 0; i < g->count; i++)
		if (!session_name_ok(g->words[i]) &&
		    !session_user_ok(g->words[i]))
			return command_usage(g->command,
					     "%.60s is no session's or user's "
					     "name",
					     g->words[i]);
	return CTL_DONE;
}

/* Ask on the terminal.  Names that were typed need none elsewhere. */
static int confirm(const struct given *g, const struct session_list *list)
{
	char answer[16];

	if (g->yes || g->dry_run)
		return CTL_DONE;
	if (!isatty(STDIN_FILENO))
		return given_has(g, "all") ?
			       command_usage(g->command,
					     "--all needs --yes where nobody "
					     "can be asked") :
			       CTL_DONE;
	for (size_t i = 0; i < list->count; i++)
		fprintf(stderr, "%s  %s of %s\n", list->list[i].name,
			list->list[i].machine, list->list[i].user);
	fprintf(stderr, "Stop %zu session%s, and erase what is in %s? [y/N] ",
		list->count, list->count == 1 ? "" : "s",
		list->count == 1 ? "it" : "them");
	if (fgets(answer, sizeof(answer), stdin) &&
	    (answer[0] == 'y' || answer[0] == 'Y'))
		return CTL_DONE;
	fprintf(stderr, "Nothing was stopped.\n");
	return CTL_NOTHING;
}

static void tell(const struct given *g, json_t *told, const char *name,
		 const char *state, const char *words)
{
	if (told)
		json_array_append_new(told, json_pack("{ss ss}", "name", name,
						      "state", state));
	else if (!g->quiet)
		printf("%s: %s\n", name, words);
}

static int stop_one(const struct store *st, const struct given *g,
		    const struct session *was, json_t *told)
{
	struct err e = ERR_INIT;
	char words[64];
	struct session s;

	if (session_is_final(was)) {
		snprintf(words, sizeof(words), "has %s already",
			 session_state_name(was->state));
		tell(g, told, was->name, session_state_name(was->state),
		     words);
		return CTL_NOTHING;
	}
	if (g->dry_run) {
		snprintf(words, sizeof(words), "is %s, would be stopped",
			 session_state_name(was->state));
		tell(g, told, was->name, session_state_name(was->state),
		     words);
		return CTL_DONE;
	}
	if (control_stop(st, was->name, given_has(g, "now"),
			 "the administrator", &s, &e) == 0) {
		tell(g, told, s.name, session_state_name(s.state),
		     session_state_name(s.state));
		return CTL_DONE;
	}
	err_prefix(&e, "%s", was->name);
	return command_fail(g, &e);
}

static int stop_each(const struct store *st, const struct given *g,
		     const struct session_list *list)
{
	AUTO_JSON json_t *told = g->json ? json_array() : NULL;
	int status = CTL_NOTHING;

	for (size_t i = 0; i < list->count; i++) {
		int one = stop_one(st, g, &list->list[i], told);

		if (one == CTL_FAILED ||
		    (one == CTL_DONE && status == CTL_NOTHING))
			status = one;
	}
	if (g->json &&
	    command_print_json(g, json_pack("{sO}", "sessions", told)) !=
		    CTL_DONE)
		return CTL_FAILED;
	return status;
}

int ctl_stop(const struct config *c, const struct given *g)
{
	AUTO_SESSION_LIST struct session_list list = { 0 };
	AUTO_STORE struct store store = STORE_INIT;
	struct err e = ERR_INIT;
	int status = check_arguments(g);

	if (status != CTL_DONE)
		return status;
	if (service_store_open(c, &store, &e) < 0 ||
	    find(&store, g, &list, &e) < 0)
		return command_fail(g, &e);
	if (!list.count && !g->json) {
		if (!g->quiet)
			printf("There is no session to stop.\n");
		return CTL_NOTHING;
	}
	status = confirm(g, &list);
	return status == CTL_DONE ? stop_each(&store, g, &list) : status;
}
