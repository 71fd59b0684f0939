#include "base/log.h"

#include <stdarg.h>

#include "base/text.h"

enum { LINE_MAX_BYTES = 8192 };

void log_event(const char *event, ...)
{
	AUTO_BUF struct buf line = BUF_INIT(LINE_MAX_BYTES);
	const char *key;
	va_list ap;

	buf_puts(&line, "qemu-web-desktop: event=");
	text_log_escape(&line, event);
	va_start(ap, event);
	while ((key = va_arg(ap, const char *)) != NULL) {
		const char *value = va_arg(ap, const char *);

		if (!value)
			continue;
		buf_printf(&line, " %s=", key);
		text_log_escape(&line, value);
	}
	va_end(ap);
	buf_putc(&line, '\n');
	if (buf_failed(&line) && line.len) /* cut, and still one line */
		line.data[line.len - 1] = '\n';
	if (line.len)
		(void)!write(STDERR_FILENO, line.data, line.len);
}

void log_auth(const char *what, const char *method, const char *rhost,
	      const char *reason, const char *user)
{
	AUTO_BUF struct buf line = BUF_INIT(LINE_MAX_BYTES);

	buf_printf(&line, "qemu-web-desktop: auth %s method=%s rhost=", what,
		   method);
	text_log_escape(&line, *rhost ? rhost : "-");
	buf_printf(&line, " reason=%s user=", reason);
	text_url_escape(&line, *user ? user : "-");
	buf_putc(&line, '\n');
	if (!buf_failed(&line))
		(void)!write(STDERR_FILENO, line.data, line.len);
}

void log_error(const char *event, const struct err *e)
{
	log_event(event, "error", err_name(e->code), "field",
		  e->field[0] ? e->field : NULL, "message", e->msg, NULL);
}
