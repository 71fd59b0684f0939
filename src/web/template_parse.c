#include "web/template_parse.h"

#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include "base/text.h"
#include "sys/file.h"

struct open_section {
	size_t token;
	size_t bytes; /* of its name */
};

struct parser {
	struct template_set *set;
	struct template_file *file;
	char *at;
	char *end;
	unsigned line;
	struct open_section open[TEMPLATE_SECTIONS_MAX];
	size_t depth;
	struct err *e;
};

int template_error(const struct template_file *file, unsigned line,
		   struct err *e, const char *fmt, ...)
{
	char message[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	return err_set(e, ERR_DAMAGED, "%s:%u: %s", file->name, line, message);
}

static int add_token(struct parser *p, const struct token *t)
{
	struct template_file *f = p->file;

	if (f->count == f->room) {
		size_t room = f->room ? 2 * f->room : 64;
		struct token *bigger =
			reallocarray(f->tokens, room, sizeof(*bigger));

		if (!bigger)
			return err_set(p->e, ERR_SYSTEM, "no memory");
		f->tokens = bigger;
		f->room = room;
	}
	f->tokens[f->count++] = *t;
	return 0;
}

static void count_lines(struct parser *p, const char *from, const char *to)
{
	while ((from = memchr(from, '\n', (size_t)(to - from))) != NULL) {
		p->line++;
		from++;
	}
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/*
 * If the tag from `tag` to p->at is alone on its line, drop the line: what
 * follows, and the blanks at the end of the text before it, token `text`.
 */
static void drop_own_line(struct parser *p, const char *tag, size_t text)
{
	const struct template_file *f = p->file;
	const char *start = tag;
	char *next = p->at;

	while (start > f->text.data && is_blank(start[-1]))
		start--;
	if (start > f->text.data && start[-1] != '\n')
		return;
	while (next < p->end && is_blank(*next))
		next++;
	if (p->end - next > 1 && next[0] == '\r' && next[1] == '\n')
		next++;
	if (next < p->end && *next != '\n')
		return;
	if (next < p->end)
		next++;
	count_lines(p, p->at, next);
	p->at = next;
	if (start < tag)
		f->tokens[text].count -= (size_t)(tag - start);
}

/*
 * Cut the name at its dots, in place: *ret_count parts, each ended by a NUL
 * (the last one over what follows the name).
 */
static int split_name(struct parser *p, char *name, size_t len,
		      size_t *ret_count)
{
	size_t count = 1;

	name[len] = '\0';
	if (strcmp(name, ".") == 0) {
		*ret_count = 0;
		return 0;
	}
	if (!text_only(name, "_-.") || name[0] == '.' || text_ends(name, ".") ||
	    strstr(name, ".."))
		return template_error(p->file, p->line, p->e,
				      "'%.64s' is no name", name);
	for (char *dot = name; (dot = strchr(dot, '.')) != NULL; count++)
		*dot++ = '\0';
	*ret_count = count;
	return 0;
}

/* The number of the file for {{> name}}, put on the list if it is new. */
static int include(struct parser *p, char *name, size_t len, size_t *ret_file)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";
	struct template_set *set = p->set;
	char file[sizeof(set->files[0].name)];
	size_t i;

	if (len < 1 || len > TEMPLATE_NAME_MAX || strspn(name, allowed) < len)
		return template_error(p->file, p->line, p->e,
				      "'%.*s' cannot be included",
				      (int)(len > 64 ? 64 : len), name);
	snprintf(file, sizeof(file), "%.*s.html", (int)len, name);
	for (i = 0; i < set->count; i++)
		if (strcmp(set->files[i].name, file) == 0)
			break;
	if (i == TEMPLATE_FILES_MAX)
		return template_error(p->file, p->line, p->e,
				      "more than %d files", TEMPLATE_FILES_MAX);
	if (i == set->count) {
		set->files[i] = (struct template_file){
			.text = BUF_INIT(TEMPLATE_FILE_BYTES_MAX),
		};
		memcpy(set->files[i].name, file, sizeof(file));
		set->count++;
	}
	*ret_file = i;
	return 0;
}

static int open_section(struct parser *p, size_t bytes)
{
	if (p->depth == TEMPLATE_SECTIONS_MAX)
		return template_error(p->file, p->line, p->e,
				      "more than %d sections in each other",
				      TEMPLATE_SECTIONS_MAX);
	p->open[p->depth++] = (struct open_section){
		.token = p->file->count,
		.bytes = bytes,
	};
	return 0;
}

static int close_section(struct parser *p, const char *name, size_t bytes)
{
	const struct open_section *open;
	struct token *opener;

	if (p->depth == 0)
		return template_error(p->file, p->line, p->e,
				      "{{/%.64s}} closes nothing", name);
	open = &p->open[--p->depth];
	opener = &p->file->tokens[open->token];
	if (open->bytes != bytes || memcmp(opener->text, name, bytes) != 0)
		return template_error(p->file, p->line, p->e,
				      "{{/%.64s}} in section %.64s of line %u", name,
				      opener->text, opener->line);
	opener->target = p->file->count;
	return 0;
}

/* A tag with the sigil cut off: the `len` bytes at `name`. */
static int parse_named(struct parser *p, enum token_kind kind, char *name,
		       size_t len)
{
	struct token t = { .kind = kind, .line = p->line, .text = name };

	while (len && is_blank(*name)) {
		name++;
		len--;
	}
	while (len && is_blank(name[len - 1]))
		len--;
	t.text = name;
	if (kind == TOKEN_INCLUDE) {
		if (include(p, name, len, &t.target) < 0)
			return -1;
	} else if (split_name(p, name, len, &t.count) < 0) {
		return -1;
	}
	if ((kind == TOKEN_SECTION || kind == TOKEN_INVERSE) &&
	    open_section(p, len) < 0)
		return -1;
	if (kind == TOKEN_END && close_section(p, name, len) < 0)
		return -1;
	return add_token(p, &t);
}

/* The tag at p->at, to behind its "}}". */
static int parse_tag(struct parser *p)
{
	static const char sigils[] = "#^/>";
	static const enum token_kind kinds[] = { TOKEN_SECTION, TOKEN_INVERSE,
						 TOKEN_END, TOKEN_INCLUDE };
	const char *tag = p->at;
	size_t text = p->file->count - 1;
	char *name = p->at + 2;
	char *close = memmem(name, (size_t)(p->end - name), "}}", 2);
	const char *sigil;

	if (!close)
		return template_error(p->file, p->line, p->e, "{{ without }}");
	sigil = close > name ? strchr(sigils, *name) : NULL;
	p->at = close + 2;
	if (!sigil && *name != '!')
		return parse_named(p, TOKEN_VALUE, name,
				   (size_t)(close - name));
	if (sigil && parse_named(p, kinds[sigil - sigils], name + 1,
				 (size_t)(close - name - 1)) < 0)
		return -1;
	count_lines(p, tag, close);
	drop_own_line(p, tag, text);
	return 0;
}

static int parse_file(struct parser *p)
{
	while (p->at < p->end) {
		struct token t = { .line = p->line, .text = p->at };
		char *tag = memmem(p->at, (size_t)(p->end - p->at), "{{", 2);
		char *stop = tag ? tag : p->end;

		t.count = (size_t)(stop - p->at);
		if (t.count && add_token(p, &t) < 0)
			return -1;
		count_lines(p, p->at, stop);
		p->at = stop;
		if (tag && parse_tag(p) < 0)
			return -1;
	}
	if (p->depth) {
		const struct token *opener =
			&p->file->tokens[p->open[p->depth - 1].token];

		return template_error(p->file, opener->line, p->e,
				      "section %.64s is not closed",
				      opener->text);
	}
	return 0;
}

/* The site's own, or else the shipped one. */
static int read_text(int site, int dirfd, struct template_file *f,
		     struct err *e)
{
	struct err missing = ERR_INIT;

