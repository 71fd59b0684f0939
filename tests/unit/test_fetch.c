/* src/ctl: what is told of a download, and how answers are understood. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/fetch_headers.h"
#include "ctl/progress.h"
#include "ctl/sums.h"
#include "ctl/unpack.h"

#define SUM "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static struct fetch_headers headers(const char *const *lines)
{
	struct fetch_headers h = { .etag = "" };

	for (; *lines; lines++)
		fetch_headers_add(&h, *lines, strlen(*lines));
	return h;
}

static void a_strong_tag_or_else_the_date_is_gone_on_by(void **state)
{
	static const struct {
		const char *lines[4];
		const char *validator;
	} rows[] = {
		{ { "ETag: \"a\"\r\n", "Last-Modified: Mon\r\n", NULL },
		  "\"a\"" },
		{ { "etag:\"a\"\r\n", NULL }, "\"a\"" },
		{ { "ETag: W/\"a\"\r\n", "Last-Modified: Mon\r\n", NULL },
		  "Mon" },
		{ { "ETag: W/\"a\"\r\n", NULL }, "" },
		{ { "ETag: \"a\x1b[31m\"\r\n", NULL }, "" },
		{ { "ETagged: \"a\"\r\n", NULL }, "" },
		/* Another response follows, as after a redirect. */
		{ { "ETag: \"a\"\r\n", "HTTP/1.1 200 OK\r\n", NULL }, "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct fetch_headers h = headers(rows[i].lines);

		assert_string_equal(fetch_headers_validator(&h),
				    rows[i].validator);
	}
}

static void a_tag_that_is_too_long_counts_as_none(void **state)
{
	char line[FETCH_TAG_SIZE + 20];
	struct fetch_headers h = { .etag = "" };

	(void)state;
	memset(line, 'x', sizeof(line));
	memcpy(line, "ETag: \"", 7);
	fetch_headers_add(&h, line, sizeof(line));
	assert_string_equal(fetch_headers_validator(&h), "");
}

