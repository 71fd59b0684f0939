#include "sys/random.h"

#include <sys/random.h>

int random_text(char *ret, size_t count, struct err *e)
{
	static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
	unsigned char bytes[64];

	if (count > sizeof(bytes))
		return err_set(e, ERR_SYSTEM, "random_text: %zu is too long",
			       count);
	if (getrandom(bytes, count, 0) != (ssize_t)count)
		return err_sys(e, "getrandom");
	for (size_t i = 0; i < count; i++)
		ret[i] = alphabet[bytes[i] & 31];
	ret[count] = '\0';
	return 0;
}
