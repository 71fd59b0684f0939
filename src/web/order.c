#include "web/order.h"

#include <string.h>

#include "base/text.h"
#include "conf/options_slurm.h"
#include "sys/file.h"
#include "sys/pci_gpu.h"
#include "vm/script.h"

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

static int check_file(const struct config *c,
		      const struct catalogue_entry *machine, struct err *e)
{
	AUTO_FREE char *path = file_join(c->dir_machines, machine->name);

	if (!path)
		return err_set(e, ERR_SYSTEM, "no memory");
	if (access(path, R_OK) < 0)
		return unreadable(e);
	if (c->snapshot_use_master && !machine->iso && access(path, W_OK) < 0)
		return err_field(e, "machine",
				 "This service writes to the machines "
				 "themselves, and may not write to this one. "
				 "Choose another one, and tell the "
				 "administrator.");
	return 0;
}

static bool copy(char *ret, size_t size, const char *text)
{
	size_t len = strlen(text);

	if (len >= size)
		return false;
	memcpy(ret, text, len + 1);
	return true;
}

#define COPY(member, text) copy(ret->member, sizeof(ret->member), text)

/* What machines.conf says; "" is the site's or QEMU's own way. */
static int copy_settings(const struct catalogue_entry *machine,
			 const struct config *c, struct session *ret,
			 struct err *e)
{
	const char *mounts = *machine->mounts ? machine->mounts :
						c->dir_mounts;

	ret->tpm = false;
	if (COPY(machine, machine->name) && COPY(format, machine->format) &&
	    COPY(firmware, machine->firmware) && COPY(arch, machine->arch) &&
	    COPY(qemu_options, machine->qemu_options) &&
	    COPY(network, machine->network) &&
	    COPY(mounts, strcmp(mounts, "none") == 0 ? "" : mounts) &&
	    (!*machine->tpm || text_bool(machine->tpm, &ret->tpm)))
		return 0;
	return err_field(e, "machine",
			 "The settings of this machine are not in order. "
			 "Choose another one, and tell the administrator.");
}

/* Which one, is for admission to say. */
static void ask_for_gpu(struct session *s)
{
	snprintf(s->gpu, sizeof(s->gpu), "any");
}

int order_machine(const struct catalogue_entry *machine,
		  const struct config *c, const struct limits *limits,
		  struct session *ret, struct offer *ret_offer, struct err *e)
{
	if (!machine->usable)
		return err_field(e, "machine",
				 "This machine cannot be used: %.80s %.300s",
				 machine->name, machine->reason);
	if (check_file(c, machine, e) < 0 ||
	    copy_settings(machine, c, ret, e) < 0)
		return -1;
	copy_title(ret, machine->description);
	ret->iso = machine->iso;
	ret->virtual_size = machine->virtual_size;
	ret->master = c->snapshot_use_master && !machine->iso;
	offer_of(c, limits, machine, ret_offer);
	ret->cpu = ret_offer->cpu.standard;
	ret->memory_mb = ret_offer->memory_mb.standard;
	ret->disk_mb = offer_disk(ret_offer, ret_offer->disk_mb.standard);
	order_cluster_standard(c, ret);
	ret->gpu[0] = '\0';
	if (ret_offer->gpu == OFFER_GPU_ALWAYS)
		ask_for_gpu(ret);
	return offer_shortage(ret_offer, e);
}

/* The image is another one than the catalogue knows: look into it now.  The
 * settings are still the catalogue's. */
static int examine_again(const struct catalogue_entry *known,
			 const struct config *c, const struct limits *limits,
			 struct session *ret, struct offer *ret_offer,
			 struct err *e)
{
#define KNOWN_SETTING(key) .key = known->key,
	const struct machine machine = {
		.name = known->name,
		.description = known->description,
		MACHINE_SETTINGS(KNOWN_SETTING)
	};
	struct catalogue_entry fresh = { .name = NULL };
	int result;

	if (catalogue_examine_machine(c, &machine, &fresh, e) < 0)
		return e->code == ERR_NOT_FOUND ? unreadable(e) : -1;
	result = order_machine(&fresh, c, limits, ret, ret_offer, e);
	catalogue_entry_release(&fresh);
	return result;
}

static int read_machine(const char *name, const struct config *c,
			const struct limits *limits, struct session *ret,
			struct offer *ret_offer, struct err *e)
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
		return order_machine(machine, c, limits, ret, ret_offer, e);
	return examine_again(machine, c, limits, ret, ret_offer, e);
}

static int read_cpu(const char *text, const struct amount *allowed,
		    struct session *ret, struct err *e)
{
	if (!text || !*text ||
	    text_long(text, allowed->min, allowed->max, &ret->cpu))
		return 0;
	return err_field(e, "cpu",
			 "The processors of this machine are a whole number "
			 "from %lld to %lld.",
			 allowed->min, allowed->max);
}

/* GB that stand for `mb`, as text: "0.0625" */
static void gb_text(long long mb, bool up, char ret[32])
{
	long long tenth_milli = (mb * 10000 + (up ? 1023 : 0)) / 1024;

	snprintf(ret, 32, "%lld.%04lld", tenth_milli / 10000,
		 tenth_milli % 10000);
	while (text_ends(ret, "0"))
		ret[strlen(ret) - 1] = '\0';
	if (text_ends(ret, "."))
		ret[strlen(ret) - 1] = '\0';
}

/* A number of GB, kept in MB. */
static int read_gb(const char *field, const char *what, const char *text,
		   const struct amount *allowed, long long *ret_mb,
		   struct err *e)
{
	long long milli;
	long long mb = -1;
	char min[32];
	char max[32];

