/*
 * What strangers' servers and pages say to qwdctl: headers, lists of sums, the
 * pages of the Perl service.  The first byte chooses the reader.
 */
#include <stdint.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/fetch_headers.h"
#include "ctl/import_html.h"
#include "ctl/sums.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void headers(const char *text, size_t len)
{
	struct fetch_headers h = { .etag = "" };
	const char *validator;

	while (len) {
		const char *end = memchr(text, '\n', len);
		size_t line = end ? (size_t)(end - text) + 1 : len;

		fetch_headers_add(&h, text, line);
		text += line;
		len -= line;
	}
	validator = fetch_headers_validator(&h);
	check(strlen(validator) < FETCH_TAG_SIZE);
	/* Fit for a header of ours, and for a line of a note. */
	for (const char *c = validator; *c; c++)
		check((unsigned char)*c >= ' ' && *c != 0x7f);
	(void)fetch_headers_continue(&h, 7, "\"tag\"");
}

static void sums(char *text, size_t len)
{
	char sum[SHA256_HEX + 1];

	sums_find(text, len, "https://a.example/x/disk.img?y", sum);
	check(!*sum || (strlen(sum) == SHA256_HEX &&
			strspn(sum, "0123456789abcdef") == SHA256_HEX));
}

static void page(char *text)
{
	AUTO_BUF struct buf value = BUF_INIT(4096);
	AUTO_BUF struct buf title = BUF_INIT(4096);
	size_t before = strlen(text);
	const char *at = text;

	import_drop_comments(text);
	check(strlen(text) <= before);
	(void)import_has_field(text, "oneshot");
	while (import_next_option(&at, &value, &title))
		check(at > text && at <= text + strlen(text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = size ? malloc(size) : NULL;

	if (!text)
		return 0;
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	switch (data[0] % 3) {
	case 0:
		headers(text, size - 1);
		break;
	case 1:
		sums(text, size - 1);
		break;
	default:
		page(text);
		break;
	}
	return 0;
}
