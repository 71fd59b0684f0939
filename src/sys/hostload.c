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

/* The number of that place, from 0, in a file of /proc/PID; -1 if absent. */
static long long proc_number(pid_t pid, const char *file, int place)
{
	AUTO_BUF struct buf text = BUF_INIT(4096);
	struct err ignored = ERR_INIT;
	char path[64];
	char *at;
	char *end;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	if (pid <= 0 || file_read(AT_FDCWD, path, false, &text, &ignored) < 0)
		return -1;
	at = (char *)buf_str(&text);
	for (;; place--) {
		long long number = strtoll(at, &end, 10);

		if (end == at)
			return -1;
		if (place == 0)
			return number;
		at = end;
	}
}

long long hostload_process_mb(pid_t pid)
{
	/* proc(5): size resident shared ..., in pages. */
	long long resident = proc_number(pid, "statm", 1);
	long long shared = proc_number(pid, "statm", 2);
	long long page = sysconf(_SC_PAGESIZE);

	return resident < shared || shared < 0 ?
		       0 :
		       (resident - shared) * page / 1048576;
}

long long hostload_child_mb(pid_t pid)
{
	char file[64];

	snprintf(file, sizeof(file), "task/%d/children", (int)pid);
	return hostload_process_mb((pid_t)proc_number(pid, file, 0));
}

int hostload_disk(const char *path, struct hostdisk *ret, struct err *e)
{
	struct statvfs fs;

	if (statvfs(path, &fs) < 0)
		return err_sys(e, "cannot ask for free space in %s", path);
	ret->total_mb = (long long)((unsigned long long)fs.f_blocks *
				    fs.f_frsize / 1048576);
	ret->free_mb = (long long)((unsigned long long)fs.f_bavail *
				   fs.f_frsize / 1048576);
	return 0;
}

int hostload_disk_free_mb(const char *path, long long *ret, struct err *e)
{
	struct hostdisk disk = { 0, 0 };

	if (hostload_disk(path, &disk, e) < 0)
		return -1;
	*ret = disk.free_mb;
	return 0;
}
