#include "sys/hostload.h"

#include <fcntl.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/text.h"
#include "sys/file.h"

/* The number behind `key` in /proc/meminfo's text, in MiB; -1 if absent. */
static long long meminfo_mb(const char *text, const char *key)
{
	const char *at = strstr(text, key);
	char *end;
	long long kb;

	if (!at)
		return -1;
	kb = strtoll(at + strlen(key), &end, 10);
	return end == at + strlen(key) ? -1 : kb / 1024;
}

int hostload_read(struct hostload *ret, struct err *e)
{
	AUTO_BUF struct buf text = BUF_INIT(65536);
	struct hostload h;
	double load;

	if (file_read(AT_FDCWD, "/proc/meminfo", false, &text, e) < 0)
		return -1;
	h.memory_mb = meminfo_mb(buf_str(&text), "MemTotal:");
	h.memory_available_mb = meminfo_mb(buf_str(&text), "MemAvailable:");
	h.cpus = sysconf(_SC_NPROCESSORS_ONLN);
	if (h.memory_mb < 1 || h.memory_available_mb < 0 || h.cpus < 1)
		return err_set(e, ERR_SYSTEM,
			       "cannot read the host's memory or processors");
	if (getloadavg(&load, 1) != 1)
		return err_set(e, ERR_SYSTEM, "cannot read the load average");
	h.load_milli = (long long)(load * 1000.0) / h.cpus;
	*ret = h;
	return 0;
}

int hostload_disk_free_mb(const char *path, long long *ret, struct err *e)
{
	struct statvfs fs;

	if (statvfs(path, &fs) < 0)
		return err_sys(e, "cannot ask for free space in %s", path);
	*ret = (long long)((unsigned long long)fs.f_bavail * fs.f_frsize /
			   1048576);
	return 0;
}
