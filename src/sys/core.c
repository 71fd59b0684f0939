#include "sys/core.h"

#include <sys/prctl.h>
#include <sys/resource.h>

int core_forbid(struct err *e)
{
	const struct rlimit none = { 0, 0 };

	if (setrlimit(RLIMIT_CORE, &none) < 0 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_sys(e, "cannot do without core files");
	return 0;
}