static void only_the_rest_of_the_same_file_continues_it(void **state)
{
	static const struct {
		const char *range;
		const char *tag;
		const char *had;
		bool ok;
	} rows[] = {
		{ "Content-Range: bytes 5-9/10", "ETag: \"a\"", "\"a\"", true },
		{ "Content-Range: bytes 5-9/10", "X: y", "\"a\"", true },
		{ "Content-Range: bytes 5-9/*", "X: y", "Mon", true },
		{ "Content-Range: bytes 5-9/10", "ETag: \"b\"", "\"a\"",
		  false },
		{ "Content-Range: bytes 4-9/10", "ETag: \"a\"", "\"a\"",
		  false },
		{ "Content-Range: bytes -5-9/10", "X: y", "\"a\"", false },
		{ "Content-Range: lines 5-9/10", "X: y", "\"a\"", false },
		{ "Content-Range: bytes 5", "X: y", "\"a\"", false },
		{ "X: y", "ETag: \"a\"", "\"a\"", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct fetch_headers h = headers((const char *const[]){
			rows[i].range, rows[i].tag, NULL });

		if (fetch_headers_continue(&h, 5, rows[i].had) != rows[i].ok)
			fail_msg("row %zu", i);
	}
}

static void the_list_of_sums_is_beside_the_file(void **state)
{
	static const char *const rows[][2] = {
		{ "https://a.example/b/c.img", "https://a.example/b/SHA256SUMS" },
		{ "https://a.example/b/c.img?x=/y#/z",
		  "https://a.example/b/SHA256SUMS" },
		{ "https://a.example/c", "https://a.example/SHA256SUMS" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_FREE char *url = sums_url(rows[i][0]);

		assert_non_null(url);
		assert_string_equal(url, rows[i][1]);
	}
}

static void a_sum_is_found_by_the_exact_name(void **state)
{
	static const struct {
		const char *list;
		bool found;
	} rows[] = {
		{ SUM "  c.img\n", true },
		{ SUM " *c.img", true },
		{ SUM "  ./c.img\r\n", true },
		{ "# list\n\n" SUM "  c.img\n", true },
		{ "SHA256 (c.img) = " SUM "\n", true },
		{ SUM "  c.img.gz\n", false },
		{ SUM "  xc.img\n", false },
		{ SUM "  other/c.img\n", false },
		{ SUM "0  c.img\n", false },
		{ "0" SUM, false },
		{ SUM, false },
		{ SUM " ", false },
		{ SUM "\tc.img\n", false },
		{ "SHA256 (c.img) = 00\n", false },
		{ "SHA256 (c.img", false },
		{ "SHA512 (c.img) = " SUM "\n", false },
		{ "", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_FREE char *copy = strdup(rows[i].list);
		char sum[SHA256_HEX + 1];

		assert_non_null(copy);
		sums_find(copy, strlen(copy), "https://a.example/c.img", sum);
		if (strcmp(sum, rows[i].found ? SUM : "") != 0)
			fail_msg("'%s': '%s'", rows[i].list, sum);
	}
}

static void the_urls_ending_tells_how_it_is_packed(void **state)
{
	static const struct {
		const char *url;
		const char *name;
		enum packing packing;
	} rows[] = {
		{ "https://a/b.qcow2", "b.qcow2", PACKED_NOT },
		{ "https://a/b.img.gz", "b.img", PACKED_STREAM },
		{ "https://a/b.img.xz?x=1", "b.img", PACKED_STREAM },
		{ "https://a/b.zst#c", "b.raw", PACKED_STREAM },
		{ "https://a/b.bz2", "b.raw", PACKED_STREAM },
		{ "https://a/b.gz", "b.gz", PACKED_NOT },
		{ "https://a/b?c.gz", "b.raw", PACKED_NOT },
		{ "https://a.gz/", "b.raw", PACKED_NOT },
		{ "https://a/.gz", "b.raw", PACKED_NOT },
		{ "https://a/b.ova", "b.qcow2", PACKED_OVA },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(unpack_kind(rows[i].url, rows[i].name),
				 rows[i].packing);
}

static void a_bar_tells_how_far_how_fast_and_how_long(void **state)
{
	struct progress_bar b = { .name = "debian.qcow2", .done = 50000000,
				  .total = 200000000, .first = 10000000,
				  .began_ms = 1000 };
	AUTO_BUF struct buf line = BUF_INIT(1024);

	(void)state;
	progress_line(&b, 5000, 80, &line);
	assert_string_equal(buf_str(&line),
			    "debian.qcow2                  "
			    "[####...............]   25 %  10.0 MB/s  0:15 left");
	buf_reset(&line);
	b.total = 0;
	progress_line(&b, 5000, 80, &line);
	assert_string_equal(buf_str(&line),
			    "debian.qcow2                  50 MB  10.0 MB/s");
	buf_reset(&line);
	b.word = "unpacking";
	progress_line(&b, 5000, 80, &line);
	assert_string_equal(buf_str(&line),
			    "debian.qcow2                  unpacking");
}

static void a_bar_never_passes_the_terminals_edge(void **state)
{
	struct progress_bar b = {
		.name = "a-machine-with-a-name-that-is-long-indeed.qcow2",
		.total = 1LL << 42, .done = 1, .began_ms = 0,
	};

	(void)state;
	for (size_t width = 0; width < 250; width++) {
		AUTO_BUF struct buf line = BUF_INIT(1024);

		b.done = (long long)width << 34;
		progress_line(&b, (long long)width * 10, width, &line);
		assert_false(buf_failed(&line));
		assert_true(line.len <= width);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_strong_tag_or_else_the_date_is_gone_on_by),
		cmocka_unit_test(a_tag_that_is_too_long_counts_as_none),
		cmocka_unit_test(only_the_rest_of_the_same_file_continues_it),
		cmocka_unit_test(the_list_of_sums_is_beside_the_file),
		cmocka_unit_test(a_sum_is_found_by_the_exact_name),
		cmocka_unit_test(the_urls_ending_tells_how_it_is_packed),
		cmocka_unit_test(a_bar_tells_how_far_how_fast_and_how_long),
		cmocka_unit_test(a_bar_never_passes_the_terminals_edge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
