/*
 * The catalogue: what `qwdctl refresh` found out about each machine, so that
 * a request opens no image.  One JSON file, dir_service/catalogue.json,
 * readable by everybody and replaced atomically:
 *
 *     {"version": 1, "machines": [{"name", "description", "format", "iso",
 *      "virtual_size", "size", "mtime", "usable", "reason", and the settings
 *      of machines.conf: "users", ...}]}
 *
 * with one machine a line, the keys in this order and no other blanks than
 * the usual ones: only catalogue_refresh() writes it.
 *
 * It lists every machine of machines.conf whose file is there, in that order;
 * an image that is refused has usable = false and the reason as the end of a
 * sentence that begins with its name ("names a backing file; ..."); its format
 * may be "".
 */
#ifndef QWD_CONF_CATALOGUE_H
#define QWD_CONF_CATALOGUE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "conf/machines.h"
#include "conf/options.h"

struct catalogue_entry {
	char *name;
	char *description;
	char *format;           /* QEMU's driver: qcow2, raw, vdi, ...; "" */
	bool iso;               /* a CD image: boots as a CD, with an empty disk */
	long long virtual_size; /* bytes */
	long long size;         /* bytes of the file when it was read */
	long long mtime;        /* seconds, of the file when it was read */
	bool usable;
	char *reason;           /* "" if usable */
	MACHINE_SETTINGS(MACHINE_MEMBER) /* as in machines.conf */
};

struct catalogue {
	struct catalogue_entry *list;
	size_t count;
};

#define AUTO_CATALOGUE __attribute__((cleanup(catalogue_release)))

#define CATALOGUE_NAME "catalogue.json"

/*
 * Load the file; ERR_NOT_FOUND if `qwdctl refresh` never ran, ERR_DAMAGED if
 * it is not what catalogue_refresh() writes.
 */
MUST_CHECK int catalogue_load(const struct config *c, struct catalogue *ret,
			      struct err *e);

/*
 * Examine every machine of machines.conf in dir_machines and write the
 * catalogue.  *ret gets the result too.  Images that are refused are part of
 * the result, not an error.  dir_service is locked meanwhile (flock), so that
 * two of these follow one another.
 */
MUST_CHECK int catalogue_refresh(const struct config *c, struct catalogue *ret,
				 struct err *e);

/* The same, writing nothing. */
MUST_CHECK int catalogue_examine_all(const struct config *c,
				     struct catalogue *ret, struct err *e);

/* Remove what a refresh that was killed has left beside the catalogue.  One
 * that is at work is not disturbed; no failure is worth a word. */
void catalogue_clean(const struct config *c);

/*
 * Examine one image file: dir_machines/name.  Fills *ret (caller releases
 * with catalogue_entry_release()); usable = false with the reason if it is
 * refused; the description is the name, and the settings are "".
 * ERR_NOT_FOUND if there is no such file.
 */
MUST_CHECK int catalogue_examine(const struct config *c, const char *name,
				 struct catalogue_entry *ret, struct err *e);

/* The same with the description and the settings of a machine. */
MUST_CHECK int catalogue_examine_machine(const struct config *c,
					 const struct machine *machine,
					 struct catalogue_entry *ret,
					 struct err *e);

/* The entry called exactly `name`, or NULL. */
const struct catalogue_entry *catalogue_find(const struct catalogue *cat,
					     const char *name);

/*
 * True if the file dir_machines/name is not the one that was examined: it is
 * gone, or its size or time is another.
 */
bool catalogue_is_stale(const struct config *c,
			const struct catalogue_entry *entry);

void catalogue_entry_release(struct catalogue_entry *entry);
void catalogue_release(struct catalogue *cat);

#endif
