#include "family.h"

#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/macros.h"
#include "scratch.h"

int family_end(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	for (;;) {
		AUTO_FILE FILE *f = fopen("/proc/thread-self/children", "re");
		int left = 0;

		while (f && fscanf(f, "%d", &pid) == 1) { // NOLINT
			kill(pid, SIGKILL);
			left++;
		}
		if (!left)
			break;
		if (waitpid(-1, &status, 0) < 0)
			break;
	}
	return 0;
}

int family_make(void **state)
{
	return prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 ? -1 : scratch_make(state);
}

int family_remove(void **state)
{
	family_end(state);
	return scratch_remove(state);
}

void sh_vector(struct argv *a, const char *script)
{
	argv_add(a, "/bin/sh");
	argv_add(a, "-c");
	argv_add(a, script);
}
