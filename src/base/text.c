#include "base/text.h"

#include <limits.h>
#include <stdint.h>
#include <string.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/*
 * Digits up to `end` as a number with that sign, 1 or -1; false if there are
 * none or too many.
 */
static bool digits(const char *text, const char *end, int sign, long long *ret)
{
	long long value = 0;

	if (text == end)
		return false;
	for (; text < end; text++) {
		if (!is_digit(*text) ||
		    __builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, sign * (*text - '0'), &value))
			return false;
	}
	*ret = value;
	return true;
}

bool text_long(const char *text, long long min, long long max,
	       long long *ret_value)
{
	bool negative = text[0] == '-';
	long long value;

	text += negative;
	if (!digits(text, text + strlen(text), negative ? -1 : 1, &value))
		return false;
	if (value < min || value > max)
		return false;
	*ret_value = value;
	return true;
}

bool text_milli(const char *text, long long min, long long max,
		long long *ret_milli)
{
	const char *end = text + strlen(text);
	const char *dot = strchr(text, '.');
	long long whole;
	long long value;

	if (!digits(text, dot ? dot : end, 1, &whole))
		return false;
	if (whole > LLONG_MAX / 1000 - 1)
		return false;
	value = whole * 1000;
	if (dot) {
		long long fraction;
		long long weight = 100;

		if (end - dot < 2 || end - dot > 7 ||
		    !digits(dot + 1, end, 1, &fraction))
			return false;
		for (const char *c = dot + 1; c < end && weight; c++) {
			value += weight * (*c - '0');
			weight /= 10;
		}
	}
	if (value < min || value > max)
		return false;
	*ret_milli = value;
	return true;
}

bool text_bool(const char *text, bool *ret_value)
{
	static const char *const yes[] = { "yes", "true", "on", "1" };
	static const char *const no[] = { "no", "false", "off", "0" };

	for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
		if (strcmp(text, yes[i]) == 0) {
			*ret_value = true;
			return true;
		}
		if (strcmp(text, no[i]) == 0) {
			*ret_value = false;
			return true;
		}
	}
	return false;
}

bool text_only(const char *text, const char *also)
{
	if (!*text)
		return false;
	for (; *text; text++)
		if (!is_alnum(*text) && !strchr(also, *text))
			return false;
	return true;
}

bool text_is_utf8(const char *bytes, size_t len)
{
	const unsigned char *p = (const unsigned char *)bytes;
	const unsigned char *end = p + len;

	while (p < end) {
		unsigned long point;
		int more;

		if (*p == 0)
			return false;
		if (*p < 0x80) {
			p++;
			continue;
		}
		if (*p >= 0xc2 && *p <= 0xdf) {
			point = *p & 0x1f;
			more = 1;
		} else if (*p >= 0xe0 && *p <= 0xef) {
			point = *p & 0x0f;
			more = 2;
		} else if (*p >= 0xf0 && *p <= 0xf4) {
			point = *p & 0x07;
			more = 3;
		} else {
			return false;
		}
		if (end - p <= more)
			return false;
		for (int i = 1; i <= more; i++) {
			if ((p[i] & 0xc0) != 0x80)
				return false;
			point = point << 6 | (p[i] & 0x3f);
		}
		if ((more == 2 && point < 0x800) ||
		    (more == 3 && point < 0x10000) || point > 0x10ffff ||
		    (point >= 0xd800 && point <= 0xdfff))
			return false;
		p += more + 1;
	}
	return true;
}

/* Bytes of the character that `p` begins with; 0 if it is none to print. */
static size_t printable(const char *p)
{
	const unsigned char *u = (const unsigned char *)p;
	size_t len = *u < 0x80 ? 1 : *u < 0xe0 ? 2 : *u < 0xf0 ? 3 : 4;

	if (*u < 0x20 || *u == 0x7f || strnlen(p, len) < len ||
	    !text_is_utf8(p, len))
		return 0;
	return *u == 0xc2 && u[1] < 0xa0 ? 0 : len;
}

