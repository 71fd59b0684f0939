/* The part of an order that is about a cluster: who pays, where, how. */
#include <string.h>

#include "base/text.h"
#include "conf/options_slurm.h"
#include "web/choices.h"
#include "web/order.h"

_Static_assert((int)SLURM_NAME_SIZE == (int)SESSION_CLUSTER_SIZE,
	       "the names that the configuration lists are a record's");

enum { CLUSTER_FIELDS = 3 };

/* One of them: its field, what people read, what may be chosen, and where the
 * choice goes. */
struct cluster_field {
	const char *name;
	const char *label;
	const char *what;
	struct slurm_names names; /* none without a cluster */
	char *choice;		  /* SESSION_CLUSTER_SIZE */
};

static void fields_of(const struct config *c, struct session *s,
		      struct cluster_field ret[CLUSTER_FIELDS])
{
	const char *const lists[CLUSTER_FIELDS] = {
		c->slurm_account, c->slurm_partition, c->slurm_qos
	};

	ret[0] = (struct cluster_field){ .name = "account",
					 .label = "Account on the cluster",
					 .what = "accounts on the cluster",
					 .choice = s->account };
	ret[1] = (struct cluster_field){ .name = "partition",
					 .label = "Part of the cluster",
					 .what = "parts of the cluster",
					 .choice = s->partition };
	ret[2] = (struct cluster_field){ .name = "qos",
					 .label = "Quality of service",
					 .what = "qualities of service",
					 .choice = s->qos };
	/* The options were read by the same function. */
	for (size_t i = 0; i < CLUSTER_FIELDS && config_has_slurm(c); i++)
		(void)slurm_names_parse(lists[i], &ret[i].names);
}

static void choose(struct cluster_field *f, const char *name)
{
	snprintf(f->choice, SESSION_CLUSTER_SIZE, "%s", name);
}

void order_cluster_standard(const struct config *c, struct session *ret)
{
	struct cluster_field fields[CLUSTER_FIELDS];

	fields_of(c, ret, fields);
	for (size_t i = 0; i < CLUSTER_FIELDS; i++)
		choose(&fields[i], fields[i].names.count ?
					   fields[i].names.list[0] :
					   "");
}

static int refuse(const struct cluster_field *f, struct err *e)
{
	AUTO_BUF struct buf list = BUF_INIT(160);

	if (!f->names.count)
		return err_field(e, f->name,
				 "There are no %s to choose from here.",
				 f->what);
	for (size_t i = 0; i < f->names.count; i++)
		buf_printf(&list, "%s%s", i ? ", " : "", f->names.list[i]);
	if (buf_failed(&list))
		return err_field(e, f->name,
				 "It is none of the %zu %s that the form "
				 "offers.",
				 f->names.count, f->what);
	return err_field(e, f->name, "The %s to choose from are: %s.", f->what,
			 buf_str(&list));
}

int order_read_cluster(const struct form *form, const struct config *c,
		       bool forwarded, struct session *ret, struct err *e)
{
	struct cluster_field fields[CLUSTER_FIELDS];

	fields_of(c, ret, fields);
	for (size_t i = 0; i < CLUSTER_FIELDS; i++) {
		const char *name = form_get(form, fields[i].name);

		if (!name || !*name ||
		    (forwarded && !config_has_slurm(c)))
			continue;
		if (!slurm_names_have(&fields[i].names, name))
			return refuse(&fields[i], e);
		choose(&fields[i], name);
	}
	return 0;
}

/* {"name", "label", "choices", "error", "invalid"} */
static json_t *field_value(const struct cluster_field *f,
			   const struct form *form, const struct err *why)
{
	const char *chosen = form_get(form, f->name);
	bool wrong = why && strcmp(why->field, f->name) == 0;

	return json_pack("{ss ss so ss? ss}", "name", f->name, "label",
			 f->label, "choices",
			 choices_names(&f->names, chosen ? chosen : ""),
			 "error", wrong ? why->msg : NULL, "invalid",
			 wrong ? "true" : "false");
}

json_t *order_cluster_fields(const struct form *form, const struct config *c,
			     const struct err *why)
{
	struct cluster_field fields[CLUSTER_FIELDS];
	struct session ignored = { .name = "" };
	json_t *list = json_array();
	int failed = !list;

	fields_of(c, &ignored, fields);
	for (size_t i = 0; i < CLUSTER_FIELDS; i++)
		if (fields[i].names.count > 1)
			failed |= json_array_append_new(
				list, field_value(&fields[i], form, why));
	if (!failed)
		return list;
	json_decref(list);
	return NULL;
}

static json_t *names_value(const struct slurm_names *names)
{
	json_t *list = json_array();
	int failed = !list;

	for (size_t i = 0; i < names->count; i++)
		failed |= json_array_append_new(list,
						json_string(names->list[i]));
	if (!failed)
		return list;
	json_decref(list);
	return NULL;
}

json_t *order_cluster_names(const struct config *c)
{
	struct cluster_field fields[CLUSTER_FIELDS];
	struct session ignored = { .name = "" };
	json_t *object = json_object();
	int failed = !object;

	if (!config_has_slurm(c)) {
		json_decref(object);
		return json_null();
	}
	fields_of(c, &ignored, fields);
	for (size_t i = 0; i < CLUSTER_FIELDS; i++)
		failed |= json_object_set_new(object, fields[i].name,
					      names_value(&fields[i].names));
	if (!failed)
		return object;
	json_decref(object);
	return NULL;
}
