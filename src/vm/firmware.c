#include "vm/firmware.h"

#include <fcntl.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/macros.h"
#include "sys/file.h"

enum { BLOCK = 65536 };

static const struct {
	const char *arch;
	bool secure;
	struct firmware files;
	const char *package;
} known[] = {
	{ "x86_64", false,
	  { "/usr/share/OVMF/OVMF_CODE_4M.fd",
	    "/usr/share/OVMF/OVMF_VARS_4M.fd" },
	  "ovmf" },
	/* With Microsoft's keys, which Windows and Linux distributions are
	 * signed with. */
	{ "x86_64", true,
	  { "/usr/share/OVMF/OVMF_CODE_4M.ms.fd",
	    "/usr/share/OVMF/OVMF_VARS_4M.ms.fd" },
	  "ovmf" },
	{ "aarch64", false,
	  { "/usr/share/AAVMF/AAVMF_CODE.fd",
	    "/usr/share/AAVMF/AAVMF_VARS.fd" },
	  "qemu-efi-aarch64" },
};

const char *firmware_arch(const struct session *s)
{
	struct utsname host;

	if (s->arch[0])
		return s->arch;
	if (uname(&host) == 0 && strcmp(host.machine, "aarch64") == 0)
		return "aarch64";
	return "x86_64";
}

bool firmware_is_uefi(const struct session *s)
{
	return strcmp(s->firmware, "uefi") == 0 ||
	       strcmp(s->firmware, "uefi-secure") == 0 ||
	       strcmp(firmware_arch(s), "aarch64") == 0;
}

int firmware_find(const struct session *s, struct firmware *ret, struct err *e)
{
	bool secure = strcmp(s->firmware, "uefi-secure") == 0;
	const char *arch = firmware_arch(s);

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (strcmp(known[i].arch, arch) != 0 ||
		    known[i].secure != secure)
			continue;
		*ret = known[i].files;
		if (access(ret->code, R_OK) == 0 &&
		    access(ret->vars, R_OK) == 0)
			return 0;
		return err_set(e, ERR_CONFIG,
			       "there is no UEFI firmware %s; apt install %s",
			       ret->code, known[i].package);
	}
	return err_set(e, ERR_CONFIG, "there is no firmware %s for %s",
		       s->firmware, arch);
}

/* All of `from`, without its blocks of zeros. */
static int copy_sparse(int from, int to, struct err *e)
{
	static const char zeros[BLOCK];
	AUTO_FREE char *block = malloc(BLOCK);
	off_t at = 0;
	ssize_t got;

	if (!block)
		return err_set(e, ERR_SYSTEM, "no memory");
	while ((got = pread(from, block, BLOCK, at)) > 0) {
		if (memcmp(block, zeros, (size_t)got) != 0 &&
		    pwrite(to, block, (size_t)got, at) != got)
			return err_sys(e, "cannot write");
		at += got;
	}
	if (got < 0 || ftruncate(to, at) < 0)
		return err_sys(e, "cannot copy");
	return 0;
}

int firmware_copy_vars(const char *vars, int dirfd, const char *name,
		       struct err *e)
{
	AUTO_CLOSE int from = open(vars, O_RDONLY | O_CLOEXEC);
	AUTO_CLOSE int to = -1;

	if (from < 0)
		return err_sys(e, "cannot open %s", vars);
	unlinkat(dirfd, name, 0);
	to = openat(dirfd, name,
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0)
		return err_sys(e, "cannot make %s", name);
	if (copy_sparse(from, to, e) < 0)
		return err_prefix(e, "%s", vars);
	return 0;
}
