#include "ctl/pages.h"

#include <fcntl.h>

#include "base/text.h"
#include "sys/file.h"
#include "web/template.h"

const char *const pages_shipped[] = {
	"index.html",	    "session.html",	"manage.html",
	"host.html",	    "login.html",	"error.html",
	"terms.html",	    "mailed.html",	"ticket.html",
	"elsewhere.html",   "enter.html",	"handed.html",
	"mail_login.html",  "mail_login.txt",	"mail_session.html",
	"mail_session.txt", "mail_ending.html", "mail_ending.txt",
	"theme.css",	    NULL,
};

bool pages_is_template(const char *name)
{
	return text_ends(name, ".html") || text_ends(name, ".css") ||
	       text_ends(name, ".txt");
}

int pages_open_shipped(const struct config *c, struct err *e)
{
	AUTO_FREE char *path = file_join(c->dir_html, "desktop");
	int fd = path ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	return fd < 0 ? err_sys(e, "cannot open %s/desktop", c->dir_html) : fd;
}

int pages_check(int site, int shipped, const char *file, struct err *e)
{
	if (template_check(site, shipped, file, e) < 0)
		return -1;
	return site < 0 ? 0 :
			  template_check_names(site, shipped, pages_shipped,
					       file, e);
}
