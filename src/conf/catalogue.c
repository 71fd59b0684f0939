#include "conf/catalogue.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "conf/catalogue_file.h"
#include "conf/image.h"
#include "conf/machines.h"
#include "sys/file.h"

enum { CATALOGUE_FILE_MAX = 4 * 1024 * 1024 };

void catalogue_entry_release(struct catalogue_entry *entry)
{
	free(entry->name);
	free(entry->description);
	free(entry->format);
	free(entry->reason);
#define FREE_SETTING(key) free(entry->key);
	MACHINE_SETTINGS(FREE_SETTING)
	*entry = (struct catalogue_entry){ .name = NULL };
}

void catalogue_release(struct catalogue *cat)
{
	for (size_t i = 0; i < cat->count; i++)
		catalogue_entry_release(&cat->list[i]);
	free(cat->list);
	cat->list = NULL;
	cat->count = 0;
}

const struct catalogue_entry *catalogue_find(const struct catalogue *cat,
					     const char *name)
{
	for (size_t i = 0; i < cat->count; i++)
		if (strcmp(cat->list[i].name, name) == 0)
			return &cat->list[i];
	return NULL;
}

/* Replace a member by a copy of `text`. */
static int set_text(char **member, const char *text, struct err *e)
{
	char *copy = strdup(text);

	if (!copy)
		return err_set(e, ERR_SYSTEM, "no memory");
	free(*member);
	*member = copy;
	return 0;
}

int catalogue_load(const struct config *c, struct catalogue *ret, struct err *e)
{
	AUTO_BUF struct buf text = BUF_INIT(CATALOGUE_FILE_MAX);
	AUTO_FREE char *path = file_join(c->dir_service, CATALOGUE_NAME);

	if (!path)
		return err_set(e, ERR_SYSTEM, "no memory");
	if (file_read(AT_FDCWD, path, false, &text, e) < 0)
		return -1;
	if (catalogue_parse(buf_str(&text), text.len, ret, e) < 0)
		return err_prefix(e, "%s", path);
	return 0;
}

static int open_machines(const struct config *c, struct err *e)
{
	int fd = open(c->dir_machines, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, "cannot open directory %s", c->dir_machines);
	return fd;
}

/* Record that the image is not to be used, because of *why. */
static int refuse(struct catalogue_entry *entry, const struct err *why,
		  struct err *e)
{
	entry->usable = false;
	return set_text(&entry->reason, why->msg, e);
}

static int look_into(int dirfd, const char *name, struct catalogue_entry *entry,
		     struct err *e)
{
	AUTO_CLOSE int fd = -1;
	struct err why = ERR_INIT;
	struct image image;
	struct stat st;

	fd = image_open(dirfd, name, &why);
	if (fd < 0 && why.code == ERR_NOT_FOUND) {
		*e = why;
		return -1;
	}
	if (fd < 0)
		return refuse(entry, &why, e);
	if (fstat(fd, &st) < 0)
		return err_sys(e, "cannot stat %s", name);
	entry->size = st.st_size;
	entry->mtime = st.st_mtime;
	if (image_identify(fd, name, &image, &why) < 0)
		return refuse(entry, &why, e);
	entry->iso = image.iso;
	entry->virtual_size = image.virtual_size;
	entry->usable = true;
	return set_text(&entry->format, image.format, e);
}

static int set_settings(struct catalogue_entry *entry,
			const struct machine *machine, struct err *e)
{
#define SET_SETTING(key)                                                       \
	if (set_text(&entry->key, machine->key, e) < 0)                        \
		return -1;
	MACHINE_SETTINGS(SET_SETTING)
	return 0;
}

static int examine(int dirfd, const struct machine *machine,
		   struct catalogue_entry *ret, struct err *e)
{
	struct catalogue_entry entry = { .name = NULL };

	if (set_text(&entry.name, machine->name, e) < 0 ||
	    set_text(&entry.description, machine->description, e) < 0 ||
	    set_settings(&entry, machine, e) < 0 ||
	    set_text(&entry.format, "", e) < 0 ||
	    set_text(&entry.reason, "", e) < 0 ||
	    look_into(dirfd, machine->name, &entry, e) < 0) {
		catalogue_entry_release(&entry);
		return -1;
	}
	*ret = entry;
	return 0;
}

int catalogue_examine(const struct config *c, const char *name,
		      struct catalogue_entry *ret, struct err *e)
{
	char empty[] = "";
#define NO_SETTING(key) .key = empty,
	const struct machine machine = {
		.name = (char *)name,
		.description = (char *)name,
		MACHINE_SETTINGS(NO_SETTING)
	};

	return catalogue_examine_machine(c, &machine, ret, e);
}

int catalogue_examine_machine(const struct config *c,
			      const struct machine *machine,
			      struct catalogue_entry *ret, struct err *e)
{
	AUTO_CLOSE int dirfd = open_machines(c, e);

	return dirfd < 0 ? -1 : examine(dirfd, machine, ret, e);
}

bool catalogue_is_stale(const struct config *c,
			const struct catalogue_entry *entry)
{
	AUTO_FREE char *path = file_join(c->dir_machines, entry->name);
	struct stat st;

	return !path || stat(path, &st) < 0 || st.st_size != entry->size ||
	       st.st_mtime != entry->mtime;
}

int catalogue_examine_all(const struct config *c, struct catalogue *ret,
			  struct err *e)
{
	AUTO_CATALOGUE struct catalogue cat = { .list = NULL };
	AUTO_MACHINES struct machines m = { .list = NULL };
	AUTO_CLOSE int dirfd = -1;

	if (machines_read(c->machines_conf, &m, e) < 0)
		return -1;
	dirfd = open_machines(c, e);
	if (dirfd < 0)
		return -1;
	cat.list = calloc(m.count + 1, sizeof(*cat.list));
	if (!cat.list)
		return err_set(e, ERR_SYSTEM, "no memory");
	for (size_t i = 0; i < m.count; i++) {
		const struct machine *machine = &m.list[i];
		struct err why = ERR_INIT;

		if (examine(dirfd, machine, &cat.list[cat.count], &why) ==
		    0) {
			cat.count++;
		} else if (why.code != ERR_NOT_FOUND) {
			*e = why;
			return -1;
		}
	}
	*ret = cat;
	cat = (struct catalogue){ .list = NULL };
	return 0;
}

int catalogue_refresh(const struct config *c, struct catalogue *ret,
		      struct err *e)
{
	AUTO_CATALOGUE struct catalogue cat = { .list = NULL };
	AUTO_BUF struct buf text = BUF_INIT(CATALOGUE_FILE_MAX);
	AUTO_CLOSE int dirfd = -1;

	dirfd = open(c->dir_service, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0 || flock(dirfd, LOCK_EX) < 0)
		return err_sys(e, "cannot lock directory %s", c->dir_service);
	if (catalogue_examine_all(c, &cat, e) < 0)
		return -1;
	catalogue_format(&cat, &text);
	if (buf_failed(&text))
		return err_set(e, ERR_SYSTEM, "the catalogue is too large");
	if (file_replace(dirfd, CATALOGUE_NAME, buf_str(&text), text.len, 0644,
			 true, e) < 0)
		return err_prefix(e, "%s", c->dir_service);
	*ret = cat;
	cat = (struct catalogue){ .list = NULL };
	return 0;
}

void catalogue_clean(const struct config *c)
{
	AUTO_CLOSE int dirfd = open(c->dir_service,
				    O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dirfd >= 0 && flock(dirfd, LOCK_EX | LOCK_NB) == 0)
		(void)!unlinkat(dirfd, CATALOGUE_NAME ".tmp", 0);
}