	if (site >= 0) {
		f->of_site = true;
		if (file_read(site, f->name, true, &f->text, &missing) == 0)
			return 0;
		if (missing.code != ERR_NOT_FOUND) {
			*e = missing;
			return -1;
		}
		f->of_site = false;
	}
	return file_read(dirfd, f->name, true, &f->text, e);
}

static int load_file(int site, int dirfd, struct template_set *set,
		     size_t number, struct err *e)
{
	struct template_file *f = &set->files[number];
	struct parser p = { .set = set, .file = f, .line = 1, .e = e };

	if (read_text(site, dirfd, f, e) < 0) {
		/* No fault of the visitor's: not 404, not 413. */
		if (e->code != ERR_SYSTEM)
			e->code = ERR_DAMAGED;
		return -1;
	}
	if (f->text.len == 0)
		return 0;
	if (!text_is_utf8(f->text.data, f->text.len))
		return template_error(f, 1, e, "not in UTF-8");
	p.at = f->text.data;
	p.end = p.at + f->text.len;
	return parse_file(&p);
}

int template_set_load(int site, int dirfd, const char *file,
		      struct template_set *ret, struct err *e)
{
	ret->files[0] = (struct template_file){
		.text = BUF_INIT(TEMPLATE_FILE_BYTES_MAX),
	};
	ret->count = 1;
	if ((size_t)snprintf(ret->files[0].name, sizeof(ret->files[0].name),
			     "%s", file) >= sizeof(ret->files[0].name)) {
		template_set_release(ret);
		return err_set(e, ERR_DAMAGED, "%s: too long a name", file);
	}
	for (size_t i = 0; i < ret->count; i++) {
		if (load_file(site, dirfd, ret, i, e) < 0) {
			template_set_release(ret);
			return -1;
		}
	}
	return 0;
}

void template_set_release(struct template_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		buf_release(&set->files[i].text);
		free(set->files[i].tokens);
	}
	set->count = 0;
}
