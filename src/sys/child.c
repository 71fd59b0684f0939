#include "sys/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "sys/clock.h"
#include "sys/file.h"

enum {
	ARGV_MAX = 512,
	ENV_MAX = 32,
	KEEP_MAX = 16,
};

void argv_add(struct argv *a, const char *arg)
{
	char **list;

	if (a->failed)
		return;
	list = a->count < ARGV_MAX ?
		       reallocarray(a->list, a->count + 2, sizeof(*list)) :
		       NULL;
	if (!list) {
		a->failed = true;
		return;
	}
	a->list = list;
	list[a->count] = strdup(arg);
	if (!list[a->count]) {
		a->failed = true;
		return;
	}
	list[++a->count] = NULL;
}

void argv_addf(struct argv *a, const char *fmt, ...)
{
	AUTO_FREE char *arg = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&arg, fmt, ap) < 0) {
		arg = NULL;
		a->failed = true;
	}
	va_end(ap);
	if (arg)
		argv_add(a, arg);
}

void argv_release(struct argv *a)
{
	for (size_t i = 0; i < a->count; i++)
		free(a->list[i]);
	free(a->list);
	*a = (struct argv){ 0 };
}

/* Everything the child needs, made before the fork. */
struct plan {
	const struct child *c;
	pid_t parent;
	int report; /* exec's errno goes here; close-on-exec */
	char *env[ENV_MAX];
	char home[512];
};

static int plan_environment(struct plan *p, struct err *e)
{
	static char path[] =
		"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";
	static char lang[] = "LANG=C.UTF-8";
	size_t n = 0;

	snprintf(p->home, sizeof(p->home), "HOME=%s",
		 p->c->home ? p->c->home : "/nonexistent");
	p->env[n++] = path;
	p->env[n++] = lang;
	p->env[n++] = p->home;
	for (size_t i = 0; p->c->env && p->c->env[i]; i++) {
		if (n + 1 >= ENV_MAX)
			return err_set(e, ERR_SYSTEM,
				       "too many environment variables");
		p->env[n++] = (char *)p->c->env[i];
	}
	p->env[n] = NULL;
	return 0;
}

static void give_up(const struct plan *p)
{
	int code = errno;

	(void)!write(p->report, &code, sizeof(code));
	_exit(127);
}

static bool is_kept(const struct plan *p, int fd)
{
	if (fd <= STDERR_FILENO || fd == p->report)
		return true;
	for (size_t i = 0; i < p->c->keep_count; i++)
		if (p->c->keep[i] == fd)
			return true;
	return false;
}

/* Close all descriptors but the kept ones; those lose close-on-exec. */
static void settle_descriptors(const struct plan *p)
{
	int top = p->report;

	for (size_t i = 0; i < p->c->keep_count; i++) {
		if (fcntl(p->c->keep[i], F_SETFD, 0) < 0)
			give_up(p);
		if (p->c->keep[i] > top)
			top = p->c->keep[i];
	}
	for (int fd = STDERR_FILENO + 1; fd < top; fd++)
		if (!is_kept(p, fd))
			close(fd);
	closefrom(top + 1);
}

/* 0, 1 and 2 from the given descriptors, which may be among 0-2 themselves. */
static void settle_standard(struct plan *p)
{
	int from[3] = { p->c->in, p->c->out, p->c->err };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		give_up(p);
	if (p->report <= STDERR_FILENO || null <= STDERR_FILENO) {
		p->report = fcntl(p->report, F_DUPFD_CLOEXEC, 16);
		null = fcntl(null, F_DUPFD_CLOEXEC, 16);
	}
	for (int i = 0; i < 3; i++) {
		if (from[i] < 0)
			from[i] = null;
		else if (from[i] <= STDERR_FILENO)
			from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 16);
		if (from[i] < 0)
			give_up(p);
	}
	for (int i = 0; i < 3; i++)
		if (dup2(from[i], i) < 0)
			give_up(p);
}

