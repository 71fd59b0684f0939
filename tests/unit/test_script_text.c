/* src/vm/script_text, script_customize: facts land as data, never as code. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/macros.h"
#include "scratch.h"
#include "sys/child.h"
#include "vm/script_customize.h"
#include "vm/script_text.h"

/* A password may hold anything but control characters. */
#define HOSTILE "a'b\"c $(touch EVIL) `touch EVIL` ;touch EVIL; ${X} \\ *"

static const struct script_facts hostile = {
	.value = { HOSTILE, "desktop-abc", "m.iso", HOSTILE, HOSTILE },
};

static const struct script_facts plain = {
	.value = { "ann", "desktop-abc", "m.iso", "ann@lab.example", "pw" },
};

static int make(const char *text, const struct script_facts *facts,
		struct buf *out, struct err *e)
{
	return script_text_program(text, "/bin/sh", facts, out, e);
}

/* Run it with a real shell, in the scratch directory. */
static void run(const char *shell, const struct buf *program,
		struct buf *output)
{
	AUTO_ARGV struct argv argv = { .list = NULL };
	struct child c = CHILD_INIT;
	struct err e = ERR_INIT;
	int status;

	scratch_write("program", program->data, program->len);
	argv_add(&argv, shell);
	argv_add(&argv, "program");
	c.argv = &argv;
	c.dir = scratch_path;
	assert_int_equal(child_run(&c, NULL, output, NULL, 20000, &status, &e),
			 0);
	assert_int_equal(status, 0);
}

static void check_shell(const char *shell, const char *text,
			const char *expected)
{
	AUTO_BUF struct buf program = BUF_INIT(65536);
	AUTO_BUF struct buf output = BUF_INIT(65536);
	struct err e = ERR_INIT;
	struct stat st;

	if (make(text, &hostile, &program, &e) < 0)
		fail_msg("%s: %s", text, e.msg);
	run(shell, &program, &output);
	if (strcmp(buf_str(&output), expected) != 0)
		fail_msg("%s\ngives %s\nnot   %s\n%s", text, buf_str(&output),
			 expected, buf_str(&program));
	assert_int_equal(fstatat(scratch_fd, "EVIL", &st, 0), -1);
}

