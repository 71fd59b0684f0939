#include "ctl/import.h"

#include <fcntl.h>
#include <string.h>

#include "sys/file.h"

/* A file that is there stays, as NAME.before-import, or the import ends. */
static int make_way(const struct import *im, int dir, const char *name,
		    struct err *e)
{
	AUTO_FREE char *kept = NULL;

	if (faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (!im->replace)
		return err_set(e, ERR_CONFLICT,
			       "%s/%s is there already; choose another "
			       "--output=DIR, or --replace it (it is kept as "
			       "%s.before-import)",
			       im->output, name, name);
	if (asprintf(&kept, "%s.before-import", name) < 0) {
		kept = NULL;
		return err_set(e, ERR_SYSTEM, "no memory");
	}
	return renameat(dir, name, dir, kept) < 0 ?
		       err_sys(e, "cannot rename %s", name) :
		       0;
}

int import_write(struct import *im, struct err *e)
{
	const struct {
		const char *name;
		const char *text;
		unsigned mode;
	} files[] = {
		{ "config.conf", buf_str(&im->config), 0644 },
		{ "machines.conf", buf_str(&im->machines), 0644 },
		{ "email-password", im->mail_password, 0600 },
	};
	AUTO_CLOSE int dir = -1;

	if (file_make_dirs(im->output, 0755, e) < 0)
		return -1;
	dir = open(im->output, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_sys(e, "cannot open %s", im->output);
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		if (files[i].text && make_way(im, dir, files[i].name, e) < 0)
			return -1;
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		if (!files[i].text)
			continue;
		if (file_replace(dir, files[i].name, files[i].text,
				 strlen(files[i].text), files[i].mode, true,
				 e) < 0)
			return -1;
		json_array_append_new(im->written,
				      json_sprintf("%s/%s", im->output,
						   files[i].name));
	}
	return 0;
}

static int print_json(const struct import *im)
{
	AUTO_FREE char *copy = strdup(buf_str(&im->lost));
	json_t *lost = json_array();
	char *rest = copy;
	char *line;

	while (rest && (line = strsep(&rest, "\n")) != NULL)
		if (*line)
			json_array_append_new(lost, json_string(line));
	return command_print_json(im->given,
				  json_pack("{sO so}", "written", im->written,
					    "lost", lost));
}

static void print_text(struct import *im)
{
	char *rest = im->lost.data;
	const json_t *path;
	size_t i;
	char *line;

	if (im->given->dry_run)
		printf("%s%s", buf_str(&im->config), buf_str(&im->machines));
	json_array_foreach(im->written, i, path)
		printf("Wrote %s\n", json_string_value(path));
	if (im->mail_password)
		printf("The mail password is in %s/email-password: give that "
		       "file to the service's user.\n",
		       im->output);
	if (!im->lost.len) {
		printf("Everything was carried over. Now: qwdctl check\n");
		return;
	}
	printf("Not carried over:\n");
	while ((line = strsep(&rest, "\n")) != NULL)
		if (*line)
			printf("  %s\n", line);
	printf("Now: qwdctl check\n");
}

int import_tell(struct import *im)
{
	if (im->given->json)
		return print_json(im);
	if (!im->given->quiet)
		print_text(im);
	return CTL_DONE;
}