static void settle_signals(void)
{
	sigset_t none;

	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void settle_limits(const struct plan *p)
{
	struct rlimit none = { 0, 0 };
	struct rlimit file = { p->c->max_file, p->c->max_file };

	if (setrlimit(RLIMIT_CORE, &none) < 0)
		give_up(p);
	if (p->c->max_file && setrlimit(RLIMIT_FSIZE, &file) < 0)
		give_up(p);
}

static void __attribute__((noreturn)) become(struct plan *p)
{
	settle_signals();
	if (!p->c->detach) {
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
			give_up(p);
		if (getppid() != p->parent)
			_exit(127); /* it died before we asked */
	}
	if (p->c->group && setpgid(0, 0) < 0)
		give_up(p);
	settle_limits(p);
	settle_standard(p);
	settle_descriptors(p);
	if (chdir(p->c->dir ? p->c->dir : "/") < 0)
		give_up(p);
	execve(p->c->argv->list[0], p->c->argv->list, p->env);
	give_up(p);
	_exit(127);
}

/* Between the caller and a detached child: nobody waits for the child. */
static void __attribute__((noreturn)) detach(struct plan *p)
{
	pid_t pid;

	if (setsid() < 0)
		give_up(p);
	pid = fork();
	if (pid < 0)
		give_up(p);
	if (pid == 0)
		become(p);
	_exit(0);
}

/* Read what the child says about exec: 0 if it closed the pipe in silence. */
static int exec_error(int fd)
{
	int code = 0;
	ssize_t got;

	do {
		got = read(fd, &code, sizeof(code));
	} while (got < 0 && errno == EINTR);
	return got == (ssize_t)sizeof(code) ? code : 0;
}

static void wait_for(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static int make_plan(const struct child *c, struct plan *ret, struct err *e)
{
	*ret = (struct plan){ .c = c, .parent = getpid() };
	if (c->argv->failed || c->argv->count == 0 ||
	    c->argv->list[0][0] != '/')
		return err_set(e, ERR_SYSTEM, "bad argument vector");
	if (c->keep_count > KEEP_MAX)
		return err_set(e, ERR_SYSTEM, "too many descriptors");
	return plan_environment(ret, e);
}

int child_become(const struct child *c, struct err *e)
{
	struct child this = *c;
	struct plan p;

	this.detach = true; /* no parent to die with */
	if (make_plan(&this, &p, e) < 0)
		return -1;
	p.report = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (p.report < 0)
		return err_sys(e, "/dev/null");
	become(&p);
}

pid_t child_start(const struct child *c, struct err *e)
{
	struct plan p;
	int report[2];
	pid_t pid;
	int code;

	if (make_plan(c, &p, e) < 0)
		return -1;
	if (pipe2(report, O_CLOEXEC) < 0)
		return err_sys(e, "pipe");
	p.report = report[1];
	pid = fork();
	if (pid == 0) {
		if (c->detach)
			detach(&p);
		become(&p);
	}
	close(report[1]);
	if (pid < 0) {
		err_sys(e, "fork");
		close(report[0]);
		return -1;
	}
	code = exec_error(report[0]);
	close(report[0]);
	if (code || c->detach)
		wait_for(pid);
	if (code) {
		errno = code;
		return err_sys(e, "cannot run %s", c->argv->list[0]);
	}
	return c->detach ? 0 : pid;
}

void child_signal(pid_t pid, bool group, int signal)
{
	if (pid > 1)
		kill(group ? -pid : pid, signal);
}

void child_end(pid_t *pid, bool group)
{
	if (*pid > 1 &&
	    (kill(group ? -*pid : *pid, SIGKILL) == 0 || errno != EPERM))
		wait_for(*pid);
	*pid = 0;
}

static int status_of(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) :
				     WEXITSTATUS(status);
}

bool child_reaped(pid_t pid, bool group, int *ret_status)
{
	siginfo_t ended = { .si_pid = 0 };
	int status;

	if (pid <= 1 || waitid(P_PID, (id_t)pid, &ended,
			       WEXITED | WNOHANG | WNOWAIT) < 0 ||
	    ended.si_pid != pid)
		return false;
	/* Before it is reaped: until then nobody else can get its number. */
	if (group)
		child_signal(pid, true, SIGKILL);
	if (waitpid(pid, &status, 0) != pid)
		return false;
	*ret_status = status_of(status);
	return true;
}

int child_handle(pid_t pid)
{
	return pidfd_open(pid, 0);
}

int child_handle_end(int handle, int deadline_ms, struct err *e)
{
	struct pollfd end = { .fd = handle, .events = POLLIN };
	long long deadline = clock_boot_ms() + deadline_ms;

	if (pidfd_send_signal(handle, SIGKILL, NULL, 0) < 0)
		return errno == ESRCH ? 0 : err_sys(e, "cannot kill");
	for (;;) {
		long long left = deadline - clock_boot_ms();
		int n = left > 0 ? poll(&end, 1, (int)left) : 0;

		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return err_sys(e, "poll");
		if (left <= 0)
			return err_set(e, ERR_TIMEOUT,
				       "a killed process does not end");
	}
}

char *child_find_program(const char *name, struct err *e)
{
	static const char *const dirs[] = { "/usr/local/bin", "/usr/bin",
					    "/bin", "/usr/sbin", "/sbin" };

	if (name[0] == '/') {
		if (access(name, X_OK) == 0)
			return strdup(name);
	} else if (!strchr(name, '/')) {
		for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
			char *path = file_join(dirs[i], name);

			if (path && access(path, X_OK) == 0)
				return path;
			free(path);
		}
	}
	err_set(e, ERR_CONFIG, "the program %s is not installed", name);
	return NULL;
}
