#include "web/multipart.h"

#include <string.h>
#include <strings.h>

/* A stretch of bytes. */
struct slice {
	const char *at;
	size_t len;
};

struct parameter {
	struct slice name;
	struct slice value;
};

static const char letters_digits[] = "abcdefghijklmnopqrstuvwxyz"
				     "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

static int malformed(struct err *e, const char *what)
{
	return err_set(e, ERR_INPUT, "The form could not be read: %s.", what);
}

static bool is_in(char c, const char *set)
{
	return c && (strchr(letters_digits, c) || strchr(set, c));
}

/* tchar of RFC 9110, section 5.6.2 */
static struct slice read_token(const char *at, const char *end)
{
	struct slice token = { .at = at };

	while (at < end && is_in(*at, "!#$%&'*+-.^_`|~"))
		at++;
	token.len = (size_t)(at - token.at);
	return token;
}

static const char *skip_blanks(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	return at;
}

static bool is_word(struct slice s, const char *word)
{
	return s.len == strlen(word) && strncasecmp(s.at, word, s.len) == 0;
}

/*
 * The slice between the quotes of the string at `at`, as it stands (a
 * backslash and what it escapes both stay).  False if it does not end.
 */
static bool read_quoted(const char *at, const char *end, struct slice *ret)
{
	const char *start = ++at;

	for (; at < end && *at != '"'; at++)
		if (*at == '\\' && ++at == end)
			return false;
	if (at == end)
		return false;
	*ret = (struct slice){ start, (size_t)(at - start) };
	return true;
}

/*
 * Read "; name=value" at *at, and move on: 1; or 0 at the end.  -1 if
 * it is something else.
 */
static int next_parameter(const char **at, const char *end,
			  struct parameter *ret)
{
	const char *p = skip_blanks(*at, end);

	if (p == end)
		return 0;
	if (*p != ';')
		return -1;
	ret->name = read_token(skip_blanks(p + 1, end), end);
	p = ret->name.at + ret->name.len;
	if (!ret->name.len || p == end || *p != '=')
		return -1;
	if (++p < end && *p == '"') {
		if (!read_quoted(p, end, &ret->value))
			return -1;
		*at = ret->value.at + ret->value.len + 1;
		return 1;
	}
	ret->value = read_token(p, end);
	*at = ret->value.at + ret->value.len;
	return ret->value.len ? 1 : -1;
}

/* 1 to 70 bytes that RFC 2046 allows, the last one no blank. */
static bool is_boundary(struct slice s)
{
	if (s.len < 1 || s.len > MULTIPART_BOUNDARY_MAX ||
	    s.at[s.len - 1] == ' ')
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!is_in(s.at[i], "'()+_,-./:=? "))
			return false;
	return true;
}

static int read_boundary(const char *parameters, struct slice *ret,
			 struct err *e)
{
	const char *end = parameters + strlen(parameters);
	struct parameter p;
	bool found = false;
	int more;

	while ((more = next_parameter(&parameters, end, &p)) > 0) {
		if (!is_word(p.name, "boundary"))
			continue;
		if (found)
			return malformed(e, "it has two boundaries");
		found = true;
		*ret = p.value;
	}
	if (more < 0)
		return malformed(e, "its type is malformed");
	if (!found || !is_boundary(*ret))
		return malformed(e, "it has no good boundary");
	return 0;
}

int multipart_begin(struct multipart *m, const char *parameters,
		    const char *body, size_t len, struct err *e)
{
	struct slice boundary = { .at = NULL };
	const char *found;

	if (read_boundary(parameters, &boundary, e) < 0)
		return -1;
	snprintf(m->delimiter, sizeof(m->delimiter), "\r\n--%.*s",
		 (int)boundary.len, boundary.at);
	m->delimiter_len = boundary.len + 4;
	m->end = body + len;
	/* The first one needs no line before it. */
	if (len >= m->delimiter_len - 2 &&
	    memcmp(body, m->delimiter + 2, m->delimiter_len - 2) == 0) {
		m->at = body + m->delimiter_len - 2;
		return 0;
	}
	found = memmem(body, len, m->delimiter, m->delimiter_len);
	if (!found)
		return malformed(e, "it has no parts");
	m->at = found + m->delimiter_len;
	return 0;
}

/* What the part's headers say: the name, and whether it is a file. */
static int read_disposition(struct slice line, struct multipart_part *part,
			    struct err *e)
{
	struct slice type = read_token(line.at, line.at + line.len);
	const char *at = type.at + type.len;
	struct parameter p;
	int more;

	if (part->name)
		return malformed(e, "a part has two names");
	if (!is_word(type, "form-data"))
		return malformed(e, "a part is no form-data");
	while ((more = next_parameter(&at, line.at + line.len, &p)) > 0) {
		if (is_word(p.name, "filename") || is_word(p.name, "filename*"))
			part->is_file = true;
		if (!is_word(p.name, "name"))
			continue;
		if (part->name)
			return malformed(e, "a part has two names");
		part->name = p.value.at;
		part->name_len = p.value.len;
	}
	if (more < 0)
		return malformed(e, "a part's header is malformed");
	return 0;
}

static int read_header(struct slice line, struct multipart_part *part,
		       struct err *e)
{
	struct slice name = read_token(line.at, line.at + line.len);
	const char *end = line.at + line.len;
	const char *at = name.at + name.len;
	struct slice value;

	if (!name.len || at == end || *at != ':' ||
	    memchr(line.at, '\r', line.len) || memchr(line.at, '\n', line.len))
		return malformed(e, "a part's header is malformed");
	at = skip_blanks(at + 1, end);
	value = (struct slice){ at, (size_t)(end - at) };
	if (is_word(name, "content-disposition"))
		return read_disposition(value, part, e);
	if (is_word(name, "content-transfer-encoding") &&
	    !is_word(value, "7bit") && !is_word(value, "8bit") &&
	    !is_word(value, "binary"))
		return malformed(e, "a part is encoded");
	return 0;
}

/* The headers from m->at to the empty line, and behind it. */
static int read_headers(struct multipart *m, struct multipart_part *part,
			struct err *e)
{
	for (;;) {
		const char *stop =
			memmem(m->at, (size_t)(m->end - m->at), "\r\n", 2);
		struct slice line = { .at = m->at };

		if (!stop)
			return malformed(e, "it is cut short");
		line.len = (size_t)(stop - line.at);
		m->at = stop + 2;
		if (!line.len)
			break;
		if (read_header(line, part, e) < 0)
			return -1;
	}
	if (!part->name)
		return malformed(e, "a part has no name");
	return 0;
}

int multipart_next(struct multipart *m, struct multipart_part *ret,
		   struct err *e)
{
	struct multipart_part part = { .name = NULL };
	const char *stop;

	if (m->end - m->at >= 2 && memcmp(m->at, "--", 2) == 0)
		return 0;
	m->at = skip_blanks(m->at, m->end);
	if (m->end - m->at < 2)
		return malformed(e, "it is cut short");
	if (memcmp(m->at, "\r\n", 2) != 0)
		return malformed(e, "a boundary is followed by something");
	m->at += 2;
	if (read_headers(m, &part, e) < 0)
		return -1;
	/* From the empty line on: a boundary right there is malformed. */
	part.value = m->at;
	stop = memmem(m->at - 2, (size_t)(m->end - m->at) + 2, m->delimiter,
		      m->delimiter_len);
	if (!stop)
		return malformed(e, "it is cut short");
	if (stop < part.value)
		return malformed(e, "a part has no value");
	part.value_len = (size_t)(stop - part.value);
	m->at = stop + m->delimiter_len;
	*ret = part;
	return 1;
}