	if (!text || !*text)
		return 0;
	if (text_milli(text, 0, 1LL << 40, &milli))
		mb = offer_mb(milli);
	if (mb >= allowed->min && mb <= allowed->max) {
		*ret_mb = mb;
		return 0;
	}
	gb_text(allowed->min, true, min);
	gb_text(allowed->max, false, max);
	return err_field(e, field,
			 "The %s of this machine is a number of GB, from %s "
			 "to %s.",
			 what, min, max);
}

static int read_disk(const char *text, const struct offer *offer,
		     struct session *ret, struct err *e)
{
	long long mb = offer->disk_mb.standard;

	if (read_gb("disk", "disk", text, &offer->disk_mb, &mb, e) < 0)
		return -1;
	ret->disk_mb = offer_disk(offer, mb);
	return 0;
}

static int read_lifetime(const char *text, const struct config *c,
			 long long *ret, struct err *e)
{
	*ret = c->snapshot_lifetime;
	if (!text || text_long(text, LIFETIME_MIN_S, c->snapshot_lifetime, ret))
		return 0;
	if (c->snapshot_unlimited && text_long(text, 0, 0, ret))
		return 0;
	return err_field(e, "snapshot_lifetime",
			 "The time is a whole number of seconds, from %d to "
			 "%lld%s.",
			 LIFETIME_MIN_S, c->snapshot_lifetime,
			 c->snapshot_unlimited ? ", or 0 for no end" : "");
}

/* A card is asked for by yes or no, never by its address. */
static int read_gpu(const char *text, const struct config *c,
		    const struct offer *offer, struct session *ret,
		    struct err *e)
{
	struct gpu_list all;
	bool wanted = false;

	if (text && *text && strcmp(text, "none") != 0 &&
	    !text_bool(text, &wanted))
		return err_field(e, "gpu", "A graphics card is yes or no.");
	if (!wanted)
		return 0;
	if (offer->gpu == OFFER_GPU_NO)
		return err_field(e, "gpu", "This machine is used without a "
					   "graphics card: ask for none, or "
					   "choose another machine.");
	if (config_has_slurm(c)) {
		ask_for_gpu(ret);
		return 0;
	}
	if (gpu_scan(c->dir_sysfs, c->gpu_blacklist, &all, e) < 0)
		return -1;
	if (gpu_count_usable(&all) == 0)
		return err_field(e, "gpu", "There are no graphics cards for "
					   "desktops here.");
	ask_for_gpu(ret);
	return 0;
}

/* Whether it can be had is seen later; what is wrong with it, now. */
static int check_script(const char *text, const struct config *c,
			struct err *e)
{
	struct err why = ERR_INIT;
	struct script s;

	if (!text || !*text)
		return 0;
	if (!c->form_config_script)
		return err_field(e, "config_script",
				 "Boot scripts are not accepted here.");
	if (strlen(text) > (size_t)c->service_max_script_length)
		return err_field(e, "config_script",
				 "The boot script is longer than %lld bytes.",
				 c->service_max_script_length);
	if (script_parse(text, &s, &why) < 0 ||
	    script_check_visitor(&s, &why) < 0)
		return err_field(e, "config_script", "The boot script %s.",
				 why.msg);
	if (!c->script_password && script_uses(text, SYMBOL_PW))
		return err_field(e, "config_script",
				 "The boot script uses @PW@, which scripts "
				 "may not have here.");
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
	struct offer offer = { .image_mb = 0 };

	if (read_machine(form_get(form, "machine"), c, limits, ret, &offer,
			 e) < 0 ||
	    read_cpu(form_get(form, "cpu"), &offer.cpu, ret, e) < 0 ||
	    read_gb("memory", "memory", form_get(form, "memory"),
		    &offer.memory_mb, &ret->memory_mb, e) < 0 ||
	    read_disk(form_get(form, "disk"), &offer, ret, e) < 0 ||
	    read_lifetime(form_get(form, "snapshot_lifetime"), c,
			  ret_lifetime_s, e) < 0 ||
	    read_gpu(form_get(form, "gpu"), c, &offer, ret, e) < 0 ||
	    check_script(form_get(form, "config_script"), c, e) < 0)
		return -1;
	return read_oneshot(form_get(form, "oneshot"), ret, e);
}

json_t *order_value(const struct form *form, const struct session *s,
		    long long lifetime_s)
{
	const char *script = form_get(form, "config_script");

	return json_pack("{ss sI sI sI sI sb sb ss so}", "machine", s->machine,
			 "cpu", (json_int_t)s->cpu, "memory",
			 (json_int_t)s->memory_mb, "disk",
			 (json_int_t)s->disk_mb, "snapshot_lifetime",
			 (json_int_t)lifetime_s, "gpu", s->gpu[0] != '\0',
			 "oneshot", (int)s->oneshot, "config_script",
			 script ? script : "", "cluster",
			 session_cluster_value(s));
}

char *order_pack(const struct form *form)
{
	static const char *const names[] = {
		"machine", "cpu",     "memory",	       "snapshot_lifetime",
		"gpu",	   "oneshot", "config_script", "mail_me",
		"disk",	   "account", "partition",     "qos",
	};
	AUTO_BUF struct buf out = BUF_INIT(ORDER_PACKED_MAX);

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const char *value = form_get(form, names[i]);

		if (!value)
			continue;
		buf_printf(&out, "%s%s=", out.len ? "&" : "", names[i]);
		text_url_escape(&out, value);
	}
	return buf_failed(&out) ? NULL : strdup(buf_str(&out));
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
