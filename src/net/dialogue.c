#include "net/dialogue.h"

#include <stdio.h>
#include <string.h>

static bool begins(const char *line, size_t len, const char *with)
{
	size_t want = strlen(with);

	return len >= want && strncasecmp(line, with, want) == 0;
}

void dialogue_sent(struct dialogue *d, const char *line, size_t len)
{
	const char *space = memchr(line, ' ', len);
	size_t tag = space ? (size_t)(space - line) : 0;

	if (!d->imap) {
		if (begins(line, len, "AUTH "))
			d->tried = true;
		return;
	}
	if (tag == 0 || tag >= sizeof(d->tag) ||
	    (!begins(space, len - tag, " AUTHENTICATE ") &&
	     !begins(space, len - tag, " LOGIN ")))
		return;
	d->tried = true;
	memcpy(d->tag, line, tag);
	d->tag[tag] = '\0';
}

/* Without the line end; cut where it is too long. */
static void keep_reply(struct dialogue *d, const char *line, size_t len)
{
	while (len && (line[len - 1] == '\r' || line[len - 1] == '\n'))
		len--;
	if (len >= sizeof(d->reply))
		len = sizeof(d->reply) - 1;
	memcpy(d->reply, line, len);
	d->reply[len] = '\0';
	d->answered = true;
}

void dialogue_heard(struct dialogue *d, const char *line, size_t len)
{
	size_t tag = strlen(d->tag);

	if (!d->tried || d->done || d->answered)
		return;
	if (!d->imap) {
		d->done = begins(line, len, "235 ") ||
			  begins(line, len, "235-");
		if (!d->done && len && (*line == '4' || *line == '5'))
			keep_reply(d, line, len);
		return;
	}
	if (len <= tag + 1 || memcmp(line, d->tag, tag) != 0 ||
	    line[tag] != ' ')
		return;
	line += tag + 1;
	len -= tag + 1;
	d->done = begins(line, len, "OK");
	if (!d->done)
		keep_reply(d, line, len);
}

bool dialogue_later(const struct dialogue *d)
{
	if (!d->answered)
		return false;
	if (!d->imap)
		return d->reply[0] == '4';
	return strcasestr(d->reply, "[UNAVAILABLE]") ||
	       strcasestr(d->reply, "[INUSE]") ||
	       strcasestr(d->reply, "[LIMIT]");
}

bool dialogue_misunderstood(const struct dialogue *d)
{
	if (!d->answered)
		return false;
	if (d->imap)
		return strncasecmp(d->reply, "BAD", 3) == 0;
	return strncmp(d->reply, "50", 2) == 0 && d->reply[2] >= '0' &&
	       d->reply[2] <= '4';
}
