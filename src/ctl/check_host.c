#include "ctl/check.h"

#include <string.h>

#include "sys/child.h"
#include "vm/accel.h"
#include "vm/qemu.h"

enum { TRY_MS = 10000 };

/* ---- Programs ---- */

bool check_program(struct check *k, const char *name, const char *package)
{
	struct err e = ERR_INIT;
	AUTO_FREE char *path = child_find_program(name, &e);

	if (path && access(path, X_OK) == 0) {
		check_say(k, CHECK_OK, "program %s", path);
		return true;
	}
	check_say(k, CHECK_ERROR, "program %s is missing; apt install %s", name,
		  package);
	return false;
}

static void check_qemu(struct check *k)
{
	struct err e = ERR_INIT;
	AUTO_FREE char *path = qemu_program(k->config, "", &e);

	if (path && access(path, X_OK) == 0)
		check_say(k, CHECK_OK, "program %s", path);
	else if (path)
		check_say(k, CHECK_ERROR,
			  "qemu_exec: %s cannot be run; correct it", path);
	else
		check_say(k, CHECK_ERROR,
			  "%s; apt install qemu-system (or set qemu_exec)",
			  e.msg);
}

static void check_programs(struct check *k)
{
	check_qemu(k);
	check_program(k, "qemu-img", "qemu-utils");
	check_program(k, k->config->dir_websockify, "websockify");
	check_program(k, "bwrap", "bubblewrap");
}

/* ---- What the service's user may do ---- */

/*
 * Run a program, as the service's user if we are root.  True if it succeeds;
 * also if it cannot be tried.
 */
static bool try_as_user(const struct check *k, const char *program,
			const char *const *arguments)
{
	AUTO_ARGV struct argv argv = { .list = NULL };
	struct child child = CHILD_INIT;
	struct err e = ERR_INIT;
	AUTO_FREE char *path = child_find_program(program, &e);
	AUTO_FREE char *setpriv = child_find_program("setpriv", &e);
	int status;

	if (!path || !setpriv)
		return true;
	if (geteuid() == 0 && k->user != 0) {
		argv_add(&argv, setpriv);
		argv_addf(&argv, "--reuid=%u", (unsigned)k->user);
		argv_addf(&argv, "--regid=%u", (unsigned)k->group);
		argv_add(&argv, "--init-groups");
	}
	argv_add(&argv, path);
	for (; *arguments; arguments++)
		argv_add(&argv, *arguments);
	child.argv = &argv;
	return child_run(&child, NULL, NULL, NULL, TRY_MS, &status, &e) < 0 ||
	       status == 0;
}

bool check_user_may(const struct check *k, const char *what, const char *path)
{
	const char *const arguments[] = { what, path, NULL };

	return try_as_user(k, "test", arguments);
}

bool check_may_use(const struct check *k, const char *device)
{
	return check_user_may(k, "-r", device) &&
	       check_user_may(k, "-w", device);
}

static void check_kvm(struct check *k)
{
	const char *accel = k->config->accel;
	const char *why = accel_why_not_kvm();

	if (strcmp(accel, "tcg") == 0)
		check_say(k, CHECK_NOTE,
			  "accel = tcg: guests run without KVM, many times "
			  "slower; set accel = auto where there is KVM");
	else if (why)
		check_say(k,
			  strcmp(accel, "kvm") == 0 ? CHECK_ERROR
						    : CHECK_WARNING,
			  "KVM: %s, so that guests %s; enable hardware "
			  "virtualisation (VT-x, AMD-V) on this host",
			  why,
			  strcmp(accel, "kvm") == 0
				  ? "do not start (accel = kvm)"
				  : "run with TCG, many times slower");
	else if (!check_may_use(k, "/dev/kvm"))
		check_say(k, CHECK_WARNING,
			  "KVM: user %s may not use /dev/kvm, so that guests "
			  "run with TCG, many times slower; adduser %s kvm",
			  k->user_name, k->user_name);
	else
		check_say(k, CHECK_OK, "KVM works");
}

/* By the program that is to make them: it may have its own ways. */
static void check_namespaces(struct check *k)
{
	static const char *const arguments[] = {
		"--unshare-user", "--uid", "0", "--unshare-net",
		"--unshare-pid", "--unshare-ipc", "--ro-bind", "/", "/",
		"true", NULL
	};

	if (try_as_user(k, "bwrap", arguments))
		check_say(k, CHECK_OK, "user namespaces");
	else
		check_say(k, CHECK_ERROR,
			  "user %s cannot make user namespaces, so that guests "
			  "have no network and QEMU no sandbox; sysctl "
			  "kernel.unprivileged_userns_clone=1 and "
			  "user.max_user_namespaces=15000, and see AppArmor's "
			  "apparmor_restrict_unprivileged_userns",
			  k->user_name);
}

void check_host(struct check *k)
{
	check_programs(k);
	check_kvm(k);
	check_network(k);
	check_namespaces(k);
}
