/*
 * VMware, Virtual Disk Format 5.0: a hosted sparse extent with its descriptor
 * inside.  QEMU (block/vmdk.c) looks for the parent in 20 sectors from sector
 * 1 on, whatever the header says, so both places are searched.
 */
#include "conf/image_file.h"

#include <string.h>

#include "base/text.h"

enum {
	SECTOR = 512,
	DESCRIPTOR_SECTORS = 20,
	DESCRIPTOR_SECTORS_MAX = 128,
	GTES_MAX = 512,
	GRAIN_SECTORS_MAX = 1 << 19,
	MARKER_FOOTER = 3,
};

/* The grain directory is named by the footer, at the end of the stream. */
#define GD_AT_END UINT64_MAX

struct tables {
	uint64_t entries; /* of a grain table */
	uint64_t read;	  /* bytes of grain tables */
};

static int check_grain(const struct image_file *f, void *arg,
		       const uint8_t *bytes, struct err *e)
{
	(void)arg;
	if ((uint64_t)get_le32(bytes) * SECTOR >= f->size)
		return image_truncated(f, "some of its data", e);
	return 0;
}

static int check_grain_table(const struct image_file *f, void *arg,
			     const uint8_t *bytes, struct err *e)
{
	struct tables *t = arg;
	uint64_t offset = (uint64_t)get_le32(bytes) * SECTOR;

	if (!offset)
		return 0;
	if (!image_has(f, offset, t->entries * 4))
		return image_truncated(f, "a grain table", e);
	t->read += t->entries * 4;
	if (t->read > f->size)
		return err_set(e, ERR_CONFIG,
			       "is damaged: it uses a grain table twice");
	if (t->read > IMAGE_WALK_MAX)
		return 1;
	return image_walk(f, offset, t->entries, 4, check_grain, NULL, e);
}

/* `header` is the one that QEMU takes the tables from. */
static int check_tables(const struct image_file *f, const uint8_t *header,
			struct err *e)
{
	uint64_t capacity = get_le64(header + 12);
	uint64_t grain = get_le64(header + 20);
	struct tables tables = { .entries = get_le32(header + 44) };
	uint64_t directory = get_le64(header + 56);
	uint64_t entries, reach;

	if (!is_power_of_2(grain) || grain > GRAIN_SECTORS_MAX ||
	    tables.entries == 0 || tables.entries > GTES_MAX)
		return err_set(e, ERR_CONFIG,
			       "has an impossible grain or table size");
	reach = grain * tables.entries;
	entries = capacity / reach + (capacity % reach != 0);
	if (directory > UINT64_MAX / SECTOR ||
	    !image_has(f, directory * SECTOR, entries * 4))
		return image_truncated(f, "its grain directory", e);
	return image_walk(f, directory * SECTOR, entries, 4, check_grain_table,
			  &tables, e) < 0
		       ? -1
		       : 0;
}

/* Footer marker, footer, end-of-stream marker: a sector each, at the end. */
static int read_footer(const struct image_file *f, uint8_t *header,
		       struct err *e)
{
	uint8_t end[3 * SECTOR];
	const uint8_t *footer = end + SECTOR;
	const uint8_t *eos = end + 2 * SECTOR;

	if (f->size < sizeof(end) + SECTOR)
		return image_truncated(f, "its footer", e);
	if (image_read(f, f->size - sizeof(end), end, sizeof(end), e) < 0)
		return -1;
	if (get_le32(end + 8) != 0 || get_le32(end + 12) != MARKER_FOOTER ||
	    memcmp(footer, "KDMV", 4) != 0 || get_le64(eos) != 0 ||
	    get_le32(eos + 8) != 0 || get_le32(eos + 12) != 0)
		return image_truncated(f, "its footer", e);
	if (get_le64(footer + 12) != get_le64(header + 12))
		return err_set(e, ERR_CONFIG,
			       "is damaged: header and footer differ");
	memcpy(header, footer, SECTOR);
	return 0;
}

/* The descriptor's lines that decide; each at most once but for extents. */
struct descriptor {
	bool create_type;
	int extents;
};

static bool has_prefix(const char *line, const char *word)
{
	return strncasecmp(line, word, strlen(word)) == 0;
}

