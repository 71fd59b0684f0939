#include "vm/qemu.h"

#include <jansson.h>
#include <string.h>
#include <sys/utsname.h>

#include "sys/json.h"

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

static void add_disks(struct argv *a, const struct session *s,
		      const struct qemu_place *place)
{
	if (s->iso) {
		add_blockdev(a, "image", "raw", place->image, true, NULL);
		add_blockdev(a, "disk", "qcow2", place->overlay, false, NULL);
		argv_add(a, "-device");
		argv_add(a, "ide-cd,drive=image,bus=ide.1,bootindex=0");
	} else {
		add_blockdev(a, "image", s->format, place->image, true, NULL);
		add_blockdev(a, "disk", "qcow2", place->overlay, false,
			     "image");
	}
	argv_add(a, "-device");
	argv_add(a, "virtio-blk-pci,drive=disk,bootindex=1,werror=stop,"
		    "rerror=stop");
}

static const char *video_device(const char *video)
{
	static const struct {
		const char *name;
		const char *device;
	} known[] = {
		/* virtio's VGA shows every guest's console, and lets a guest
		 * with its driver follow the browser's window. */
		{ "auto", "virtio-vga" }, { "virtio", "virtio-vga" },
		{ "std", "VGA" },	  { "qxl", "qxl-vga" },
		{ "vmware", "vmware-svga" }, { "cirrus", "cirrus-vga" },
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strcmp(video, known[i].name) == 0)
			return known[i].device;
	return "VGA";
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
			const struct qemu_place *place)
{
	if (strcmp(c->qemu_exec_options, "auto") != 0) {
		add_words(a, c->qemu_exec_options);
		return;
	}
	argv_add(a, "-machine");
	argv_add(a, "pc,vmport=off,hpet=off");
	argv_add(a, "-accel");
	argv_add(a, place->kvm ? "kvm" : "tcg,thread=multi");
	argv_add(a, "-cpu");
	/* Without KVM: the x86-64-v2 level, which current systems ask for. */
	argv_add(a, place->kvm ? "host" :
				 "qemu64,+ssse3,+sse4.1,+sse4.2,+popcnt");
}

static void add_devices(struct argv *a, const struct config *c,
			const struct qemu_place *place)
{
	static const char *const common[] = {
		"virtio-balloon-pci", "virtio-rng-pci", "qemu-xhci",
		"usb-tablet", "usb-kbd",
	};

	argv_add(a, "-device");
	argv_add(a, video_device(c->qemu_video));
	for (size_t i = 0; i < ARRAY_LEN(common); i++) {
		argv_add(a, "-device");
		argv_add(a, common[i]);
	}
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
	argv_add(ret, place->program);
	argv_add(ret, "-name");
	argv_addf(ret, "guest=%s", s->name);
	argv_add(ret, "-no-user-config");
	argv_add(ret, "-nodefaults");
	argv_add(ret, "-sandbox");
	argv_add(ret, "on,obsolete=deny,elevateprivileges=deny,spawn=deny,"
		      "resourcecontrol=deny");
	add_machine(ret, c, place);
	argv_add(ret, "-smp");
	argv_addf(ret, "%lld", s->cpu);
	argv_add(ret, "-m");
	argv_addf(ret, "%lldM", s->memory_mb);
	argv_add(ret, "-boot");
	argv_add(ret, "menu=off");
	add_disks(ret, s, place);
	add_devices(ret, c, place);
	argv_add(ret, "-display");
	argv_add(ret, "none");
	argv_add(ret, "-vnc");
	add_doubled(ret, "unix:", place->vnc, ",share=force-shared");
	argv_add(ret, "-chardev");
	argv_addf(ret, "socket,id=qmp0,fd=%d", place->qmp);
	argv_add(ret, "-mon");
	argv_add(ret, "chardev=qmp0,mode=control");
	/* The guest starts when its network is ready (vm/network.h). */
	argv_add(ret, "-S");
}

char *qemu_program(const struct config *c, struct err *e)
{
	AUTO_FREE char *name = NULL;
	struct utsname host;
	const char *arch;

	if (strcmp(c->qemu_exec, "auto") != 0)
		return child_find_program(c->qemu_exec, e);
	if (uname(&host) < 0) {
		err_sys(e, "uname");
		return NULL;
	}
	arch = strcmp(host.machine, "i686") == 0 ? "i386" : host.machine;
	if (asprintf(&name, "qemu-system-%s", arch) < 0) {
		name = NULL;
		err_set(e, ERR_SYSTEM, "no memory");
		return NULL;
	}
	return child_find_program(name, e);
}