void text_make_printable(char *text)
{
	while (*text) {
		size_t len = printable(text);

		if (!len)
			*text++ = '?';
		text += len;
	}
}

bool text_has_control(const char *text)
{
	for (; *text; text++) {
		const unsigned char *u = (const unsigned char *)text;

		if (*u < 0x20 || *u == 0x7f ||
		    (*u == 0xc2 && u[1] >= 0x80 && u[1] < 0xa0))
			return true;
	}
	return false;
}

bool text_is_deceptive(const char *text)
{
	/* U+200B, U+200E, U+200F, U+2028 to U+202E, U+2060 to U+206F, U+FEFF */
	for (; *text; text++) {
		const unsigned char *u = (const unsigned char *)text;

		if (*u == 0xef && u[1] == 0xbb && u[2] == 0xbf)
			return true;
		if (*u != 0xe2)
			continue;
		if (u[1] == 0x80 &&
		    (u[2] == 0x8b || u[2] == 0x8e || u[2] == 0x8f ||
		     (u[2] >= 0xa8 && u[2] <= 0xae)))
			return true;
		if (u[1] == 0x81 && u[2] >= 0xa0 && u[2] <= 0xaf)
			return true;
	}
	return false;
}

bool text_is_colour(const char *text)
{
	if (strlen(text) != 7 || text[0] != '#')
		return false;
	return strspn(text + 1, "0123456789abcdefABCDEF") == 6;
}

bool text_starts(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool text_ends(const char *text, const char *suffix)
{
	size_t len = strlen(text);
	size_t tail = strlen(suffix);

	return len >= tail && strcmp(text + len - tail, suffix) == 0;
}

bool text_same_secret(const char *a, const char *b)
{
	size_t len = strlen(a);
	unsigned char diff = 0;

	if (strlen(b) != len)
		return false;
	for (size_t i = 0; i < len; i++)
		diff |= (unsigned char)(a[i] ^ b[i]);
	return diff == 0;
}

bool text_is_file_name(const char *text)
{
	size_t len = strlen(text);

	if (len < 1 || len > 255 || text[0] == '.' || text[0] == '-')
		return false;
	return text_only(text, "._+@=,- ");
}

void text_log_escape(struct buf *out, const char *text)
{
	bool quote = !*text || strchr(text, ' ');

	if (quote)
		buf_putc(out, '"');
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\' || c == '%')
			buf_printf(out, "%%%02x", c);
		else
			buf_putc(out, *text);
	}
	if (quote)
		buf_putc(out, '"');
}

void text_url_escape(struct buf *out, const char *text)
{
	for (; *text; text++) {
		if (is_alnum(*text) || strchr("-._~", *text))
			buf_putc(out, *text);
		else
			buf_printf(out, "%%%02X", (unsigned char)*text);
	}
}

void text_base64(struct buf *out, const void *bytes, size_t len)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "abcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *p = bytes;

	for (size_t i = 0; i < len; i += 3) {
		uint32_t word = (uint32_t)p[i] << 16;
		char four[4];

		if (i + 1 < len)
			word |= (uint32_t)p[i + 1] << 8;
		if (i + 2 < len)
			word |= p[i + 2];
		four[0] = alphabet[word >> 18 & 63];
		four[1] = alphabet[word >> 12 & 63];
		four[2] = '=';
		four[3] = '=';
		if (i + 1 < len)
			four[2] = alphabet[word >> 6 & 63];
		if (i + 2 < len)
			four[3] = alphabet[word & 63];
		buf_add(out, four, sizeof(four));
	}
}

void text_hex(struct buf *out, const void *bytes, size_t len)
{
	static const char digit[] = "0123456789abcdef";
	const unsigned char *p = bytes;

	for (size_t i = 0; i < len; i++) {
		buf_putc(out, digit[p[i] >> 4]);
		buf_putc(out, digit[p[i] & 15]);
	}
}

char *text_trim(char *text)
{
	static const char blank[] = " \t\r\n";
	size_t len;

	text += strspn(text, blank);
	len = strlen(text);
	while (len && strchr(blank, text[len - 1]))
		len--;
	text[len] = '\0';
	return text;
}
