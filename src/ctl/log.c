/* qwdctl log: what the log of the owners says of one session. */
#include "ctl/ctl.h"

#include <fcntl.h>
#include <string.h>

#include "base/text.h"
#include "ctl/service_store.h"
#include "sys/file.h"
#include "sys/json.h"

/* True if `word` is one of the line's, which blanks and its end separate. */
static bool has_word(const char *line, const char *word)
{
	size_t len = strlen(word);
	const char *at = line;

	while ((at = strstr(at, word)) != NULL) {
		if ((at == line || at[-1] == ' ') &&
		    (at[len] == ' ' || at[len] == '\n' || !at[len]))
			return true;
		at += len;
	}
	return false;
}

struct reader {
	const char *word;
	json_t *lines; /* NULL: print them */
	size_t count;
};

/* Guests and images may have had a say in it, and the reader is a terminal. */
static int take_line(struct reader *r, char *line)
{
	line[strcspn(line, "\n")] = '\0';
	text_make_printable(line);
	r->count++;
	return r->lines ? json_array_append_new(r->lines, json_string(line)) :
	       puts(line) == EOF ? -1 :
				   0;
}

static int read_lines(struct reader *r, FILE *in, struct err *e)
{
	char *line = NULL;
	size_t room = 0;
	int result = 0;

	while (result == 0 && getline(&line, &room, in) > 0)
		if (has_word(line, r->word) && take_line(r, line) < 0)
			result = err_set(e, ERR_SYSTEM, "cannot print");
	free(line);
	return result == 0 && ferror(in) ? err_sys(e, "cannot read the log") :
					   result;
}

static int read_file(const struct store *st, const char *file,
		     struct reader *r, struct err *e)
{
	struct err failure = ERR_INIT;
	AUTO_CLOSE int fd = file_open(st->dir, file, O_RDONLY | O_NOFOLLOW,
				      &failure);
	AUTO_FILE FILE *in = fd < 0 ? NULL : fdopen(fd, "r");

	if (fd < 0 && failure.code == ERR_NOT_FOUND)
		return 0;
	if (fd < 0) {
		*e = failure;
		return -1;
	}
	if (!in)
		return err_set(e, ERR_SYSTEM, "no memory");
	(void)TAKE_FD(fd);
	return read_lines(r, in, e);
}

static int read_log(const struct config *c, struct reader *r, struct err *e)
{
	AUTO_STORE struct store store = STORE_INIT;

	if (service_store_open(c, &store, e) < 0 ||
	    read_file(&store, "log.1", r, e) < 0 ||
	    read_file(&store, "log", r, e) < 0)
		return -1;
	return fflush(stdout) == EOF ? err_sys(e, "cannot print") : 0;
}

int ctl_log(const struct config *c, const struct given *g)
{
	AUTO_JSON json_t *lines = g->json ? json_array() : NULL;
	char word[SESSION_NAME_SIZE + 16];
	struct reader r = { .word = word, .lines = lines };
	const char *name = g->words[0];
	struct err e = ERR_INIT;

	if (!session_name_ok(name))
		return command_usage(g->command, "this is no session's name");
	snprintf(word, sizeof(word), "session=%s", name);
	if (read_log(c, &r, &e) < 0)
		return command_fail(g, &e);
	if (g->json && command_print_json(g, json_pack("{ss sO}", "session",
						       name, "lines",
						       lines)) != CTL_DONE)
		return CTL_FAILED;
	if (r.count)
		return CTL_DONE;
	fprintf(stderr, "qwdctl log: the log has nothing of %s\n", name);
	return CTL_NOTHING;
}
