/*
 * A template: the page up to the first NUL, and behind it a file "part" that
 * it may include.  Bytes from 0xe0 stand for whole words of the language.  No
 * template has a byte 0xff, each value does, so that the values can be found
 * in the page.  Each is escaped there; and if the lint passed the template,
 * each stands in text or in a double-quoted attribute, in the eyes of a reader
 * that guesses as browsers do.
 */
#include <fcntl.h>
#include <stdint.h>
#include <string.h>

#include "base/text.h"
#include "sys/file.h"
#include "sys/json.h"
#include "web/template.h"

#define VALUE "\377<&>\"' \377"
#define ESCAPED "\377&lt;&amp;&gt;&quot;&#39; \377"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Places of the HTML standard's tokenizer, section 13.2.5 */
enum place {
	DATA,
	TAG_NAME,
	BEFORE_NAME,
	NAME,
	AFTER_NAME,
	BEFORE_VALUE,
	DOUBLE_QUOTED,
	SINGLE_QUOTED,
	UNQUOTED,
	AFTER_QUOTED,
	COMMENT,
	BOGUS, /* to the next '>' */
	RAW,
};

struct reader {
	enum place place;
	bool end_tag;
	char name[32];      /* of the element */
	char attribute[32]; /* both cut */
	const char *at;
	const char *end;
};

static void require(bool holds)
{
	if (!holds)
		abort();
}

