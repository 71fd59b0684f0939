/* src/vm/firmware and src/vm/tpm: what UEFI guests have beside QEMU. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "scratch.h"
#include "sys/file.h"
#include "vm/firmware.h"
#include "vm/tpm.h"

static struct session machine(const char *arch, const char *firmware)
{
	struct session s = { .name = "a" };

	snprintf(s.arch, sizeof(s.arch), "%s", arch);
	snprintf(s.firmware, sizeof(s.firmware), "%s", firmware);
	return s;
}

static void a_machine_starts_by_uefi_where_it_is_said_or_must(void **state)
{
	static const struct {
		const char *arch, *firmware;
		bool uefi;
	} table[] = {
		{ "x86_64", "", false },
		{ "x86_64", "bios", false },
		{ "x86_64", "uefi", true },
		{ "x86_64", "uefi-secure", true },
		{ "aarch64", "", true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct session s = machine(table[i].arch, table[i].firmware);

		assert_true(firmware_is_uefi(&s) == table[i].uefi);
	}
}

/* Code with SMM and variables with keys, or neither: a mixture starts
 * everything while it looks secure. */
static void secure_boot_has_its_own_code_and_keys(void **state)
{
	struct session s = machine("x86_64", "uefi-secure");
	struct firmware f;
	struct err e = ERR_INIT;

	(void)state;
	if (firmware_find(&s, &f, &e) < 0) {
		assert_int_equal(e.code, ERR_CONFIG);
		assert_non_null(strstr(e.msg, "; apt install ovmf"));
		skip();
	}
	assert_non_null(strstr(f.code, ".ms.fd"));
	assert_non_null(strstr(f.vars, ".ms.fd"));
	s = machine("aarch64", "uefi-secure");
	assert_int_equal(firmware_find(&s, &f, &e), -1);
	assert_string_equal(e.msg,
			    "there is no firmware uefi-secure for aarch64");
}

static void variables_are_copied_with_their_holes(void **state)
{
	static char bytes[400000];
	AUTO_BUF struct buf text = BUF_INIT(500000);
	AUTO_FREE char *path = file_join(scratch_path, "template");
	struct err e = ERR_INIT;
	struct stat st;

	(void)state;
	bytes[0] = 'a';
	bytes[399999] = 'z';
	scratch_write("template", bytes, sizeof(bytes));
	scratch_puts("vars", "of the QEMU before");
	if (firmware_copy_vars(path, scratch_fd, "vars", &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(fstatat(scratch_fd, "vars", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_true(st.st_blocks * 512 < 300000);
	assert_int_equal(file_read(scratch_fd, "vars", false, &text, &e), 0);
	assert_int_equal(text.len, sizeof(bytes));
	assert_memory_equal(text.data, bytes, sizeof(bytes));
	assert_int_equal(firmware_copy_vars("/nonexistent", scratch_fd, "vars",
					    &e),
			 -1);
	assert_int_equal(e.code, ERR_SYSTEM);
}

static void swtpm_sees_its_state_and_nothing_else(void **state)
{
	static const char *const expected[] = {
		"/usr/bin/bwrap", "--unshare-all", "--die-with-parent",
		"--new-session", "--cap-drop", "ALL", "--ro-bind", "/usr",
		"/usr", "--symlink", "usr/lib", "/lib", "--symlink",
		"usr/lib64", "/lib64", "--ro-bind-try", "/etc/ld.so.cache",
		"/etc/ld.so.cache", "--proc", "/proc", "--dev-bind",
		"/dev/null", "/dev/null", "--dev-bind", "/dev/urandom",
		"/dev/urandom", "--bind", "/run/svc-a/tpm", "/tpm", "--",
		"/usr/bin/swtpm", "socket", "--tpm2", "--tpmstate",
		"dir=/tpm,mode=0600", "--ctrl", "type=unixio,clientfd=7",
		"--terminate",
	};
	AUTO_ARGV struct argv a = { 0 };

	(void)state;
	tpm_command(&(struct tpm){ "/usr/bin/bwrap", "/usr/bin/swtpm",
				   "/run/svc-a/tpm", 7 },
		    &a);
	assert_int_equal(a.count, ARRAY_LEN(expected));
	for (size_t i = 0; i < a.count; i++)
		assert_string_equal(a.list[i], expected[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_machine_starts_by_uefi_where_it_is_said_or_must),
		cmocka_unit_test(secure_boot_has_its_own_code_and_keys),
		cmocka_unit_test(variables_are_copied_with_their_holes),
		cmocka_unit_test(swtpm_sees_its_state_and_nothing_else),
	};

	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
