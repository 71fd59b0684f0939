/* src/vm/sandbox: bubblewrap's command line and what it tells. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "vector.h"
#include "vm/sandbox.h"

#define HEAD                                                                   \
	"/usr/bin/bwrap", "--unshare-user", "--uid", "0", "--gid", "0",        \
		"--unshare-net", "--unshare-pid", "--unshare-ipc",             \
		"--unshare-uts", "--die-with-parent", "--new-session",         \
		"--cap-drop", "ALL", "--ro-bind", "/usr", "/usr", "--symlink", \
		"usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64",         \
		"--symlink", "usr/bin", "/bin", "--ro-bind-try",               \
		"/etc/ld.so.cache", "/etc/ld.so.cache", "--proc", "/proc",     \
		"--dev-bind", "/dev/null", "/dev/null", "--dev-bind",          \
		"/dev/urandom", "/dev/urandom"
#define TAIL                                                                   \
	"--ro-bind", "/run/r esolv", "/etc/resolv.conf", "--ro-bind",          \
		"/images/a b,c.qcow2", "/image", "--bind",                     \
		"/snapshots/svc-a.qcow2", "/overlay", "--bind", "/run/svc-a",  \
		"/vm", "--info-fd", "17", "--", NULL

static void check(bool kvm, const char *const *expected)
{
	struct sandbox box = { .bwrap = "/usr/bin/bwrap",
			       .image = "/images/a b,c.qcow2",
			       .overlay = "/snapshots/svc-a.qcow2",
			       .dir = "/run/svc-a",
			       .resolv = "/run/r esolv",
			       .info = 17,
			       .kvm = kvm };
	AUTO_ARGV struct argv a = { 0 };

	sandbox_command(&box, &a);
	vector_check(&a, expected);
}

static void the_guest_gets_namespaces_of_its_own_and_few_files(void **state)
{
	static const char *const plain[] = { HEAD, TAIL };
	static const char *const kvm[] = { HEAD, "--dev-bind", "/dev/kvm",
					   "/dev/kvm", TAIL };

	(void)state;
	check(false, plain);
	check(true, kvm);
}

/* P21: by the descriptor that was looked at, never by a name that may have
 * become a link since. */
static void a_volume_is_bound_by_its_descriptor(void **state)
{
	const struct mounts mounts = {
		.list = { { .path = "/srv/data", .fd = 5 },
			  { .path = "/home/ann", .fd = 6, .writable = true } },
		.count = 2,
	};
	struct sandbox box = { .bwrap = "/usr/bin/bwrap",
			       .image = "/i",
			       .dir = "/d",
			       .resolv = "/r",
			       .mounts = &mounts,
			       .info = 17 };
	AUTO_ARGV struct argv a = { 0 };
	AUTO_BUF struct buf line = BUF_INIT(4096);

	(void)state;
	sandbox_command(&box, &a);
	assert_false(a.failed);
	for (size_t i = 0; i < a.count; i++)
		buf_printf(&line, " %s", a.list[i]);
	assert_non_null(strstr(buf_str(&line),
			       " --ro-bind-fd 5 /mount0 --bind-fd 6 /mount1 "));
	assert_null(strstr(buf_str(&line), "/srv/data"));
	assert_null(strstr(buf_str(&line), "/home/ann"));
}

static void the_childs_pid_is_read_when_the_text_is_complete(void **state)
{
	static const struct {
		const char *text;
		int pid;
	} table[] = {
		{ "{\n    \"child-pid\": 4711\n}\n", 4711 },
		{ "{\n    \"child-pid\": 4711,\n    \"net-namespace\": "
		  "4026532281,\n    \"pid-namespace\": 4026532279\n}\n",
		  4711 },
		{ "{\"child-pid\":2}", 2 },
		/* not complete */
		{ "", 0 },
		{ "{", 0 },
		{ "{\n    \"child-pid\": 47", 0 },
		{ "{\n    \"child-pid\": 4711,\n", 0 },
		/* wrong: never a pid, whatever else is said */
		{ "}", -1 },
		{ "{}", -1 },
		{ "[]}", -1 },
		{ "{\"child-pid\": \"4711\"}", -1 },
		{ "{\"child-pid\": 4711.0}", -1 },
		{ "{\"child-pid\": null}", -1 },
		{ "{\"child-pid\": 0}", -1 },
		{ "{\"child-pid\": 1}", -1 },
		{ "{\"child-pid\": -4711}", -1 },
		{ "{\"child-pid\": 1073741825}", -1 },
		{ "{\"child-pid\": 99999999999999999999}", -1 },
		{ "{\"child-pid\": 4711, \"child-pid\": 4712}", -1 },
		{ "{\"child-pid\": 4711} junk", -1 },
		{ "{\"pid\": 4711}", -1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (sandbox_child_pid(table[i].text) != table[i].pid)
			fail_msg("%s", table[i].text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			the_guest_gets_namespaces_of_its_own_and_few_files),
		cmocka_unit_test(a_volume_is_bound_by_its_descriptor),
		cmocka_unit_test(
			the_childs_pid_is_read_when_the_text_is_complete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
