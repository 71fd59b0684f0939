/* src/session/access: the one rule for who may. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "session/access.h"
#include "settings.h"

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
		/* create, view, stop, manage, oversee, stop all, extend */
		enum err_code answer[7];
	} table[] = {
		{ "ann", false, "ann", { OK, OK, OK, OK, NO, NO, OK } },
		{ "ann", false, "bob", { OK, NO, NO, OK, NO, NO, NO } },
		{ "ann", false, NULL, { OK, NO, NO, OK, NO, NO, NO } },
		{ "bob", false, "ann", { OK, NO, NO, OK, NO, NO, NO } },
		{ "root", true, "ann", { OK, OK, OK, OK, OK, OK, OK } },
		{ "root", true, "root", { OK, OK, OK, OK, OK, OK, OK } },
		{ "root", true, NULL, { OK, OK, OK, OK, OK, OK, OK } },
		/* nobody, also where a flag or a session says otherwise */
		{ "", false, "ann", { WHO, WHO, WHO, WHO, WHO, WHO, WHO } },
		{ "", false, "", { WHO, WHO, WHO, WHO, WHO, WHO, WHO } },
		{ "", true, "ann", { WHO, WHO, WHO, WHO, WHO, WHO, WHO } },
		/* names that are parts, patterns or look-alikes of others */
		{ "an", false, "ann", { OK, NO, NO, OK, NO, NO, NO } },
		{ "anna", false, "ann", { OK, NO, NO, OK, NO, NO, NO } },
		{ "joanna", false, "ann", { OK, NO, NO, OK, NO, NO, NO } },
		{ "Ann", false, "ann", { OK, NO, NO, OK, NO, NO, NO } },
		{ "a.n", false, "ann", { OK, NO, NO, OK, NO, NO, NO } },
		{ ".*", false, "ann", { OK, NO, NO, OK, NO, NO, NO } },
		{ "*", false, "ann", { OK, NO, NO, OK, NO, NO, NO } },
		{ "ann ", false, "ann", { OK, NO, NO, OK, NO, NO, NO } },
		{ "ann", false, "ann ", { OK, NO, NO, OK, NO, NO, NO } },
		{ "ann", false, "", { OK, NO, NO, OK, NO, NO, NO } },
		{ "\303\251",
		  false,
		  "e\314\201",
		  { OK, NO, NO, OK, NO, NO, NO } },
	};
	static const enum action actions[] = {
		ACTION_CREATE, ACTION_VIEW,    ACTION_STOP,
		ACTION_MANAGE, ACTION_OVERSEE, ACTION_STOP_ALL,
		ACTION_EXTEND,
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

/* ---- Administrators, and machines that are kept for some ---- */

/* A user with groups, which are separated by blanks here. */
static struct identity member(const char *user, const char *groups)
{
	struct identity who = identity(user, false);
	AUTO_FREE char *copy = strdup(groups);
	char *save = NULL;

	assert_non_null(copy);
	for (char *group = strtok_r(copy, " ", &save); group;
	     group = strtok_r(NULL, " ", &save))
		access_add_group(&who, group);
	return who;
}

struct asked {
	const char *list;
	const char *user;
	const char *groups;
	bool yes;
};

static const struct asked lists[] = {
	{ "", "ann", "", false },
	{ "ann", "ann", "", true },
	{ "ann", "Ann", "", false },
	{ "ann", "an", "", false },
	{ "ann", "anna", "", false },
	{ "ann", "joanna", "", false },
	{ "root,ann", "ann", "", true },
	{ "root, ann ,bob", "ann", "", true },
	{ "root, ann ,bob", "bob", "", true },
	{ "root ann", "ann", "", false },
	{ ", ,ann,,", "ann", "", true },
	{ ", ,", "ann", "", false },
	{ "ann", "", "", false },
	{ ",", "", "", false },
	{ "*", "ann", "", false },
	{ ".*", "ann", "", false },
	{ "@staff", "ann", "staff", true },
	{ "@staff", "ann", "users staff lp", true },
	{ "@staff", "ann", "staf staffx xstaff", false },
	{ "@staff", "ann", "", false },
	{ "@staff", "staff", "", false },
	{ "@staff", "@staff", "", false },
	{ "staff", "ann", "staff", false },
	{ "@", "ann", "staff", false },
	{ "@,@ ", "ann", "staff", false },
};

static void set_admins(const char *list)
{
	/* As data: whether an option may hold it is conf/options' affair. */
	free(settings.user_admin);
	settings.user_admin = strdup(list);
	assert_non_null(settings.user_admin);
}

static void administrators_are_exact_names_and_groups(void **state)
{
	(void)state;
	settings.check_user_with_ldap = true;
	assert_true(access_logins_checked(&settings));
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		struct identity who = member(lists[i].user, lists[i].groups);

		set_admins(lists[i].list);
		if (access_is_admin(&settings, &who) != lists[i].yes)
			fail_msg("'%s' in '%s'", lists[i].user, lists[i].list);
	}
}

