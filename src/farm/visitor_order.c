/* What a visitor's job may be: visitor_check_order() of farm/visitor.h. */
#include <string.h>

#include "conf/machines.h"
#include "conf/options_slurm.h"
#include "farm/visitor.h"

enum { MEMORY_MIN_MB = 1, LIFETIME_SLACK_S = 60 };

/* The formats of conf/image.h, none of which opens anything but its file;
 * QEMU has others. */
static bool is_format(const char *word)
{
	static const char *const formats[] = { "raw", "qcow2", "qed", "vdi",
					       "vmdk", "vhdx", "vpc" };

	for (size_t i = 0; i < ARRAY_LEN(formats); i++)
		if (strcmp(word, formats[i]) == 0)
			return true;
	return false;
}

static int refuse(struct err *e, const char *what)
{
	return err_set(e, ERR_FORBIDDEN, "the order's %s is not what the "
					 "configuration says", what);
}

static int check_amounts(const struct config *c, const struct job_order *o,
			 struct err *e)
{
	const struct session *s = &o->session;
	long long life = o->lifetime_s;

	if (s->cpu < 1 || s->cpu > c->slurm_max_cpu)
		return refuse(e, "cpu");
	if (s->memory_mb < MEMORY_MIN_MB ||
	    s->memory_mb > c->slurm_max_memory * 1024 / 1000)
		return refuse(e, "memory");
	if (life < 0 || life > c->snapshot_lifetime + LIFETIME_SLACK_S ||
	    (!life && !c->snapshot_unlimited))
		return refuse(e, "lifetime");
	if (s->gpu[0] && strcmp(s->gpu, "any") != 0)
		return refuse(e, "gpu");
	return 0;
}

/* One that is listed, or where none is, Slurm's own. */
static bool is_listed(const char *list, const char *name)
{
	struct slurm_names names;

	if (slurm_names_parse(list, &names))
		return false;
	return names.count ? slurm_names_have(&names, name) : !*name;
}

static int check_cluster(const struct config *c, const struct session *s,
			 struct err *e)
{
	if (!is_listed(c->slurm_account, s->account))
		return refuse(e, "account");
	if (!is_listed(c->slurm_partition, s->partition))
		return refuse(e, "partition");
	return is_listed(c->slurm_qos, s->qos) ? 0 : refuse(e, "qos");
}

/* `said` stands in machines.conf, or nothing does. */
static bool is_said(const char *value, const char *said)
{
	return strcmp(value, said ? said : "") == 0;
}

static int check_settings(const struct config *c, const struct machine *m,
			  const struct session *s, struct err *e)
{
	const char *mounts = m && *m->mounts ? m->mounts : c->dir_mounts;

	if (!is_said(s->qemu_options, m ? m->qemu_options : NULL))
		return refuse(e, "qemu_options");
	if (!is_said(s->firmware, m ? m->firmware : NULL) ||
	    !is_said(s->arch, m ? m->arch : NULL))
		return refuse(e, "firmware");
	/* What it was before its owner took over, or the site's way then. */
	if (!is_said(s->network, m ? m->network : NULL) &&
	    !((!m || !*m->network) &&
	      strcmp(s->network, c->guest_network) == 0))
		return refuse(e, "network");
	if (!is_said(s->mounts, strcmp(mounts, "none") == 0 ? "" : mounts))
		return refuse(e, "mounts");
	return 0;
}

int visitor_check_order(const struct config *c, const char *account,
			const struct job_order *order, struct err *e)
{
	AUTO_MACHINES struct machines machines = { .list = NULL };
	const struct session *s = &order->session;
	struct err why = ERR_INIT;

	if (strcmp(s->user, account) != 0)
		return refuse(e, "user");
	if (!is_format(s->format))
		return refuse(e, "format");
	if (s->master)
		return refuse(e, "master");
	/* Its way is the job's; a gateway on the node would be no machine.  Of
	 * one with a port of its own QEMU asks for the password. */
	if (!s->remote || s->token[0] || (s->password[0] && !s->own_port))
		return refuse(e, "display");
	if (machines_read(c->machines_conf, &machines, &why) < 0 &&
	    why.code != ERR_NOT_FOUND) {
		*e = why;
		return -1;
	}
	if (check_amounts(c, order, e) < 0 || check_cluster(c, s, e) < 0)
		return -1;
	return check_settings(c, machines_find(&machines, s->machine), s, e);
}
