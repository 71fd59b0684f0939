#include "vm/sandbox.h"

#include <string.h>

#include "sys/json.h"

/* Whatever the guest does with a volume, there is nothing beside it.  By its
 * descriptor: what has its name by now may be a link. */
static void add_mounts(struct argv *a, const struct mounts *mounts)
{
	for (size_t i = 0; mounts && i < mounts->count; i++) {
		argv_add(a, mounts->list[i].writable ? "--bind-fd" :
						       "--ro-bind-fd");
		argv_addf(a, "%d", mounts->list[i].fd);
		argv_addf(a, SANDBOX_MOUNT "%zu", i);
	}
}

static void add_bind(struct argv *a, const char *how, const char *path)
{
	argv_add(a, how);
	argv_add(a, path);
	argv_add(a, path);
}

/* The card's own directories of sysfs, and its group's device. */
static void add_gpu(struct argv *a, const struct sandbox *box)
{
	AUTO_BUF struct buf group = BUF_INIT(64);

	for (size_t i = 0; i < box->gpu->function_count; i++) {
		argv_add(a, "--ro-bind");
		argv_addf(a, "%s/bus/pci/devices/%s", box->sysfs,
			  box->gpu->functions[i]);
		argv_addf(a, SANDBOX_GPU "/%s", box->gpu->functions[i]);
	}
	buf_printf(&group, "/dev/vfio/%s", box->gpu->group);
	add_bind(a, "--dev-bind", "/dev/vfio/vfio");
	add_bind(a, "--dev-bind", buf_str(&group));
}

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
	argv_add(ret, box->overlay ? "--ro-bind" : "--bind");
	argv_add(ret, box->image);
	argv_add(ret, SANDBOX_IMAGE);
	if (box->overlay) {
		argv_add(ret, "--bind");
		argv_add(ret, box->overlay);
		argv_add(ret, SANDBOX_OVERLAY);
	}
	argv_add(ret, "--bind");
	argv_add(ret, box->dir);
	argv_add(ret, SANDBOX_DIR);
	add_mounts(ret, box->mounts);
	if (box->gpu)
		add_gpu(ret, box);
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
