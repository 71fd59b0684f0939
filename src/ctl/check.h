/*
 * What `qwdctl check` finds: one line each,
 *
 *     ok|note|warning|error: WHAT; WHAT TO DO
 *
 * An error keeps the service, or a part of it, from working; a warning is a
 * risk or a loss; a note is worth knowing.
 */
#ifndef QWD_CTL_CHECK_H
#define QWD_CTL_CHECK_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "conf/machines.h"
#include "conf/options.h"

enum check_level { CHECK_OK, CHECK_NOTE, CHECK_WARNING, CHECK_ERROR };

struct check {
	const struct config *config;
	unsigned found[CHECK_ERROR + 1]; /* lines of each level */
	enum check_level least; /* milder ones are not told */
	json_t *list; /* NULL: they are printed; else [{"level", "text"}] */
	/* Who runs the service; ourselves if that is not known. */
	uid_t user;
	gid_t group;
	char user_name[64];
};

void check_say(struct check *k, enum check_level level, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

/* Find out who runs the service: by the owner of its private directories, and
 * where those tell nothing, www-data. */
void check_find_user(struct check *k);

/* Is a program there?  If not, which package has it. */
bool check_program(struct check *k, const char *name, const char *package);

/* May the service's user read and write this device?  True, too, if that
 * cannot be tried. */
bool check_may_use(const struct check *k, const char *device);
/* May the service's user read ("-r") or write ("-w") this file?  True also if
 * it cannot be found out. */
bool check_user_may(const struct check *k, const char *what, const char *path);

/* The parts.  check_login: who gets in, by which methods, and their files. */
void check_login(struct check *k);
/* check_files: machines.conf, catalogue, images, directories. */
void check_files(struct check *k);
/* check_settings: what the machines want beside their images, and volumes. */
void check_settings(struct check *k, const struct machines *m);
/* What login by e-mail needs. */
void check_mail(struct check *k);
/* Templates and noVNC. */
void check_pages(struct check *k);
/* Boot scripts: each one's grammar, and what it needs. */
void check_scripts(struct check *k);
/* Set-user-id, and systemd's sockets. */
void check_install(struct check *k);
/* What launcher = slurm needs. */
void check_slurm(struct check *k);
/* Ports and certificate of the displays. */
void check_display(struct check *k);
/* Programs, KVM, network, namespaces. */
void check_host(struct check *k);
/* What guest_network needs, and what other words of the machines do. */
void check_network(struct check *k);
void check_machine_networks(struct check *k, const struct machines *m);
/* The other servers.  Last of all: root becomes the service's user for it. */
void check_farm(struct check *k);

#endif
