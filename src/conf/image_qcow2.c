/* QEMU, docs/interop/qcow2.txt; limits as in QEMU's block/qcow2.c. */
#include "conf/image_file.h"

#include <string.h>

enum {
	HEADER_V2 = 72,
	HEADER_V3 = 104,
	HEADER_READ = 112,
	EXTENSIONS_MAX = 64,
	L1_BYTES_MAX = 32 << 20,
};

/* Incompatible features. */
enum {
	QCOW2_DIRTY = 1 << 0, /* refcounts may be stale: reading is safe */
	QCOW2_CORRUPT = 1 << 1,
	QCOW2_DATA_FILE = 1 << 2,
	QCOW2_COMPRESSION = 1 << 3,
	QCOW2_EXTENDED_L2 = 1 << 4,
	QCOW2_KNOWN = (1 << 5) - 1,
};

/* Types of header extensions. */
#define EXTENSION_END 0u
#define EXTENSION_CRYPTO 0x0537be77u
#define EXTENSION_DATA_FILE 0x44415441u

/* Offsets in L1 and L2 entries: bits 9 to 55. */
#define OFFSET_BITS UINT64_C(0x00fffffffffffe00)
#define L2_ZERO UINT64_C(1)
#define L2_COMPRESSED (UINT64_C(1) << 62)

struct qcow2 {
	const struct image_file *file;
	uint8_t header[HEADER_READ]; /* zeros where the file is shorter */
	uint32_t version;
	uint32_t cluster_bits;
	uint32_t header_length;
	uint64_t incompatible;
	uint64_t l2_bytes; /* read so far */
};

static int check_features(const struct qcow2 *q, struct err *e)
{
	uint64_t unknown = q->incompatible & ~(uint64_t)QCOW2_KNOWN;

	if (q->incompatible & QCOW2_DATA_FILE)
		return err_set(e, ERR_CONFIG,
			       "names an external data file; merge both with "
			       "qemu-img convert -O qcow2");
	if (unknown)
		return err_set(e, ERR_CONFIG,
			       "needs unknown qcow2 features (bits 0x%llx)",
			       (unsigned long long)unknown);
	if (q->incompatible & QCOW2_CORRUPT)
		return err_set(e, ERR_CONFIG,
			       "is marked as corrupt; see "
			       "qemu-img check -r all");
	if ((q->incompatible & QCOW2_COMPRESSION) &&
	    (q->header_length <= HEADER_V3 || q->header[HEADER_V3] > 1))
		return err_set(e, ERR_CONFIG,
			       "is compressed in an unknown way");
	return 0;
}

static int read_header(struct qcow2 *q, struct err *e)
{
	size_t len = sizeof(q->header);

	if (q->file->size < len)
		len = q->file->size < HEADER_V2 ? HEADER_V2
						: (size_t)q->file->size;
	if (image_read(q->file, 0, q->header, len, e) < 0)
		return -1;
	q->version = get_be32(q->header + 4);
	if (q->version != 2 && q->version != 3)
		return err_set(e, ERR_CONFIG,
			       "is qcow version %u, only 2 and 3 are known; "
			       "convert it with qemu-img convert -O qcow2",
			       q->version);
	q->cluster_bits = get_be32(q->header + 20);
	q->header_length = HEADER_V2;
	if (q->version == 3) {
		if (q->file->size < HEADER_V3)
			return image_truncated(q->file, "its header's end", e);
		q->incompatible = get_be64(q->header + 72);
		q->header_length = get_be32(q->header + 100);
	}
	return 0;
}

static int check_header(const struct qcow2 *q, struct err *e)
{
	if (get_be64(q->header + 8))
		return err_set(e, ERR_CONFIG,
			       "names a backing file; merge both with "
			       "qemu-img convert -O qcow2");
	if (get_be32(q->header + 32))
		return err_set(e, ERR_CONFIG, "is encrypted");
	if (q->cluster_bits < 9 || q->cluster_bits > 21)
		return err_set(e, ERR_CONFIG,
			       "has an impossible cluster size (2^%u bytes)",
			       q->cluster_bits);
	if (q->version == 3 &&
	    (q->header_length < HEADER_V3 || q->header_length % 8 ||
	     q->header_length > 1u << q->cluster_bits))
		return err_set(e, ERR_CONFIG,
			       "has an impossible header length (%u)",
			       q->header_length);
	if (q->header_length > q->file->size)
		return image_truncated(q->file, "its header's end", e);
	return check_features(q, e);
}

