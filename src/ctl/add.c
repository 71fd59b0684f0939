/* qwdctl add: an image into dir_machines, and a section for it into
 * machines.conf. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "conf/image.h"
#include "conf/url.h"
#include "ctl/conf_file.h"
#include "ctl/ctl.h"
#include "ctl/image_copy.h"
#include "ctl/refresh.h"
#include "ctl/unpack.h"
#include "sys/file.h"

struct order {
	const char *from;
	const char *description; /* NULL: none */
	char *name;
	bool url;
};

/* The name that the file or url suggests; of a packed one, what is in it. */
static char *default_name(const struct order *o)
{
	size_t end = o->url ? strcspn(o->from, "?#") : strlen(o->from);
	size_t start = end;
	char *name;
	char *dot;

	while (start && o->from[start - 1] != '/')
		start--;
	name = strndup(o->from + start, end - start);
	if (!name || !o->url)
		return name;
	switch (unpack_kind(o->from, "")) {
	case PACKED_STREAM:
		dot = strrchr(name, '.');
		*dot = '\0';
		break;
	case PACKED_OVA:
		dot = name;
		if (asprintf(&name, "%.*s.qcow2", (int)(strlen(dot) - 4),
			     dot) < 0)
			name = NULL;
		free(dot);
		break;
	case PACKED_NOT:
		break;
	}
	return name;
}

static int read_arguments(const struct given *g, struct order *o)
{
	const char *name = given_value(g, "name");

	o->from = g->words[0];
	o->description = given_value(g, "description");
	o->url = text_starts(o->from, "http://") ||
		 text_starts(o->from, "https://");
	o->name = name ? strdup(name) : default_name(o);
	if (!o->name || !text_is_file_name(o->name))
		return command_usage(g->command,
				     "the machine's name is a file name, as "
				     "debian-12.qcow2; give one with --name=");
	return CTL_DONE;
}

/* Returns the image's descriptor. */
static int open_image(const struct order *o, struct err *e)
{
	AUTO_CLOSE int fd = image_open(AT_FDCWD, o->from, e);
	struct image image;

	if (fd < 0)
		return -1;
	if (image_identify(fd, o->name, &image, e) < 0)
		return err_prefix(e, "%s", o->from);
	return TAKE_FD(fd);
}

static int copy_image(const struct config *c, const struct order *o, int from,
		      struct err *e)
{
	AUTO_CLOSE int dir = -1;

	if (file_make_dirs(c->dir_machines, 0755, e) < 0)
		return -1;
	dir = open(c->dir_machines, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_sys(e, "cannot open %s", c->dir_machines);
	return image_copy(from, dir, o->name, e);
}

/* As it is now: the image may have taken minutes. */
static int list_it(const struct config *c, const struct order *o, struct err *e)
{
	AUTO_CLOSE int lock = conf_file_lock(c->machines_conf, e);
	AUTO_BUF struct buf text = BUF_INIT(CONF_FILE_MAX);

	if (lock < 0 ||
	    conf_file_append_machine(c->machines_conf, o->name, o->description,
				     o->url ? o->from : NULL, NULL, &text,
				     e) < 0)
		return -1;
	return conf_file_write(c->machines_conf, text.data, text.len, e);
}

/* The file first: machines.conf never names one that is not whole. */
static int add(const struct config *c, const struct order *o, bool dry_run,
	       struct err *e)
{
	AUTO_BUF struct buf text = BUF_INIT(CONF_FILE_MAX);
	AUTO_CLOSE int from = -1;

	if (conf_file_append_machine(c->machines_conf, o->name, o->description,
				     o->url ? o->from : NULL, NULL, &text,
				     e) < 0)
		return -1;
	from = o->url ? -1 : open_image(o, e);
	if (!o->url && from < 0)
		return -1;
	if (dry_run)
		return 0;
	if (!o->url && copy_image(c, o, from, e) < 0)
		return -1;
	return list_it(c, o, e);
}

static int download(const struct config *c, const struct given *g,
		    const struct order *o)
{
	char *words[] = { o->name, NULL };
	const struct given what = { .command = command_find("download"),
				    .quiet = g->quiet,
				    .words = words,
				    .count = 1 };

	return ctl_download(c, &what);
}

int ctl_add(const struct config *c, const struct given *g)
{
	struct order o = { .from = NULL };
	struct err e = ERR_INIT;
	int status = read_arguments(g, &o);

	if (status == CTL_DONE && add(c, &o, g->dry_run, &e) < 0)
		status = command_fail(g, &e);
	else if (status == CTL_DONE && g->dry_run && !g->quiet)
		printf("%s: would be added\n", o.name);
	else if (status == CTL_DONE && !g->dry_run)
		status = o.url ? download(c, g, &o) : refresh_and_print(c, g);
	free(o.name);
	return status;
}