static int check_extent(struct descriptor *d, const char *line, struct err *e)
{
	const char *type = strchr(line, ' ');

	/* ACCESS SECTORS TYPE "NAME": QEMU takes the extent to be this file. */
	type = type ? strchr(type + 1, ' ') : NULL;
	if (!type || !has_prefix(type, " SPARSE ") || ++d->extents > 1)
		return err_set(e, ERR_CONFIG,
			       "names further files (extents); convert it "
			       "with qemu-img convert -O qcow2");
	return 0;
}

/* `value` begins with the quote, or is NULL. */
static int check_type(const char *value, struct err *e)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

	value = value ? value + 1 : "";
	if (has_prefix(value, "monolithicSparse\"") ||
	    has_prefix(value, "streamOptimized\""))
		return 0;
	return err_set(e, ERR_CONFIG,
		       "is of the VMDK type '%.*s', only monolithicSparse and "
		       "streamOptimized are known",
		       (int)strspn(value, letters), value);
}

static int check_line(struct descriptor *d, char *line, struct err *e)
{
	line = text_trim(line);
	if (has_prefix(line, "parentCID") && !strcasestr(line, "ffffffff"))
		return err_set(e, ERR_CONFIG,
			       "needs a parent image; merge "
			       "both with qemu-img convert -O qcow2");
	if (has_prefix(line, "createType")) {
		if (check_type(strchr(line, '"'), e) < 0)
			return -1;
		d->create_type = true;
	}
	if (has_prefix(line, "RW ") || has_prefix(line, "RDONLY ") ||
	    has_prefix(line, "NOACCESS "))
		return check_extent(d, line, e);
	return 0;
}

static int check_descriptor(const struct image_file *f, uint64_t sectors,
			    struct err *e)
{
	uint64_t len = sectors * SECTOR;
	AUTO_FREE char *text = malloc(len + 1);
	struct descriptor d = { .extents = 0 };
	char *rest = text;
	char *line;

	if (!text)
		return err_set(e, ERR_SYSTEM, "no memory");
	if (image_read(f, SECTOR, text, len, e) < 0)
		return -1;
	text[len] = '\0';
	for (uint64_t i = 0; i < len; i++)
		if (text[i] == '\0' || text[i] == '\r')
			text[i] = '\n';
	if (strcasestr(text, "parentFileNameHint"))
		return err_set(e, ERR_CONFIG,
			       "names a parent image; merge "
			       "both with qemu-img convert -O qcow2");
	while ((line = strsep(&rest, "\n")) != NULL)
		if (check_line(&d, line, e) < 0)
			return -1;
	if (!d.create_type || d.extents != 1)
		return err_set(e, ERR_CONFIG,
			       "is damaged: its descriptor is not complete");
	return 0;
}

int image_read_vmdk(const struct image_file *f, long long *ret_size,
		    struct err *e)
{
	uint8_t header[SECTOR];
	uint64_t sectors, capacity;
	long long size;

	if (image_read(f, 0, header, sizeof(header), e) < 0)
		return -1;
	if (get_le32(header + 4) < 1 || get_le32(header + 4) > 3)
		return err_set(e, ERR_CONFIG, "is of unknown VMDK version %u",
			       get_le32(header + 4));
	sectors = get_le64(header + 36);
	if (get_le64(header + 28) != 1 || sectors < 1 ||
	    sectors > DESCRIPTOR_SECTORS_MAX)
		return err_set(e, ERR_CONFIG,
			       "has no descriptor behind its header");
	capacity = get_le64(header + 12);
	if (capacity > IMAGE_SIZE_MAX / SECTOR)
		capacity = IMAGE_SIZE_MAX / SECTOR + 1;
	if (image_size(capacity * SECTOR, &size, e) < 0)
		return -1;
	if (sectors < DESCRIPTOR_SECTORS &&
	    image_has(f, SECTOR, DESCRIPTOR_SECTORS * SECTOR))
		sectors = DESCRIPTOR_SECTORS;
	if (check_descriptor(f, sectors, e) < 0 ||
	    (get_le64(header + 56) == GD_AT_END &&
	     read_footer(f, header, e) < 0) ||
	    check_tables(f, header, e) < 0)
		return -1;
	*ret_size = size;
	return 0;
}
