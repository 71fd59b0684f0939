/* src/conf/image: hostile and truncated qcow2 and QED images. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "image_corpus.h"
#include "scratch.h"

/* docs/interop/qcow2.txt */
static void a_hostile_qcow2_is_refused(void **state)
{
	static const struct hostile table[] = {
		{ "v3.qcow2", "h.qcow2", 8, "\0\0\0\0\0\0\2\0", 8, 0,
		  "names a backing file; merge both with qemu-img convert" },
		{ "v2.qcow2", "h.qcow2", 15, "\1", 1, 0,
		  "names a backing file" },
		{ "v3.qcow2", "h.qcow2", 79, "\4", 1, 0,
		  "names an external data file; merge" },
		{ "v3.qcow2", "h.qcow2", 104,
		  "\0\0\0\0\0\0\0\0DATA\0\0\0\5/etc", 20, 0,
		  "names an external data file" },
		{ "v3.qcow2", "h.qcow2", 79, "\x20", 1, 0,
		  "needs unknown qcow2 features (bits 0x20)" },
		{ "v3.qcow2", "h.qcow2", 72, "\x80", 1, 0,
		  "needs unknown qcow2 features (bits 0x8000000000000000)" },
		{ "v3.qcow2", "h.qcow2", 79, "\2", 1, 0,
		  "is marked as corrupt; see qemu-img check -r all" },
		{ "v3.qcow2", "h.qcow2", 35, "\1", 1, 0, "is encrypted" },
		{ "v3.qcow2", "h.qcow2", 35, "\2", 1, 0, "is encrypted" },
		{ "v3.qcow2", "h.qcow2", 112, "\x05\x37\xbe\x77\0\0\0\x10", 8,
		  0, "is encrypted" },
		{ "v3.qcow2", "h.qcow2", 7, "\4", 1, 0,
		  "is qcow version 4, only 2 and 3 are known" },
		{ "v3.qcow2", "h.qcow2", 7, "\1", 1, 0, "is qcow version 1" },
		{ "v3.qcow2", "h.qcow2", 20, "\0\0\0\x08", 4, 0,
		  "has an impossible cluster size (2^8 bytes)" },
		{ "v3.qcow2", "h.qcow2", 20, "\xff\xff\xff\xff", 4, 0,
		  "has an impossible cluster size (2^4294967295 bytes)" },
		{ "v3.qcow2", "h.qcow2", 24, "\0\0\x40\0\0\0\0\1", 8, 0,
		  "says it is a disk of more than 64 TiB" },
		{ "v3.qcow2", "h.qcow2", 24, "\xff\xff\xff\xff\xff\xff\xff\xff",
		  8, 0, "says it is a disk of more than 64 TiB" },
		{ "v3.qcow2", "h.qcow2", 24, "\0\0\0\0\0\0\0\0", 8, 0,
		  "is a disk of no size" },
		{ "v3.qcow2", "h.qcow2", 24, "\0\0\x40\0\0\0\0\0", 8, 0,
		  "is damaged: its L1 table is too small" },
		{ "v3.qcow2", "h.qcow2", 36, "\xff\xff\xff\xff", 4, 0,
		  "is damaged: its L1 table is too large" },
		{ "v3.qcow2", "h.qcow2", 40, "\xff\xff\xff\xff\xff\xff\0\0", 8,
		  0, "end before its L1 table" },
		{ "v3.qcow2", "h.qcow2", 47, "\1", 1, 0,
		  "its L1 table does not begin at a cluster" },
		{ "v3.qcow2", "h.qcow2", 56, "\xff\xff\xff\xff", 4, 0,
		  "end before its refcount table" },
		{ "v3.qcow2", "h.qcow2", 60, "\0\0\0\1\x7f\0\0\0\0\0\0\0", 12,
		  0, "end before its snapshot table" },
		{ "v3.qcow2", "h.qcow2", 100, "\0\0\0\x60", 4, 0,
		  "has an impossible header length (96)" },
		{ "v3.qcow2", "h.qcow2", 100, "\xff\xff\xff\xf8", 4, 0,
		  "has an impossible header length (4294967288)" },
		{ "v3.qcow2", "h.qcow2", 112, "\1\2\3\4\xff\xff\xff\xff", 8, 0,
		  "has a damaged header extension" },
		{ "zstd.qcow2", "h.qcow2", 104, "\2", 1, 0,
		  "is compressed in an unknown way" },
		{ "v3.qcow2", "h.qcow2", 0, NULL, 0, 4, "is truncated" },
		{ "v3.qcow2", "h.qcow2", 0, NULL, 0, 90,
		  "is truncated: its 90 bytes end before its header's end" },
		{ "v3.qcow2", "h.qcow2", 0, NULL, 0, 4096,
		  "end before its L1 table" },
		{ "v3.qcow2", "h.qcow2", 0, NULL, 0, -196608,
		  "end before some of its data" },
		{ "small.qcow2", "h.qcow2", 0, NULL, 0, -400000,
		  "is truncated: its " },
		{ "subclusters.qcow2", "h.qcow2", 0, NULL, 0, -196608,
		  "is truncated: its " },
	};

	(void)state;
	corpus_check_hostile(table, ARRAY_LEN(table));
}

