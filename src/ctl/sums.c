#include "ctl/sums.h"

#include <string.h>
#include <sys/mman.h>

#include "base/text.h"
#include "ctl/fetch.h"

enum { LIST_MAX = 1 << 20 };

/* Where the last name of the url's path begins, and its length. */
static const char *file_of(const char *url, size_t *ret_len)
{
	size_t end = strcspn(url, "?#");
	size_t start = end;

	while (start && url[start - 1] != '/')
		start--;
	*ret_len = end - start;
	return url + start;
}

char *sums_url(const char *url)
{
	size_t len;
	const char *file = file_of(url, &len);
	char *ret;

	if (asprintf(&ret, "%.*sSHA256SUMS", (int)(file - url), url) < 0)
		return NULL;
	return ret;
}

/* 64 hexadecimal digits, then none. */
static bool take_sum(const char *text, char ret[SHA256_HEX + 1])
{
	if (strspn(text, "0123456789abcdefABCDEF") != SHA256_HEX)
		return false;
	for (size_t i = 0; i < SHA256_HEX; i++)
		ret[i] = text[i] >= 'A' && text[i] <= 'F' ?
				 (char)(text[i] - 'A' + 'a') :
				 text[i];
	ret[SHA256_HEX] = '\0';
	return true;
}

static bool is_file(const char *text, size_t text_len, const char *file,
		    size_t len)
{
	if (text_len >= 2 && memcmp(text, "./", 2) == 0) {
		text += 2;
		text_len -= 2;
	}
	return text_len == len && memcmp(text, file, len) == 0;
}

/* "HEX  NAME", "HEX *NAME" */
static bool gnu_line(const char *line, const char *file, size_t len,
		     char ret[SHA256_HEX + 1])
{
	const char *name;

	if (!take_sum(line, ret) || line[SHA256_HEX] != ' ' ||
	    (line[SHA256_HEX + 1] != ' ' && line[SHA256_HEX + 1] != '*'))
		return false;
	name = line + SHA256_HEX + 2;
	return is_file(name, strlen(name), file, len);
}

/* "SHA256 (NAME) = HEX" */
static bool bsd_line(const char *line, const char *file, size_t len,
		     char ret[SHA256_HEX + 1])
{
	static const char start[] = "SHA256 (";
	static const char middle[] = ") = ";
	const char *name = line + strlen(start);
	const char *end;

	if (!text_starts(line, start))
		return false;
	end = strstr(name, middle);
	return end && is_file(name, (size_t)(end - name), file, len) &&
	       take_sum(end + strlen(middle), ret);
}

void sums_find(char *text, size_t len, const char *url,
	       char ret[SHA256_HEX + 1])
{
	size_t file_len;
	const char *file = file_of(url, &file_len);
	char sum[SHA256_HEX + 1];
	char *line;

	ret[0] = '\0';
	/* A binary file is no list. */
	if (memchr(text, '\0', len) || !file_len)
		return;
	while ((line = strsep(&text, "\n")) != NULL) {
		char *clean = text_trim(line);

		if (!gnu_line(clean, file, file_len, sum) &&
		    !bsd_line(clean, file, file_len, sum))
			continue;
		memcpy(ret, sum, sizeof(sum));
		return;
	}
}

int sums_fetch(const char *url, const char *proxy,
	       const volatile sig_atomic_t *stop, char ret[SHA256_HEX + 1],
	       struct err *e)
{
	AUTO_CLOSE int fd = memfd_create("sums", MFD_CLOEXEC);
	AUTO_FREE char *list = sums_url(url);
	const struct fetch f = { .url = list, .proxy = proxy, .etag = "",
				 .max = LIST_MAX, .fd = fd, .stop = stop };
	AUTO_FREE char *text = NULL;
	struct fetched fetched;
	ssize_t got;

	ret[0] = '\0';
	if (fd < 0 || !list)
		return err_set(e, ERR_SYSTEM, "no memory");
	if (fetch_url(&f, &fetched, e) < 0)
		return e->code == ERR_NOT_FOUND ? 0 : -1;
	text = calloc(1, LIST_MAX + 1);
	got = text ? pread(fd, text, LIST_MAX, 0) : -1;
	if (got < 0)
		return err_set(e, ERR_SYSTEM, "no memory");
	sums_find(text, (size_t)got, url, ret);
	return 0;
}
