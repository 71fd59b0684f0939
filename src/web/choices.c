#include "web/choices.h"

#include <stdio.h>
#include <string.h>

#include "base/macros.h"
#include "base/text.h"
#include "session/offer.h"
#include "sys/clock.h"
#include "web/order.h"

/* A list of choices: values that rise, of which one is selected. */
struct choices {
	const long long *usual; /* ends with 0 */
	long long min;
	long long max;          /* of the choices */
	long long chosen; /* 0: what is usual for the machine */
	bool standard;    /* that can be chosen */
	int (*add)(json_t *list, long long value, bool selected);
};

static long long smaller(long long a, long long b)
{
	return a < b ? a : b;
}

static int add_choice(json_t *list, const char *value, const char *text,
		      bool selected)
{
	return json_array_append_new(list,
				     json_pack("{ss ss sb}", "value", value,
					       "text", text, "selected",
					       selected));
}

/* The usual values up to the largest, the largest, and the chosen one. */
static json_t *choices_value(const struct choices *c)
{
	const long long *usual = c->usual;
	json_t *list = json_array();
	long long value = c->min - 1;
	int failed = !list;

	if (c->standard)
		failed |= add_choice(list, "", "Standard", c->chosen == 0);
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

json_t *choices_cpus(const struct amount *a, long long chosen, bool standard)
{
	static const long long usual[] = { 1,  2,  3,  4,  6,  8,   12, 16,
					   24, 32, 48, 64, 96, 128, 0 };

	return choices_value(&(struct choices){
		.usual = usual, .min = 1, .max = a->max, .chosen = chosen,
		.standard = standard, .add = add_cpus,
	});
}

json_t *choices_memories(const struct amount *a, long long chosen,
			 bool standard)
{
	static const long long usual[] = {
		256,   512,   1024,  2048,   3072,   4096,   6144, 8192,
		12288, 16384, 24576, 32768,  49152,  65536,  98304,
		131072, 196608, 262144, 524288, 0,
	};
	/* The largest is a round number, unless it was asked for exactly. */
	long long max = a->max / 256 * 256;

	return choices_value(&(struct choices){
		.usual = usual, .min = 1, .max = max > chosen ? max : chosen,
		.chosen = chosen, .standard = standard, .add = add_memory,
	});
}

json_t *choices_disks(const struct amount *a, long long chosen)
{
	static const long long usual[] = {
		5 * 1024,   10 * 1024,  20 * 1024,  30 * 1024,	 50 * 1024,
		100 * 1024, 200 * 1024, 500 * 1024, 1024 * 1024, 0,
	};

	return choices_value(&(struct choices){
		.usual = usual, .min = a->min, .max = a->max,
		.chosen = chosen, .standard = true, .add = add_memory,
	});
}

json_t *choices_lifetimes(long long max, long long chosen, bool no_end)
{
	static const long long usual[] = {
		3600,  2 * 3600,  4 * 3600,  8 * 3600,	 12 * 3600,  86400,
		3 * 86400, 7 * 86400, 14 * 86400, 30 * 86400, 90 * 86400, 0,
	};

	json_t *list = choices_value(&(struct choices){
		.usual = usual, .min = 1, .max = max, .chosen = chosen,
		.add = add_lifetime,
	});

	if (!list || !no_end ||
	    add_choice(list, "0", "Until I stop it", chosen == 0) == 0)
		return list;
	json_decref(list);
	return NULL;
}

/* Thousandths of GB in steps of so many, rounded to the side where the form
 * still accepts it. */
static long long round_gb(long long mb, long long step, bool up)
{
	long long unit = step * 1024;

	return (mb * 1000 + (up ? unit - 1 : 0)) / unit * step;
}

/* What is easy to read: two decimals below 1 GB, one above. */
static long long step_of(long long mb)
{
	return mb < 1024 ? 10 : 100;
}

static void range_gb(struct buf *out, const struct amount *a)
{
	long long from = round_gb(a->min, step_of(a->min), true);
	long long to = round_gb(a->max, step_of(a->max), false);
	char min[32];
	char max[32];

	/* So close together that it must be exact. */
	if (from >= to) {
		from = round_gb(a->min, 1, true);
		to = order_gb(a->max);
	}
	decimal(from, min, sizeof(min));
	decimal(to, max, sizeof(max));
	if (a->min == a->max)
		buf_puts(out, max);
	else
		buf_printf(out, "%s to %s", min, max);
}

/* "2 to 16", or "4" */
static void range(struct buf *out, const struct amount *a)
{
	if (a->min == a->max)
		buf_printf(out, "%lld", a->max);
	else
		buf_printf(out, "%lld to %lld", a->min, a->max);
}

json_t *choices_names(const struct slurm_names *names, const char *chosen)
{
	json_t *list = json_array();
	int failed = !list;

	for (size_t i = 0; i < names->count; i++) {
		const char *name = names->list[i];

		failed |= add_choice(list, i ? name : "", name,
				     strcmp(name, chosen) == 0);
	}
	if (!failed)
		return list;
	json_decref(list);
	return NULL;
}

void choices_sentence(const struct offer *offer, struct buf *out)
{
	struct err e = ERR_INIT;

	if (offer_shortage(offer, &e) < 0) {
		buf_puts(out, e.msg);
		return;
	}
	range(out, &offer->cpu);
	buf_puts(out, offer->cpu.max == 1 ? " processor, " : " processors, ");
	range_gb(out, &offer->memory_mb);
	buf_puts(out, " GB of memory");
	if (offer->disk_mb.max >= 1024) {
		buf_puts(out, ", ");
		range_gb(out, &offer->disk_mb);
		buf_puts(out, " GB of disk");
	}
	if (offer->gpu == OFFER_GPU_ALWAYS)
		buf_puts(out, ", a graphics card");
}
