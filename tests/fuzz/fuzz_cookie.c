/*
 * A Cookie header.  The answer is compared with that of a slower reader of
 * the same rules.
 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/macros.h"
#include "web/cookie.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

/* True if the one cookie called "name" is good; its value is left in *ret. */
static bool slow_get(char *header, const char **ret)
{
	unsigned found = 0;
	bool good = false;
	char *cookie;

	while ((cookie = strsep(&header, ";")) != NULL) {
		size_t len;

		while (*cookie == ' ' || *cookie == '\t')
			cookie++;
		len = strlen(cookie);
		while (len && (cookie[len - 1] == ' ' ||
			       cookie[len - 1] == '\t'))
			cookie[--len] = '\0';
		if (strncmp(cookie, "name=", 5) != 0)
			continue;
		found++;
		*ret = cookie + 5;
		good = len > 5 && len <= 5 + COOKIE_VALUE_MAX &&
		       strspn(cookie + 5, "abcdefghijklmnopqrstuvwxyz"
					  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
					  "0123456789-_") == len - 5;
	}
	return found == 1 && good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *header = strndup((const char *)data, size);
	char value[COOKIE_VALUE_MAX + 1] = "untouched";
	const char *due = NULL;

	require(header != NULL);
	if (cookie_get(header, "name", value)) {
		require(slow_get(header, &due));
		require(strcmp(value, due) == 0);
	} else {
		require(!slow_get(header, &due));
		require(strcmp(value, "untouched") == 0);
	}
	return 0;
}
