#include "ctl/gpu_host.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "sys/file.h"

enum { FILE_MAX = 1 << 20 };

#define MARK_BEGIN "# qemu-web-desktop: graphics cards, begin\n"
#define MARK_END "# qemu-web-desktop: graphics cards, end\n"
#define NOTE "# Made by qwdctl gpu, removed by qwdctl gpu_unlock.\n"
#define MODULES "/etc/initramfs-tools/modules"

bool gpu_ids_ok(const char *ids)
{
	static const char model[] = "hhhh:hhhh";

	for (;;) {
		for (size_t i = 0; model[i]; i++, ids++)
			if (model[i] == 'h' ?
				    !*ids || !strchr("0123456789abcdef", *ids) :
				    *ids != model[i])
				return false;
		if (*ids == '\0')
			return true;
		if (*ids++ != ',')
			return false;
	}
}

/* ---- What the files shall hold ---- */

static void grub(const struct gpu_host *h, struct buf *out)
{
	buf_printf(out,
		   NOTE "GRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_"
			"DEFAULT %s=on iommu=pt vfio-pci.ids=%s\"\n",
		   h->intel ? "intel_iommu" : "amd_iommu", h->ids);
}

/* vfio-pci takes the cards before any driver of theirs is loaded. */
static void modprobe(const struct gpu_host *h, struct buf *out)
{
	static const char *const drivers[] = {
		"nouveau", "nvidia", "nvidiafb", "amdgpu", "radeon", "i915",
		"snd_hda_intel",
	};

	buf_printf(out, NOTE "options vfio-pci ids=%s disable_vga=1\n", h->ids);
	for (size_t i = 0; i < ARRAY_LEN(drivers); i++)
		buf_printf(out, "softdep %s pre: vfio-pci\n", drivers[i]);
}

static void udev(const struct gpu_host *h, struct buf *out)
{
	buf_printf(out,
		   NOTE "SUBSYSTEM==\"vfio\", KERNEL!=\"vfio\", "
			"OWNER=\"%s\", MODE=\"0600\"\n",
		   h->user);
}

static void limits(const struct gpu_host *h, struct buf *out)
{
	buf_printf(out, NOTE "%s - memlock unlimited\n", h->user);
}

static void unit(const struct gpu_host *h, struct buf *out)
{
	(void)h;
	buf_puts(out, NOTE "[Service]\nLimitMEMLOCK=infinity\n");
}

static void modules(const struct gpu_host *h, struct buf *out)
{
	(void)h;
	buf_puts(out, MARK_BEGIN "vfio\nvfio_iommu_type1\nvfio_pci\n" MARK_END);
}

static const struct {
	const char *path;
	void (*fill)(const struct gpu_host *h, struct buf *out);
} files[] = {
	{ "/etc/default/grub.d/qemu-web-desktop.cfg", grub },
	{ "/etc/modprobe.d/qemu-web-desktop.conf", modprobe },
	{ MODULES, modules },
	{ "/etc/udev/rules.d/70-qemu-web-desktop.rules", udev },
	{ "/etc/security/limits.d/qemu-web-desktop.conf", limits },
	/* Sessions are started by the one or the other. */
	{ "/etc/systemd/system/qemu-web-desktop-session@.service.d/"
	  "memlock.conf",
	  unit },
	{ "/etc/systemd/system/apache2.service.d/"
	  "qemu-web-desktop-memlock.conf",
	  unit },
};

/* ---- Changes ---- */

static char *full_path(const struct gpu_host *h, const char *path,
		       const char *suffix)
{
	char *full;

	return asprintf(&full, "%s%s%s", h->root, path, suffix) < 0 ? NULL :
								      full;
}

/* Somebody else's file without our lines. */
static void without_ours(const char *text, struct buf *out)
{
	const char *begin = strstr(text, MARK_BEGIN);
	const char *end = begin ? strstr(begin, MARK_END) : NULL;

	if (!end) {
		buf_puts(out, text);
		return;
	}
	buf_add(out, text, (size_t)(begin - text));
	buf_puts(out, end + strlen(MARK_END));
}

