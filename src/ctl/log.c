/* qwdctl log: what the log of the owners says of one session. */
#include "ctl/ctl.h"

#include <fcntl.h>
#include <string.h>

#include "base/text.h"
#include "ctl/service_store.h"
#include "sys/file.h"

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

/* Guests and images may have had a say in it, and the reader is a terminal. */
static void print_line(char *line)
{
	line[strcspn(line, "\n")] = '\0';
	text_make_printable(line);
	puts(line);
}

static int print_file(const struct store *st, const char *file,
		      const char *word, size_t *count, struct err *e)
{
	struct err failure = ERR_INIT;
	int fd = file_open(st->dir, file, O_RDONLY | O_NOFOLLOW, &failure);
	FILE *in = fd < 0 ? NULL : fdopen(fd, "r");
	char *line = NULL;
	size_t room = 0;
	int result = 0;

	if (fd < 0 && failure.code == ERR_NOT_FOUND)
		return 0;
	if (fd < 0) {
		*e = failure;
		return -1;
	}
	if (!in) {
		close(fd);
		return err_set(e, ERR_SYSTEM, "no memory");
	}
	while (getline(&line, &room, in) > 0) {
		if (!has_word(line, word))
			continue;
		print_line(line);
		++*count;
	}
	if (ferror(in))
		result = err_sys(e, "cannot read the log");
	free(line);
	(void)!fclose(in);
	return result;
}

int ctl_log(const struct config *c, int argc, char **argv)
{
	AUTO_STORE struct store store = STORE_INIT;
	char word[SESSION_NAME_SIZE + 16];
	struct err e = ERR_INIT;
	size_t count = 0;

	if (argc != 2 || !session_name_ok(argv[1])) {
		fprintf(stderr, "qwdctl log: name one session\n"
				"Usage: qwdctl log NAME\n");
		return CTL_USAGE;
	}
	snprintf(word, sizeof(word), "session=%s", argv[1]);
	if (service_store_open(c, &store, &e) < 0 ||
	    print_file(&store, "log.1", word, &count, &e) < 0 ||
	    print_file(&store, "log", word, &count, &e) < 0 ||
	    fflush(stdout) == EOF) {
		fprintf(stderr, "qwdctl log: %s\n",
			e.msg[0] ? e.msg : "cannot print");
		return CTL_FAILED;
	}
	if (count)
		return CTL_DONE;
	fprintf(stderr, "qwdctl log: the log has nothing of %s\n", argv[1]);
	return CTL_NOTHING;
}
