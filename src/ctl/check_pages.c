#include "ctl/check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "ctl/pages.h"
#include "sys/file.h"

static int is_template(const struct dirent *entry)
{
	return pages_is_template(entry->d_name);
}

/* Check what is in `dirfd`, which stands in for the templates of `shipped`
 * (-1: is shipped).  Returns how many are wrong, or -1 if the directory cannot
 * be read. */
static int check_all(struct check *k, const char *path, int dirfd, int shipped)
{
	struct dirent **list;
	int count = scandirat(dirfd, ".", &list, is_template, alphasort);
	bool of_site = shipped >= 0;
	int wrong = 0;

	if (count < 0)
		return -1;
	for (int i = 0; i < count; i++) {
		struct err e = ERR_INIT;

		if (pages_check(of_site ? dirfd : -1,
				of_site ? shipped : dirfd, list[i]->d_name,
				&e) < 0) {
			check_say(k, CHECK_ERROR, "template %s/%s; mend it%s",
				  path, e.msg,
				  of_site ? ", until then the shipped one is "
					    "served" :
					    "");
			wrong++;
		} else if (of_site && faccessat(shipped, list[i]->d_name, R_OK,
						0) < 0) {
			check_say(k, CHECK_NOTE,
				  "template %s/%s stands in for none; correct "
				  "its name, unless others include it",
				  path, list[i]->d_name);
		}
		free(list[i]);
	}
	free(list);
	return wrong;
}

static void check_site(struct check *k, int shipped)
{
	const char *path = k->config->dir_html_site;
	AUTO_CLOSE int dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dirfd < 0 && errno == ENOENT)
		return;
	if (dirfd < 0 || !check_user_may(k, "-x", path))
		check_say(k, CHECK_ERROR,
			  "dir_html_site: user %s cannot read %s; chmod it, or "
			  "remove it",
			  k->user_name, path);
	else if (check_all(k, path, dirfd, shipped) == 0)
		check_say(k, CHECK_OK, "the site's templates in %s", path);
}

static void check_templates(struct check *k)
{
	AUTO_FREE char *path = file_join(k->config->dir_html, "desktop");
	struct err ignored = ERR_INIT;
	AUTO_CLOSE int dirfd = pages_open_shipped(k->config, &ignored);
	int wrong;

	wrong = dirfd < 0 || !path ? -1 : check_all(k, path, dirfd, -1);
	if (wrong < 0) {
		check_say(k, CHECK_ERROR,
			  "dir_html: %s/desktop cannot be read; install the "
			  "pages there, or correct dir_html",
			  k->config->dir_html);
		return;
	}
	for (size_t i = 0; pages_shipped[i]; i++)
		if (faccessat(dirfd, pages_shipped[i], R_OK, 0) < 0) {
			check_say(k, CHECK_ERROR,
				  "template %s/%s is missing; install it", path,
				  pages_shipped[i]);
			wrong++;
		}
	if (wrong == 0)
		check_say(k, CHECK_OK, "templates in %s", path);
	check_site(k, dirfd);
}

static void check_novnc(struct check *k)
{
	AUTO_FREE char *page = file_join(k->config->dir_novnc, "vnc.html");

	if (page && access(page, R_OK) == 0)
		check_say(k, CHECK_OK, "noVNC in %s", k->config->dir_novnc);
	else
		check_say(k, CHECK_ERROR,
			  "dir_novnc: there is no %s/vnc.html; apt install "
			  "novnc",
			  k->config->dir_novnc);
}

void check_pages(struct check *k)
{
	check_templates(k);
	check_novnc(k);
}
