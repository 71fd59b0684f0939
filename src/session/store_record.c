/* The record of one session. */
#include "session/store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/text.h"
#include "session/store_parts.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/json.h"

enum { RECORD_MAX_BYTES = 65536 };

struct record_name store_record_name(const char *name)
{
	struct record_name r;

	snprintf(r.text, sizeof(r.text), "%s.json", name);
	return r;
}

bool store_name_of_record(const char *file, char ret[SESSION_NAME_SIZE])
{
	size_t len = strlen(file);

	if (!text_ends(file, ".json") || len - 5 >= SESSION_NAME_SIZE)
		return false;
	memcpy(ret, file, len - 5);
	ret[len - 5] = '\0';
	return session_name_ok(ret);
}

/* Move a record that cannot be read out of everybody's way. */
static void set_aside(const struct store *st, const char *file,
		      const struct err *why)
{
	struct err e = ERR_INIT;
	AUTO_CLOSE int damaged = file_private_dir(st->dir, "damaged", &e);
	int result = damaged < 0 ? -1 :
				   renameat(st->dir, file, damaged, file);

	/* Somebody else was faster. */
	if (result < 0 && damaged >= 0 && errno == ENOENT)
		return;
	/* The name is taken there: one is enough. */
	if (result < 0 && damaged >= 0 &&
	    (errno == EEXIST || errno == ENOTEMPTY || errno == EISDIR ||
	     errno == ENOTDIR))
		result = file_remove_tree(st->dir, file, &e);
	else if (result < 0 && damaged >= 0)
		err_sys(&e, "cannot set %s aside", file);
	if (result < 0)
		log_error("record-damaged", &e);
	log_event("record-damaged", "file", file, "message", why->msg, NULL);
}

/*
 * Can this record be the session of a user whose name is `needle` as a JSON
 * string?  Only a record as we write it is refused without being parsed.
 */
static bool may_be_of(const struct buf *text, const char *needle)
{
	static const char start[] = "{\"version\":1,";

	return !needle || !text_starts(buf_str(text), start) ||
	       text->data[text->len - 1] != '}' ||
	       strstr(text->data, needle) != NULL;
}

/* A record that we may not even read is not ours. */
static bool is_foreign(const struct store *st, const char *file,
		       const struct err *e)
{
	struct stat stat;

	return e->code == ERR_SYSTEM && e->sys == EACCES &&
	       fstatat(st->dir, file, &stat, AT_SYMLINK_NOFOLLOW) == 0 &&
	       stat.st_uid != geteuid();
}

/* store_read(), which gives up with ERR_FORBIDDEN on another user's. */
static int read_record(const struct store *st, const char *name,
		       const char *needle, struct session *ret, struct err *e)
{
	AUTO_BUF struct buf text = BUF_INIT(RECORD_MAX_BYTES);
	AUTO_JSON json_t *record = NULL;
	struct record_name file;

	if (!session_name_ok(name))
		return err_set(e, ERR_NOT_FOUND, "no such session");
	file = store_record_name(name);
	if (file_read(st->dir, file.text, false, &text, e) < 0) {
		if (e->code == ERR_DAMAGED || e->code == ERR_TOO_LARGE ||
		    is_foreign(st, file.text, e))
			goto damaged;
		return -1;
	}
	if (!may_be_of(&text, needle))
		return err_set(e, ERR_FORBIDDEN, "another user's session");
	record = json_parse_object(buf_str(&text), text.len, e);
	if (!record && e->code == ERR_SYSTEM)
		return -1; /* no memory says nothing about the record */
	if (!record || session_from_record(record, ret, e) < 0)
		goto damaged;
	if (strcmp(ret->name, name) != 0) {
		err_set(e, ERR_DAMAGED, "the record holds another name");
		goto damaged;
	}
	return 0;

damaged:
	set_aside(st, file.text, e);
	e->code = ERR_DAMAGED;
	return -1;
}

int store_read(const struct store *st, const char *name, struct session *ret,
	       struct err *e)
{
	return read_record(st, name, NULL, ret, e);
}

int store_write(const struct store *st, const struct session *s, struct err *e)
{
	AUTO_JSON json_t *record = session_to_record(s);
	AUTO_FREE char *text = json_text(record);
	struct record_name file = store_record_name(s->name);

	if (!text)
		return err_set(e, ERR_SYSTEM, "no memory");
	return file_replace(st->dir, file.text, text, strlen(text), 0600,
			    false, e);
}

void store_show_dead(struct session *s)
{
	char boot_id[CLOCK_BOOT_ID_SIZE];

	clock_boot_id(boot_id);
	s->state = SESSION_FAILED;
	if (session_stands_still(s))
		s->notice[0] = '\0';
	snprintf(s->reason, sizeof(s->reason), "%s",
		 strcmp(boot_id, s->boot_id) == 0 ?
			 "The process that looked after this machine has died." :
			 "The server was restarted.");
}

int store_read_true_of(const struct store *st, const char *name,
		       const char *needle, struct session *ret, struct err *e)
{
	bool alive;

	if (read_record(st, name, needle, ret, e) < 0)
		return -1;
	if (session_is_final(ret))
		return 0;
	alive = store_is_alive(st, name);
	/* Once more: it may have ended between the two looks. */
	if (!alive && store_read(st, name, ret, e) < 0)
		return -1;
	if (!alive && !session_is_final(ret))
		store_show_dead(ret);
	return 0;
}

int store_read_true(const struct store *st, const char *name,
		    struct session *ret, struct err *e)
{
	return store_read_true_of(st, name, NULL, ret, e);
}
