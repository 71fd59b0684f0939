#include "web/order.h"

#include <string.h>

#include "base/text.h"
#include "sys/file.h"

long long order_gb(long long mb)
{
	return mb * 1000 / 1024;
}

/* The machine's name for people, without half a character at its end. */
static void copy_title(struct session *s, const char *description)
{
	size_t len = strnlen(description, sizeof(s->title) - 1);

	while (len && !text_is_utf8(description, len))
		len--;
	memcpy(s->title, description, len);
	s->title[len] = '\0';
}

static int unreadable(struct err *e)
{
	return err_field(e, "machine",
			 "The file of this machine is missing or cannot be "
			 "read. Choose another one, and tell the "
			 "administrator.");
}

static int check_file(const struct config *c, const char *name, struct err *e)
{
	AUTO_FREE char *path = file_join(c->dir_machines, name);

	if (!path)
		return err_set(e, ERR_SYSTEM, "no memory");
	return access(path, R_OK) < 0 ? unreadable(e) : 0;
}

int order_machine(const struct catalogue_entry *machine,
		  const struct config *c, struct session *ret, struct err *e)
{
	if (!machine->usable)
		return err_field(e, "machine",
				 "This machine cannot be used: %.80s %.300s",
				 machine->name, machine->reason);
	if (strlen(machine->name) >= sizeof(ret->machine) ||
	    strlen(machine->format) >= sizeof(ret->format))
		return err_field(e, "machine", "The machine's name is too "
					       "long.");
	if (check_file(c, machine->name, e) < 0)
		return -1;
	memcpy(ret->machine, machine->name, strlen(machine->name) + 1);
	memcpy(ret->format, machine->format, strlen(machine->format) + 1);
	copy_title(ret, machine->description);
	ret->iso = machine->iso;
	ret->virtual_size = machine->virtual_size;
	ret->disk_mb = machine->iso ? c->snapshot_alloc_disk * 1024 / 1000 : 0;
	return 0;
}

/* The image is another one than the catalogue knows: look into it now. */
static int examine_again(const char *name, const struct config *c,
			 struct session *ret, struct err *e)
{
	struct catalogue_entry fresh = { .name = NULL };
	int result;

	if (catalogue_examine(c, name, &fresh, e) < 0)
		return e->code == ERR_NOT_FOUND ? unreadable(e) : -1;
	result = order_machine(&fresh, c, ret, e);
	catalogue_entry_release(&fresh);
	return result;
}

static int read_machine(const char *name, const struct config *c,
			struct session *ret, struct err *e)
{
	AUTO_CATALOGUE struct catalogue catalogue = { .list = NULL };
	struct err failure = ERR_INIT;
	const struct catalogue_entry *machine;

	if (!name || !*name)
		return err_field(e, "machine", "Choose a machine.");
	/* No catalogue yet: nothing can be chosen from it. */
	if (catalogue_load(c, &catalogue, &failure) < 0 &&
	    failure.code != ERR_NOT_FOUND) {
		*e = failure;
		return -1;
	}
	machine = catalogue_find(&catalogue, name);
	if (!machine)
		return err_field(e, "machine",
				 "There is no such machine. Choose one of the "
				 "list.");
	if (!catalogue_is_stale(c, machine))
		return order_machine(machine, c, ret, e);
	if (examine_again(name, c, ret, e) < 0)
		return -1;
	copy_title(ret, machine->description);
	return 0;
}

static int read_cpu(const char *text, const struct limits *l,
		    struct session *ret, struct err *e)
{
	ret->cpu = l->default_cpu;
	if (!text || text_long(text, 1, l->session_cpu, &ret->cpu))
		return 0;
	return err_field(e, "cpu",
			 "The processors are a whole number from 1 to %lld.",
			 l->session_cpu);
}

static int read_memory(const char *text, const struct limits *l,
		       struct session *ret, struct err *e)
{
	long long milli;

	ret->memory_mb = l->default_memory_mb;
	if (!text)
		return 0;
	if (text_milli(text, 0, 1LL << 40, &milli))
		ret->memory_mb = (milli * 1024 + 500) / 1000;
	else
		ret->memory_mb = -1;
	if (ret->memory_mb >= ORDER_MEMORY_MIN_MB &&
	    ret->memory_mb <= l->user_memory_mb)
		return 0;
	return err_field(e, "memory",
			 "The memory is a number of GB, from 0.0625 to "
			 "%lld.%03lld.",
			 order_gb(l->user_memory_mb) / 1000,
			 order_gb(l->user_memory_mb) % 1000);
}

static int read_lifetime(const char *text, const struct config *c,
			 long long *ret, struct err *e)
{
	*ret = c->snapshot_lifetime;
	if (!text || text_long(text, ORDER_LIFETIME_MIN_S,
			       c->snapshot_lifetime, ret))
		return 0;
	return err_field(e, "snapshot_lifetime",
			 "The time is a whole number of seconds, from %d to "
			 "%lld.",
			 ORDER_LIFETIME_MIN_S, c->snapshot_lifetime);
}

/* What other installations of the service offer and this one does not. */
static int refuse_extras(const struct form *form, struct err *e)
{
	static const char *const no_gpu[] = { "", "0", "no", "none" };
	const char *gpu = form_get(form, "gpu");
	const char *script = form_get(form, "config_script");
	bool wanted = gpu != NULL;

	for (size_t i = 0; i < ARRAY_LEN(no_gpu) && wanted; i++)
		wanted = strcmp(gpu, no_gpu[i]) != 0;
	if (wanted)
		return err_field(e, "gpu",
				 "There are no graphics cards for desktops "
				 "here.");
	if (script && *script)
		return err_field(e, "config_script",
				 "Boot scripts are not accepted here.");
	return 0;
}

static int read_oneshot(const char *text, struct session *ret, struct err *e)
{
	ret->oneshot = false;
	if (!text || !*text || text_bool(text, &ret->oneshot))
		return 0;
	return err_field(e, "oneshot", "One access only is yes or no.");
}

int order_read(const struct form *form, const struct config *c,
	       const struct limits *limits, struct session *ret,
	       long long *ret_lifetime_s, struct err *e)
{
	if (read_machine(form_get(form, "machine"), c, ret, e) < 0 ||
	    read_cpu(form_get(form, "cpu"), limits, ret, e) < 0 ||
	    read_memory(form_get(form, "memory"), limits, ret, e) < 0 ||
	    read_lifetime(form_get(form, "snapshot_lifetime"), c,
			  ret_lifetime_s, e) < 0 ||
	    refuse_extras(form, e) < 0)
		return -1;
	return read_oneshot(form_get(form, "oneshot"), ret, e);
}

json_t *order_value(const struct session *s, long long lifetime_s)
{
	return json_pack("{ss sI sI sI sb}", "machine", s->machine, "cpu",
			 (json_int_t)s->cpu, "memory",
			 (json_int_t)s->memory_mb, "snapshot_lifetime",
			 (json_int_t)lifetime_s, "oneshot", (int)s->oneshot);
}

int order_check_machine(const struct session *s, const struct config *c,
			const struct identity *who, struct err *e)
{
	AUTO_CATALOGUE struct catalogue catalogue = { .list = NULL };
	const struct catalogue_entry *machine;

	if (catalogue_load(c, &catalogue, e) < 0)
		return -1;
	machine = catalogue_find(&catalogue, s->machine);
	if (!machine)
		return unreadable(e);
	return access_check_machine(c, who, machine->users, machine->groups,
				    e);
}
