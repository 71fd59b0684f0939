#include "auth/method.h"

#include <string.h>

#include "base/buf.h"
#include "sys/child.h"
#include "sys/json.h"

enum { REQUEST_MAX = 64 * 1024 };

void method_say(struct auth_result *ret, enum auth_verdict verdict,
		const char *reason)
{
	ret->verdict = verdict;
	snprintf(ret->reason, sizeof(ret->reason), "%s", reason);
}

/* Overwrite a string of `object` in its place, before it is freed. */
static void wipe(json_t *object, const char *key)
{
	json_t *string = json_object_get(object, key);
	char *text = (char *)json_string_value(string);

	if (text)
		explicit_bzero(text, json_string_length(string));
}

void method_discard(json_t *request)
{
	wipe(request, "password");
	wipe(request, "bind_password");
	json_decref(request);
}

/* The request as text, which the caller wipes and frees; NULL if it is too
 * long. */
static char *text_of(const json_t *request)
{
	char *text = malloc(REQUEST_MAX + 1);
	size_t len = text ? json_dumpb(request, text, REQUEST_MAX,
				       JSON_COMPACT) :
			    0;

	if (len && len <= REQUEST_MAX) {
		text[len] = '\0';
		return text;
	}
	free(text);
	return NULL;
}

bool method_run(const char *program, const char *argument, json_t *request,
		struct buf *output, int ms, int *ret_status,
		struct auth_result *ret)
{
	AUTO_ARGV struct argv argv = { .list = NULL };
	struct child child = CHILD_INIT;
	struct err e = ERR_INIT;
	char *text = request ? text_of(request) : NULL;
	int result = -1;

	argv_add(&argv, program);
	if (argument)
		argv_add(&argv, argument);
	child.argv = &argv;
	child.group = true;
	if (text) {
		result = child_run(&child, text, output, NULL, ms, ret_status,
				   &e);
		explicit_bzero(text, strlen(text));
	}
	free(text);
	method_discard(request);
	if (result < 0)
		method_say(ret, AUTH_OUTAGE,
			   e.code == ERR_TIMEOUT ? "deadline" : "helper");
	return result == 0;
}
