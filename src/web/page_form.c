/* The form: what the configuration and the host allow to ask for. */
#include "web/page.h"

#include <string.h>

#include "base/text.h"
#include "conf/options_slurm.h"
#include "sys/hostload.h"
#include "sys/pci_gpu.h"
#include "web/choices.h"
#include "web/form_machines.h"
#include "web/letter.h"
#include "web/order.h"
#include "web/setup.h"

static const char *const field_names[] = {
	"user",	  "password", "machine",	   "cpu",
	"memory", "disk",     "snapshot_lifetime", "gpu",
	"config_script", "account", "partition", "qos", NULL,
};

/* What was asked for is kept where it can be had. */
static long long chosen_number(const struct visit *v, const char *field,
			       long long min, long long max,
			       long long otherwise)
{
	const char *text = form_get(&v->request.fields, field);
	long long chosen;

	return text && text_long(text, min, max, &chosen) ? chosen : otherwise;
}

/* The same for a number of GB, in MB. */
static long long chosen_gb(const struct visit *v, const char *field,
			   const struct amount *a, long long otherwise)
{
	const char *text = form_get(&v->request.fields, field);
	long long milli;
	long long mb;

	if (!text || !text_milli(text, 0, 1LL << 40, &milli))
		return otherwise;
	mb = offer_mb(milli);
	return mb >= a->min && mb <= a->max ? mb : otherwise;
}

/* Machines with ideas of their own have no default in common. */
static json_t *cpus_value(const struct visit *v, const struct form_machines *m)
{
	return choices_cpus(&m->widest.cpu,
			    chosen_number(v, "cpu", 1, m->widest.cpu.max,
					  m->differ ? 0 :
						      m->widest.cpu.standard),
			    m->differ);
}

static json_t *memories_value(const struct visit *v,
			      const struct form_machines *m)
{
	const struct amount *a = &m->widest.memory_mb;

	return choices_memories(a,
				chosen_gb(v, "memory", a,
					  m->differ ? 0 : a->standard),
				m->differ);
}

/* Only where there is a choice. */
static json_t *disks_value(const struct visit *v,
			   const struct form_machines *m)
{
	const struct amount *a = &m->widest.disk_mb;

	return m->disks ? choices_disks(a, chosen_gb(v, "disk", a, 0)) :
			  json_array();
}

static json_t *lifetimes_value(const struct visit *v)
{
	long long max = v->config.snapshot_lifetime;
	long long chosen = chosen_number(v, "snapshot_lifetime", LIFETIME_MIN_S,
					 max, max);

	if (!v->config.snapshot_unlimited)
		return choices_lifetimes(max, chosen, false);
	if (chosen_number(v, "snapshot_lifetime", 0, 0, max) == 0)
		chosen = 0;
	return choices_lifetimes(max, chosen, true);
}

/* For programs: {"machines", "defaults", "limits", "setup", "cluster"}, in the
 * fields' units. */
static json_t *json_value(const struct visit *v, const struct limits *l,
			  const struct form_machines *m)
{
	json_int_t lifetime = v->config.snapshot_lifetime;

	return json_pack("{sO s{sI sf sI} s{sI sf sI sI sb} so so}", "machines",
			 m->programs, "defaults", "cpu",
			 (json_int_t)l->default_cpu, "memory",
			 (double)order_gb(l->default_memory_mb) / 1e3,
			 "snapshot_lifetime", lifetime, "limits", "cpu",
			 (json_int_t)l->session_cpu, "memory",
			 (double)order_gb(l->user_memory_mb) / 1e3,
			 "snapshot_lifetime", lifetime, "config_script",
			 v->config.form_config_script ?
				 (json_int_t)v->config.service_max_script_length :
				 (json_int_t)0,
			 "unlimited", (int)v->config.snapshot_unlimited,
			 "setup",
			 setup_value(v, json_array_size(m->people) > 0),
			 "cluster", order_cluster_names(&v->config));
}

/* Where the server has a card for guests. */
static bool can_gpu(const struct visit *v)
{
	struct gpu_list all;
	struct err ignored = ERR_INIT;

	if (config_has_slurm(&v->config))
		return true; /* whether there is one, Slurm says */
	return gpu_scan(v->config.dir_sysfs, v->config.gpu_blacklist, &all,
			&ignored) == 0 &&
	       gpu_count_usable(&all) > 0;
}

/* Who is known without an address gets no mail. */
static bool can_mail(const struct visit *v)
{
	char address[ADDRESS_SIZE];

	return access_logins_checked(&v->config) &&
	       mail_is_configured(&v->config) &&
	       (!v->who.user[0] || letter_address(&v->who, address));
}

/* A box of the form that came back, or that a link has ticked. */
static int is_ticked(const struct visit *v, const char *field)
{
	const char *text = form_get(&v->request.fields, field);
	bool yes = false;

	return text && text_bool(text, &yes) && yes;
}

static json_t *html_value(const struct visit *v,
			  const struct form_machines *m, const struct err *why)
{
	bool none = json_array_size(m->people) == 0;
	json_t *setup = setup_value(v, !none);

	return json_pack("{so sb so so sO sb sb so so so sb so sb sb sb sb sb sb sb so}",
			 "setup", setup, "has_setup",
			 json_array_size(setup) > 0, "error",
			 why ? page_error_value(v, why, field_names) :
			       json_null(),
			 "fields", page_fields_value(v, field_names, why),
			 "machines", m->people, "no_machines", none, "differ",
			 m->differ, "cpus", cpus_value(v, m), "memories",
			 memories_value(v, m), "disks", disks_value(v, m),
			 "has_disks", m->disks, "lifetimes", lifetimes_value(v), "can_script",
			 (int)v->config.form_config_script, "can_mail",
			 can_mail(v), "can_gpu", can_gpu(v), "gpu",
			 is_ticked(v, "gpu"), "mail_me",
			 is_ticked(v, "mail_me"), "can_oneshot",
			 v->config.form_oneshot, "oneshot",
			 is_ticked(v, "oneshot"), "cluster",
			 order_cluster_fields(&v->request.fields, &v->config,
					      why));
}

static int form_html(struct visit *v, const struct err *why, struct err *e)
{
	struct hostload host;
	struct limits limits;
	AUTO_FORM_MACHINES struct form_machines machines = { .people = NULL };

	if (hostload_read(&host, e) < 0)
		return -1;
	limits_of(&v->config, &host, &limits);
	if (form_machines_load(v, &limits, &machines, e) < 0)
		return -1;
	if (v->request.wants_json)
		return page_json(v, 200, json_value(v, &limits, &machines), e);
	return page_html(v, why ? reply_status_of(why->code) : 200,
			 "index.html", "Create a desktop", 0,
			 html_value(v, &machines, why), e);
}

int page_form(struct visit *v, struct err *e)
{
	return form_html(v, NULL, e);
}

int page_form_refused(struct visit *v, const struct err *why, struct err *e)
{
	return form_html(v, why, e);
}
