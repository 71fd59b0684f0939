#include "net/mail_text.h"

#include <string.h>
#include <time.h>

#include "base/text.h"
#include "sys/random.h"

enum {
	LOCAL_MAX = 64,
	DOMAIN_MAX = 253,
	LABEL_MAX = 63,
	ADDRESS_MAX = 254,
	LINE_MAX_BYTES = 76, /* RFC 2047, 2: of a line with encoded words */
	/* "=?UTF-8?B?" and "?=" around 60 characters of base64; with
	 * "Subject: " in front the first is shorter. */
	WORD_BYTES = 45,
	FIRST_WORD_BYTES = 39,
};

#define ALNUM                                                                  \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

bool mail_domain_ok(const char *text)
{
	if (strlen(text) > DOMAIN_MAX)
		return false;
	for (;;) {
		size_t len = strspn(text, ALNUM "-");

		if (len == 0 || len > LABEL_MAX || text[0] == '-' ||
		    text[len - 1] == '-')
			return false;
		text += len;
		if (*text == '\0')
			return true;
		if (*text++ != '.')
			return false;
	}
}

static bool local_ok(const char *text, size_t len)
{
	if (len == 0 || len > LOCAL_MAX || *text == '-')
		return false;
	for (;;) {
		size_t atom = strspn(text, ALNUM "#$&'*+-=?^_{}~");

		if (atom == 0)
			return false;
		if (atom == len)
			return true;
		if (text[atom] != '.')
			return false;
		text += atom + 1;
		len -= atom + 1;
	}
}

bool mail_address_ok(const char *text)
{
	const char *at = strchr(text, '@');
	const char *last;

	if (!at || strlen(text) > ADDRESS_MAX ||
	    !local_ok(text, (size_t)(at - text)) || !mail_domain_ok(at + 1))
		return false;
	/* The last label of a name is not all digits. */
	last = strrchr(at, '.');
	last = last ? last + 1 : at + 1;
	return last[strspn(last, "0123456789")] != '\0';
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
