#include "vm/seed.h"

#include <stdint.h>
#include <string.h>

#include "base/text.h"

/*
 * Microsoft's FAT specification (fatgen103): a boot sector, two FATs, a root
 * directory of fixed size, clusters from number 2 on.
 */
enum {
	SECTOR = 512,
	CLUSTER_SECTORS = 4,
	CLUSTER = SECTOR * CLUSTER_SECTORS,
	CLUSTERS_MAX = 4084, /* with more it were FAT16 */
	CLUSTERS_MIN = 64,
	ROOT_ENTRIES = 64,
	ENTRY = 32,
	ROOT_SECTORS = ROOT_ENTRIES * ENTRY / SECTOR,
	END_OF_CHAIN = 0xfff,
	ATTR_READ_ONLY = 0x01,
	ATTR_LABEL = 0x08,
	ATTR_LONG_NAME = 0x0f,
	MEDIA = 0xf8,
	NO_TIME = 0x0021, /* 1 January 1980 */
};

struct fat {
	size_t clusters;
	size_t fat_sectors;
	uint8_t *root;
	uint8_t *table; /* the first FAT */
	uint8_t *data;
	size_t next; /* free cluster */
	size_t entries;
};

static void put16(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)value;
	at[1] = (uint8_t)(value >> 8);
}

static void put32(uint8_t *at, size_t value)
{
	put16(at, value & 0xffff);
	put16(at + 2, value >> 16);
}

static void put_text(uint8_t *at, size_t size, const char *text)
{
	size_t len = strlen(text);

	memset(at, ' ', size);
	memcpy(at, text, len < size ? len : size);
}

static void boot_sector(uint8_t *at, const struct fat *f, const char *label)
{
	size_t sectors = 1 + 2 * f->fat_sectors + ROOT_SECTORS +
			 f->clusters * CLUSTER_SECTORS;

	at[0] = 0xeb; /* a jump over this, and who has made it */
	at[1] = 0x3c;
	at[2] = 0x90;
	put_text(at + 3, 8, "QWDSEED");
	put16(at + 11, SECTOR);
	at[13] = CLUSTER_SECTORS;
	put16(at + 14, 1); /* reserved sectors */
	at[16] = 2;        /* FATs */
	put16(at + 17, ROOT_ENTRIES);
	put16(at + 19, sectors); /* below 65536 by CLUSTERS_MAX */
	at[21] = MEDIA;
	put16(at + 22, f->fat_sectors);
	put16(at + 24, 32); /* sectors a track, heads: of no disk */
	put16(at + 26, 64);
	at[36] = 0x80;
	at[38] = 0x29; /* the three fields behind are there */
	put32(at + 39, 0x51574453);
	put_text(at + 43, 11, label);
	put_text(at + 54, 8, "FAT12");
	put16(at + 510, 0xaa55);
}

static void set_next(struct fat *f, size_t cluster, size_t value)
{
	uint8_t *at = f->table + cluster * 3 / 2;

	if (cluster % 2) {
		at[0] = (uint8_t)((at[0] & 0x0f) | (value << 4 & 0xf0));
		at[1] = (uint8_t)(value >> 4);
	} else {
		at[0] = (uint8_t)value;
		at[1] = (uint8_t)((at[1] & 0xf0) | (value >> 8 & 0x0f));
	}
}

/* The file's first cluster; 0 of an empty one. */
static size_t put_data(struct fat *f, const struct seed_file *file)
{
	size_t count = (file->len + CLUSTER - 1) / CLUSTER;
	size_t first = f->next;

	if (count == 0)
		return 0;
	memcpy(f->data + (first - 2) * CLUSTER, file->bytes, file->len);
	for (size_t i = 1; i < count; i++)
		set_next(f, first + i - 1, first + i);
	set_next(f, first + count - 1, END_OF_CHAIN);
	f->next += count;
	return first;
}

static uint8_t *new_entry(struct fat *f)
{
	return f->root + f->entries++ * ENTRY;
}

static uint8_t checksum(const uint8_t *short_name)
{
	unsigned sum = 0;

	for (int i = 0; i < 11; i++)
		sum = ((sum & 1 ? 0x80 : 0) + (sum >> 1) + short_name[i]) &
		      0xff;
	return (uint8_t)sum;
}

