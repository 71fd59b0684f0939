#include "vm/sandbox.h"

#include <string.h>

#include "sys/json.h"

void sandbox_command(const struct sandbox *box, struct argv *ret)
{
	/* bubblewrap(1).  uid 0 inside is us outside: so that the network's
	 * helpers may enter; --dev is avoided since it nests a second user
	 * namespace, which they could not. */
	static const char *const fixed[] = {
		"--unshare-user", "--uid", "0", "--gid", "0", "--unshare-net",
		"--unshare-pid", "--unshare-ipc", "--unshare-uts",
		"--die-with-parent", "--new-session", "--cap-drop", "ALL",
		"--ro-bind", "/usr", "/usr", "--symlink", "usr/lib", "/lib",
		"--symlink", "usr/lib64", "/lib64", "--symlink", "usr/bin",
		"/bin", "--ro-bind-try", "/etc/ld.so.cache",
		"/etc/ld.so.cache", "--proc", "/proc", "--dev-bind",
		"/dev/null", "/dev/null", "--dev-bind", "/dev/urandom",
		"/dev/urandom",
	};

	argv_add(ret, box->bwrap);
	for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
		argv_add(ret, fixed[i]);
	if (box->kvm) {
		argv_add(ret, "--dev-bind");
		argv_add(ret, "/dev/kvm");
		argv_add(ret, "/dev/kvm");
	}
	argv_add(ret, "--ro-bind");
	argv_add(ret, box->resolv);
	argv_add(ret, "/etc/resolv.conf");
	argv_add(ret, "--ro-bind");
	argv_add(ret, box->image);
	argv_add(ret, SANDBOX_IMAGE);
	argv_add(ret, "--bind");
	argv_add(ret, box->overlay);
	argv_add(ret, SANDBOX_OVERLAY);
	argv_add(ret, "--bind");
	argv_add(ret, box->dir);
	argv_add(ret, SANDBOX_DIR);
	argv_add(ret, "--info-fd");
	argv_addf(ret, "%d", box->info);
	argv_add(ret, "--");
}

pid_t sandbox_child_pid(const char *info)
{
	AUTO_JSON json_t *object = NULL;
	struct err e = ERR_INIT;
	long long pid;

	if (!strchr(info, '}'))
		return 0;
	object = json_parse_object(info, strlen(info), &e);
	if (!object ||
	    json_get_int(object, "child-pid", 2, 1 << 30, &pid, &e) < 0)
		return -1;
	return (pid_t)pid;
}
