/* qwdctl unpack-worker: in the sandbox, from standard input to standard
 * output, by libarchive. */
#include <archive.h>
#include <archive_entry.h>
#include <string.h>

#include "base/text.h"
#include "ctl/ctl.h"
#include "ctl/unpack.h"
#include "ctl/unpack_exit.h"
#include "sys/file.h"

static int complain(const char *what)
{
	fprintf(stderr, "%s\n", what);
	return UNPACK_FAILED;
}

static struct archive *open_archive(bool ova)
{
	struct archive *a = archive_read_new();

	if (!a)
		return NULL;
	if (ova) {
		archive_read_support_format_tar(a);
	} else {
		archive_read_support_filter_gzip(a);
		archive_read_support_filter_xz(a);
		archive_read_support_filter_zstd(a);
		archive_read_support_filter_bzip2(a);
		archive_read_support_format_raw(a);
	}
	if (archive_read_open_fd(a, STDIN_FILENO, 1 << 16) == ARCHIVE_OK)
		return a;
	archive_read_free(a);
	return NULL;
}

/* Go to the file that is wanted. */
static int find(struct archive *a, bool ova)
{
	struct archive_entry *entry;
	int result;

	while ((result = archive_read_next_header(a, &entry)) == ARCHIVE_OK) {
		const char *name = archive_entry_pathname(entry);

		if (!ova)
			return archive_filter_count(a) > 1 ?
				       UNPACK_DONE :
				       complain("it is not compressed");
		if (archive_entry_filetype(entry) == AE_IFREG && name &&
		    text_ends(name, ".vmdk"))
			return UNPACK_DONE;
	}
	if (result == ARCHIVE_EOF && ova)
		return complain("there is no disk (.vmdk) in it");
	return complain(archive_error_string(a) ? archive_error_string(a) :
						  "it is empty");
}

static int copy(struct archive *a, long long max)
{
	long long size = 0;
	char piece[65536];
	la_ssize_t got;

	while ((got = archive_read_data(a, piece, sizeof(piece))) > 0) {
		size += got;
		if (size > max)
			return UNPACK_TOO_LARGE;
		if (file_write_all(STDOUT_FILENO, piece, (size_t)got) < 0)
			return complain("the disk is full");
	}
	if (got < 0)
		return complain(archive_error_string(a));
	return UNPACK_DONE;
}

int ctl_unpack_worker(const struct config *c, const struct given *g)
{
	struct archive *a;
	long long max;
	int result;
	bool ova;

	(void)c;
	if (!text_long(g->words[1], 0, 1LL << 60, &max))
		return CTL_USAGE;
	ova = strcmp(g->words[0], "ova") == 0;
	a = open_archive(ova);
	if (!a)
		return complain("it is no such file");
	result = find(a, ova);
	if (result == UNPACK_DONE)
		result = copy(a, max);
	archive_read_free(a);
	return result;
}