/* SR28, P3: whatever a fact holds, the shell reads it as one text. */
static void a_shell_reads_a_fact_as_data_wherever_it_stands(void **state)
{
	static const struct {
		const char *text;
		const char *output;
	} table[] = {
		{ "printf '[%s]' @USER@ @PW@", "[" HOSTILE "][" HOSTILE "]" },
		{ "printf '[%s]' \"@USER@\"", "[" HOSTILE "]" },
		{ "printf '[%s]' '@USER@'", "[" HOSTILE "]" },
		{ "printf '[%s]' 'x@USER@y'\"x@USER@y\"x@USER@y",
		  "[x" HOSTILE "yx" HOSTILE "yx" HOSTILE "y]" },
		{ "X=@PW@; printf '[%s]' \"$X\"", "[" HOSTILE "]" },
		{ "printf '[%s]' \"$(printf %s \"@PW@\")\"",
		  "[" HOSTILE "]" },
		{ "printf '[%s]' \"$( (printf %s \"@PW@\") )@USER@\" @VM@",
		  "[" HOSTILE HOSTILE "][m.iso]" },
		{ "# don't\nprintf '[%s]' '@USER@' # isn't\nprintf @VM@",
		  "[" HOSTILE "]m.iso" },
		{ "cat <<END\nit's @USER@\nEND\nprintf '@VM@'",
		  "it's " HOSTILE "\nm.iso" },
		{ "cat <<'END'\nit's $(x) @USER@\nEND\nprintf '@VM@'",
		  "it's $(x) " HOSTILE "\nm.iso" },
		{ "cat <<-END\n\tx\n\tEND\nprintf '@VM@'", "x\nm.iso" },
		{ "cat <<END\nEND\nprintf '@VM@'", "m.iso" },
		{ "printf %s \\'@VM@\\'", "'m.iso'" },
		{ "printf %s $((1<<2))'@VM@'", "4m.iso" },
		{ "case @USER@ in a*) printf yes;; esac", "yes" },
		{ "sh -c 'printf \"[%s]\" \"$QWD_USER\"'", "[" HOSTILE "]" },
		{ "#!/bin/sh\nprintf '[%s]' @USER@", "[" HOSTILE "]" },
		{ "#!/bin/sh -e\r\n:\nprintf @VM@", "m.iso" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		check_shell("/bin/dash", table[i].text, table[i].output);
		check_shell("/bin/bash", table[i].text, table[i].output);
	}
}

static void the_password_is_there_only_if_it_is_used(void **state)
{
	AUTO_BUF struct buf program = BUF_INIT(65536);
	AUTO_BUF struct buf output = BUF_INIT(65536);
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(make("id", &plain, &program, &e), 0);
	assert_null(strstr(buf_str(&program), "QWD_PW"));
	assert_int_equal(make("echo @PW@; env", &plain, &program, &e), 0);
	buf_reset(&program);
	assert_int_equal(make("printf @PW@; sh -c 'printf \"[$QWD_PW]\"'",
			      &plain, &program, &e),
			 0);
	run("/bin/dash", &program, &output);
	assert_string_equal(buf_str(&output), "pw[]");
}

static void a_symbol_without_a_fact_is_an_error(void **state)
{
	const struct script_facts some = { .value = { "ann", "s", "m" } };
	AUTO_BUF struct buf out = BUF_INIT(65536);
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(make("echo @PW@", &some, &out, &e), -1);
	assert_int_equal(e.code, ERR_INPUT);
	assert_non_null(strstr(e.msg, "script_password"));
	assert_int_equal(make("echo @EMAIL@", &some, &out, &e), -1);
	assert_non_null(strstr(e.msg, "needs @EMAIL@"));
	assert_int_equal(make("#!/usr/bin/python3\nprint('@PW@')", &some, &out,
			      &e),
			 -1);
	assert_non_null(strstr(e.msg, "script_password"));
}

static void another_language_gets_names_only(void **state)
{
	static const char python[] = "#!/usr/bin/env python3\nx = '@USER@'\n";
	AUTO_BUF struct buf out = BUF_INIT(65536);
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(make(python, &plain, &out, &e), 0);
	assert_string_equal(buf_str(&out),
			    "#!/usr/bin/env python3\nx = 'ann'\n");
	assert_int_equal(make(python, &hostile, &out, &e), -1);
	assert_int_equal(e.code, ERR_INPUT);
	assert_non_null(strstr(e.msg, "only letters, digits"));
}

static void places_take_what_is_safe_there(void **state)
{
	static const struct {
		enum script_place place;
		const char *fact;
		const char *result; /* NULL: refused */
	} table[] = {
		{ PLACE_URL, "a b/../c?d#e", "<a%20b%2F..%2Fc%3Fd%23e>" },
		{ PLACE_PATH, "ann", "<ann>" },
		{ PLACE_PATH, "../../etc", NULL },
		{ PLACE_PATH, "a/b", NULL },
		{ PLACE_PATH, "..", NULL },
		{ PLACE_PATH, "", NULL },
		{ PLACE_NAME, "ann@lab.example", "<ann@lab.example>" },
		{ PLACE_NAME, "a:b", NULL },
		{ PLACE_NAME, "a b", NULL },
		{ PLACE_LINE, "a:b 'c'", "<a:b 'c'>" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		const struct script_facts f = { .value = { table[i].fact } };
		AUTO_BUF struct buf out = BUF_INIT(4096);
		struct err e = ERR_INIT;
		int result = script_text_fill("<@USER@>", 8, table[i].place,
					      &f, &out, &e);

		assert_int_equal(result, table[i].result ? 0 : -1);
		if (table[i].result)
			assert_string_equal(buf_str(&out), table[i].result);
		else
			assert_int_equal(e.code, ERR_INPUT);
	}
}

/* ---- virt-customize ---- */

static void lines_of_virt_customize_are_filled_in(void **state)
{
	static const char lines[] =
		"hostname @SESSION_NAME@\\n"
		"  # a comment\n\n"
		"--run-command echo '@USER@' >/etc/owner\r\n"
		"write /etc/m:@EMAIL@ @USER@\n"
		"password ann:password:@PW@\n"
		"upload /srv/key:/etc/key\n"
		"password bob:file:/srv/pw\n";
	AUTO_BUF struct buf out = BUF_INIT(65536);
	AUTO_ARGV struct argv files = { .list = NULL };
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(script_customize_fill(lines, strlen(lines), &plain,
					       &out, &files, &e),
			 0);
	assert_string_equal(
		buf_str(&out),
		"hostname desktop-abc\n"
		"run-command QWD_USER='ann' QWD_SESSION_NAME='desktop-abc' "
		"QWD_VM='m.iso' QWD_EMAIL='ann@lab.example'; echo "
		"''\"${QWD_USER}\"'' >/etc/owner\n"
		"write /etc/m:ann@lab.example ann\n"
		"password ann:password:pw\n"
		"upload /srv/key:/etc/key\n"
		"password bob:file:/srv/pw\n");
	assert_int_equal(files.count, 2);
	assert_string_equal(files.list[0], "/srv/key");
	assert_string_equal(files.list[1], "/srv/pw");
}

static void lines_that_would_do_harm_are_refused(void **state)
{
	static const struct {
		const char *lines;
		const char *message;
	} table[] = {
		{ "hostname @USER@", "only letters, digits" },
		{ "touch /home/@USER@", "only letters, digits" },
		{ "edit /etc/x:s/a/@USER@/", "only letters, digits" },
		{ "install vim", "firstboot-install" },
		{ "update", "no network" },
		{ "upload passwd:/x", "without an absolute path" },
		{ "upload /srv/@USER@:/x", "without an absolute path" },
		{ "write /x:y\\", "ends with '\\'" },
		{ "commands-from-file /x", "begins with no command" },
		{ "format raw", "begins with no command" },
		{ "attach /x", "begins with no command" },
	};
	const struct script_facts backslash = { .value = { "x\\" } };
	AUTO_BUF struct buf out = BUF_INIT(65536);
	AUTO_ARGV struct argv files = { .list = NULL };
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		assert_int_equal(script_customize_fill(
					 table[i].lines,
					 strlen(table[i].lines), &hostile,
					 &out, &files, &e),
				 -1);
		assert_int_equal(e.code, ERR_INPUT);
		if (!strstr(e.msg, table[i].message))
			fail_msg("%s: %s", table[i].lines, e.msg);
	}
	assert_int_equal(script_customize_fill("write /x:@USER@", 15,
					       &backslash, &out, &files, &e),
			 -1);
	assert_non_null(strstr(e.msg, "ends with '\\'"));
}

/* P34: what a visitor has typed as the password is no file's name. */
static void a_fact_is_no_selector_of_a_file(void **state)
{
	static const struct {
		const char *line;
		const char *password;
		bool good;
	} table[] = {
		{ "password ann:password:@PW@", "file:/proc/self/environ", true },
		{ "root-password password:@PW@", "file:/x", true },
		{ "password ann:file:/srv/pw", "x", true },
		{ "password ann:@PW@", "file:/proc/self/environ", false },
		{ "password ann:@PW@", "locked:file:/x", false },
		{ "root-password @PW@", "file:/x", false },
		{ "password @PW@:password:x", "ann:file:/x", false },
		{ "password @PW@:file:/srv/pw", "ann:file:/x", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		const struct script_facts facts = {
			.value = { [SYMBOL_PW] = table[i].password },
		};
		AUTO_BUF struct buf out = BUF_INIT(65536);
		AUTO_ARGV struct argv files = { .list = NULL };
		struct err e = ERR_INIT;
		int result = script_customize_fill(table[i].line,
						   strlen(table[i].line),
						   &facts, &out, &files, &e);

		if (result != (table[i].good ? 0 : -1))
			fail_msg("%s, %s: %s", table[i].line,
				 table[i].password, e.msg);
		if (result < 0)
			assert_non_null(strstr(e.msg, "would name a file"));
	}
}

/* P34: its sandbox holds /usr, the disk, and what the lines name. */
static void virt_customize_sees_nothing_of_the_host_but_usr(void **state)
{
	AUTO_ARGV struct argv files = { .list = NULL };
	AUTO_ARGV struct argv argv = { .list = NULL };
	AUTO_BUF struct buf line = BUF_INIT(65536);

	(void)state;
	argv_add(&files, "/srv/key");
	script_customize_command(
		&(struct customize){
			.bwrap = "/usr/bin/bwrap",
			.virt_customize = "/usr/bin/virt-customize",
			.overlay = "/s/x.qcow2",
			.image = "/m/m.qcow2",
			.appliance = "/l/appliance",
			.commands = 7,
			.files = &files,
		},
		&argv);
	assert_false(argv.failed);
	for (size_t i = 0; i < argv.count; i++)
		buf_printf(&line, "%s%s", i ? " " : "", argv.list[i]);
	assert_string_equal(
		buf_str(&line),
		"/usr/bin/bwrap --unshare-user --unshare-ipc --unshare-pid "
		"--unshare-net --unshare-uts --die-with-parent --new-session "
		"--cap-drop ALL --ro-bind /usr /usr --symlink usr/lib /lib "
		"--symlink usr/lib64 /lib64 --symlink usr/bin /bin --symlink "
		"usr/sbin /sbin --ro-bind-try /etc/ld.so.cache "
		"/etc/ld.so.cache --ro-bind-try /etc/alternatives "
		"/etc/alternatives --proc /proc --dev /dev --size 1073741824 "
		"--tmpfs /tmp --symlink /tmp /var/tmp --ro-bind /l/appliance /appliance --ro-bind "
		"/m/m.qcow2 /m/m.qcow2 --bind /s/x.qcow2 /overlay --ro-bind "
		"/srv/key /srv/key -- /usr/bin/virt-customize --no-network "
		"--quiet --format qcow2 --add /overlay --commands-from-file "
		"/proc/self/fd/7");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_shell_reads_a_fact_as_data_wherever_it_stands),
		cmocka_unit_test(the_password_is_there_only_if_it_is_used),
		cmocka_unit_test(a_symbol_without_a_fact_is_an_error),
		cmocka_unit_test(another_language_gets_names_only),
		cmocka_unit_test(places_take_what_is_safe_there),
		cmocka_unit_test(lines_of_virt_customize_are_filled_in),
		cmocka_unit_test(lines_that_would_do_harm_are_refused),
		cmocka_unit_test(a_fact_is_no_selector_of_a_file),
		cmocka_unit_test(
			virt_customize_sees_nothing_of_the_host_but_usr),
	};

	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
