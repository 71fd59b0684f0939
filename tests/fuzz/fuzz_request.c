/*
 * A request: lines NAME=value of the environment, an empty line, the body.
 * What is read keeps the promises of request.h, what is refused can still be
 * answered, and a refusal has a code and a sentence.
 */
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "base/text.h"
#include "web/origin.h"
#include "web/request.h"

enum { ENV_MAX = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void check_error(const struct err *e)
{
	require(e->code != ERR_NONE);
	require(e->msg[0] && !text_has_control(e->msg));
}

static void check_request(const struct request *r)
{
	require(r->id[0] && strlen(r->id) < sizeof(r->id));
	require(text_only(r->id, "@-_"));
	require(r->remote && r->server_name && r->server_port);
	require(r->method == METHOD_POST || r->fields.count == 0);
	require(r->method != METHOD_POST || r->query.count == 0);
	require(r->fields.count <= FORM_FIELDS_MAX);
}

static void check_rules(const struct request *r, const struct config *c)
{
	char link[SESSION_ORIGIN_SIZE];
	struct origin origin;
	struct err e = ERR_INIT;

	if (request_admit(r, c, &e) < 0)
		check_error(&e);
	else
		require(r->peer_is_local && !r->forwarded && r->host);
	e = (struct err)ERR_INIT;
	if (request_check_origin(r, c, &e) < 0)
		check_error(&e);
	else
		require(!r->origin || strcmp(r->origin, "null") != 0);
	request_link_origin(r, c, link);
	require(origin_parse(link, &origin));
}

/* Cut the lines apart, in place.  Returns where the body begins. */
static char *split(char *text, char *env[ENV_MAX + 1])
{
	size_t count = 0;

	while (*text && *text != '\n') {
		char *end = strchr(text, '\n');

		if (count < ENV_MAX)
			env[count++] = text;
		if (!end) {
			text += strlen(text);
			break;
		}
		*end = '\0';
		text = end + 1;
	}
	env[count] = NULL;
	return *text ? text + 1 : text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config config;
	AUTO_FREE char *text = malloc(size + 1);
	char *env[ENV_MAX + 1];
	struct err e = ERR_INIT;
	struct request r;
	const char *body;
	size_t len;
	int fd;

	if (!config.file) {
		require(config_init(&config, &e) == 0);
		require(config_set(&config, "service_url",
				   "https://desktop.lab.example", &e) == 0);
	}
	require(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	body = split(text, env);
	len = size - (size_t)(body - text);
	fd = memfd_create("body", MFD_CLOEXEC);
	require(fd >= 0 && pwrite(fd, body, len, 0) == (ssize_t)len);
	if (request_read(&r, env, fd, &e) < 0) {
		check_error(&e);
		require(r.fields.count == 0);
	}
	check_request(&r);
	check_rules(&r, &config);
	request_release(&r);
	close(fd);
	return 0;
}
