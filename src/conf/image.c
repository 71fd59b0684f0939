#include "conf/image.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "conf/image_file.h"

/* The kinds of content. */
enum content {
	CONTENT_NONE, /* nothing that we know: raw, if the name says so */
	CONTENT_QCOW2,
	CONTENT_QED,
	CONTENT_VDI,
	CONTENT_VMDK,
	CONTENT_VHDX,
	CONTENT_VPC,
	CONTENT_ISO,
};

static const struct {
	const char *driver;
	const char *word; /* in a sentence */
	image_reader *read;
} contents[] = {
	[CONTENT_NONE] = { "raw", "no known header", NULL },
	[CONTENT_QCOW2] = { "qcow2", "a qcow2 header", image_read_qcow2 },
	[CONTENT_QED] = { "qed", "a QED header", image_read_qed },
	[CONTENT_VDI] = { "vdi", "a VDI header", image_read_vdi },
	[CONTENT_VMDK] = { "vmdk", "a VMDK header", image_read_vmdk },
	[CONTENT_VHDX] = { "vhdx", "a VHDX header", image_read_vhdx },
	[CONTENT_VPC] = { "vpc", "a VHD footer", image_read_vpc },
	[CONTENT_ISO] = { "raw", "an ISO 9660 volume", image_read_iso },
};

#define CAN_HOLD(content) (1u << (content))
#define DISK (CAN_HOLD(CONTENT_NONE) | CAN_HOLD(CONTENT_ISO))

/* What a file may hold that has this extension. */
static const struct {
	const char *extension;
	unsigned holds;
} names[] = {
	{ ".qcow2", CAN_HOLD(CONTENT_QCOW2) },
	{ ".qcow", CAN_HOLD(CONTENT_QCOW2) },
	{ ".qed", CAN_HOLD(CONTENT_QED) },
	{ ".vdi", CAN_HOLD(CONTENT_VDI) },
	{ ".vmdk", CAN_HOLD(CONTENT_VMDK) },
	{ ".vhdx", CAN_HOLD(CONTENT_VHDX) },
	{ ".vhd", CAN_HOLD(CONTENT_VPC) },
	{ ".vpc", CAN_HOLD(CONTENT_VPC) },
	{ ".iso", CAN_HOLD(CONTENT_ISO) },
	{ ".raw", DISK },
	{ ".dd", DISK },
	{ ".bin", DISK },
	{ ".img", DISK | CAN_HOLD(CONTENT_QCOW2) },
};

/* Signatures of what is no image, or none that is used as it is. */
static const struct {
	uint64_t offset;
	const char *bytes;
	size_t len;
	const char *problem;
} foreign[] = {
	{ 0, "# Disk DescriptorFile", 21,
	  "is a VMDK descriptor that names other files; convert it with "
	  "qemu-img convert -O qcow2" },
	{ 0, "COWD", 4,
	  "is a VMDK of an old version; convert it with "
	  "qemu-img convert -O qcow2" },
	{ 0, "\x1f\x8b", 2, "is compressed (gzip); unpack it" },
	{ 1, "7zXZ", 5, "is compressed (xz); unpack it" },
	{ 0, "\x28\xb5\x2f\xfd", 4, "is compressed (zstd); unpack it" },
	{ 0, "BZh", 3, "is compressed (bzip2); unpack it" },
	{ 0, "PK\3\4", 4, "is compressed (zip); unpack it" },
	{ 257, "ustar", 5, "is a tar archive; unpack it" },
};

static const struct {
	uint64_t offset;
	const char *bytes;
	size_t len;
	enum content content;
} signatures[] = {
	{ 0, "QFI\xfb", 4, CONTENT_QCOW2 },
	{ 0, "QED\0", 4, CONTENT_QED },
	{ 64, "\x7f\x10\xda\xbe", 4, CONTENT_VDI },
	{ 0, "KDMV", 4, CONTENT_VMDK },
	{ 0, "vhdxfile", 8, CONTENT_VHDX },
	{ 0, "conectix", 8, CONTENT_VPC },
	{ 32769, "CD001", 5, CONTENT_ISO },
};

