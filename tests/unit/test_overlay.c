/* src/vm/overlay: the command that makes one, and how large one may grow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "guest.h"
#include "vector.h"
#include "vm/overlay.h"

static void the_backing_format_is_always_said(void **state)
{
	static const char *const disk[] = {
		"/usr/bin/qemu-img", "create", "-q", "-f", "qcow2", "-u", "-F",
		"vmdk", "-b", "/images/a,b.vmdk", "/s/svc-a.qcow2",
		"10737418240", NULL,
	};
	static const char *const larger[] = {
		"/usr/bin/qemu-img", "create", "-q", "-f", "qcow2", "-u", "-F",
		"vmdk", "-b", "/images/a,b.vmdk", "/s/svc-a.qcow2", "20480M",
		NULL,
	};
	static const char *const iso[] = {
		"/usr/bin/qemu-img", "create", "-q", "-f", "qcow2",
		"/s/svc-a.qcow2", "4096M", NULL,
	};
	struct session s = guest_session();
	AUTO_ARGV struct argv a = { 0 };
	AUTO_ARGV struct argv b = { 0 };
	AUTO_ARGV struct argv c = { 0 };

	(void)state;
	s.virtual_size = 10737418240;
	snprintf(s.format, sizeof(s.format), "vmdk");
	overlay_command("/usr/bin/qemu-img", &s, "/images/a,b.vmdk",
			"/s/svc-a.qcow2", &a);
	vector_check(&a, disk);
	s.disk_mb = 20480;
	overlay_command("/usr/bin/qemu-img", &s, "/images/a,b.vmdk",
			"/s/svc-a.qcow2", &c);
	vector_check(&c, larger);
	s.iso = true;
	s.disk_mb = 4096;
	overlay_command("/usr/bin/qemu-img", &s, "/images/cd.iso",
			"/s/svc-a.qcow2", &b);
	vector_check(&b, iso);
}

static void an_overlay_may_grow_as_far_as_its_disk(void **state)
{
	static const struct {
		long long image; /* virtual_size */
		long long disk_mb;
		unsigned long long max;
	} table[] = {
		{ 0, 0, 64ULL << 20 },
		{ 1LL << 30, 0, (1ULL << 30) + (1 << 20) + (64 << 20) },
		{ 7, 1024, (1ULL << 30) + (1 << 20) + (64 << 20) },
		{ 1LL << 62, 0, (1ULL << 62) + (1ULL << 52) + (64 << 20) },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct session s = { .virtual_size = table[i].image,
				     .disk_mb = table[i].disk_mb };

		assert_true(overlay_max_bytes(&s) == table[i].max);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_backing_format_is_always_said),
		cmocka_unit_test(an_overlay_may_grow_as_far_as_its_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
