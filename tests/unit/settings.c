#include "settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct config settings;

int settings_open(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	return config_init(&settings, &e);
}

int settings_close(void **state)
{
	(void)state;
	config_release(&settings);
	return 0;
}

void settings_set(const char *name, const char *value)
{
	struct err e = ERR_INIT;

	if (config_set(&settings, name, value, &e) < 0)
		fail_msg("%s: %s", name, e.msg);
}