static void a_dirty_qcow2_is_accepted_because_it_is_only_read(void **state)
{
	struct image image;
	struct err e = ERR_INIT;

	(void)state;
	corpus_copy("lazy.qcow2", "dirty.qcow2");
	corpus_patch("dirty.qcow2", 79, "\1", 1);
	assert_int_equal(corpus_identify("dirty.qcow2", &image, &e), 0);
}

static void a_qcow2_that_uses_a_table_twice_is_refused(void **state)
{
	char entries[4096];

	(void)state;
	corpus_copy("v3.qcow2", "twice.qcow2");
	/* 512 entries in a cluster of zeros that L1 fills: all the same. */
	for (size_t i = 0; i < sizeof(entries); i += 8)
		memcpy(entries + i, "\x80\0\0\0\0\4\0\0", 8);
	corpus_patch("twice.qcow2", 0x30000, entries, sizeof(entries));
	corpus_patch("twice.qcow2", 36, "\0\0\2\0", 4);
	corpus_check_refused("twice.qcow2",
			     "is damaged: it uses an L2 table twice");
}

/* docs/interop/qed_spec.txt */
static void a_hostile_qed_is_refused(void **state)
{
	static const struct hostile table[] = {
		{ "disk.qed", "h.qed", 16, "\1", 1, 0, "names a backing file" },
		{ "disk.qed", "h.qed", 23, "\1", 1, 0,
		  "needs unknown QED features (bits 0x100000000000000)" },
		{ "disk.qed", "h.qed", 4, "\1\0\0\0", 4, 0,
		  "has an impossible cluster or table size" },
		{ "disk.qed", "h.qed", 8, "\0\0\0\x80", 4, 0,
		  "has an impossible cluster or table size" },
		{ "disk.qed", "h.qed", 40, "\0\0\0\0\0\0\0\x7f", 8, 0,
		  "end before its L1 table" },
		{ "disk.qed", "h.qed", 55, "\x7f", 1, 0, "more than 64 TiB" },
		{ "disk.qed", "h.qed", 0, NULL, 0, 40,
		  "is truncated: it has 40 bytes" },
		{ "disk.qed", "h.qed", 0, NULL, 0, -262144,
		  "end before some of its data" },
	};

	(void)state;
	corpus_check_hostile(table, ARRAY_LEN(table));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hostile_qcow2_is_refused),
		cmocka_unit_test(
			a_dirty_qcow2_is_accepted_because_it_is_only_read),
		cmocka_unit_test(a_qcow2_that_uses_a_table_twice_is_refused),
		cmocka_unit_test(a_hostile_qed_is_refused),
	};

	return cmocka_run_group_tests(tests, corpus_make, scratch_remove);
}
