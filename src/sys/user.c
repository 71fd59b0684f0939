#include "sys/user.h"

#include <unistd.h>

#include "base/macros.h"

bool user_is_borrowed(void)
{
	return getuid() != geteuid() || getgid() != getegid();
}

int user_settle(struct err *e)
{
	uid_t user = geteuid();
	gid_t group = getegid();

	/* Nobody is made root by this program's file. */
	if (user_is_borrowed() && (user == 0 || group == 0))
		return err_set(e, ERR_CONFIG,
			       "the program is installed set-user-id root");
	if (user_is_borrowed() && (setresgid(group, group, group) < 0 ||
				   setresuid(user, user, user) < 0))
		return err_sys(e, "cannot become user %u", (unsigned)user);
	return 0;
}