/* The extensions lie in the first cluster, behind the header. */
static int check_extensions(const struct qcow2 *q, struct err *e)
{
	uint64_t end = UINT64_C(1) << q->cluster_bits;
	uint64_t offset = q->header_length;

	for (int i = 0; i < EXTENSIONS_MAX; i++) {
		uint8_t head[8];
		uint64_t len;

		if (end - offset < sizeof(head))
			return 0;
		if (image_read(q->file, offset, head, sizeof(head), e) < 0)
			return -1;
		offset += sizeof(head);
		len = (get_be32(head + 4) + UINT64_C(7)) & ~UINT64_C(7);
		switch (get_be32(head)) {
		case EXTENSION_END:
			return 0;
		case EXTENSION_CRYPTO:
			return err_set(e, ERR_CONFIG, "is encrypted");
		case EXTENSION_DATA_FILE:
			return err_set(e, ERR_CONFIG,
				       "names an external data file");
		}
		if (len > end - offset)
			return err_set(e, ERR_CONFIG,
				       "has a damaged header extension");
		offset += len;
	}
	return err_set(e, ERR_CONFIG, "has too many header extensions");
}

/* A table of `bytes` at a cluster's begin. */
static int check_table(const struct qcow2 *q, uint64_t offset, uint64_t bytes,
		       const char *what, struct err *e)
{
	if (offset & ((UINT64_C(1) << q->cluster_bits) - 1))
		return err_set(e, ERR_CONFIG,
			       "is damaged: %s does not begin at a cluster",
			       what);
	if (!image_has(q->file, offset, bytes))
		return image_truncated(q->file, what, e);
	return 0;
}

static int check_l2_entry(const struct image_file *f, void *arg,
			  const uint8_t *bytes, struct err *e)
{
	const struct qcow2 *q = arg;
	uint64_t entry = get_be64(bytes);
	uint64_t offset = entry & OFFSET_BITS;

	if (entry & L2_COMPRESSED)
		offset = entry &
			 ((UINT64_C(1) << (62 - (q->cluster_bits - 8))) - 1);
	else if ((entry & L2_ZERO) && q->version == 3)
		return 0;
	if (offset >= f->size)
		return image_truncated(f, "some of its data", e);
	return 0;
}

/* 1 when enough has been read. */
static int check_l1_entry(const struct image_file *f, void *arg,
			  const uint8_t *bytes, struct err *e)
{
	struct qcow2 *q = arg;
	uint64_t offset = get_be64(bytes) & OFFSET_BITS;
	uint64_t cluster = UINT64_C(1) << q->cluster_bits;
	size_t width = q->incompatible & QCOW2_EXTENDED_L2 ? 16 : 8;

	if (!offset)
		return 0;
	if (check_table(q, offset, cluster, "an L2 table", e) < 0)
		return -1;
	q->l2_bytes += cluster;
	if (q->l2_bytes > f->size)
		return err_set(e, ERR_CONFIG,
			       "is damaged: it uses an L2 table twice");
	if (q->l2_bytes > IMAGE_WALK_MAX)
		return 1;
	return image_walk(f, offset, cluster / width, width, check_l2_entry, q,
			  e);
}

static int check_tables(struct qcow2 *q, uint64_t size, struct err *e)
{
	uint64_t l1_count = get_be32(q->header + 36);
	uint64_t l1_offset = get_be64(q->header + 40);
	uint64_t refcounts = get_be64(q->header + 48);
	uint64_t refcount_clusters = get_be32(q->header + 56);
	uint32_t l2_bits =
		q->cluster_bits - (q->incompatible & QCOW2_EXTENDED_L2 ? 4 : 3);
	uint32_t shift = q->cluster_bits + l2_bits;

	if (l1_count < (size + (UINT64_C(1) << shift) - 1) >> shift)
		return err_set(e, ERR_CONFIG,
			       "is damaged: its L1 table is too small");
	if (l1_count * 8 > L1_BYTES_MAX)
		return err_set(e, ERR_CONFIG,
			       "is damaged: its L1 table is too large");
	if (check_table(q, l1_offset, l1_count * 8, "its L1 table", e) < 0 ||
	    check_table(q, refcounts, refcount_clusters << q->cluster_bits,
			"its refcount table", e) < 0)
		return -1;
	if (get_be32(q->header + 60) &&
	    check_table(q, get_be64(q->header + 64), 1, "its snapshot table",
			e) < 0)
		return -1;
	return image_walk(q->file, l1_offset, l1_count, 8, check_l1_entry, q,
			  e) < 0
		       ? -1
		       : 0;
}

int image_read_qcow2(const struct image_file *f, long long *ret_size,
		     struct err *e)
{
	struct qcow2 q = { .file = f };
	long long size;

	if (read_header(&q, e) < 0 || check_header(&q, e) < 0 ||
	    image_size(get_be64(q.header + 24), &size, e) < 0 ||
	    check_extensions(&q, e) < 0 ||
	    check_tables(&q, (uint64_t)size, e) < 0)
		return -1;
	*ret_size = size;
	return 0;
}
