#include "conf_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "scratch.h"

char *conf_text_path(const char *name)
{
	char *path = NULL;

	assert_true(asprintf(&path, "%s/%s", scratch_path, name) > 0);
	return path;
}

void conf_text_init(struct config *c)
{
	struct err e = ERR_INIT;

	assert_int_equal(config_init(c, &e), 0);
}

int conf_text_read(struct config *c, const char *text, struct err *e)
{
	AUTO_FREE char *path = conf_text_path("config.conf");

	scratch_puts("config.conf", text);
	conf_text_init(c);
	return config_read(c, path, true, e);
}

void conf_text_check(const struct err *e, const char *file, const char *part)
{
	AUTO_FREE char *path = conf_text_path(file);

	assert_int_equal(e->code, ERR_CONFIG);
	if (strncmp(e->msg, path, strlen(path)) != 0 || !strstr(e->msg, part))
		fail_msg("'%s' does not say '%s%s'", e->msg, path, part);
}
