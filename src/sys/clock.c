#include "sys/clock.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/macros.h"
#include "base/text.h"

long long clock_boot_ms(void)
{
	struct timespec now = { 0 };

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

long long clock_wall(void)
{
	return (long long)time(NULL);
}

void clock_boot_id(char ret_id[CLOCK_BOOT_ID_SIZE])
{
	AUTO_CLOSE int fd = open("/proc/sys/kernel/random/boot_id",
				 O_RDONLY | O_CLOEXEC);
	ssize_t got = -1;

	if (fd >= 0)
		got = read(fd, ret_id, CLOCK_BOOT_ID_SIZE - 1);
	if (got == CLOCK_BOOT_ID_SIZE - 1)
		ret_id[got] = '\0';
	else
		snprintf(ret_id, CLOCK_BOOT_ID_SIZE, "unknown");
}

/* Broken-down UTC; false if there is no such time. */
static bool utc_of(long long wall, struct tm *ret, char *text, size_t size)
{
	time_t seconds = (time_t)wall;

	if (gmtime_r(&seconds, ret))
		return true;
	snprintf(text, size, "unknown");
	return false;
}

void clock_rfc3339(long long wall, char *ret, size_t size)
{
	struct tm utc;

	if (utc_of(wall, &utc, ret, size))
		strftime(ret, size, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

bool clock_read(const char *text, long long *ret_wall)
{
	struct tm utc = { 0 };
	struct tm day;
	const char *end = strptime(text, "%Y-%m-%d", &utc);
	time_t wall;

	if (!text_only(text, "-:") || !end || end != text + 10)
		return false;
	if (*end && (strptime(end, "T%H:%M:%SZ", &utc) != end + 10 || end[10]))
		return false;
	/* No such day: the calendar has it elsewhere. */
	day = utc;
	wall = timegm(&day);
	if (day.tm_mday != utc.tm_mday || day.tm_mon != utc.tm_mon)
		return false;
	*ret_wall = (long long)wall;
	return true;
}

void clock_human(long long wall, char *ret, size_t size)
{
	struct tm utc;

	/* English month names, since no program here calls setlocale(). */
	if (utc_of(wall, &utc, ret, size))
		strftime(ret, size, "%-d %b %Y %H:%M UTC", &utc);
}

void clock_duration(long long seconds, char *ret, size_t size)
{
	if (seconds < 0)
		seconds = 0;
	if (seconds < 60)
		snprintf(ret, size, "%lld s", seconds);
	else if (seconds < 3600)
		snprintf(ret, size, "%lld min", seconds / 60);
	else if (seconds < 86400)
		snprintf(ret, size, "%lld h %lld min", seconds / 3600,
			 seconds % 3600 / 60);
	else if (seconds % 86400 < 3600)
		snprintf(ret, size, "%lld day%s", seconds / 86400,
			 seconds < 2 * 86400 ? "" : "s");
	else
		snprintf(ret, size, "%lld day%s %lld h", seconds / 86400,
			 seconds < 2 * 86400 ? "" : "s",
			 seconds % 86400 / 3600);
}
