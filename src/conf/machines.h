/*
 * machines.conf: the machines that the site offers, in the site's order.
 *
 *     [debian-12.qcow2]
 *     description = Debian 12 with the data treatment tools
 *     url = https://images.lab.example/debian-12.qcow2
 *
 * A section's name is the image's file name in dir_machines (so no '/', see
 * text_is_file_name(), and at most MACHINE_NAME_MAX bytes).  All keys may be
 * missing: description, url (http or https, no credentials), sha256, and users
 * and groups (who may use it: exact names separated by commas; where both are
 * missing, everybody).
 * Strict, as config.conf is (conf/ini.h): unknown key, key or section twice,
 * junk: ERR_CONFIG with "FILE:LINE: sentence".
 */
#ifndef QWD_CONF_MACHINES_H
#define QWD_CONF_MACHINES_H

#include <stddef.h>

#include "base/err.h"

enum { MACHINE_NAME_MAX = 200, MACHINES_MAX = 2000 };

struct machine {
	char *name;
	char *description; /* the name where none is given */
	char *url;         /* "" if the administrator installs the file */
	char *sha256;      /* 64 lower-case hexadecimal digits, or "" */
	char *users;       /* "ann,bob", or "" */
	char *groups;      /* likewise */
};

struct machines {
	struct machine *list;
	size_t count;
};

#define AUTO_MACHINES __attribute__((cleanup(machines_release)))

/* Read the file.  ERR_CONFIG if it is wrong, ERR_SYSTEM if unreadable;
 * a file that does not exist is ERR_NOT_FOUND. */
MUST_CHECK int machines_read(const char *file, struct machines *ret,
			     struct err *e);

/* Parse `len` bytes; `name` stands for the file in messages. */
MUST_CHECK int machines_parse(const char *name, const char *text, size_t len,
			      struct machines *ret, struct err *e);

/* The machine called exactly `name`, or NULL. */
const struct machine *machines_find(const struct machines *m,
				    const char *name);

void machines_release(struct machines *m);

#endif
