#include "vm/tpm.h"

void tpm_command(const struct tpm *tpm, struct argv *ret)
{
	static const char *const fixed[] = {
		"--unshare-all", "--die-with-parent", "--new-session",
		"--cap-drop", "ALL", "--ro-bind", "/usr", "/usr", "--symlink",
		"usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64",
		"--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache",
		"--proc", "/proc", "--dev-bind", "/dev/null", "/dev/null",
		"--dev-bind", "/dev/urandom", "/dev/urandom",
	};
	const char *state = tpm->dir;

	if (tpm->bwrap) {
		argv_add(ret, tpm->bwrap);
		for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
			argv_add(ret, fixed[i]);
		argv_add(ret, "--bind");
		argv_add(ret, tpm->dir);
		argv_add(ret, "/tpm");
		argv_add(ret, "--");
		state = "/tpm";
	}
	argv_add(ret, tpm->swtpm);
	argv_add(ret, "socket");
	argv_add(ret, "--tpm2");
	argv_add(ret, "--tpmstate");
	argv_addf(ret, "dir=%s,mode=0600", state);
	argv_add(ret, "--ctrl");
	argv_addf(ret, "type=unixio,clientfd=%d", tpm->fd);
	argv_add(ret, "--terminate");
}
