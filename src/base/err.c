#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

__attribute__((format(printf, 4, 0))) static void
fill(struct err *e, enum err_code code, int sys, const char *fmt, va_list ap)
{
	*e = (struct err){ .code = code, .sys = sys };
	vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
}

int err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fill(e, code, 0, fmt, ap);
	va_end(ap);
	return -1;
}

int err_sys(struct err *e, const char *fmt, ...)
{
	int sys = errno;
	va_list ap;
	size_t used;

	va_start(ap, fmt);
	fill(e, ERR_SYSTEM, sys, fmt, ap);
	va_end(ap);
	used = strlen(e->msg);
	snprintf(e->msg + used, sizeof(e->msg) - used, ": %s", strerror(sys));
	return -1;
}

int err_field(struct err *e, const char *field, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fill(e, ERR_INPUT, 0, fmt, ap);
	va_end(ap);
	snprintf(e->field, sizeof(e->field), "%s", field);
	return -1;
}

int err_prefix(struct err *e, const char *fmt, ...)
{
	char old[sizeof(e->msg)];
	char where[sizeof(e->msg)];
	va_list ap;

	memcpy(old, e->msg, sizeof(old));
	va_start(ap, fmt);
	vsnprintf(where, sizeof(where), fmt, ap);
	va_end(ap);
	if (snprintf(e->msg, sizeof(e->msg), "%s: %s", where, old) < 0)
		e->msg[0] = '\0';
	return -1;
}

const char *err_name(enum err_code code)
{
	static const char *const names[] = {
		[ERR_NONE] = "none",
		[ERR_INPUT] = "bad-field",
		[ERR_LOGIN] = "not-logged-in",
		[ERR_FORBIDDEN] = "forbidden",
		[ERR_NOT_FOUND] = "not-found",
		[ERR_METHOD] = "method-not-allowed",
		[ERR_TOO_LARGE] = "too-large",
		[ERR_CONFLICT] = "conflict",
		[ERR_BUSY] = "busy",
		[ERR_THROTTLED] = "too-many-requests",
		[ERR_CONFIG] = "configuration",
		[ERR_DAMAGED] = "damaged",
		[ERR_TIMEOUT] = "timeout",
		[ERR_SYSTEM] = "internal",
	};

	return (size_t)code < ARRAY_LEN(names) ? names[code] : "internal";
}
