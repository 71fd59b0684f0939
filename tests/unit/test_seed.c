/* src/vm/seed: NoCloud seeds, read by others' programs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/macros.h"
#include "scratch.h"
#include "sys/child.h"
#include "vm/seed.h"

static void run(const char *const *words, struct buf *output)
{
	AUTO_ARGV struct argv argv = { .list = NULL };
	AUTO_BUF struct buf errors = BUF_INIT(65536);
	struct child c = CHILD_INIT;
	struct err e = ERR_INIT;
	AUTO_FREE char *program = child_find_program(words[0], &e);
	int status;

	if (!program)
		fail_msg("%s", e.msg);
	argv_add(&argv, program);
	while (*++words)
		argv_add(&argv, *words);
	c.argv = &argv;
	c.dir = scratch_path;
	assert_int_equal(child_run(&c, NULL, output, &errors, 20000, &status,
				   &e),
			 0);
	if (status != 0)
		fail_msg("%s: status %d: %s%s", argv.list[0], status,
			 buf_str(output), buf_str(&errors));
}

static void write_image(const struct seed_file *files, size_t count)
{
	AUTO_BUF struct buf image = BUF_INIT(64 << 20);
	struct err e = ERR_INIT;

	assert_int_equal(seed_image("CIDATA", files, count, &image, &e), 0);
	scratch_write("seed.img", image.data, image.len);
}

static void check_file(const struct seed_file *file)
{
	AUTO_BUF struct buf got = BUF_INIT(64 << 20);
	AUTO_FREE char *path = NULL;

	assert_true(asprintf(&path, "::%s", file->name) > 0);
	run((const char *const[]){ "mcopy", "-i", "seed.img", path, "-",
				   NULL },
	    &got);
	assert_int_equal(got.len, file->len);
	assert_memory_equal(buf_str(&got), file->bytes, file->len);
}

static void an_image_is_a_file_system_with_its_files(void **state)
{
	static const size_t sizes[] = { 0,    1,    2047,  2048,
					2049, 8192, 300000, 3000000 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		AUTO_FREE char *bytes = malloc(sizes[i] + 1);
		AUTO_BUF struct buf said = BUF_INIT(65536);
		struct seed_file files[] = {
			{ "meta-data", "instance-id: x\n", 15 },
			{ "user-data", bytes, sizes[i] },
			{ "a-name-of-13c", "z", 1 },
		};

		for (size_t k = 0; k < sizes[i]; k++)
			bytes[k] = (char)(k * 7 + k / 251);
		write_image(files, ARRAY_LEN(files));
		run((const char *const[]){ "fsck.fat", "-n", "-v", "seed.img",
					   NULL },
		    &said);
		assert_non_null(strstr(buf_str(&said), "12 bit entries"));
		for (size_t k = 0; k < ARRAY_LEN(files); k++)
			check_file(&files[k]);
	}
}

static void an_image_is_labelled_for_cloud_init(void **state)
{
	const struct seed_file file = { "meta-data", "x", 1 };
	AUTO_BUF struct buf said = BUF_INIT(65536);

	(void)state;
	write_image(&file, 1);
	run((const char *const[]){ "blkid", "-p", "-o", "export", "seed.img",
				   NULL },
	    &said);
	assert_non_null(strstr(buf_str(&said), "LABEL=CIDATA\n"));
	assert_non_null(strstr(buf_str(&said), "TYPE=vfat\n"));
}

static void what_does_not_fit_is_refused(void **state)
{
	AUTO_FREE char *bytes = calloc(1, SEED_BYTES_MAX + 1);
	const struct seed_file whole = { "user-data", bytes, SEED_BYTES_MAX };
	const struct seed_file more = { "user-data", bytes,
					SEED_BYTES_MAX + 1 };
	const struct seed_file two[] = { whole, whole };
	const struct seed_file name = { "fourteen-bytes", "x", 1 };
	AUTO_BUF struct buf image = BUF_INIT(64 << 20);
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(seed_image("CIDATA", &whole, 1, &image, &e), 0);
	assert_int_equal(seed_image("CIDATA", &more, 1, &image, &e), -1);
	assert_int_equal(e.code, ERR_INPUT);
	assert_int_equal(seed_image("CIDATA", two, 2, &image, &e), -1);
	assert_int_equal(seed_image("CIDATA", &name, 1, &image, &e), -1);
	assert_int_equal(e.code, ERR_INPUT);
}

/* YAML as Python reads it, since cloud-init does. */
static void user_data_is_yaml_that_holds_the_programs(void **state)
{
	static const char reader[] =
		"import base64, sys\n"
		"lines = open('user-data').read().split('\\n')\n"
		"assert lines[0] == '#cloud-config'\n"
		"for line in lines:\n"
		"    if line.startswith('  content: '):\n"
		"        sys.stdout.write(base64.b64decode(line[11:]).decode())"
		"\n"
		"    if line.startswith('- '):\n"
		"        print(line)\n";
	struct buf programs[2] = { BUF_INIT(100), BUF_INIT(100) };
	AUTO_BUF struct buf text = BUF_INIT(65536);
	AUTO_BUF struct buf said = BUF_INIT(65536);

	(void)state;
	buf_puts(&programs[0], "#!/bin/sh\necho 'one: [x]'\n");
	buf_puts(&programs[1], "#!/bin/bash\n");
	seed_user_data(programs, 2, &text);
	scratch_write("user-data", text.data, text.len);
	run((const char *const[]){ "/usr/bin/python3", "-c", reader, NULL },
	    &said);
	assert_string_equal(
		buf_str(&said),
		"- path: /var/lib/qemu-web-desktop/boot-script-1\n"
		"#!/bin/sh\necho 'one: [x]'\n"
		"- path: /var/lib/qemu-web-desktop/boot-script-2\n"
		"#!/bin/bash\n"
		"- [ /var/lib/qemu-web-desktop/boot-script-1 ]\n"
		"- [ /var/lib/qemu-web-desktop/boot-script-2 ]\n");
	buf_release(&programs[0]);
	buf_release(&programs[1]);
	buf_reset(&text);
	seed_meta_data("desktop-abc", &text);
	assert_string_equal(buf_str(&text), "instance-id: desktop-abc\n"
					    "local-hostname: desktop-abc\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_image_is_a_file_system_with_its_files),
		cmocka_unit_test(an_image_is_labelled_for_cloud_init),
		cmocka_unit_test(what_does_not_fit_is_refused),
		cmocka_unit_test(user_data_is_yaml_that_holds_the_programs),
	};

	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
