/* src/sys/file */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "scratch.h"
#include "sys/file.h"

static void check_failed(int result, const struct err *e, enum err_code code,
			 const char *message)
{
	if (result != -1 || e->code != code || !strstr(e->msg, message))
		fail_msg("%d, %s '%s' instead of -1, %s '%s'", result,
			 err_name(e->code), e->msg, err_name(code), message);
}

static void check_content(const char *name, const char *content)
{
	AUTO_BUF struct buf b = BUF_INIT(4096);
	struct err e = ERR_INIT;

	if (file_read(scratch_fd, name, false, &b, &e) < 0)
		fail_msg("%s", e.msg);
	assert_string_equal(buf_str(&b), content);
}

static bool exists(const char *name)
{
	struct stat st;

	return fstatat(scratch_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static unsigned mode_of(const char *name)
{
	struct stat st;

	assert_int_equal(fstatat(scratch_fd, name, &st, AT_SYMLINK_NOFOLLOW),
			 0);
	return st.st_mode & 07777;
}

/* ---- reading ---- */

static void a_file_is_read_whole_and_behind_what_is_there(void **state)
{
	AUTO_BUF struct buf b = BUF_INIT(100000);
	AUTO_FREE char *large = malloc(60000);
	struct err e = ERR_INIT;

	(void)state;
	scratch_write("nul", "a\0b", 3);
	buf_puts(&b, "x");
	assert_int_equal(file_read(scratch_fd, "nul", false, &b, &e), 0);
	assert_int_equal(b.len, 4);
	assert_memory_equal(b.data, "xa\0b", 5);
	buf_reset(&b);
	scratch_puts("empty", "");
	assert_int_equal(file_read(scratch_fd, "empty", false, &b, &e), 0);
	assert_int_equal(b.len, 0);
	assert_non_null(large);
	memset(large, 'l', 60000);
	scratch_write("large", large, 60000);
	assert_int_equal(file_read(scratch_fd, "large", false, &b, &e), 0);
	assert_int_equal(b.len, 60000);
	assert_memory_equal(b.data, large, 60000);
	assert_int_equal(e.code, ERR_NONE);
}

static void a_file_longer_than_the_ceiling_is_too_large(void **state)
{
	AUTO_BUF struct buf b = BUF_INIT(8);
	struct err e = ERR_INIT;

	(void)state;
	scratch_puts("f", "12345678");
	assert_int_equal(file_read(scratch_fd, "f", false, &b, &e), 0);
	assert_string_equal(buf_str(&b), "12345678");
	buf_reset(&b);
	scratch_puts("f", "123456789");
	check_failed(file_read(scratch_fd, "f", false, &b, &e), &e,
		     ERR_TOO_LARGE, "f is too large");
}

static void a_missing_file_is_not_found(void **state)
{
	AUTO_BUF struct buf b = BUF_INIT(8);
	struct err e = ERR_INIT;

	(void)state;
	check_failed(file_read(scratch_fd, "none", false, &b, &e), &e,
		     ERR_NOT_FOUND, "none does not exist");
	check_failed(file_read(scratch_fd, "none/none", true, &b, &e), &e,
		     ERR_NOT_FOUND, "none/none does not exist");
}

static void what_is_no_regular_file_is_damage_and_never_hangs(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	AUTO_CLOSE int listener = socket(AF_UNIX, SOCK_STREAM, 0);
	AUTO_BUF struct buf b = BUF_INIT(8);
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(mkdirat(scratch_fd, "d", 0700), 0);
	check_failed(file_read(scratch_fd, "d", false, &b, &e), &e, ERR_DAMAGED,
		     "d is no regular file");
	assert_int_equal(mkfifoat(scratch_fd, "fifo", 0600), 0);
	check_failed(file_read(scratch_fd, "fifo", false, &b, &e), &e,
		     ERR_DAMAGED, "fifo is no regular file");
	check_failed(file_read(AT_FDCWD, "/dev/null", false, &b, &e), &e,
		     ERR_DAMAGED, "/dev/null is no regular file");
	snprintf(address.sun_path, sizeof(address.sun_path),
		 "/proc/self/fd/%d/socket", scratch_fd);
	assert_int_equal(bind(listener, (const struct sockaddr *)&address,
			      sizeof(address)),
			 0);
	check_failed(file_read(scratch_fd, "socket", false, &b, &e), &e,
		     ERR_DAMAGED, "socket is no regular file");
}

static void a_symbolic_link_is_damage_unless_it_may_be_followed(void **state)
{
	AUTO_BUF struct buf b = BUF_INIT(80);
	struct err e = ERR_INIT;

	(void)state;
	scratch_puts("target", "content");
	assert_int_equal(symlinkat("target", scratch_fd, "link"), 0);
	check_failed(file_read(scratch_fd, "link", false, &b, &e), &e,
		     ERR_DAMAGED, "link is a symbolic link");
	assert_int_equal(file_read(scratch_fd, "link", true, &b, &e), 0);
	assert_string_equal(buf_str(&b), "content");
}

/* ---- writing ---- */

static void a_file_is_made_and_replaced_with_its_mode(void **state)
{
	struct err e = ERR_INIT;
	mode_t old = umask(077);

	(void)state;
	assert_int_equal(
		file_replace(scratch_fd, "r", "one", 3, 0644, false, &e), 0);
	umask(old);
	check_content("r", "one");
	assert_int_equal(mode_of("r"), 0644);
	assert_int_equal(file_replace(scratch_fd, "r", "", 0, 0600, true, &e),
			 0);
	check_content("r", "");
	assert_int_equal(mode_of("r"), 0600);
	assert_false(exists("r.tmp"));
}

static void a_left_over_temporary_is_in_nobody_s_way(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	scratch_puts("victim", "kept");
	assert_int_equal(symlinkat("victim", scratch_fd, "t.tmp"), 0);
	assert_int_equal(file_replace(scratch_fd, "t", "new", 3, 0600, false,
				      &e),
			 0);
	check_content("t", "new");
	check_content("victim", "kept");
	assert_false(exists("t.tmp"));
}

static void a_link_of_that_name_is_replaced_and_not_followed(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	scratch_puts("victim2", "kept");
	assert_int_equal(symlinkat("victim2", scratch_fd, "alias"), 0);
	assert_int_equal(file_replace(scratch_fd, "alias", "new", 3, 0600,
				      false, &e),
			 0);
	check_content("alias", "new");
	check_content("victim2", "kept");
}

static void the_old_file_stands_if_the_new_one_cannot_be_written(void **state)
{
	struct rlimit before;
	struct rlimit small;
	struct err e = ERR_INIT;
	int result;

	(void)state;
	scratch_puts("old", "old");
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = (struct rlimit){ 2, before.rlim_max };
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	result = file_replace(scratch_fd, "old", "new", 3, 0600, false, &e);
	setrlimit(RLIMIT_FSIZE, &before);
	signal(SIGXFSZ, SIG_DFL);
	check_failed(result, &e, ERR_SYSTEM, "cannot write old");
	assert_int_equal(e.sys, EFBIG);
	check_content("old", "old");
	assert_false(exists("old.tmp"));
	assert_int_equal(mkdirat(scratch_fd, "adir", 0700), 0);
	check_failed(file_replace(scratch_fd, "adir", "x", 1, 0600, false, &e),
		     &e, ERR_SYSTEM, "cannot write adir");
	assert_false(exists("adir.tmp"));
	check_failed(file_replace(scratch_fd, "none/f", "x", 1, 0600, false,
				  &e),
		     &e, ERR_SYSTEM, "cannot make none/f.tmp");
}

static void a_durable_file_may_be_in_a_subdirectory(void **state)
{
	AUTO_FREE char *path = file_join(scratch_path, "absolute");
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(mkdirat(scratch_fd, "sub", 0700), 0);
	assert_int_equal(file_replace(scratch_fd, "sub/f", "x", 1, 0600, true,
				      &e),
			 0);
	check_content("sub/f", "x");
	assert_non_null(path);
	assert_int_equal(file_replace(AT_FDCWD, path, "y", 1, 0600, true, &e),
			 0);
	check_content("absolute", "y");
}

static void all_bytes_are_written_or_it_fails(void **state)
{
	int ends[2];
	char got[4] = "";

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(file_write_all(ends[1], "abc", 3), 0);
	assert_int_equal(read(ends[0], got, sizeof(got)), 3);
	assert_string_equal(got, "abc");
	assert_int_equal(file_write_all(ends[1], "", 0), 0);
	assert_int_equal(file_write_all(ends[0], "x", 1), -1);
	assert_int_equal(errno, EBADF);
	close(ends[0]);
	close(ends[1]);
}

/* ---- directories ---- */

static void missing_directories_are_made_with_their_parents(void **state)
{
	AUTO_FREE char *path = file_join(scratch_path, "m/n/o/");
	AUTO_FREE char *file = file_join(scratch_path, "file");
	AUTO_FREE char *below = file_join(scratch_path, "file/x");
	struct err e = ERR_INIT;

	(void)state;
	assert_true(path && file && below);
	assert_int_equal(file_make_dirs(path, 0750, &e), 0);
	assert_int_equal(mode_of("m"), 0750 & ~022);
	assert_int_equal(mode_of("m/n/o"), 0750 & ~022);
	assert_int_equal(file_make_dirs(path, 0700, &e), 0);
	assert_int_equal(mode_of("m/n/o"), 0750 & ~022);
	assert_int_equal(file_make_dirs("/", 0700, &e), 0);
	scratch_puts("file", "");
	check_failed(file_make_dirs(file, 0700, &e), &e, ERR_DAMAGED,
		     "file is no directory");
	check_failed(file_make_dirs(below, 0700, &e), &e, ERR_SYSTEM,
		     "cannot make directory");
	check_failed(file_make_dirs("", 0700, &e), &e, ERR_SYSTEM,
		     "cannot make directory");
}

static void a_private_directory_is_made_and_opened_again(void **state)
{
	struct err e = ERR_INIT;
	mode_t old = umask(0);
	int fd = file_private_dir(scratch_fd, "private", &e);

	(void)state;
	umask(old);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(mode_of("private"), 0700);
	close(fd);
	fd = file_private_dir(scratch_fd, "private", &e);
	assert_true(fd >= 0);
	close(fd);
}

static void a_directory_that_others_may_enter_is_not_private(void **state)
{
	static const mode_t modes[] = { 0770, 0701, 0740, 0777, 01777, 0710 };
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(mkdirat(scratch_fd, "open", 0700), 0);
	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		assert_int_equal(fchmodat(scratch_fd, "open", modes[i], 0), 0);
		check_failed(file_private_dir(scratch_fd, "open", &e), &e,
			     ERR_DAMAGED, "open must belong to user");
	}
}

static void another_s_directory_is_not_private(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(mkdirat(scratch_fd, "theirs", 0700), 0);
	assert_int_equal(fchownat(scratch_fd, "theirs", 65534, 65534, 0), 0);
	check_failed(file_private_dir(scratch_fd, "theirs", &e), &e,
		     ERR_DAMAGED, "theirs must belong to user 0");
}

static void what_is_no_directory_is_not_private(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(mkdirat(scratch_fd, "real", 0700), 0);
	assert_int_equal(symlinkat("real", scratch_fd, "unreal"), 0);
	check_failed(file_private_dir(scratch_fd, "unreal", &e), &e,
		     ERR_DAMAGED, "unreal is no real directory");
	scratch_puts("plain", "");
	check_failed(file_private_dir(scratch_fd, "plain", &e), &e, ERR_DAMAGED,
		     "plain is no real directory");
	check_failed(file_private_dir(scratch_fd, "none/sub", &e), &e,
		     ERR_SYSTEM, "cannot make directory none/sub");
}

static void a_tree_is_removed_and_what_its_links_name_stays(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(mkdirat(scratch_fd, "keep", 0700), 0);
	scratch_puts("keep/file", "kept");
	assert_int_equal(mkdirat(scratch_fd, "tree", 0700), 0);
	assert_int_equal(mkdirat(scratch_fd, "tree/a", 0700), 0);
	assert_int_equal(mkdirat(scratch_fd, "tree/a/b", 0700), 0);
	scratch_puts("tree/a/b/f", "");
	assert_int_equal(mkfifoat(scratch_fd, "tree/fifo", 0600), 0);
	assert_int_equal(symlinkat("../keep", scratch_fd, "tree/link"), 0);
	assert_int_equal(symlinkat("nowhere", scratch_fd, "tree/.dangling"),
			 0);
	for (int i = 0; i < 200; i++) {
		char name[32];

		snprintf(name, sizeof(name), "tree/a/%d", i);
		scratch_puts(name, "");
	}
	assert_int_equal(file_remove_tree(scratch_fd, "tree", &e), 0);
	assert_false(exists("tree"));
	check_content("keep/file", "kept");
	assert_int_equal(file_remove_tree(scratch_fd, "tree", &e), 0);
	assert_int_equal(file_remove_tree(scratch_fd, "keep/file", &e), 0);
	assert_false(exists("keep/file"));
	assert_int_equal(symlinkat("keep", scratch_fd, "alias2"), 0);
	assert_int_equal(file_remove_tree(scratch_fd, "alias2", &e), 0);
	assert_false(exists("alias2"));
	assert_true(exists("keep"));
	scratch_puts("leaf", "");
	check_failed(file_remove_tree(scratch_fd, "leaf/x", &e), &e, ERR_SYSTEM,
		     "cannot remove leaf/x");
}

/* 3,000 directories one in the other, as a guest that has taken over QEMU can
 * make them: more than there are descriptors, and deeper than PATH_MAX. */
static void a_tree_deeper_than_any_path_is_removed(void **state)
{
	struct rlimit few = { 64, 64 };
	struct rlimit before;
	struct err e = ERR_INIT;
	int fd = dup(scratch_fd);

	(void)state;
	for (int i = 0; i < 3000; i++) {
		int next;

		assert_int_equal(mkdirat(fd, "deep", 0700), 0);
		next = openat(fd, "deep", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		close(fd);
		fd = next;
		/* Names that the removal itself may want to use. */
		assert_int_equal(mkdirat(fd, ".1", i % 2 ? 0 : 0700), 0);
		assert_int_equal(symlinkat("/", fd, ".2"), 0);
	}
	close(fd);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few.rlim_max = before.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	assert_int_equal(file_remove_tree(scratch_fd, "deep", &e), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_false(exists("deep"));
}

static void a_tree_without_any_right_in_it_is_removed(void **state)
{
	struct err e = ERR_INIT;
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(mkdirat(scratch_fd, "rights", 0700), 0);
	assert_int_equal(fchownat(scratch_fd, "rights", 65534, 65534, 0), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) { /* to root every directory is open */
		bool ok = fchdir(scratch_fd) == 0 && chdir("rights") == 0 &&
			  setgid(65534) == 0 && setuid(65534) == 0 &&
			  mkdir("tree", 0700) == 0 &&
			  mkdir("tree/a", 0700) == 0 &&
			  mkdir("tree/a/b", 0700) == 0 &&
			  mkdir("tree/a/b/c", 0) == 0 &&
			  chmod("tree/a/b", 0) == 0 &&
			  chmod("tree/a", 0) == 0 && chmod("tree", 0) == 0 &&
			  file_remove_tree(AT_FDCWD, "tree", &e) == 0;

		_exit(ok ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_false(exists("rights/tree"));
}

static void a_file_is_held_alone_or_with_others(void **state)
{
	int fd[3];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(fd); i++)
		fd[i] = openat(scratch_fd, "held",
			       O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(file_hold(fd[0], false), 0);
	assert_int_equal(file_hold(fd[1], false), 0);
	errno = 0;
	assert_int_equal(file_hold(fd[2], true), -1);
	assert_int_equal(errno, EWOULDBLOCK);
	close(fd[0]);
	close(fd[1]);
	assert_int_equal(file_hold(fd[2], true), 0);
	fd[0] = openat(scratch_fd, "held", O_RDWR | O_CLOEXEC);
	errno = 0;
	assert_int_equal(file_hold(fd[0], false), -1);
	assert_int_equal(errno, EWOULDBLOCK);
	close(fd[2]);
	assert_int_equal(file_hold(fd[0], false), 0);
	close(fd[0]);
	errno = 0;
	assert_int_equal(file_hold(-1, true), -1);
	assert_int_equal(errno, EBADF);
}

static void the_entries_of_no_directory_leave_its_error_and_no_descriptor(
	void **state)
{
	int fd;

	(void)state;
	errno = EACCES;
	assert_null(file_entries(-1));
	assert_int_equal(errno, EACCES);

	fd = openat(scratch_fd, "plain", O_CREAT | O_RDONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_null(file_entries(fd));
	assert_int_equal(errno, ENOTDIR);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(errno, EBADF);
}

static void a_path_is_joined_by_one_slash(void **state)
{
	AUTO_FREE char *path = file_join("a/b", "c");

	(void)state;
	assert_string_equal(path, "a/b/c");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_is_read_whole_and_behind_what_is_there),
		cmocka_unit_test(a_file_longer_than_the_ceiling_is_too_large),
		cmocka_unit_test(a_missing_file_is_not_found),
		cmocka_unit_test(
			what_is_no_regular_file_is_damage_and_never_hangs),
		cmocka_unit_test(
			a_symbolic_link_is_damage_unless_it_may_be_followed),
		cmocka_unit_test(a_file_is_made_and_replaced_with_its_mode),
		cmocka_unit_test(a_left_over_temporary_is_in_nobody_s_way),
		cmocka_unit_test(
			a_link_of_that_name_is_replaced_and_not_followed),
		cmocka_unit_test(
			the_old_file_stands_if_the_new_one_cannot_be_written),
		cmocka_unit_test(a_durable_file_may_be_in_a_subdirectory),
		cmocka_unit_test(all_bytes_are_written_or_it_fails),
		cmocka_unit_test(
			missing_directories_are_made_with_their_parents),
		cmocka_unit_test(a_private_directory_is_made_and_opened_again),
		cmocka_unit_test(
			a_directory_that_others_may_enter_is_not_private),
		cmocka_unit_test(another_s_directory_is_not_private),
		cmocka_unit_test(what_is_no_directory_is_not_private),
		cmocka_unit_test(
			a_tree_is_removed_and_what_its_links_name_stays),
		cmocka_unit_test(a_tree_deeper_than_any_path_is_removed),
		cmocka_unit_test(a_tree_without_any_right_in_it_is_removed),
		cmocka_unit_test(a_file_is_held_alone_or_with_others),
		cmocka_unit_test(
			the_entries_of_no_directory_leave_its_error_and_no_descriptor),
		cmocka_unit_test(a_path_is_joined_by_one_slash),
	};

	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
