#include "ctl/origin.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "sys/file.h"

enum { NOTE_MAX = URL_MAX + FETCH_TAG_SIZE + SHA256_HEX + 200 };

static char *note_of(const char *image)
{
	char *name;

	return asprintf(&name, ".%s.url", image) < 0 ? NULL : name;
}

static void describe(const struct stat *st, char *ret, size_t size)
{
	snprintf(ret, size, "%lld %lld.%09ld", (long long)st->st_size,
		 (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
}

static void take(const char *line, const char *key, char *ret, size_t size)
{
	size_t len = strlen(key);

	if (text_starts(line, key) && strlen(line + len) < size)
		snprintf(ret, size, "%s", line + len);
}

void origin_read(int dirfd, const char *image, const struct stat *st,
		 struct origin *ret)
{
	AUTO_BUF struct buf text = BUF_INIT(NOTE_MAX);
	AUTO_FREE char *note = note_of(image);
	struct origin o = { .url = "" };
	struct err ignored = ERR_INIT;
	char described[64] = "";
	char here[64];
	char *rest;
	char *line;

	*ret = o;
	if (!note || file_read(dirfd, note, false, &text, &ignored) < 0)
		return;
	rest = text.data;
	line = strsep(&rest, "\n");
	if (!line || strlen(line) > URL_MAX)
		return;
	memcpy(o.url, line, strlen(line) + 1);
	while ((line = strsep(&rest, "\n")) != NULL) {
		take(line, "etag ", o.etag, sizeof(o.etag));
		take(line, "sha256 ", o.sha256, sizeof(o.sha256));
		take(line, "image ", described, sizeof(described));
	}
	describe(st, here, sizeof(here));
	if (strcmp(described, here) == 0)
		*ret = o;
}

int origin_write(int dirfd, const char *image, const struct origin *o,
		 const struct stat *st, struct err *e)
{
	AUTO_BUF struct buf text = BUF_INIT(NOTE_MAX);
	AUTO_FREE char *note = note_of(image);
	char here[64];

	describe(st, here, sizeof(here));
	buf_printf(&text, "%s\nimage %s\n", o->url, here);
	if (o->etag[0])
		buf_printf(&text, "etag %s\n", o->etag);
	if (o->sha256[0])
		buf_printf(&text, "sha256 %s\n", o->sha256);
	if (!note || buf_failed(&text))
		return err_set(e, ERR_SYSTEM, "no memory");
	return file_replace(dirfd, note, text.data, text.len, 0644, false, e);
}

int origin_forget(int dirfd, const char *image, struct err *e)
{
	AUTO_FREE char *note = note_of(image);

	if (!note)
		return err_set(e, ERR_SYSTEM, "no memory");
	if (unlinkat(dirfd, note, 0) < 0 && errno != ENOENT)
		return err_sys(e, "cannot remove %s", note);
	return 0;
}

void origin_clean(int dirfd, const char *image)
{
	AUTO_FREE char *temporary = NULL;

	/* As file_replace() calls it. */
	if (asprintf(&temporary, ".%s.url.tmp", image) < 0)
		temporary = NULL;
	if (temporary)
		unlinkat(dirfd, temporary, 0);
}
