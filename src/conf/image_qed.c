/* QEMU, docs/interop/qed_spec.txt. */
#include "conf/image_file.h"

enum { HEADER_BYTES = 64 };

/* Features. */
enum {
	QED_BACKING_FILE = 1 << 0,
	QED_NEED_CHECK = 1 << 1, /* was not closed: reading is safe */
	QED_KNOWN = (1 << 3) - 1,
};

struct qed {
	uint64_t table_bytes;
	uint64_t tables_read; /* bytes */
};

static int check_data(const struct image_file *f, void *arg,
		      const uint8_t *bytes, struct err *e)
{
	(void)arg;
	/* 1 means zeros. */
	if (get_le64(bytes) > 1 && get_le64(bytes) >= f->size)
		return image_truncated(f, "some of its data", e);
	return 0;
}

static int check_l2(const struct image_file *f, void *arg, const uint8_t *bytes,
		    struct err *e)
{
	struct qed *q = arg;
	uint64_t offset = get_le64(bytes);

	if (!offset)
		return 0;
	if (!image_has(f, offset, q->table_bytes))
		return image_truncated(f, "an L2 table", e);
	q->tables_read += q->table_bytes;
	if (q->tables_read > f->size)
		return err_set(e, ERR_CONFIG,
			       "is damaged: it uses an L2 table twice");
	if (q->tables_read > IMAGE_WALK_MAX)
		return 1;
	return image_walk(f, offset, q->table_bytes / 8, 8, check_data, NULL,
			  e);
}

static int check_features(uint64_t features, struct err *e)
{
	if (features & QED_BACKING_FILE)
		return err_set(e, ERR_CONFIG,
			       "names a backing file; merge both with "
			       "qemu-img convert -O qcow2");
	if (features & ~(uint64_t)QED_KNOWN)
		return err_set(e, ERR_CONFIG,
			       "needs unknown QED features (bits 0x%llx)",
			       (unsigned long long)features);
	return 0;
}

int image_read_qed(const struct image_file *f, long long *ret_size,
		   struct err *e)
{
	struct qed q = { .tables_read = 0 };
	uint8_t header[HEADER_BYTES];
	uint32_t cluster, table;
	uint64_t l1;
	long long size;

	if (image_read(f, 0, header, sizeof(header), e) < 0 ||
	    check_features(get_le64(header + 16), e) < 0)
		return -1;
	cluster = get_le32(header + 4);
	table = get_le32(header + 8);
	if (!is_power_of_2(cluster) || cluster < 4096 || cluster > 64 << 20 ||
	    !is_power_of_2(table) || table > 16)
		return err_set(e, ERR_CONFIG,
			       "has an impossible cluster or table size");
	if (image_size(get_le64(header + 48), &size, e) < 0)
		return -1;
	q.table_bytes = (uint64_t)cluster * table;
	l1 = get_le64(header + 40);
	if (!image_has(f, l1, q.table_bytes))
		return image_truncated(f, "its L1 table", e);
	if (image_walk(f, l1, q.table_bytes / 8, 8, check_l2, &q, e) < 0)
		return -1;
	*ret_size = size;
	return 0;
}
