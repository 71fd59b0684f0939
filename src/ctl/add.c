/* qwdctl add: an image into dir_machines, and a section for it into
 * machines.conf. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "conf/image.h"
#include "conf/machines.h"
#include "conf/url.h"
#include "ctl/conf_file.h"
#include "ctl/ctl.h"
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

/* machines.conf with one section more, checked. */
static int append_section(const struct config *c, const struct order *o,
			  struct buf *text, struct err *e)
{
	AUTO_MACHINES struct machines m = { .list = NULL };

	if (conf_file_read(c->machines_conf, text, e) < 0)
		return -1;
	if (text->len && text->data[text->len - 1] != '\n')
		buf_putc(text, '\n');
	buf_printf(text, "%s[%s]\n", text->len ? "\n" : "", o->name);
	if (o->description)
		buf_printf(text, "description = %s\n", o->description);
	if (o->url)
		buf_printf(text, "url = %s\n", o->from);
	if (buf_failed(text))
		return err_set(e, ERR_TOO_LARGE, "%s is too long",
			       c->machines_conf);
	return machines_parse(c->machines_conf, text->data, text->len, &m, e);
}

/* All bytes; the file system may share them (copy_file_range(2)). */
static int copy_bytes(int from, int to, struct err *e)
{
	ssize_t got;

	do {
		got = copy_file_range(from, NULL, to, NULL, 1 << 30, 0);
	} while (got > 0 || (got < 0 && errno == EINTR));
	if (got == 0)
		return 0;
	if (errno != EXDEV && errno != EINVAL && errno != EOPNOTSUPP)
		return err_sys(e, "cannot copy");
	for (;;) {
		char piece[65536];

		got = read(from, piece, sizeof(piece));
		if (got == 0)
			return 0;
		if (got < 0 || file_write_all(to, piece, (size_t)got) < 0)
			return err_sys(e, "cannot copy");
	}
}

static int copy_to(int from, int dir, const char *part, const char *name,
		   struct err *e)
{
	AUTO_CLOSE int to = openat(dir, part,
				   O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW |
					   O_CLOEXEC,
				   0600);

	if (to < 0)
		return err_sys(e, "cannot make %s", part);
	if (copy_bytes(from, to, e) < 0)
		return -1;
	if (fchmod(to, 0644) < 0 || fsync(to) < 0)
		return err_sys(e, "cannot write %s", part);
	/* Not over a file that is there, whatever it is. */
	if (linkat(dir, part, dir, name, 0) < 0)
		return errno == EEXIST ?
			       err_set(e, ERR_CONFLICT,
				       "a file %s is in dir_machines already",
				       name) :
			       err_sys(e, "cannot make %s", name);
	return 0;
}

static int copy_image(const struct config *c, const struct order *o,
		      struct err *e)
{
	AUTO_CLOSE int from = image_open(AT_FDCWD, o->from, e);
	AUTO_FREE char *part = NULL;
	AUTO_CLOSE int dir = -1;
	struct image image;
	int result;

	if (from < 0 || image_identify(from, o->name, &image, e) < 0)
		return err_prefix(e, "%s", o->from);
	if (file_make_dirs(c->dir_machines, 0755, e) < 0)
		return -1;
	dir = open(c->dir_machines, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_sys(e, "cannot open %s", c->dir_machines);
	if (asprintf(&part, ".%s.add", o->name) < 0) {
		part = NULL;
		return err_set(e, ERR_SYSTEM, "no memory");
	}
	(void)unlinkat(dir, part, 0);
	result = copy_to(from, dir, part, o->name, e);
	(void)unlinkat(dir, part, 0);
	return result;
}

/* The file first: machines.conf never names one that is not whole. */
static int add(const struct config *c, const struct order *o, struct err *e)
{
	AUTO_BUF struct buf text = BUF_INIT(CONF_FILE_MAX);

	if (append_section(c, o, &text, e) < 0 ||
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