static bool is_blank(char c)
{
	return c && strchr(" \t\n\f\r", c);
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static void append(char name[32], char c)
{
	size_t len = strlen(name);

	if (len < 31)
		memcpy(name + len, (char[]){ c, '\0' }, 2);
}

static bool is_here(const struct reader *r, const char *text)
{
	size_t len = strlen(text);

	return (size_t)(r->end - r->at) >= len &&
	       strncasecmp(r->at, text, len) == 0;
}

static bool is_one_of(const char *name, const char *const *list)
{
	for (; *list; list++)
		if (strcasecmp(name, *list) == 0)
			return true;
	return false;
}

static bool is_decoded(const char *element)
{
	static const char *const list[] = { "title", "textarea", NULL };

	return is_one_of(element, list);
}

static void end_tag(struct reader *r)
{
	static const char *const raw[] = {
		"title",   "textarea", "script",   "style",
		"xmp",	   "iframe",   "noembed",  "noframes",
		"plaintext", NULL,
	};

	r->place = !r->end_tag && is_one_of(r->name, raw) ? RAW : DATA;
}

static void read_data(struct reader *r, char c)
{
	if (c != '<')
		return;
	r->end_tag = is_here(r, "</");
	r->name[0] = '\0';
	if (is_here(r, "<!--")) {
		r->place = COMMENT;
		r->at += 3;
		if (r->end - r->at > 1 && r->at[1] == '>') {
			r->at++;
			r->place = DATA;
		} else if (r->end - r->at > 2 && r->at[1] == '-' &&
			   r->at[2] == '>') {
			r->at += 2;
			r->place = DATA;
		}
	} else if (is_here(r, "<!") || is_here(r, "<?")) {
		r->place = BOGUS;
	} else if (r->end - r->at > 1 + r->end_tag &&
		   is_letter(r->at[1 + r->end_tag])) {
		r->place = TAG_NAME;
		r->at += r->end_tag;
	} else if (r->end_tag) {
		r->place = BOGUS;
	}
}

static void read_raw(struct reader *r)
{
	size_t len = strlen(r->name);

	if (!is_here(r, "</") || (size_t)(r->end - r->at) < len + 3 ||
	    strncasecmp(r->at + 2, r->name, len) != 0)
		return;
	if (!is_blank(r->at[len + 2]) && r->at[len + 2] != '/' &&
	    r->at[len + 2] != '>')
		return;
	r->at += len + 1;
	r->end_tag = true;
	r->place = TAG_NAME;
}

static void begin_name(struct reader *r, char c)
{
	r->place = NAME;
	r->attribute[0] = '\0';
	append(r->attribute, c);
}

/* In a tag, outside values. */
static void read_tag(struct reader *r, char c)
{
	if (c == '>') {
		end_tag(r);
	} else if (c == '/') {
		r->place = BEFORE_NAME;
	} else if (is_blank(c)) {
		if (r->place == NAME)
			r->place = AFTER_NAME;
		else if (r->place != AFTER_NAME)
			r->place = BEFORE_NAME;
	} else if (r->place == TAG_NAME) {
		append(r->name, c);
	} else if (c == '=' && (r->place == NAME || r->place == AFTER_NAME)) {
		r->place = BEFORE_VALUE;
	} else if (r->place == NAME) {
		append(r->attribute, c);
	} else {
		begin_name(r, c);
	}
}

static void read_before_value(struct reader *r, char c)
{
	if (is_blank(c))
		return;
	if (c == '>')
		end_tag(r);
	else
		r->place = c == '"'  ? DOUBLE_QUOTED :
			   c == '\'' ? SINGLE_QUOTED :
				       UNQUOTED;
}

static void read_byte(struct reader *r)
{
	char c = *r->at;

	switch (r->place) {
	case DATA:
		read_data(r, c);
		break;
	case RAW:
		read_raw(r);
		break;
	case COMMENT:
		if (is_here(r, "-->") || is_here(r, "--!>")) {
			r->at += is_here(r, "-->") ? 2 : 3;
			r->place = DATA;
		}
		break;
	case BOGUS:
		if (c == '>')
			r->place = DATA;
		break;
	case BEFORE_VALUE:
		read_before_value(r, c);
		break;
	case DOUBLE_QUOTED:
		if (c == '"')
			r->place = AFTER_QUOTED;
		break;
	case SINGLE_QUOTED:
		if (c == '\'')
			r->place = AFTER_QUOTED;
		break;
	case UNQUOTED:
		if (c == '>')
			end_tag(r);
		else if (is_blank(c))
			r->place = BEFORE_NAME;
		break;
	case TAG_NAME:
	case BEFORE_NAME:
	case NAME:
	case AFTER_NAME:
	case AFTER_QUOTED:
		read_tag(r, c);
		break;
	}
	r->at++;
}

static void check_places(const struct buf *page)
{
	struct reader r = { .at = page->data, .end = page->data + page->len };

	while (r.at < r.end) {
		if (*r.at == '\377') {
			require(r.place == DATA || r.place == DOUBLE_QUOTED ||
				(r.place == RAW && is_decoded(r.name)));
			require(r.place != DOUBLE_QUOTED ||
				(strncasecmp(r.attribute, "on", 2) != 0 &&
				 strcasecmp(r.attribute, "style") != 0 &&
				 strcasecmp(r.attribute, "srcdoc") != 0));
		}
		read_byte(&r);
	}
	require(r.place == DATA);
}

static void check_escaped(const struct buf *page)
{
	const char *at = page->data;
	const char *end = at + page->len;

	while (at < end && (at = memchr(at, 0xff, (size_t)(end - at)))) {
		require((size_t)(end - at) >= strlen(ESCAPED));
		require(memcmp(at, ESCAPED, strlen(ESCAPED)) == 0);
		at += strlen(ESCAPED);
	}
}

static json_t *make_value(void)
{
	json_t *item = json_pack("{s:n, s:b, s:i}", "e", "t", 1, "n", 7);
	json_t *value = json_pack("{s:n, s:b, s:b, s:i, s:f, s:s, s:[]}", "e",
				  "t", 1, "f", 0, "n", 3, "r", 0.5, "z", "",
				  "y");
	json_t *list;

	require(item && value);
	json_object_set_new(item, "a", json_stringn_nocheck(VALUE, 8));
	json_object_set(value, "o", item);
	list = json_pack("[O, O]", item, item);
	json_array_append_new(list, json_stringn_nocheck(VALUE, 8));
	json_object_set_new(value, "l", list);
	json_object_set_new(value, "a", json_stringn_nocheck(VALUE, 8));
	json_decref(item);
	return value;
}

static char dir_path[64];
static int dir_fd = -1;
static int page_fd; /* page.html, and page.css by another name */
static int part_fd;

static void remove_dir(void)
{
	struct err e = ERR_INIT;

	(void)!file_remove_tree(AT_FDCWD, dir_path, &e);
}

static void make_dir(void)
{
	snprintf(dir_path, sizeof(dir_path), "/tmp/qwd-fuzz-XXXXXX");
	require(mkdtemp(dir_path) != NULL && atexit(remove_dir) == 0);
	dir_fd = open(dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	page_fd = openat(dir_fd, "page.html", O_WRONLY | O_CREAT, 0600);
	part_fd = openat(dir_fd, "part.html", O_WRONLY | O_CREAT, 0600);
	require(dir_fd >= 0 && page_fd >= 0 && part_fd >= 0);
	require(linkat(dir_fd, "page.html", dir_fd, "page.css", 0) == 0);
}

static const char *const words[32] = {
	"{{a}}",  "{{#t}}", "{{/t}}", "{{^t}}",	   "{{#f}}",  "{{/f}}",
	"{{^f}}", "{{#l}}", "{{/l}}", "{{^y}}",	   "{{/y}}",  "{{#o}}",
	"{{/o}}", "{{.}}",  "{{n}}",  "{{> part}}", "{{! x }}", "<script",
	"</script", "<title", "</title", "<!--",   "-->",     "<p",
	"</p",	  "=\"",    "\"",	      "='",	   "on",      "style",
	"<",	  ">",
};

static void expand(struct buf *out, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)bytes[i];

		if (c >= 0xe0)
			buf_puts(out, words[c - 0xe0]);
		else
			buf_putc(out, bytes[i]);
	}
	require(!buf_failed(out));
}

