#include "ctl/editor.h"

#include <limits.h>
#include <signal.h>
#include <string.h>

#include "base/text.h"
#include "sys/child.h"

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

int editor_run(const char *file, struct err *e)
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
