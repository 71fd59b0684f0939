/* The form: what the configuration and the host allow to ask for. */
#include "web/page.h"

#include <string.h>

#include "base/text.h"
#include "conf/catalogue.h"
#include "sys/clock.h"
#include "sys/hostload.h"
#include "web/letter.h"
#include "web/order.h"

static const char *const field_names[] = {
	"user",	  "password",	       "machine", "cpu",
	"memory", "snapshot_lifetime", NULL,
};

/* A list of choices: values that rise, of which one is selected. */
struct choices {
	const long long *usual; /* ends with 0 */
	long long max;          /* of the choices */
	long long chosen;
	int (*add)(json_t *list, long long value, bool selected);
};

static long long smaller(long long a, long long b)
{
	return a < b ? a : b;
}

/* The usual values up to the largest, the largest, and the chosen one. */
static json_t *choices_value(const struct choices *c)
{
	const long long *usual = c->usual;
	json_t *list = json_array();
	long long value = 0;
	int failed = !list;

	while (value < c->max && !failed) {
		long long next = c->max;

		while (*usual && *usual <= value)
			usual++;
		if (*usual)
			next = smaller(next, *usual);
		if (c->chosen > value)
			next = smaller(next, c->chosen);
		value = next;
		failed = c->add(list, value, value == c->chosen);
	}
	if (!failed)
		return list;
	json_decref(list);
	return NULL;
}

static int add_choice(json_t *list, const char *value, const char *text,
		      bool selected)
{
	return json_array_append_new(list,
				     json_pack("{ss ss sb}", "value", value,
					       "text", text, "selected",
					       selected));
}

static int add_cpus(json_t *list, long long cpus, bool selected)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld", cpus);
	return add_choice(list, text, text, selected);
}

/* 1500 -> "1.5" */
static void decimal(long long milli, char *ret, size_t size)
{
	int places = milli % 10 ? 3 : milli % 100 ? 2 : milli % 1000 ? 1 : 0;
	long long unit = places == 3 ? 1 : places == 2 ? 10 : 100;

	if (places)
		snprintf(ret, size, "%lld.%0*lld", milli / 1000, places,
			 milli % 1000 / unit);
	else
		snprintf(ret, size, "%lld", milli / 1000);
}

static int add_memory(json_t *list, long long mb, bool selected)
{
	char value[32];
	char text[40];

	decimal(order_gb(mb), value, sizeof(value));
	if (mb >= 1024 && mb % 256 == 0)
		snprintf(text, sizeof(text), "%s GB", value);
	else
		snprintf(text, sizeof(text), "%lld MB", mb);
	return add_choice(list, value, text, selected);
}

static int add_lifetime(json_t *list, long long seconds, bool selected)
{
	static const struct {
		long long seconds;
		const char *one;
		const char *many;
	} units[] = {
		{ 86400, "1 day", "days" },
		{ 3600, "1 hour", "hours" },
		{ 60, "1 minute", "minutes" },
	};
	char value[32];
	char text[32];

	snprintf(value, sizeof(value), "%lld", seconds);
	clock_duration(seconds, text, sizeof(text));
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (seconds % units[i].seconds)
			continue;
		if (seconds == units[i].seconds)
			snprintf(text, sizeof(text), "%s", units[i].one);
		else
			snprintf(text, sizeof(text), "%lld %s",
				 seconds / units[i].seconds, units[i].many);
		break;
	}
	return add_choice(list, value, text, selected);
}

/* What was asked for is kept where it can be had. */
static long long chosen_number(const struct visit *v, const char *field,
			       long long min, long long max,
			       long long otherwise)
{
	const char *text = form_get(&v->request.fields, field);
	long long chosen;

	return text && text_long(text, min, max, &chosen) ? chosen : otherwise;
}

static long long chosen_memory(const struct visit *v, const struct limits *l)
{
	const char *text = form_get(&v->request.fields, "memory");
	long long milli;
	long long mb;

	if (!text || !text_milli(text, 0, 1LL << 40, &milli))
		return l->default_memory_mb;
	mb = (milli * 1024 + 500) / 1000;
	return mb >= ORDER_MEMORY_MIN_MB && mb <= l->user_memory_mb ?
		       mb :
		       l->default_memory_mb;
}

static json_t *cpus_value(const struct visit *v, const struct limits *l)
{
	static const long long usual[] = { 1,  2,  3,  4,  6,  8,   12, 16,
					   24, 32, 48, 64, 96, 128, 0 };

	return choices_value(&(struct choices){
		.usual = usual,
		.max = l->session_cpu,
		.chosen = chosen_number(v, "cpu", 1, l->session_cpu,
					l->default_cpu),
		.add = add_cpus,
	});
}

static json_t *memories_value(const struct visit *v, const struct limits *l)
{
	static const long long usual[] = {
		256,   512,   1024,  2048,   3072,   4096,   6144, 8192,
		12288, 16384, 24576, 32768,  49152,  65536,  98304,
		131072, 196608, 262144, 524288, 0,
	};

	long long chosen = chosen_memory(v, l);
	/* The largest is a round number, unless it was asked for exactly. */
	long long max = l->user_memory_mb / 256 * 256;

	return choices_value(&(struct choices){
		.usual = usual,
		.max = max > chosen ? max : chosen,
		.chosen = chosen,
		.add = add_memory,
	});
}

