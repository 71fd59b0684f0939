/* qwdctl check: how the web server's program gets its user, and sessions their
 * place outside of the web server. */
#include "ctl/check.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/text.h"
#include "session/launcher.h"
#include "sys/file.h"

/* The program as the Debian package has it, set-user-id (README.Debian). */
#define BORROWED "cgi/qemu-web-desktop"

/* ---- The set-user-id program ---- */

static bool is_web_server(const char *pid)
{
	AUTO_BUF struct buf name = BUF_INIT(64);
	AUTO_BUF struct buf path = BUF_INIT(64);
	struct err e = ERR_INIT;

	buf_printf(&path, "/proc/%s/comm", pid);
	return file_read(AT_FDCWD, buf_str(&path), false, &name, &e) == 0 &&
	       (strcmp(buf_str(&name), "apache2\n") == 0 ||
		strcmp(buf_str(&name), "httpd\n") == 0);
}

/* proc(5): NoNewPrivs of /proc/PID/status. */
static bool may_gain_nothing(const char *pid)
{
	AUTO_BUF struct buf text = BUF_INIT(8192);
	AUTO_BUF struct buf path = BUF_INIT(64);
	struct err e = ERR_INIT;

	buf_printf(&path, "/proc/%s/status", pid);
	return file_read(AT_FDCWD, buf_str(&path), false, &text, &e) == 0 &&
	       strstr(buf_str(&text), "\nNoNewPrivs:\t1\n") != NULL;
}

static bool is_switched_off_for_web_server(void)
{
	DIR *dir = opendir("/proc");
	const struct dirent *entry;
	bool found = false;

	while (dir && !found && (entry = readdir(dir)) != NULL)
		found = entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
			is_web_server(entry->d_name) &&
			may_gain_nothing(entry->d_name);
	if (dir)
		closedir(dir);
	return found;
}

static bool is_open_to_all(const char *path)
{
	AUTO_FREE char *copy = strdup(path);
	char *slash = copy ? strrchr(copy, '/') : NULL;
	struct stat st;

	if (!slash)
		return false;
	*slash = '\0';
	return stat(copy, &st) == 0 && (st.st_mode & S_IXOTH);
}

static void check_borrowed(struct check *k)
{
	AUTO_FREE char *path = file_join(k->config->dir_libexec, BORROWED);
	struct statvfs fs;
	struct stat st;

	/* Another way of installation, or we may not look. */
	if (!path || stat(path, &st) < 0)
		return;
	if (!(st.st_mode & S_ISUID) || st.st_uid != k->user)
		check_say(k, CHECK_ERROR,
			  "%s is not set-user-id %s, so that the web server "
			  "runs it as its own user; chown %s %s && chmod u+s "
			  "%s",
			  path, k->user_name, k->user_name, path, path);
	else if (statvfs(path, &fs) == 0 && (fs.f_flag & ST_NOSUID))
		check_say(k, CHECK_ERROR,
			  "%s is on a file system that is mounted nosuid, so "
			  "that set-user-id has no effect; mount it without",
			  path);
	else if (is_switched_off_for_web_server())
		check_say(k, CHECK_ERROR,
			  "the web server runs with NoNewPrivileges, so that "
			  "set-user-id has no effect; systemctl edit apache2, "
			  "and there NoNewPrivileges=no below [Service]");
	else if (is_open_to_all(path))
		check_say(k, CHECK_WARNING,
			  "every user of this host may start %s, which is "
			  "set-user-id, and pass for anybody; chmod o-rwx its "
			  "directory",
			  path);
	else
		check_say(k, CHECK_OK, "%s runs as user %s", path,
			  k->user_name);
}

/* ---- systemd's sockets ---- */

static bool is_socket_of(const struct check *k, const char *name)
{
	AUTO_FREE char *path = file_join(k->config->dir_launcher, name);
	struct stat st;

	return path && lstat(path, &st) == 0 && S_ISSOCK(st.st_mode) &&
	       st.st_uid == k->user;
}

static void check_launcher(struct check *k)
{
	const char *launcher = k->config->launcher;
	bool there = is_socket_of(k, LAUNCHER_SESSION) &&
		     is_socket_of(k, LAUNCHER_GATEWAY);

	if (strcmp(launcher, "fork") != 0 && there)
		check_say(k, CHECK_OK,
			  "sessions are units of systemd's, which the web "
			  "server's restart does not end");
	else if (strcmp(launcher, "systemd") == 0)
		check_say(k, CHECK_ERROR,
			  "launcher = systemd, but its sockets are not in %s "
			  "as user %s's; systemctl enable --now "
			  "qemu-web-desktop-session.socket "
			  "qemu-web-desktop-gateway.socket",
			  k->config->dir_launcher, k->user_name);
	else if (access("/run/systemd/system", F_OK) == 0)
		check_say(k, CHECK_WARNING,
			  "sessions end when systemd restarts the web server; "
			  "systemctl enable --now "
			  "qemu-web-desktop-session.socket "
			  "qemu-web-desktop-gateway.socket, and launcher = "
			  "auto");
	else
		check_say(k, CHECK_OK,
			  "sessions detach from the web server by themselves");
}

void check_install(struct check *k)
{
	check_borrowed(k);
	check_launcher(k);
}
