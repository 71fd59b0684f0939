/* qwdctl edit: an editor on a copy, which takes the file's place if the
 * service could read it. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>

#include "base/text.h"
#include "conf/machines.h"
#include "ctl/conf_file.h"
#include "ctl/ctl.h"
#include "ctl/refresh.h"
#include "sys/child.h"
#include "sys/file.h"

/* What is edited, and its copy beside it. */
struct edit {
	bool machines;
	char *path;
	char *copy;
	struct buf before;
	struct buf after;
};

static int usage(void)
{
	fprintf(stderr, "Usage: qwdctl edit machines|config\n");
	return CTL_USAGE;
}

/* ---- Files ---- */

static int read_config(struct config *c, const char *file, struct err *e)
{
	if (config_init(c, e) < 0 || config_read(c, file, false, e) < 0)
		return -1;
	return config_finish(c, e);
}

static int find_path(const struct config *c, struct edit *edit, struct err *e)
{
	AUTO_CONFIG struct config now = { .file = NULL };

	if (!c->file)
		return err_set(e, ERR_SYSTEM, "no memory");
	if (edit->machines && read_config(&now, c->file, e) < 0)
		return err_prefix(e, "the configuration has to be mended "
				     "first ('qwdctl edit config')");
	edit->path = strdup(edit->machines ? now.machines_conf : c->file);
	/* Its ending is not .conf: nothing of config.d that is read. */
	if (!edit->path || asprintf(&edit->copy, "%s.edit", edit->path) < 0) {
		edit->copy = NULL;
		return err_set(e, ERR_SYSTEM, "no memory");
	}
	return 0;
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

/* ---- The editor ---- */

static const char *editor_words(void)
{
	static const char *const names[] = { "VISUAL", "EDITOR" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const char *words = getenv(names[i]);

		if (words && *words)
			return words;
	}
	return "editor"; /* Debian's choice */
}

static int add_editor(struct argv *a, struct err *e)
{
	AUTO_FREE char *copy = strdup(editor_words());
	char *rest = copy;
	char *word;

	while (rest && (word = strsep(&rest, " \t")) != NULL) {
		char *program;

		if (!*word)
			continue;
		if (a->count) {
			argv_add(a, word);
			continue;
		}
		program = child_find_program(word, e);
		if (!program)
			return err_prefix(e, "set EDITOR");
		argv_add(a, program);
		free(program);
	}
	return a->count ? 0 : err_set(e, ERR_CONFIG, "EDITOR names nothing");
}

static int run_editor(const char *file, struct err *e)
{
	AUTO_FREE char *term = NULL;
	AUTO_ARGV struct argv argv = { 0 };
	struct child c = CHILD_INIT;
	const char *env[2] = { NULL, NULL };
	AUTO_FREE char *here = getcwd(NULL, 0);
	int status = 1;
	int result;

	if (add_editor(&argv, e) < 0)
		return -1;
	argv_add(&argv, file);
	if (getenv("TERM") && asprintf(&term, "TERM=%s", getenv("TERM")) > 0)
		env[0] = term;
	c.argv = &argv;
	c.in = STDIN_FILENO;
	c.out = STDOUT_FILENO;
	c.err = STDERR_FILENO;
	c.home = getenv("HOME");
	c.env = env;
	c.dir = here;
	/* As long as it takes; Ctrl-C is the editor's. */
	(void)signal(SIGINT, SIG_IGN);
	result = child_run(&c, NULL, NULL, NULL, INT_MAX, &status, e);
	(void)signal(SIGINT, SIG_DFL);
	if (result < 0)
		return -1;
	return status == 0 ? 0 :
			     err_set(e, ERR_CONFLICT,
				     "the editor ended with status %d", status);
}

/* Would the service read it? */
static int check(const struct edit *edit, struct err *e)
{
	AUTO_MACHINES struct machines m = { .list = NULL };
	AUTO_CONFIG struct config c = { .file = NULL };

	return edit->machines ? machines_read(edit->copy, &m, e) :
				read_config(&c, edit->copy, e);
}

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

		if (run_editor(edit->copy, e) < 0)
			return -1;
		if (check(edit, &wrong) == 0)
			return 0;
		if (isatty(STDIN_FILENO))
			fprintf(stderr, "%s\n", wrong.msg);
		if (!wants_again()) {
			*e = wrong;
			return err_prefix(e, "nothing was changed");
		}
	}
}

static int work(struct edit *edit, struct err *e)
{
	if (conf_file_read(edit->path, &edit->before, e) < 0 ||
	    make_copy(edit, e) < 0)
		return -1;
	if (edit_until_right(edit, e) < 0 ||
	    conf_file_read(edit->copy, &edit->after, e) < 0 ||
	    (strcmp(buf_str(&edit->before), buf_str(&edit->after)) != 0 &&
	     conf_file_write(edit->path, buf_str(&edit->after),
			     edit->after.len, e) < 0)) {
		(void)unlink(edit->copy);
		return -1;
	}
	(void)unlink(edit->copy);
	return 0;
}

static int refresh(const struct config *c)
{
	AUTO_CONFIG struct config now = { .file = NULL };
	struct err e = ERR_INIT;

	if (read_config(&now, c->file, &e) == 0)
		return refresh_and_print(&now);
	fprintf(stderr, "qwdctl edit: %s\n", e.msg);
	return CTL_FAILED;
}

int ctl_edit(const struct config *c, int argc, char **argv)
{
	struct edit edit = { .before = BUF_INIT(CONF_FILE_MAX),
			     .after = BUF_INIT(CONF_FILE_MAX) };
	struct err e = ERR_INIT;
	int status = CTL_DONE;

	if (argc != 2 || (strcmp(argv[1], "machines") != 0 &&
			  strcmp(argv[1], "config") != 0))
		return usage();
	edit.machines = strcmp(argv[1], "machines") == 0;
	if (find_path(c, &edit, &e) < 0 || work(&edit, &e) < 0) {
		fprintf(stderr, "qwdctl edit: %s\n", e.msg);
		status = CTL_FAILED;
	} else if (strcmp(buf_str(&edit.before), buf_str(&edit.after)) == 0) {
		printf("Nothing was changed.\n");
		status = CTL_NOTHING;
	} else {
		printf("%s is changed.\n", edit.path);
		if (edit.machines)
			status = refresh(c);
	}
	free(edit.path);
	free(edit.copy);
	buf_release(&edit.before);
	buf_release(&edit.after);
	return status;
}
