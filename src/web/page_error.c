/* What a visitor is told when something is refused or broken. */
#include "web/page.h"

#include <string.h>

#include "base/log.h"
#include "sys/clock.h"

static bool is_our_fault(enum err_code code)
{
	return code == ERR_SYSTEM || code == ERR_DAMAGED ||
	       code == ERR_CONFIG || code == ERR_TIMEOUT || code == ERR_NONE;
}

/* The sentence for the visitor; details of our faults are for the log. */
static json_t *message_of(const struct visit *v, const struct err *why)
{
	json_t *message = NULL;

	/* A message that was cut within a character is no text. */
	if (!is_our_fault(why->code))
		message = json_string(why->msg);
	if (message)
		return message;
	return json_sprintf("Something went wrong on the server. Its log says "
			    "what, beside the number %s.",
			    v->request.id);
}

static bool is_one_of(const char *name, const char *const *names)
{
	for (; *names; names++)
		if (strcmp(*names, name) == 0)
			return true;
	return false;
}

json_t *page_error_value(const struct visit *v, const struct err *why,
			 const char *const *fields)
{
	bool shown = why->field[0] && (!fields || is_one_of(why->field, fields));

	return json_pack("{ss so ss?}", "code", err_name(why->code), "message",
			 message_of(v, why), "field",
			 shown ? why->field : NULL);
}

json_t *page_fields_value(const struct visit *v, const char *const *names,
			  const struct err *why)
{
	json_t *fields = json_object();
	int failed = !fields;

	for (; *names; names++) {
		bool wrong = why && strcmp(why->field, *names) == 0;
		bool secret = strcmp(*names, "password") == 0;
		const char *value = form_get(&v->request.fields, *names);

		failed |= json_object_set_new(
			fields, *names,
			json_pack("{ss? ss? ss}", "value",
				  secret ? NULL : value, "error",
				  wrong ? why->msg : NULL, "invalid",
				  wrong ? "true" : "false"));
	}
	if (!failed)
		return fields;
	json_decref(fields);
	return NULL;
}

int page_login(struct visit *v, const struct err *why, struct err *e)
{
	static const char *const names[] = { "user", "password", NULL };
	/* Who only looks did nothing wrong yet. */
	bool asked = why->code == ERR_LOGIN && v->request.method != METHOD_POST;
	json_t *value =
		json_pack("{so so}", "fields",
			  page_fields_value(v, names, why), "error",
			  asked ? json_null() :
				  page_error_value(v, why, names));

	return page_html(v, reply_status_of(why->code), "login.html",
			 "My sessions", 0, value, e);
}

static const char *advice_for(enum err_code code)
{
	switch (code) {
	case ERR_INPUT:
	case ERR_TOO_LARGE:
		return "Go back, correct it, and send it again.";
	case ERR_BUSY:
	case ERR_THROTTLED:
		return "Nothing was started.";
	case ERR_FORBIDDEN:
	case ERR_METHOD:
		return "Nothing was changed.";
	case ERR_NOT_FOUND:
	case ERR_CONFLICT:
	case ERR_LOGIN:
		return "Your desktops are listed under My sessions.";
	case ERR_NONE:
	case ERR_CONFIG:
	case ERR_DAMAGED:
	case ERR_TIMEOUT:
	case ERR_SYSTEM:
		break;
	}
	return "Try again in a minute. If it happens again, tell the "
	       "administrator.";
}

static const char *title_for(int status)
{
	switch (status) {
	case 400:
		return "This cannot be done";
	case 403:
		return "Not allowed";
	case 404:
		return "Not found";
	case 405:
		return "Not this way";
	case 409:
		return "Not now";
	case 413:
		return "Too much";
	case 429:
		return "Too many attempts";
	case 503:
		return "Busy";
	default:
		return "Something went wrong";
	}
}

static int error_html(struct visit *v, const struct err *why, struct err *e)
{
	int status = reply_status_of(why->code);
	char wait[32];
	char retry[80];
	bool said;

	if (why->code == ERR_LOGIN)
		return page_login(v, why, e);
	clock_duration(why->retry_after, wait, sizeof(wait));
	snprintf(retry, sizeof(retry), "The next chance may come in %s.", wait);
	/* The sentence may have said when: once is enough. */
	said = strstr(why->msg, wait) != NULL;
	return page_html(v, status, "error.html", title_for(status), 0,
			 json_pack("{so si ss ss?}", "error",
				   page_error_value(v, why, NULL), "status",
				   status, "advice", advice_for(why->code),
				   "retry_text",
				   why->retry_after && !said ? retry : NULL),
			 e);
}

/* The last resort: the pages themselves are broken. */
static void error_text(struct visit *v, int status)
{
	reply_reset(&v->reply, status, REPLY_TEXT);
	buf_printf(&v->reply.body, "%d %s\n", status, reply_reason(status));
}

static void log_it(const struct visit *v, const struct err *why)
{
	log_event(is_our_fault(why->code) ? "error" : "refused", "request",
		  v->request.id, "remote", v->request.remote, "user",
		  v->who.user[0] ? v->who.user : NULL, "error",
		  err_name(why->code), "field",
		  why->field[0] ? why->field : NULL, "message", why->msg, NULL);
}

static void add_headers(struct visit *v, const struct err *why)
{
	const struct reply *r = &v->reply;

	if (r->status == 503 || r->status == 429)
		reply_header(&v->reply, "Retry-After", "%ld",
			     why->retry_after ? why->retry_after : 60L);
	if (r->status == 405)
		reply_header(&v->reply, "Allow", "%s",
			     v->request.method == METHOD_OTHER ?
				     "GET, HEAD, POST" :
				     "POST");
}

void page_error(struct visit *v, const struct err *why)
{
	struct err failure = ERR_INIT;
	struct err shown;
	int status;
	int result;

	log_it(v, why);
	reply_shown_error(why, &shown);
	status = reply_status_of(shown.code);
	if (v->request.wants_json)
		result = page_json(v, status,
				   json_pack("{so}", "error",
					     page_error_value(v, &shown, NULL)),
				   &failure);
	else
		result = error_html(v, &shown, &failure);
	if (result < 0) {
		log_it(v, &failure);
		error_text(v, status);
	}
	add_headers(v, &shown);
}
