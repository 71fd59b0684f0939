#include "web/form_machines.h"

#include <string.h>

#include "conf/catalogue.h"
#include "session/access.h"
#include "web/choices.h"
#include "web/order.h"

void form_machines_release(struct form_machines *m)
{
	json_decref(m->people);
	json_decref(m->programs);
	m->people = m->programs = NULL;
}

/* To who is not known yet all are offered. */
static bool is_offered(const struct visit *v, const struct catalogue_entry *m)
{
	struct err ignored = ERR_INIT;

	return (access_logins_checked(&v->config) && !v->who.user[0]) ||
	       access_check_machine(&v->config, &v->who, m->users, m->groups,
				    &ignored) == 0;
}

/* The field's unit, in thousandths. */
static long long in_unit(long long value, bool mb)
{
	return mb ? order_gb(value) : value * 1000;
}

/* Least, most and standard, as the page's script reads them. */
static json_t *amount_text(const struct amount *a, bool mb)
{
	return json_sprintf("%g %g %g", (double)in_unit(a->min, mb) / 1e3,
			    (double)in_unit(a->max, mb) / 1e3,
			    (double)in_unit(a->standard, mb) / 1e3);
}

static json_t *amount_value(const struct amount *a, bool mb)
{
	if (!mb)
		return json_pack("{sI sI sI}", "default",
				 (json_int_t)a->standard, "min",
				 (json_int_t)a->min, "max",
				 (json_int_t)a->max);
	return json_pack("{sf sf sf}", "default",
			 (double)in_unit(a->standard, mb) / 1e3, "min",
			 (double)in_unit(a->min, mb) / 1e3, "max",
			 (double)in_unit(a->max, mb) / 1e3);
}

/* A graphics card: never, for who asks, always. */
static const char *gpu_word(const struct offer *offer)
{
	return offer->gpu == OFFER_GPU_NO     ? "no" :
	       offer->gpu == OFFER_GPU_ALWAYS ? "always" :
						"yes";
}

static int add_for_people(struct form_machines *ret,
			  const struct catalogue_entry *m,
			  const struct offer *offer, bool selected)
{
	AUTO_BUF struct buf limits = BUF_INIT(400);

	choices_sentence(offer, &limits);
	return json_array_append_new(
		ret->people,
		json_pack("{ss ss ss? ss so so so ss sb}", "name", m->name,
			  "description", m->description, "icon",
			  *m->icon ? m->icon : NULL, "limits",
			  buf_str(&limits), "cpu",
			  amount_text(&offer->cpu, false), "memory",
			  amount_text(&offer->memory_mb, true), "disk",
			  amount_text(&offer->disk_mb, true), "gpu",
			  gpu_word(offer), "selected", (int)selected));
}

static int add_for_programs(struct form_machines *ret,
			    const struct catalogue_entry *m,
			    const struct offer *offer)
{
	return json_array_append_new(
		ret->programs,
		json_pack("{ss ss ss? so so so ss}", "name", m->name,
			  "description", m->description, "icon",
			  *m->icon ? m->icon : NULL, "cpu",
			  amount_value(&offer->cpu, false), "memory",
			  amount_value(&offer->memory_mb, true), "disk",
			  amount_value(&offer->disk_mb, true), "gpu",
			  gpu_word(offer)));
}

static void widen(struct amount *widest, const struct amount *a)
{
	if (a->min < widest->min)
		widest->min = a->min;
	if (a->max > widest->max)
		widest->max = a->max;
}

/* Take the machine's offer into account. */
static void count_in(struct form_machines *ret,
		     const struct catalogue_entry *m,
		     const struct offer *offer)
{
	ret->differ |= *m->cpu || *m->memory;
	widen(&ret->widest.cpu, &offer->cpu);
	widen(&ret->widest.memory_mb, &offer->memory_mb);
	if (offer->disk_mb.min == offer->disk_mb.max)
		return;
	if (ret->disks)
		widen(&ret->widest.disk_mb, &offer->disk_mb);
	else
		ret->widest.disk_mb = offer->disk_mb;
	ret->disks = true;
}

static int add_all(const struct visit *v, const struct limits *limits,
		   const struct catalogue *catalogue,
		   struct form_machines *ret)
{
	const char *chosen = form_get(&v->request.fields, "machine");
	int failed = 0;

	for (size_t i = 0; i < catalogue->count; i++) {
		const struct catalogue_entry *m = &catalogue->list[i];
		struct offer offer;

		if (!m->usable || !is_offered(v, m))
			continue;
		offer_of(&v->config, limits, m, &offer);
		count_in(ret, m, &offer);
		failed |= add_for_people(ret, m, &offer,
					 chosen && strcmp(chosen,
							  m->name) == 0);
		failed |= add_for_programs(ret, m, &offer);
	}
	return failed;
}

int form_machines_load(const struct visit *v, const struct limits *limits,
		       struct form_machines *ret, struct err *e)
{
	AUTO_CATALOGUE struct catalogue catalogue = { .list = NULL };
	AUTO_FORM_MACHINES struct form_machines m = {
		.people = json_array(),
		.programs = json_array(),
		.widest = {
			.cpu = { limits->default_cpu, 1, limits->session_cpu },
			.memory_mb = { limits->default_memory_mb,
				       OFFER_MEMORY_MIN_MB,
				       limits->user_memory_mb },
		},
	};
	struct err failure = ERR_INIT;

	if (catalogue_load(&v->config, &catalogue, &failure) < 0 &&
	    failure.code != ERR_NOT_FOUND) {
		*e = failure;
		return -1;
	}
	if (!m.people || !m.programs || add_all(v, limits, &catalogue, &m))
		return err_set(e, ERR_SYSTEM, "no memory for the machines");
	*ret = m;
	m.people = m.programs = NULL;
	return 0;
}