static void without_an_authenticator_nobody_is_an_administrator(void **state)
{
	(void)state;
	assert_false(access_logins_checked(&settings));
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		struct identity who = member(lists[i].user, lists[i].groups);

		who.admin = true; /* whatever it says of itself */
		set_admins(lists[i].list);
		assert_false(access_is_admin(&settings, &who));
	}
}

static void groups_only_ever_give_rights(void **state)
{
	struct identity who = identity("ann", false);
	static char longest[IDENTITY_GROUPS_SIZE];

	(void)state;
	access_add_group(&who, "");
	access_add_group(&who, "two\nlines");
	access_add_group(&who, "a,b");
	memset(longest, 'x', sizeof(longest) - 1);
	access_add_group(&who, longest);
	assert_string_equal(who.groups, "");
	longest[sizeof(longest) - 2] = '\0';
	access_add_group(&who, longest);
	assert_int_equal(strlen(who.groups), sizeof(who.groups) - 1);
	access_add_group(&who, "more");
	assert_int_equal(strlen(who.groups), sizeof(who.groups) - 1);
}

static void a_machine_may_be_kept_for_some(void **state)
{
	static const struct {
		const char *users, *groups; /* of the machine */
		const char *user, *member_of;
		bool admin;
		bool yes, yes_unchecked;
	} table[] = {
		{ "", "", "ann", "", false, true, true },
		{ "ann", "", "ann", "", false, true, false },
		{ "bob, ann", "", "ann", "", false, true, false },
		{ "ann", "", "anna", "", false, false, false },
		{ "ann", "", "ann", "staff", true, true, false },
		{ "bob", "", "ann", "bob", false, false, false },
		{ "bob", "", "root", "", true, true, false },
		{ "", "staff", "ann", "staff", false, true, false },
		{ "", "lp, staff", "ann", "users staff", false, true, false },
		{ "", "staff", "staff", "", false, false, false },
		{ "bob", "staff", "ann", "staff", false, true, false },
		{ ",", "", "ann", "", false, false, false },
		{ "", " ", "ann", "", false, false, false },
	};

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_LEN(table); i++) {
		struct identity who = member(table[i / 2].user,
					     table[i / 2].member_of);
		bool checked = i % 2;
		struct err e = ERR_INIT;
		int result;

		who.admin = table[i / 2].admin;
		settings.check_user_with_ldap = checked;
		result = access_check_machine(&settings, &who,
					      table[i / 2].users,
					      table[i / 2].groups, &e);
		if ((result == 0) != (checked ? table[i / 2].yes :
						table[i / 2].yes_unchecked))
			fail_msg("row %zu, %s", i / 2,
				 checked ? "checked" : "unchecked");
		if (result < 0) {
			assert_int_equal(e.code, ERR_FORBIDDEN);
			assert_string_equal(e.field, "machine");
		}
	}
}

#define T SETTINGS_TEST

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			the_matrix_of_users_actions_and_sessions_holds),
		cmocka_unit_test(what_is_no_action_is_refused),
		T(administrators_are_exact_names_and_groups),
		T(without_an_authenticator_nobody_is_an_administrator),
		T(groups_only_ever_give_rights),
		T(a_machine_may_be_kept_for_some),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
