#include "vm/qemu.h"

#include <jansson.h>
#include <string.h>
#include <sys/utsname.h>

#include "sys/json.h"
#include "vm/firmware.h"
#include "vm/qemu_arch.h"

/* A -blockdev argument for a file: {"driver", "node-name", ...} as JSON, in
 * which no byte of a path can be taken for an option. */
static void add_blockdev(struct argv *a, const char *node, const char *format,
			 const char *path, bool read_only,
			 const char *backing)
{
	json_t *node_json;
	char *text = NULL;

	node_json = json_pack("{ss ss sb ss s{ss ss sb}}", "node-name", node,
			      "driver", format, "read-only", (int)read_only,
			      "discard", "unmap", "file", "driver", "file",
			      "filename", path, "read-only", (int)read_only);
	/* Without "backing" QEMU would follow the overlay's own header. */
	if (!backing || json_object_set_new(node_json, "backing",
					    json_string(backing)) == 0)
		text = json_text(node_json);
	json_decref(node_json);
	argv_add(a, "-blockdev");
	if (text)
		argv_add(a, text);
	else
		a->failed = true;
	free(text);
}

/* `prefix`, `value` and `suffix` as one argument; QEMU reads two commas in a
 * value as one. */
static void add_doubled(struct argv *a, const char *prefix, const char *value,
			const char *suffix)
{
	AUTO_BUF struct buf arg = BUF_INIT(8192);

	buf_puts(&arg, prefix);
	for (; *value; value++) {
		if (*value == ',')
			buf_putc(&arg, ',');
		buf_putc(&arg, *value);
	}
	buf_puts(&arg, suffix);
	if (buf_failed(&arg))
		a->failed = true;
	else
		argv_add(a, buf_str(&arg));
}

static void add_device(struct argv *a, const char *device)
{
	argv_add(a, "-device");
	argv_add(a, device);
}

static void add_disks(struct argv *a, const struct qemu_arch *arch,
		      const struct session *s, const struct qemu_place *place)
{
	if (s->iso) {
		add_blockdev(a, "image", "raw", place->image, true, NULL);
		add_blockdev(a, "disk", "qcow2", place->overlay, false, NULL);
		for (size_t i = 0; arch->cd[i]; i++)
			add_device(a, arch->cd[i]);
	} else if (s->master) {
		add_blockdev(a, "disk", s->format, place->image, false, NULL);
	} else {
		add_blockdev(a, "image", s->format, place->image, true, NULL);
		add_blockdev(a, "disk", "qcow2", place->overlay, false,
			     "image");
	}
	add_device(a, "virtio-blk-pci,drive=disk,bootindex=1,werror=stop,"
		      "rerror=stop");
	if (!place->seed)
		return;
	argv_add(a, "-add-fd");
	argv_addf(a, "fd=%d,set=1", place->seed);
	add_blockdev(a, "seed", "raw", "/dev/fdset/1", true, NULL);
	add_device(a, "virtio-blk-pci,drive=seed");
}

/* Words of the site's own options, split at blanks. */
static void add_words(struct argv *a, const char *words)
{
	while (*words) {
		size_t len;

		words += strspn(words, " \t");
		len = strcspn(words, " \t");
		if (len)
			argv_addf(a, "%.*s", (int)len, words);
		words += len;
	}
}

static void add_machine(struct argv *a, const struct config *c,
			const struct qemu_arch *arch, const struct session *s,
			const struct qemu_place *place)
{
	if (strcmp(c->qemu_exec_options, "auto") != 0 &&
	    qemu_is_native(s->arch)) {
		add_words(a, c->qemu_exec_options);
		return;
	}
	argv_add(a, "-machine");
	argv_add(a, qemu_arch_machine(arch, s));
	argv_add(a, "-accel");
	argv_add(a, place->kvm ? "kvm" : "tcg,thread=multi");
	argv_add(a, "-cpu");
	argv_add(a, place->kvm ? "host" : arch->cpu);
}

/* UEFI's code and variables are two flash chips of the machine. */
static void add_firmware(struct argv *a, const struct session *s,
			 const struct qemu_place *place)
{
	if (!place->firmware)
		return;
	add_blockdev(a, "firmware", "raw", place->firmware, true, NULL);
	add_blockdev(a, "vars", "raw", place->vars, false, NULL);
	argv_add(a, "-machine");
	argv_add(a, "pflash0=firmware,pflash1=vars");
	if (strcmp(s->firmware, "uefi-secure") != 0)
		return;
	/* Only the firmware itself, in SMM, may write the variables. */
	argv_add(a, "-global");
	argv_add(a, "driver=cfi.pflash01,property=secure,value=on");
	argv_add(a, "-global");
	argv_add(a, "ICH9-LPC.disable_s3=1");
}

static void add_tpm(struct argv *a, const struct qemu_arch *arch,
		    const struct session *s, const struct qemu_place *place)
{
	if (!s->tpm)
		return;
	argv_add(a, "-chardev");
	argv_addf(a, "socket,id=tpm0,fd=%d", place->tpm);
	argv_add(a, "-tpmdev");
	argv_add(a, "emulator,id=tpm,chardev=tpm0");
	add_device(a, arch->tpm);
}