int image_open(int dirfd, const char *name, struct err *e)
{
	struct stat st;
	int fd = openat(dirfd, name,
			O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0 && errno == ENOENT)
		return err_set(e, ERR_NOT_FOUND, "%s does not exist", name);
	if (fd < 0)
		return err_sys(e, "cannot be opened");
	if (fstat(fd, &st) < 0) {
		err_sys(e, "cannot be examined");
		close(fd);
		return -1;
	}
	if (!S_ISREG(st.st_mode)) {
		close(fd);
		return err_set(e, ERR_CONFIG, "is no regular file");
	}
	return fd;
}

/* True if the file has these bytes at `offset`; false too if unreadable. */
static bool has_bytes(const struct image_file *f, uint64_t offset,
		      const char *bytes, size_t len)
{
	char found[32];
	struct err e;

	return len <= sizeof(found) && image_has(f, offset, len) &&
	       image_read(f, offset, found, len, &e) == 0 &&
	       memcmp(found, bytes, len) == 0;
}

/* Such a VHD is a raw disk with its header behind it. */
static bool is_fixed_vhd(const struct image_file *f)
{
	return f->size >= 512 &&
	       has_bytes(f, f->size - 512, "conectix", 8);
}

static enum content find_content(const struct image_file *f)
{
	for (size_t i = 0; i < ARRAY_LEN(signatures); i++)
		if (has_bytes(f, signatures[i].offset, signatures[i].bytes,
			      signatures[i].len))
			return signatures[i].content;
	return is_fixed_vhd(f) ? CONTENT_VPC : CONTENT_NONE;
}

/* What the name allows, 0 if it says nothing; *extension is where it ends. */
static unsigned allowed(const char *name, const char **extension)
{
	const char *dot = strrchr(name, '.');

	*extension = dot ? dot : "";
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcasecmp(*extension, names[i].extension) == 0)
			return names[i].holds;
	return 0;
}

static int check_name(const struct image_file *f, const char *name,
		      enum content *content, struct err *e)
{
	const char *extension;
	unsigned holds = allowed(name, &extension);

	for (size_t i = 0; i < ARRAY_LEN(foreign); i++)
		if (*content == CONTENT_NONE &&
		    has_bytes(f, foreign[i].offset, foreign[i].bytes,
			      foreign[i].len))
			return err_set(e, ERR_CONFIG, "%s", foreign[i].problem);
	/* The disk in a VHD may begin as a CD does. */
	if (*content == CONTENT_ISO && (holds & CAN_HOLD(CONTENT_VPC)) &&
	    is_fixed_vhd(f))
		*content = CONTENT_VPC;
	if (holds && !(holds & CAN_HOLD(*content)))
		return err_set(e, ERR_CONFIG, "is named %s but holds %s",
			       extension, contents[*content].word);
	if (!holds && *content == CONTENT_NONE)
		return err_set(e, ERR_CONFIG,
			       "is of unknown format; a raw disk must be named "
			       ".raw or .img");
	/* The same bytes can be a CD and a disk: the name decides. */
	if (*content == CONTENT_ISO && (holds & CAN_HOLD(CONTENT_NONE)))
		*content = CONTENT_NONE;
	return 0;
}

int image_identify(int fd, const char *name, struct image *ret, struct err *e)
{
	struct image image = { .iso = false };
	struct image_file f = { .fd = fd };
	enum content content;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, "cannot be examined");
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_CONFIG, "is no regular file");
	if (st.st_size <= 0)
		return err_set(e, ERR_CONFIG, "is an empty file");
	f.size = (uint64_t)st.st_size;
	content = find_content(&f);
	if (check_name(&f, name, &content, e) < 0)
		return -1;
	if (content == CONTENT_NONE) {
		if (f.size % 512)
			return err_set(e, ERR_CONFIG,
				       "is not a raw disk: its %llu bytes are "
				       "no multiple of 512",
				       (unsigned long long)f.size);
		if (image_size(f.size, &image.virtual_size, e) < 0)
			return -1;
	} else if (contents[content].read(&f, &image.virtual_size, e) < 0) {
		return -1;
	}
	image.format = contents[content].driver;
	image.iso = content == CONTENT_ISO;
	*ret = image;
	return 0;
}
