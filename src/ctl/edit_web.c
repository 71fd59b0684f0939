/* The site's own pages: a copy is edited in a directory ".edit" beside them,
 * which has them all, so that it can be checked as it would be served. */
#include "ctl/edit.h"

#include <errno.h>
#include <fcntl.h>
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "ctl/conf_file.h"
#include "ctl/pages.h"
#include "sys/file.h"

static const char stage_name[] = ".edit";
static const char kept_ending[] = ".before";

/* Also those that others include: all that is there to be stood in for. */
static int check_name(int shipped, const char *page, struct err *e)
{
	if (text_is_file_name(page) && pages_is_template(page) &&
	    faccessat(shipped, page, R_OK, 0) == 0)
		return 0;
	return err_set(e, ERR_INPUT,
		       "there is no page %.60s; 'qwdctl names pages' lists "
		       "them",
		       page);
}

static int copy_file(int from, int to, const char *name, struct err *e)
{
	AUTO_BUF struct buf text = BUF_INIT(CONF_FILE_MAX);

	if (file_read(from, name, true, &text, e) < 0)
		return -1;
	return file_replace(to, name, buf_str(&text), text.len, 0644, false,
			    e);
}

/* All of the site's templates, as they are. */
static int fill_stage(int site, int stage, struct err *e)
{
	int copy = openat(site, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	const struct dirent *entry;
	int result = 0;

	if (!dir)
		return err_sys(e, "cannot read the directory");
	while (result == 0 && (entry = readdir(dir)) != NULL)
		if (pages_is_template(entry->d_name))
			result = copy_file(site, stage, entry->d_name, e);
	closedir(dir);
	return result;
}

/* A page that includes this one is served with it, too. */
static int check_page(const struct edit *edit, struct err *e)
{
	AUTO_CLOSE int stage = open(edit->stage,
				    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_CLOSE int shipped = pages_open_shipped(edit->config, e);

	if (stage < 0)
		return err_sys(e, "cannot open %s", edit->stage);
	if (shipped < 0 || pages_check(stage, shipped, edit->page, e) < 0)
		return -1;
	for (size_t i = 0; edit->page[0] == '_' && pages_shipped[i]; i++)
		if (pages_check(stage, shipped, pages_shipped[i], e) < 0)
			return -1;
	return 0;
}

static int find_paths(struct edit *edit, struct err *e)
{
	const char *site = edit->config->dir_html_site;

	edit->path = file_join(site, edit->page);
	edit->stage = file_join(site, stage_name);
	return edit->path && edit->stage ? 0 :
					   err_set(e, ERR_SYSTEM, "no memory");
}

/* Only if it was not there: else it is somebody else's. */
static int make_own(struct edit *edit, struct err *e)
{
	AUTO_FREE char *path = TAKE(edit->stage);

	if (mkdir(path, 0755) < 0)
		return errno != EEXIST ?
			       err_sys(e, "cannot make %s", path) :
			       err_set(e, ERR_CONFLICT,
				       "somebody edits it already; if not, "
				       "remove %s",
				       path);
	edit->stage = TAKE(path);
	edit->copy = file_join(edit->stage, edit->page);
	return edit->copy ? 0 : err_set(e, ERR_SYSTEM, "no memory");
}

/* The copy is the site's own page, or the shipped one. */
static int make_stage(struct edit *edit, int shipped, struct err *e)
{
	const char *path = edit->config->dir_html_site;
	AUTO_CLOSE int stage = -1;
	AUTO_CLOSE int site = -1;

	if (file_make_dirs(path, 0755, e) < 0)
		return -1;
	site = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (site < 0)
		return err_sys(e, "cannot open %s", path);
	if (make_own(edit, e) < 0)
		return -1;
	stage = openat(site, stage_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (stage < 0)
		return err_sys(e, "cannot open %s", edit->stage);
	if (fill_stage(site, stage, e) < 0)
		return -1;
	edit->is_new = faccessat(stage, edit->page, F_OK, 0) < 0;
	return edit->is_new ? copy_file(shipped, stage, edit->page, e) : 0;
}

int edit_web_begin(struct edit *edit, struct err *e)
{
	AUTO_CLOSE int shipped = pages_open_shipped(edit->config, e);

	edit->page = edit->given->words[1];
	edit->check = check_page;
	if (shipped < 0 || check_name(shipped, edit->page, e) < 0 ||
	    find_paths(edit, e) < 0 || make_stage(edit, shipped, e) < 0)
		return -1;
	return conf_file_read(edit->copy, &edit->before, e);
}

void edit_web_end(struct edit *edit)
{
	struct err ignored = ERR_INIT;

	/* NULL where it is somebody else's. */
	if (edit->stage) {
		(void)!file_remove_tree(AT_FDCWD, edit->stage, &ignored);
		/* Only where it is empty. */
		(void)rmdir(edit->config->dir_html_site);
	}
	free(edit->stage);
	edit->stage = NULL;
}

static char *kept_path(const struct edit *edit)
{
	char *path;

	return asprintf(&path, "%s%s", edit->path, kept_ending) < 0 ? NULL :
								      path;
}

int edit_web_keep(const struct edit *edit, struct err *e)
{
	AUTO_FREE char *kept = kept_path(edit);

	if (!kept)
		return err_set(e, ERR_SYSTEM, "no memory");
	return edit->is_new ? 0 :
			      conf_file_write(kept, buf_str(&edit->before),
					      edit->before.len, e);
}

void edit_web_tell(const struct edit *edit)
{
	if (edit->is_new)
		printf("Undo it with: rm %s\n", edit->path);
	else
		printf("Undo it with: mv %s%s %s\n", edit->path, kept_ending,
		       edit->path);
}
