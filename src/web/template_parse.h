/*
 * Template files as tokens: what template_render() and template_check()
 * share, and nobody else needs.
 *
 * A set is one file and all that it includes, each read and parsed once.
 * Sections are balanced within each file.  Tokens point into their file's
 * text and live as long as the set.
 */
#ifndef QWD_WEB_TEMPLATE_PARSE_H
#define QWD_WEB_TEMPLATE_PARSE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

enum {
	TEMPLATE_FILES_MAX = 32,
	TEMPLATE_FILE_BYTES_MAX = 256 * 1024,
	TEMPLATE_NAME_MAX = 64,    /* of an included file, without .html */
	TEMPLATE_SECTIONS_MAX = 16, /* open at once in one file */
	TEMPLATE_DEPTH_MAX = 8,    /* files open at once */
};

enum token_kind {
	TOKEN_TEXT,
	TOKEN_VALUE,
	TOKEN_SECTION,
	TOKEN_INVERSE,
	TOKEN_END, /* of a section or an inverse */
	TOKEN_INCLUDE,
};

/*
 * TOKEN_TEXT: `count` bytes at `text`.  The others but TOKEN_INCLUDE: `text`
 * is a name of `count` parts, each ended by a NUL; 0 parts for "{{.}}".
 * `target` is a section's TOKEN_END, or the number of an included file.
 */
struct token {
	enum token_kind kind;
	unsigned line;
	const char *text;
	size_t count;
	size_t target;
};

struct template_file {
	char name[TEMPLATE_NAME_MAX + sizeof(".html")];
	struct buf text;
	struct token *tokens;
	size_t count;
	size_t room;
	bool of_site;
};

struct template_set {
	struct template_file files[TEMPLATE_FILES_MAX]; /* [0]: the page */
	size_t count;
};

#define AUTO_TEMPLATE_SET __attribute__((cleanup(template_set_release)))

/*
 * Read `file` and what it includes into *ret: each from `site`, if that is not
 * -1 and has it, else from `dirfd`.  On failure *ret is empty.
 */
MUST_CHECK int template_set_load(int site, int dirfd, const char *file,
				 struct template_set *ret, struct err *e);

/* template_check(), of a set that is loaded. */
MUST_CHECK int template_set_check(const struct template_set *set,
				  struct err *e);

void template_set_release(struct template_set *set);

/* ERR_DAMAGED "FILE:LINE: message".  Returns -1. */
int template_error(const struct template_file *file, unsigned line,
		   struct err *e, const char *fmt, ...) PRINTF_LIKE(4, 5);

#endif
