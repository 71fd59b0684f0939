/* src/sys/news: what it tells of, and what not. */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "scratch.h"
#include "sys/file.h"
#include "sys/news.h"

static int one = -1, other = -1;

static int make(const char *name)
{
	char path[4200];

	snprintf(path, sizeof(path), "%s/%s", scratch_path, name);
	return mkdir(path, 0700) < 0 ? -1 :
				       open(path, O_RDONLY | O_DIRECTORY);
}

static int set_up(void **state)
{
	if (scratch_make(state) < 0)
		return -1;
	one = make("one");
	other = make("other");
	return one < 0 || other < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	close(one);
	close(other);
	return scratch_remove(state);
}

static void replace(int dir, const char *name)
{
	struct err e = ERR_INIT;

	if (file_replace(dir, name, "x", 1, 0600, false, &e) < 0)
		fail_msg("%s", e.msg);
}

/* inotify's events are there when the call that makes them returns. */
static bool has_come(int news)
{
	struct pollfd p = { .fd = news, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static void a_file_that_is_written_anew_is_told(void **state)
{
	int news = news_of(one, IN_MOVED_TO);

	(void)state;
	assert_true(news >= 0);
	assert_false(has_come(news));
	replace(one, "record");
	replace(one, "record");
	assert_true(has_come(news));
	news_read(news);
	assert_false(has_come(news));
	replace(one, "record");
	assert_true(has_come(news));
	close(news);
}

static void nothing_else_is_told(void **state)
{
	int news = news_of(one, IN_MOVED_TO);

	(void)state;
	replace(other, "record");
	close(openat(one, "made", O_WRONLY | O_CREAT | O_EXCL, 0600));
	assert_int_equal(unlinkat(one, "made", 0), 0);
	assert_false(has_come(news));
	close(news);
}

static void a_link_into_another_directory_is_told(void **state)
{
	int news = news_of(one, IN_MOVED_TO);

	(void)state;
	news_add(news, other, IN_CREATE);
	replace(one, "vnc");
	news_read(news);
	assert_false(has_come(news));
	assert_int_equal(linkat(one, "vnc", other, "vnc", 0), 0);
	assert_true(has_come(news));
	close(news);
}

static void a_descriptor_that_is_no_directory_tells_nothing(void **state)
{
	int file = openat(one, "file", O_RDWR | O_CREAT, 0600);
	int news = news_of(file, IN_CREATE | IN_MODIFY);

	(void)state;
	assert_int_equal(write(file, "x", 1), 1);
	assert_false(has_come(news));
	news_add(-1, one, IN_CREATE);
	news_read(-1);
	close(news);
	close(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_that_is_written_anew_is_told),
		cmocka_unit_test(nothing_else_is_told),
		cmocka_unit_test(a_link_into_another_directory_is_told),
		cmocka_unit_test(
			a_descriptor_that_is_no_directory_tells_nothing),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