static int plan(const struct gpu_host *h, size_t i, struct gpu_change *c,
		struct err *e)
{
	AUTO_FREE char *path = full_path(h, files[i].path, "");
	struct err failure = ERR_INIT;

	if (!path)
		return err_set(e, ERR_SYSTEM, "no memory");
	c->exists = file_read(AT_FDCWD, path, false, &c->old, &failure) == 0;
	if (!c->exists && failure.code != ERR_NOT_FOUND) {
		*e = failure;
		return -1;
	}
	if (strcmp(files[i].path, MODULES) == 0) {
		without_ours(buf_str(&c->old), &c->new);
		if (h->ids && c->new.len && !text_ends(buf_str(&c->new), "\n"))
			buf_putc(&c->new, '\n');
	}
	if (h->ids)
		files[i].fill(h, &c->new);
	return buf_failed(&c->new) ? err_set(e, ERR_SYSTEM, "no memory") : 0;
}

static bool is_same(const struct gpu_change *c)
{
	if (c->new.len == 0 && strcmp(c->path, MODULES) != 0)
		return !c->exists;
	return c->old.len == c->new.len &&
	       strcmp(buf_str(&c->old), buf_str(&c->new)) == 0;
}

static void show_lines(const char *text, char mark)
{
	while (*text) {
		size_t len = strcspn(text, "\n");

		printf("  %c %.*s\n", mark, (int)len, text);
		text += len;
		text += *text == '\n';
	}
}

/* Ours of the modules' list, and all of the other files. */
static void show(const struct gpu_host *h, const struct gpu_change *c)
{
	bool removed = c->new.len == 0 && strcmp(c->path, MODULES) != 0;
	AUTO_BUF struct buf ours = BUF_INIT(FILE_MAX);

	printf("%s%s: %s\n", h->root, c->path,
	       removed ? "remove" : c->exists ? "change" : "make");
	if (strcmp(c->path, MODULES) != 0) {
		show_lines(buf_str(&c->old), '-');
		show_lines(buf_str(&c->new), '+');
		return;
	}
	modules(h, &ours);
	if (strstr(buf_str(&c->old), MARK_BEGIN))
		show_lines(buf_str(&ours), '-');
	if (h->ids)
		show_lines(buf_str(&ours), '+');
}

static int write_file(const char *path, const struct buf *text, struct err *e)
{
	AUTO_FREE char *dir = strdup(path);
	char *slash = dir ? strrchr(dir, '/') : NULL;

	if (!slash)
		return err_set(e, ERR_SYSTEM, "no memory");
	*slash = '\0';
	if (file_make_dirs(dir, 0755, e) < 0)
		return -1;
	return file_replace(AT_FDCWD, path, text->data, text->len, 0644, true,
			    e);
}

static int make(const struct gpu_host *h, const struct gpu_change *c,
		struct err *e)
{
	AUTO_FREE char *path = full_path(h, c->path, "");
	AUTO_FREE char *backup = full_path(h, c->path, ".qwd-backup");

	if (!path || !backup)
		return err_set(e, ERR_SYSTEM, "no memory");
	if (c->exists && write_file(backup, &c->old, e) < 0)
		return -1;
	if (c->new.len || strcmp(c->path, MODULES) == 0)
		return write_file(path, &c->new, e);
	return unlink(path) < 0 ? err_sys(e, "cannot remove %s", path) : 0;
}

int gpu_host_apply(const struct gpu_host *h, size_t *ret_changes,
		   struct err *e)
{
	*ret_changes = 0;
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		struct gpu_change c = { .path = files[i].path,
					.old = BUF_INIT(FILE_MAX),
					.new = BUF_INIT(FILE_MAX) };
		int result = plan(h, i, &c, e);

		if (result == 0 && !is_same(&c)) {
			if (!h->quiet)
				show(h, &c);
			(*ret_changes)++;
			if (!h->dry_run)
				result = make(h, &c, e);
		}
		buf_release(&c.old);
		buf_release(&c.new);
		if (result < 0)
			return -1;
	}
	return 0;
}
