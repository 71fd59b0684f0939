#include "net/mail_text.h"

#include <string.h>
#include <time.h>

#include "base/address.h"
#include "base/text.h"
#include "sys/random.h"

enum {
	ADDRESS_MAX = 254,
	LINE_MAX_BYTES = 76, /* RFC 2047, 2: of a line with encoded words */
	/* "=?UTF-8?B?" and "?=" around 60 characters of base64; with
	 * "Subject: " in front the first is shorter. */
	WORD_BYTES = 45,
	FIRST_WORD_BYTES = 39,
};

bool mail_address_ok(const char *text)
{
	const char *at = strchr(text, '@');

	return at && strlen(text) <= ADDRESS_MAX &&
	       address_local_ok(text, (size_t)(at - text), "#$&'*+-=?^_{}~") &&
	       address_domain_ok(at + 1);
}

bool mail_body_ok(const char *text)
{
	for (; *text; text++) {
		if (*text == '\r' && text[1] == '\n')
			continue;
		if (((unsigned char)*text < ' ' && !strchr("\t\n", *text)) ||
		    *text == 0x7f)
			return false;
	}
	return true;
}

static bool is_plain(const char *text)
{
	if (strlen("Subject: ") + strlen(text) > LINE_MAX_BYTES ||
	    *text == ' ' || text_ends(text, " ") || strstr(text, "=?"))
		return false;
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			return false;
	return true;
}

/* The longest beginning of at most `max` bytes that splits no character. */
static size_t whole_characters(const char *text, size_t max)
{
	size_t len = strlen(text);

	if (len <= max)
		return len;
	len = max;
	while (len > 1 && ((unsigned char)text[len] & 0xc0) == 0x80)
		len--;
	return len;
}

void mail_subject(struct buf *out, const char *text)
{
	size_t max = FIRST_WORD_BYTES;

	buf_puts(out, "Subject: ");
	if (is_plain(text)) {
		buf_puts(out, text);
		return;
	}
	while (*text) {
		size_t len = whole_characters(text, max);

		buf_puts(out, "=?UTF-8?B?");
		text_base64(out, text, len);
		buf_puts(out, "?=");
		text += len;
		if (*text)
			buf_puts(out, "\r\n ");
		max = WORD_BYTES;
	}
}

void mail_date(struct buf *out, long long wall)
{
	time_t seconds = (time_t)wall;
	struct tm utc = { 0 };
	char date[64];

	/* English names, since no program here calls setlocale(). */
	gmtime_r(&seconds, &utc);
	if (strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S +0000", &utc))
		buf_printf(out, "Date: %s", date);
}

int mail_message_id(struct buf *out, const char *from, struct err *e)
{
	char name[33];

	if (random_text(name, sizeof(name) - 1, e) < 0)
		return -1;
	buf_printf(out, "Message-ID: <%s%s>", name, strchr(from, '@'));
	return 0;
}

void mail_body(struct buf *out, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\r\n");

		buf_add(out, text, len);
		text += len;
		if (*text == '\0')
			return;
		buf_puts(out, "\r\n");
		text += *text == '\r' ? 2 : 1;
	}
}
