/* qwdctl purge: for timers and cron, so that having nothing to do is fine. */
#include "ctl/ctl.h"

#include "conf/catalogue.h"
#include "ctl/service_store.h"
#include "run/purge.h"

int ctl_purge(const struct config *c, int argc, char **argv)
{
	AUTO_STORE struct store store = STORE_INIT;
	struct purge_result r = { 0 };
	struct err e = ERR_INIT;
	int failed = 0;

	if (argc > 1) {
		fprintf(stderr, "qwdctl purge: %s: there are no arguments\n",
			argv[1]);
		return CTL_USAGE;
	}
	/* As root perhaps, which the store is opened without. */
	catalogue_clean(c);
	if (service_store_open(c, &store, &e) < 0) {
		fprintf(stderr, "qwdctl purge: %s\n", e.msg);
		return CTL_FAILED;
	}
	if (purge_everything(&store, &r, &e) < 0) {
		fprintf(stderr, "qwdctl purge: %s\n", e.msg);
		failed = 1;
	}
	if (r.failed || r.removed || r.overlays || r.files)
		printf("purged: %zu sessions without an owner, %zu records, "
		       "%zu overlays, %zu other files\n",
		       r.failed, r.removed, r.overlays, r.files);
	return failed ? CTL_FAILED : CTL_DONE;
}
