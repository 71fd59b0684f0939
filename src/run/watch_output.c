/* What a job has written, and slurmstepd with it: run/watch.h. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "run/watch.h"
#include "sys/file.h"

enum { WORDS_MAX = 4096, LINES_MAX = 20 };

/* The end of it; "" if there is none. */
static void read_end(const struct watch *w, char ret[WORDS_MAX + 1])
{
	struct err ignored = ERR_INIT;
	AUTO_CLOSE int fd = file_open(w->dir, "output", O_RDONLY | O_NOFOLLOW,
				      &ignored);
	struct stat st;
	ssize_t got = -1;

	if (fd >= 0 && fstat(fd, &st) == 0)
		got = pread(fd, ret, WORDS_MAX,
			    st.st_size > WORDS_MAX ? st.st_size - WORDS_MAX :
						     0);
	ret[got < 0 ? 0 : got] = '\0';
}

enum slurm_state watch_cause(const struct owner *o)
{
	const struct watch *w = o->watch;
	char words[WORDS_MAX + 1] = "";

	/* A good end of the job's own word is one.  That something of it has
	 * failed may be how Slurm's end of it has begun. */
	if (w->dir >= 0 &&
	    (!w->final || w->mark.session.state == SESSION_FAILED))
		read_end(w, words);
	return slurm_cause(w->job.state, w->marked, words);
}

/* As many as somebody reads: each costs a line of the log. */
static char *last_lines(char *words)
{
	char *from = words + strlen(words);
	int ends = 0;

	while (from > words && !(from[-1] == '\n' && ends++ == LINES_MAX))
		from--;
	return from;
}

void watch_log_output(const struct owner *o)
{
	char words[WORDS_MAX + 1];
	char *save = NULL;

	if (o->s.state != SESSION_FAILED)
		return;
	read_end(o->watch, words);
	for (char *line = strtok_r(last_lines(words), "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		log_event("child-says", "session", o->s.name, "message", line,
			  NULL);
}
