/* src/session/access: the one rule for who may. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "session/access.h"

static struct identity identity(const char *user, bool admin)
{
	struct identity who = { .admin = admin };

	snprintf(who.user, sizeof(who.user), "%s", user);
	return who;
}

static struct session session_of(const char *user)
{
	struct session s = { .name = "svc-a" };

	snprintf(s.user, sizeof(s.user), "%s", user);
	return s;
}

#define OK ERR_NONE
#define NO ERR_FORBIDDEN
#define WHO ERR_LOGIN

static void the_matrix_of_users_actions_and_sessions_holds(void **state)
{
	static const struct {
		const char *user;
		bool admin;
		const char *owner; /* of the session; NULL: about none */
		/* create, view, stop, manage, oversee, stop all */
		enum err_code answer[6];
	} table[] = {
		{ "ann", false, "ann", { OK, OK, OK, OK, NO, NO } },
		{ "ann", false, "bob", { OK, NO, NO, OK, NO, NO } },
		{ "ann", false, NULL, { OK, NO, NO, OK, NO, NO } },
		{ "bob", false, "ann", { OK, NO, NO, OK, NO, NO } },
		{ "root", true, "ann", { OK, OK, OK, OK, OK, OK } },
		{ "root", true, "root", { OK, OK, OK, OK, OK, OK } },
		{ "root", true, NULL, { OK, OK, OK, OK, OK, OK } },
		/* nobody, also where a flag or a session says otherwise */
		{ "", false, "ann", { WHO, WHO, WHO, WHO, WHO, WHO } },
		{ "", false, "", { WHO, WHO, WHO, WHO, WHO, WHO } },
		{ "", true, "ann", { WHO, WHO, WHO, WHO, WHO, WHO } },
		/* names that are parts, patterns or look-alikes of others */
		{ "an", false, "ann", { OK, NO, NO, OK, NO, NO } },
		{ "anna", false, "ann", { OK, NO, NO, OK, NO, NO } },
		{ "joanna", false, "ann", { OK, NO, NO, OK, NO, NO } },
		{ "Ann", false, "ann", { OK, NO, NO, OK, NO, NO } },
		{ "a.n", false, "ann", { OK, NO, NO, OK, NO, NO } },
		{ ".*", false, "ann", { OK, NO, NO, OK, NO, NO } },
		{ "*", false, "ann", { OK, NO, NO, OK, NO, NO } },
		{ "ann ", false, "ann", { OK, NO, NO, OK, NO, NO } },
		{ "ann", false, "ann ", { OK, NO, NO, OK, NO, NO } },
		{ "ann", false, "", { OK, NO, NO, OK, NO, NO } },
		{ "\303\251", false, "e\314\201", { OK, NO, NO, OK, NO, NO } },
	};
	static const enum action actions[] = {
		ACTION_CREATE, ACTION_VIEW,    ACTION_STOP,
		ACTION_MANAGE, ACTION_OVERSEE, ACTION_STOP_ALL,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct identity who = identity(table[i].user, table[i].admin);
		struct session s = session_of(table[i].owner ? table[i].owner :
							       "");

		for (size_t j = 0; j < ARRAY_LEN(actions); j++) {
			struct err e = ERR_INIT;
			int result = access_check(&who, actions[j],
						  table[i].owner ? &s : NULL,
						  &e);

			if (e.code != table[i].answer[j] ||
			    result != (e.code == OK ? 0 : -1))
				fail_msg("row %zu, action %zu: %s", i, j,
					 err_name(e.code));
		}
	}
}

static void what_is_no_action_is_refused(void **state)
{
	struct identity who = identity("root", true);
	struct session s = session_of("root");
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(access_check(&who, (enum action)99, &s, &e), -1);
	assert_int_equal(e.code, ERR_FORBIDDEN);
}

static void without_an_authenticator_nobody_is_an_administrator(void **state)
{
	static const char *const lists[] = { "", "ann", "ann, root", "*" };
	static const char *const users[] = { "", "ann", "root", "*" };
	AUTO_CONFIG struct config c = { 0 };
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(config_init(&c, &e), 0);
	assert_false(access_logins_checked(&c));
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		if (config_set(&c, "user_admin", lists[i], &e) < 0)
			continue; /* not even accepted */
		for (size_t j = 0; j < ARRAY_LEN(users); j++)
			assert_false(access_is_admin(&c, users[j]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_matrix_of_users_actions_and_sessions_holds),
		cmocka_unit_test(what_is_no_action_is_refused),
		cmocka_unit_test(
			without_an_authenticator_nobody_is_an_administrator),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