/* In place: a disk flushes files that are truncated and written anew. */
static void put(int fd, const struct buf *b)
{
	require(pwrite(fd, buf_str(b), b->len, 0) == (ssize_t)b->len);
	require(ftruncate(fd, (off_t)b->len) == 0);
}

static void try_page(const json_t *value, const struct buf *page)
{
	AUTO_BUF struct buf out = BUF_INIT(1 << 20);
	struct err e = ERR_INIT;
	bool checked = template_check(-1, dir_fd, "page.html", &e) == 0;

	require(checked || e.code == ERR_DAMAGED);
	e = (struct err)ERR_INIT;
	if (template_render(-1, dir_fd, "page.html", value, &out, &e) < 0) {
		require(e.code == ERR_DAMAGED ||
			(e.code == ERR_SYSTEM && buf_failed(&out)));
		require(out.len == 0);
		return;
	}
	if (out.len == 0)
		return;
	check_escaped(&out);
	if (checked)
		check_places(&out);
	if (!strstr(buf_str(page), "{{"))
		require(strcmp(out.data, page->data) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static json_t *value;
	const char *bytes = (const char *)data;
	const char *nul = size ? memchr(bytes, '\0', size) : NULL;
	size_t len = nul ? (size_t)(nul - bytes) : size;
	AUTO_BUF struct buf page = BUF_INIT(1 << 20);
	AUTO_BUF struct buf part = BUF_INIT(1 << 20);
	struct err e = ERR_INIT;

	if (dir_fd < 0) {
		make_dir();
		value = make_value();
	}
	expand(&page, bytes, len);
	if (nul)
		expand(&part, nul + 1, size - len - 1);
	put(page_fd, &page);
	put(part_fd, &part);
	try_page(value, &page);
	if (template_check(-1, dir_fd, "page.css", &e) < 0)
		require(e.code == ERR_DAMAGED);
	return 0;
}