static json_t *lifetimes_value(const struct visit *v)
{
	static const long long usual[] = {
		3600,  2 * 3600,  4 * 3600,  8 * 3600,	 12 * 3600,  86400,
		3 * 86400, 7 * 86400, 14 * 86400, 30 * 86400, 90 * 86400, 0,
	};
	long long max = v->config.snapshot_lifetime;

	return choices_value(&(struct choices){
		.usual = usual,
		.max = max,
		.chosen = chosen_number(v, "snapshot_lifetime",
					ORDER_LIFETIME_MIN_S, max, max),
		.add = add_lifetime,
	});
}

/* To who is not known yet all are offered. */
static bool is_offered(const struct visit *v, const struct catalogue_entry *m)
{
	struct err ignored = ERR_INIT;

	return (access_logins_checked(&v->config) && !v->who.user[0]) ||
	       access_check_machine(&v->config, &v->who, m->users, m->groups,
				    &ignored) == 0;
}

static json_t *machines_value(const struct visit *v,
			      const struct catalogue *catalogue)
{
	const char *chosen = form_get(&v->request.fields, "machine");
	json_t *list = json_array();
	int failed = !list;

	for (size_t i = 0; i < catalogue->count; i++) {
		const struct catalogue_entry *m = &catalogue->list[i];
		bool selected = chosen && strcmp(chosen, m->name) == 0;

		if (!m->usable || !is_offered(v, m))
			continue;
		failed |= json_array_append_new(
			list, json_pack("{ss ss sb}", "name", m->name,
					"description", m->description,
					"selected", selected));
	}
	if (!failed)
		return list;
	json_decref(list);
	return NULL;
}

/* Where no catalogue was made yet there are no machines. */
static int load_machines(const struct visit *v, json_t **ret, struct err *e)
{
	AUTO_CATALOGUE struct catalogue catalogue = { .list = NULL };
	struct err failure = ERR_INIT;

	if (catalogue_load(&v->config, &catalogue, &failure) < 0 &&
	    failure.code != ERR_NOT_FOUND) {
		*e = failure;
		return -1;
	}
	*ret = machines_value(v, &catalogue);
	return *ret ? 0 : err_set(e, ERR_SYSTEM, "no memory for the machines");
}

/* For programs: {"machines", "defaults", "limits"}, in the fields' units. */
static json_t *json_value(const struct visit *v, const struct limits *l,
			  json_t *machines)
{
	json_int_t lifetime = v->config.snapshot_lifetime;

	for (size_t i = 0; i < json_array_size(machines); i++)
		json_object_del(json_array_get(machines, i), "selected");
	return json_pack("{so s{sI sf sI} s{sI sf sI}}", "machines", machines,
			 "defaults", "cpu", (json_int_t)l->default_cpu,
			 "memory", (double)order_gb(l->default_memory_mb) / 1e3,
			 "snapshot_lifetime", lifetime, "limits", "cpu",
			 (json_int_t)l->session_cpu, "memory",
			 (double)order_gb(l->user_memory_mb) / 1e3,
			 "snapshot_lifetime", lifetime);
}

/* Who is known without an address gets no mail. */
static bool can_mail(const struct visit *v)
{
	char address[ADDRESS_SIZE];

	return access_logins_checked(&v->config) &&
	       mail_is_configured(&v->config) &&
	       (!v->who.user[0] || letter_address(&v->who, address));
}

static json_t *html_value(const struct visit *v, const struct limits *l,
			  json_t *machines, const struct err *why)
{
	bool none = json_array_size(machines) == 0;

	return json_pack("{so so so sb so so so sb sb}", "error",
			 why ? page_error_value(v, why, field_names) :
			       json_null(),
			 "fields", page_fields_value(v, field_names, why),
			 "machines", machines, "no_machines", none, "cpus",
			 cpus_value(v, l), "memories", memories_value(v, l),
			 "lifetimes", lifetimes_value(v), "can_mail",
			 can_mail(v), "mail_me",
			 form_get(&v->request.fields, "mail_me") != NULL);
}

static int form_html(struct visit *v, const struct err *why, struct err *e)
{
	struct hostload host;
	struct limits limits;
	json_t *machines;

	if (hostload_read(&host, e) < 0 || load_machines(v, &machines, e) < 0)
		return -1;
	limits_of(&v->config, &host, &limits);
	if (v->request.wants_json)
		return page_json(v, 200, json_value(v, &limits, machines), e);
	return page_html(v, why ? reply_status_of(why->code) : 200,
			 "index.html", "Create a desktop", 0,
			 html_value(v, &limits, machines, why), e);
}

int page_form(struct visit *v, struct err *e)
{
	return form_html(v, NULL, e);
}

int page_form_refused(struct visit *v, const struct err *why, struct err *e)
{
	return form_html(v, why, e);
}
