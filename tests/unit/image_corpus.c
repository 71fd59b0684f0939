#include "image_corpus.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "scratch.h"
#include "sys/child.h"
#include "sys/file.h"

const struct made corpus[CORPUS_COUNT] = {
	{ "v3.qcow2", "qcow2", NULL },
	{ "v2.qcow2", "qcow2", "compat=0.10" },
	{ "small.qcow2", "qcow2", "cluster_size=512" },
	{ "large.qcow2", "qcow2", "cluster_size=2M" },
	{ "subclusters.qcow2", "qcow2", "extended_l2=on" },
	{ "zstd.qcow2", "qcow2", "compression_type=zstd" },
	{ "lazy.qcow2", "qcow2", "lazy_refcounts=on" },
	{ "cloud.img", "qcow2", NULL },
	{ "no-extension", "qcow2", NULL },
	{ "disk.qed", "qed", NULL },
	{ "disk.vdi", "vdi", NULL },
	{ "static.vdi", "vdi", "static=on" },
	{ "sparse.vmdk", "vmdk", NULL },
	{ "stream.vmdk", "vmdk", "subformat=streamOptimized" },
	{ "disk.vhdx", "vhdx", NULL },
	{ "fixed.vhdx", "vhdx", "subformat=fixed" },
	{ "disk.vhd", "vpc", NULL },
	{ "fixed.VHD", "vpc", "subformat=fixed" },
	{ "bytes.vpc", "vpc", "force_size=on" },
	{ "disk.raw", "raw", NULL },
	{ "disk.img", "raw", NULL },
};

static char *in_scratch(const char *name)
{
	char *path = file_join(scratch_path, name);

	assert_non_null(path);
	return path;
}

/* Run qemu-img with these arguments in the scratch directory. */
void corpus_qemu_img(struct buf *output, const char *const *arguments)
{
	AUTO_BUF struct buf errors = BUF_INIT(65536);
	AUTO_ARGV struct argv argv = { .list = NULL };
	struct child child = CHILD_INIT;
	struct err e = ERR_INIT;
	int status;

	argv_add(&argv, "/usr/bin/qemu-img");
	for (; *arguments; arguments++)
		argv_add(&argv, *arguments);
	child.argv = &argv;
	child.dir = scratch_path;
	if (child_run(&child, NULL, output, &errors, 60000, &status, &e) < 0)
		fail_msg("%s", e.msg);
	if (status != 0)
		fail_msg("qemu-img: %s", buf_str(&errors));
}

static int make_image(const struct made *made)
{
	const char *const arguments[] = { "convert",
					  "-f",
					  "raw",
					  "-O",
					  made->driver,
					  made->options ? "-o" : "source.raw",
					  made->options ? made->options
							: made->name,
					  made->options ? "source.raw" : NULL,
					  made->name,
					  NULL };

	corpus_qemu_img(NULL, arguments);
	return 0;
}

/* A disk with data at its begin and near its end, and a hole between. */
static void make_source(void)
{
	AUTO_FREE char *disk = calloc(1, DISK_BYTES);

	assert_non_null(disk);
	for (size_t i = 0; i < DISK_BYTES; i++)
		if (i < 300000 || i > DISK_BYTES - 200000)
			disk[i] = (char)(i * 7 + i / 251);
	memset(disk, 0, 512);
	scratch_write("source.raw", disk, DISK_BYTES);
}

/* The least that is an ISO 9660 volume of `blocks` blocks. */
void corpus_iso(const char *name, uint8_t blocks_256, size_t len)
{
	AUTO_FREE char *iso = calloc(1, ISO_BYTES);

	assert_non_null(iso);
	memcpy(iso + 32768, "\1CD001\1", 7);
	iso[32768 + 81] = (char)blocks_256;
	iso[32768 + 86] = (char)blocks_256;
	iso[32768 + 129] = 8;
	scratch_write(name, iso, len);
}

int corpus_make(void **state)
{
	if (scratch_make(state) < 0)
		return -1;
	make_source();
	for (size_t i = 0; i < ARRAY_LEN(corpus); i++)
		make_image(&corpus[i]);
	corpus_iso("cd.iso", 2, ISO_BYTES);
	corpus_iso("isohybrid.img", 2, ISO_BYTES);
	return 0;
}

int corpus_identify(const char *name, struct image *image, struct err *e)
{
	AUTO_CLOSE int fd = image_open(scratch_fd, name, e);

	return fd < 0 ? -1 : image_identify(fd, name, image, e);
}

void corpus_check_refused(const char *name, const char *message)
{
	struct image image = { .format = "untouched" };
	struct err e = ERR_INIT;

	if (corpus_identify(name, &image, &e) == 0)
		fail_msg("%s accepted as %s, not '%s'", name, image.format,
			 message);
	if (e.code != ERR_CONFIG || !strstr(e.msg, message))
		fail_msg("%s: '%s' is not '%s'", name, e.msg, message);
	assert_string_equal(image.format, "untouched");
}

void corpus_copy(const char *from, const char *to)
{
	AUTO_BUF struct buf bytes = BUF_INIT(64 << 20);
	struct err e = ERR_INIT;

	if (file_read(scratch_fd, from, false, &bytes, &e) < 0)
		fail_msg("%s", e.msg);
	scratch_write(to, bytes.data, bytes.len);
}

void corpus_patch(const char *name, off_t offset, const void *bytes, size_t len)
{
	AUTO_CLOSE int fd = openat(scratch_fd, name, O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	if (offset < 0)
		offset += lseek(fd, 0, SEEK_END);
	assert_int_equal(pwrite(fd, bytes, len, offset), len);
}

void corpus_resize(const char *name, off_t size)
{
	AUTO_FREE char *path = in_scratch(name);
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(truncate(path, size < 0 ? st.st_size + size : size),
			 0);
}

void corpus_check_hostile(const struct hostile *table, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct hostile *it = &table[i];

		corpus_copy(it->base, it->name);
		if (it->len)
			corpus_patch(it->name, it->offset, it->bytes, it->len);
		if (it->size)
			corpus_resize(it->name, it->size);
		corpus_check_refused(it->name, it->message);
		unlinkat(scratch_fd, it->name, 0);
	}
}
