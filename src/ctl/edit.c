#include "ctl/edit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/text.h"
#include "conf/machines.h"
#include "ctl/conf_file.h"
#include "ctl/ctl.h"
#include "ctl/editor.h"
#include "ctl/refresh.h"
#include "sys/file.h"

/* ---- One file of /etc ---- */

static int check_config(const struct edit *edit, struct err *e)
{
	AUTO_CONFIG struct config c = { .file = NULL };

	return command_read_config(&c, edit->copy, false, e);
}

static int check_machines(const struct edit *edit, struct err *e)
{
	AUTO_MACHINES struct machines m = { .list = NULL };

	return machines_read(edit->copy, &m, e);
}

static int make_copy(const struct edit *edit, struct err *e)
{
	AUTO_CLOSE int fd = open(edit->copy,
				 O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC |
					 O_NOFOLLOW,
				 0600);

	if (fd < 0 && errno == EEXIST)
		return err_set(e, ERR_CONFLICT,
			       "somebody edits it already; if not, remove %s",
			       edit->copy);
	if (fd < 0 ||
	    file_write_all(fd, buf_str(&edit->before), edit->before.len) < 0)
		return err_sys(e, "cannot write %s", edit->copy);
	return 0;
}

static int begin_file(struct edit *edit, const char *path, struct err *e)
{
	AUTO_FREE char *copy = NULL;

	edit->path = strdup(path);
	/* Its ending is not .conf: nothing of config.d that is read. */
	if (asprintf(&copy, "%s.edit", path) < 0)
		copy = NULL;
	if (!edit->path || !copy)
		return err_set(e, ERR_SYSTEM, "no memory");
	if (conf_file_read(path, &edit->before, e) < 0)
		return -1;
	edit->copy = TAKE(copy);
	if (make_copy(edit, e) == 0)
		return 0;
	/* It is somebody else's. */
	free(edit->copy);
	edit->copy = NULL;
	return -1;
}

/* ---- All of them ---- */

static bool wants_again(void)
{
	char answer[16];

	if (!isatty(STDIN_FILENO))
		return false;
	printf("Edit it again? [Y/n] ");
	fflush(stdout);
	return fgets(answer, sizeof(answer), stdin) && answer[0] != 'n' &&
	       answer[0] != 'N';
}

/* Until it is right; -1 with the last complaint if it is given up. */
static int edit_until_right(struct edit *edit, struct err *e)
{
	for (;;) {
		struct err wrong = ERR_INIT;

		if (editor_run(edit->copy, e) < 0)
			return -1;
		if (edit->check(edit, &wrong) == 0)
			return 0;
		if (isatty(STDIN_FILENO))
			fprintf(stderr, "%s\n", wrong.msg);
		if (!wants_again()) {
			*e = wrong;
			return err_prefix(e, "nothing was changed");
		}
	}
}

static bool is_same(const struct edit *edit)
{
	return strcmp(buf_str(&edit->before), buf_str(&edit->after)) == 0;
}

/* Somebody else was quicker: what was written in the editor is kept, for them
 * who wrote it to put the two together. */
static int keep_apart(struct edit *edit, struct err *e)
{
	AUTO_FREE char *yours = NULL;

	if (asprintf(&yours, "%s.yours", edit->path) < 0) {
		yours = NULL;
		return err_set(e, ERR_SYSTEM, "no memory");
	}
	if (rename(edit->copy, yours) < 0)
		return err_sys(e, "cannot keep %s", yours);
	return err_set(e, ERR_CONFLICT,
		       "%s was changed by somebody else meanwhile, and stays "
		       "so; what you have written is in %s",
		       edit->path, yours);
}

/* Is the file what was taken into the editor?  A page that is new is none. */
static int check_unchanged(struct edit *edit, struct err *e)
{
	AUTO_BUF struct buf now = BUF_INIT(CONF_FILE_MAX);
	const char *was = edit->page && edit->is_new ? "" :
						       buf_str(&edit->before);

	if (conf_file_read(edit->path, &now, e) < 0)
		return -1;
	return strcmp(buf_str(&now), was) == 0 ? 0 : keep_apart(edit, e);
}

static int take_over(struct edit *edit, struct err *e)
{
	AUTO_CLOSE int lock = -1;

	if (conf_file_read(edit->copy, &edit->after, e) < 0)
		return -1;
	if (is_same(edit))
		return 0;
	lock = conf_file_lock(edit->path, e);
	if (lock < 0 || check_unchanged(edit, e) < 0)
		return -1;
	if (edit->page && edit_web_keep(edit, e) < 0)
		return -1;
	return conf_file_write(edit->path, buf_str(&edit->after),
			       edit->after.len, e);
}

static int begin(struct edit *edit, const char *file, struct err *e)
{
	const char *what = edit->given->words[0];

	if (!file)
		return err_set(e, ERR_SYSTEM, "no memory");
	if (strcmp(what, "config") == 0)
		return begin_file(edit, file, e);
	if (command_read_config(edit->config, file, false, e) < 0)
		return err_prefix(e, "the configuration has to be mended first "
				     "('qwdctl edit config')");
	if (strcmp(what, "web") == 0)
		return edit_web_begin(edit, e);
	edit->check = check_machines;
	return begin_file(edit, edit->config->machines_conf, e);
}

static int tell(const struct edit *edit)
{
	const struct given *g = edit->given;

	if (is_same(edit)) {
		if (!g->quiet)
			printf("Nothing was changed.\n");
		return CTL_NOTHING;
	}
	if (!g->quiet) {
		printf("%s is changed.\n", edit->path);
		if (edit->page)
			edit_web_tell(edit);
	}
	return edit->check == check_machines ?
		       refresh_and_print(edit->config, g) :
		       CTL_DONE;
}

static bool is_right(const struct given *g)
{
	const char *what = g->words[0];

	if (strcmp(what, "web") == 0)
		return g->count == 2;
	return g->count == 1 && (strcmp(what, "machines") == 0 ||
				 strcmp(what, "config") == 0);
}

int ctl_edit(const struct config *c, const struct given *g)
{
	AUTO_CONFIG struct config now = { .file = NULL };
	struct edit edit = { .given = g,
			     .config = &now,
			     .check = check_config,
			     .before = BUF_INIT(CONF_FILE_MAX),
			     .after = BUF_INIT(CONF_FILE_MAX) };
	struct err e = ERR_INIT;
	int status;

	if (!is_right(g))
		return command_usage(g->command,
				     "say machines, config, or web and a page "
				     "('qwdctl names pages' lists them)");
	status = begin(&edit, c->file, &e) < 0 ||
				 edit_until_right(&edit, &e) < 0 ||
				 take_over(&edit, &e) < 0 ?
			 command_fail(g, &e) :
			 tell(&edit);
	if (edit.copy)
		(void)unlink(edit.copy);
	if (edit.page)
		edit_web_end(&edit);
	free(edit.path);
	free(edit.copy);
	buf_release(&edit.before);
	buf_release(&edit.after);
	return status;
}
