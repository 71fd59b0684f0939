#include "vm/accel.h"

#include <fcntl.h>
#include <string.h>

#include "sys/clock.h"
#include "sys/file.h"

static bool cpu_has_virtualisation(void)
{
#if defined(__x86_64__) || defined(__i386__)
	AUTO_BUF struct buf text = BUF_INIT(1 << 20);
	struct err e = ERR_INIT;

	/* The first processor's flags are enough, and within the first read
	 * even where the whole file is larger than the buffer. */
	if (file_read(AT_FDCWD, "/proc/cpuinfo", false, &text, &e) < 0 &&
	    e.code != ERR_TOO_LARGE)
		return false;
	return (strstr(buf_str(&text), " vmx") ||
		strstr(buf_str(&text), " svm")) &&
	       (access("/sys/module/kvm_intel", F_OK) == 0 ||
		access("/sys/module/kvm_amd", F_OK) == 0);
#else
	return true;
#endif
}

const char *accel_why_not_kvm(void)
{
	int fd;

	if (access("/dev/kvm", F_OK) < 0)
		return "there is no /dev/kvm";
	fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return "/dev/kvm may not be used by this user (group kvm)";
	close(fd);
	if (!cpu_has_virtualisation())
		return "/dev/kvm is there, but the processor shows no "
		       "hardware virtualisation";
	return NULL;
}

static bool is_remembered_broken(const struct store *st)
{
	AUTO_BUF struct buf text = BUF_INIT(64);
	char boot_id[CLOCK_BOOT_ID_SIZE];
	struct err e = ERR_INIT;

	if (file_read(st->dir, "kvm-broken", false, &text, &e) < 0)
		return false;
	clock_boot_id(boot_id);
	return strcmp(buf_str(&text), boot_id) == 0;
}

bool accel_use_kvm(const struct config *c, const struct store *st)
{
	if (strcmp(c->accel, "auto") != 0)
		return strcmp(c->accel, "kvm") == 0;
	return !accel_why_not_kvm() && !is_remembered_broken(st);
}

void accel_remember_broken(const struct store *st)
{
	char boot_id[CLOCK_BOOT_ID_SIZE];
	struct err e = ERR_INIT;

	clock_boot_id(boot_id);
	/* A cache: if it cannot be written, the next session finds out too. */
	(void)!file_replace(st->dir, "kvm-broken", boot_id, strlen(boot_id),
			    0600, false, &e);
}