/* One entry of the long name holds 13 characters of UCS-2. */
static void put_long_name(uint8_t *entry, const char *name, uint8_t sum)
{
	static const uint8_t places[SEED_NAME_MAX] = { 1,  3,  5,  7,  9,
						       14, 16, 18, 20, 22,
						       24, 28, 30 };
	size_t len = strlen(name);

	entry[0] = 0x41; /* the last, and the first */
	entry[11] = ATTR_LONG_NAME;
	entry[13] = sum;
	for (size_t i = 0; i < SEED_NAME_MAX; i++)
		put16(entry + places[i], i < len   ? (uint8_t)name[i] :
					 i == len ? 0 :
						    0xffff);
}

static void put_file(struct fat *f, const struct seed_file *file, char digit)
{
	uint8_t *long_name = new_entry(f);
	uint8_t *entry = new_entry(f);

	put_text(entry, 11, "SEED~");
	entry[5] = (uint8_t)digit;
	put_long_name(long_name, file->name, checksum(entry));
	entry[11] = ATTR_READ_ONLY;
	put16(entry + 16, NO_TIME); /* made, read, written */
	put16(entry + 18, NO_TIME);
	put16(entry + 24, NO_TIME);
	put16(entry + 26, put_data(f, file));
	put32(entry + 28, file->len);
}

static void put_label(struct fat *f, const char *label)
{
	uint8_t *entry = new_entry(f);

	put_text(entry, 11, label);
	entry[11] = ATTR_LABEL;
	put16(entry + 24, NO_TIME);
}

static int plan(const struct seed_file *files, size_t count, struct fat *f,
		struct err *e)
{
	f->clusters = 0;
	for (size_t i = 0; i < count; i++) {
		if (files[i].len > SEED_BYTES_MAX ||
		    strlen(files[i].name) > SEED_NAME_MAX)
			return err_set(e, ERR_INPUT, "do not fit on a seed");
		f->clusters += (files[i].len + CLUSTER - 1) / CLUSTER;
	}
	if (f->clusters > CLUSTERS_MAX || count > SEED_FILES_MAX)
		return err_set(e, ERR_INPUT, "do not fit on a seed");
	if (f->clusters < CLUSTERS_MIN)
		f->clusters = CLUSTERS_MIN;
	f->fat_sectors = ((f->clusters + 2) * 3 / 2 + SECTOR) / SECTOR;
	return 0;
}

int seed_image(const char *label, const struct seed_file *files, size_t count,
	       struct buf *out, struct err *e)
{
	AUTO_FREE uint8_t *image = NULL;
	struct fat f = { .next = 2 };
	size_t sectors;

	if (plan(files, count, &f, e) < 0)
		return -1;
	sectors = 1 + 2 * f.fat_sectors + ROOT_SECTORS +
		  f.clusters * CLUSTER_SECTORS;
	image = calloc(sectors, SECTOR);
	if (!image)
		return err_set(e, ERR_SYSTEM, "no memory");
	boot_sector(image, &f, label);
	f.table = image + SECTOR;
	f.root = f.table + 2 * f.fat_sectors * SECTOR;
	f.data = f.root + (size_t)ROOT_SECTORS * SECTOR;
	set_next(&f, 0, 0xf00 | MEDIA);
	set_next(&f, 1, END_OF_CHAIN);
	put_label(&f, label);
	for (size_t i = 0; i < count; i++)
		put_file(&f, &files[i], (char)('1' + (char)i));
	memcpy(f.table + f.fat_sectors * SECTOR, f.table,
	       f.fat_sectors * SECTOR);
	buf_add(out, image, sectors * SECTOR);
	explicit_bzero(image, sectors * SECTOR);
	return buf_failed(out) ? err_set(e, ERR_SYSTEM, "no memory") : 0;
}

/* ---- What is in its files ---- */

void seed_user_data(const struct buf *programs, size_t count, struct buf *out)
{
	buf_puts(out, "#cloud-config\nwrite_files:\n");
	for (size_t i = 0; i < count; i++) {
		buf_printf(out,
			   "- path: " SEED_SCRIPT_DIR "/boot-script-%zu\n"
			   "  permissions: '0700'\n"
			   "  encoding: b64\n"
			   "  content: ",
			   i + 1);
		text_base64(out, buf_str(&programs[i]), programs[i].len);
		buf_putc(out, '\n');
	}
	buf_puts(out, "runcmd:\n");
	for (size_t i = 0; i < count; i++)
		buf_printf(out, "- [ " SEED_SCRIPT_DIR "/boot-script-%zu ]\n",
			   i + 1);
}

void seed_meta_data(const char *session, struct buf *out)
{
	buf_printf(out, "instance-id: %s\nlocal-hostname: %s\n", session,
		   session);
}
