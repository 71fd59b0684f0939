/* qwdctl purge: for timers and cron, so that having nothing to do is fine. */
#include "ctl/ctl.h"

#include "conf/catalogue.h"
#include "ctl/service_store.h"
#include "run/purge.h"

static void tell(const struct purge_result *r)
{
	if (r->failed || r->removed || r->overlays || r->files)
		printf("purged: %zu sessions without an owner, %zu records, "
		       "%zu overlays, %zu other files\n",
		       r->failed, r->removed, r->overlays, r->files);
}

static json_t *value_of(const struct purge_result *r)
{
	return json_pack("{sI sI sI sI}", "ownerless", (json_int_t)r->failed,
			 "records", (json_int_t)r->removed, "overlays",
			 (json_int_t)r->overlays, "files",
			 (json_int_t)r->files);
}

int ctl_purge(const struct config *c, const struct given *g)
{
	AUTO_STORE struct store store = STORE_INIT;
	struct purge_result r = { 0 };
	struct err e = ERR_INIT;
	int status = CTL_DONE;

	/* As root perhaps, which the store is opened without. */
	catalogue_clean(c);
	if (service_store_open(c, &store, &e) < 0)
		return command_fail(g, &e);
	if (purge_patiently(&store, &r, &e) < 0)
		status = command_fail(g, &e);
	if (g->json && command_print_json(g, value_of(&r)) != CTL_DONE)
		return CTL_FAILED;
	if (!g->json && !g->quiet)
		tell(&r);
	return status;
}