/* Names are "mount0", ... and tags were made of an allow-list. */
static void add_mounts(struct argv *a, const struct mounts *mounts)
{
	for (size_t i = 0; mounts && i < mounts->count; i++) {
		const struct mount *m = &mounts->list[i];
		AUTO_BUF struct buf arg = BUF_INIT(100);

		buf_printf(&arg, "local,id=mount%zu,"
				 "security_model=mapped-xattr,"
				 "multidevs=remap,readonly=%s,path=",
			   i, m->writable ? "off" : "on");
		argv_add(a, "-fsdev");
		add_doubled(a, buf_str(&arg), m->path, "");
		argv_add(a, "-device");
		argv_addf(a, "virtio-9p-pci,fsdev=mount%zu,mount_tag=%s", i,
			  m->tag);
	}
}

/* All functions of the card in one slot, as its drivers expect them. */
static void add_gpu(struct argv *a, const struct qemu_place *place)
{
	for (size_t i = 0; place->gpu && i < place->gpu->function_count; i++) {
		const char *function = place->gpu->functions[i];
		AUTO_BUF struct buf rest = BUF_INIT(100);

		buf_printf(&rest, "/%s,id=gpu%zu,addr=0x10.0x%c%s", function,
			   i, function[strlen(function) - 1],
			   i ? "" : ",multifunction=on");
		argv_add(a, "-device");
		add_doubled(a, "vfio-pci,sysfsdev=", place->gpu_dir,
			    buf_str(&rest));
	}
}

static void add_devices(struct argv *a, const struct config *c,
			const struct qemu_arch *arch,
			const struct qemu_place *place)
{
	/* What the guest does not use goes back to the host by itself; the
	 * clipboard by spice-vdagent in the guest. */
	static const char *const common[] = {
		"virtio-balloon-pci,free-page-reporting=on", "virtio-rng-pci",
		"qemu-xhci", "usb-tablet", "usb-kbd", "virtio-serial-pci",
		"virtserialport,chardev=vdagent0,name=com.redhat.spice.0",
	};

	add_device(a, qemu_arch_video(arch, c->qemu_video));
	argv_add(a, "-chardev");
	argv_add(a, "qemu-vdagent,id=vdagent0,name=vdagent,clipboard=on");
	for (size_t i = 0; i < ARRAY_LEN(common); i++)
		add_device(a, common[i]);
	if (!place->netdev || !*place->netdev)
		return;
	argv_add(a, "-netdev");
	argv_add(a, place->netdev);
	argv_add(a, "-device");
	argv_addf(a, "virtio-net-pci,netdev=net0,romfile=%s",
		  place->card ? place->card : "");
}

void qemu_command(const struct config *c, const struct session *s,
		  const struct qemu_place *place, struct argv *ret)
{
	const struct qemu_arch *arch = qemu_arch(firmware_arch(s));

	argv_add(ret, place->program);
	argv_add(ret, "-name");
	argv_addf(ret, "guest=%s", s->name);
	argv_add(ret, "-no-user-config");
	argv_add(ret, "-nodefaults");
	argv_add(ret, "-sandbox");
	argv_add(ret, "on,obsolete=deny,elevateprivileges=deny,spawn=deny,"
		      "resourcecontrol=deny");
	add_machine(ret, c, arch, s, place);
	add_firmware(ret, s, place);
	argv_add(ret, "-smp");
	argv_addf(ret, "%lld", s->cpu);
	argv_add(ret, "-m");
	argv_addf(ret, "%lldM", s->memory_mb);
	argv_add(ret, "-boot");
	argv_add(ret, "menu=off");
	add_disks(ret, arch, s, place);
	add_devices(ret, c, arch, place);
	add_tpm(ret, arch, s, place);
	add_mounts(ret, place->mounts);
	add_gpu(ret, place);
	argv_add(ret, "-display");
	argv_add(ret, "none");
	argv_add(ret, "-vnc");
	/* With a password nobody gets in until QMP has set it. */
	add_doubled(ret, "unix:", place->vnc,
		    s->password[0] ? ",share=force-shared,password=on" :
				     ",share=force-shared");
	argv_add(ret, "-chardev");
	argv_addf(ret, "socket,id=qmp0,fd=%d", place->qmp);
	argv_add(ret, "-mon");
	argv_add(ret, "chardev=qmp0,mode=control");
	/* The guest starts when its network is ready (vm/network.h). */
	argv_add(ret, "-S");
	add_words(ret, s->qemu_options);
}

/* This host's architecture, as QEMU's programs name it. */
static const char *native(struct utsname *host)
{
	if (uname(host) < 0)
		return "x86_64";
	return strcmp(host->machine, "i686") == 0 ? "i386" : host->machine;
}

bool qemu_is_native(const char *arch)
{
	struct utsname host;

	return !*arch || strcmp(arch, native(&host)) == 0;
}

char *qemu_program(const struct config *c, const char *arch, struct err *e)
{
	AUTO_FREE char *name = NULL;
	struct utsname host;

	if (strcmp(c->qemu_exec, "auto") != 0 && qemu_is_native(arch))
		return child_find_program(c->qemu_exec, e);
	if (asprintf(&name, "qemu-system-%s", *arch ? arch : native(&host)) <
	    0) {
		name = NULL;
		err_set(e, ERR_SYSTEM, "no memory");
		return NULL;
	}
	return child_find_program(name, e);
}
