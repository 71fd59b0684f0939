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

static int usage(const char *what)
{
	fprintf(stderr,
		"qwdctl add: %s\n"
		"Usage: qwdctl add FILE|URL [--name=NAME] "
		"[--description=TEXT]\n",
		what);
	return CTL_USAGE;
}

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

static int read_arguments(int argc, char **argv, struct order *o)
{
	static const char name[] = "--name=";
	static const char description[] = "--description=";
	const char *given = NULL;

	for (int i = 1; i < argc; i++) {
		if (text_starts(argv[i], name))
			given = argv[i] + strlen(name);
		else if (text_starts(argv[i], description))
			o->description = argv[i] + strlen(description);
		else if (argv[i][0] == '-' || o->from)
			return usage("name one file, or one url");
		else
			o->from = argv[i];
	}
	if (!o->from)
		return usage("name a file, or a url");
	o->url = text_starts(o->from, "http://") ||
		 text_starts(o->from, "https://");
	o->name = given ? strdup(given) : default_name(o);
	if (!o->name || !text_is_file_name(o->name))
		return usage("the machine's name is a file name, as "
			     "debian-12.qcow2; give one with --name=");
	return CTL_DONE;
}

static int copy_image(const struct config *c, const struct order *o,
		      struct err *e)
{
	AUTO_CLOSE int from = image_open(AT_FDCWD, o->from, e);
	AUTO_CLOSE int dir = -1;
	struct image image;

	if (from < 0 || image_identify(from, o->name, &image, e) < 0)
		return err_prefix(e, "%s", o->from);
	if (file_make_dirs(c->dir_machines, 0755, e) < 0)
		return -1;
	dir = open(c->dir_machines, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_sys(e, "cannot open %s", c->dir_machines);
	return image_copy(from, dir, o->name, e);
}

/* The file first: machines.conf never names one that is not whole. */
static int add(const struct config *c, const struct order *o, struct err *e)
{
	AUTO_BUF struct buf text = BUF_INIT(CONF_FILE_MAX);

	if (conf_file_append_machine(c->machines_conf, o->name, o->description,
				     o->url ? o->from : NULL, NULL, &text, e) < 0 ||
	    (!o->url && copy_image(c, o, e) < 0))
		return -1;
	return conf_file_write(c->machines_conf, text.data, text.len, e);
}

int ctl_add(const struct config *c, int argc, char **argv)
{
	struct order o = { .from = NULL };
	struct err e = ERR_INIT;
	int status = read_arguments(argc, argv, &o);

	if (status == CTL_DONE && add(c, &o, &e) < 0) {
		fprintf(stderr, "qwdctl add: %s\n", e.msg);
		status = CTL_FAILED;
	} else if (status == CTL_DONE && o.url) {
		char verb[] = "download";
		char *download[] = { verb, o.name, NULL };

		status = ctl_download(c, 2, download);
	} else if (status == CTL_DONE) {
		status = refresh_and_print(c);
	}
	free(o.name);
	return status;
}
