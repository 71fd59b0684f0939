/*
 * The files of tickets, for ticket.c and ticket_limit.c.
 */
#ifndef QWD_AUTH_TICKET_FILE_H
#define QWD_AUTH_TICKET_FILE_H

#include <stdbool.h>
#include <sha256.h>

#include "auth/ticket.h"
#include "sys/clock.h"

/* A ticket as its file has it. */
struct ticket_file {
	struct ticket ticket;
	char remote[64];
	long long created_boot_ms;
	long long expires_boot_ms;
	char boot_id[CLOCK_BOOT_ID_SIZE];
};

#define AUTO_TICKET_FILE __attribute__((cleanup(ticket_file_release)))

/* The name of a token's file. */
struct ticket_name {
	char text[SHA256_DIGEST_STRING_LENGTH];
};

#define TICKET_USED ".used" /* behind the name of one that was used */

/* Open the folder, made where it is missing.  -1 on failure. */
MUST_CHECK int ticket_folder(const struct store *st, struct err *e);

/* False if `token` cannot be one of ours. */
MUST_CHECK bool ticket_name_of(const char *token, struct ticket_name *ret);

/* Read file `name`.  ERR_NOT_FOUND, ERR_DAMAGED, ERR_TOO_LARGE, ERR_SYSTEM. */
MUST_CHECK int ticket_file_read(int dir, const char *name,
				struct ticket_file *ret, struct err *e);

MUST_CHECK int ticket_file_write(int dir, const char *name,
				 const struct ticket_file *f, struct err *e);

/* True if it was made in this boot, and has not expired; with `window` if it
 * was made less than TICKET_WINDOW_S ago instead. */
bool ticket_file_is_recent(const struct ticket_file *f, bool window);

void ticket_file_release(struct ticket_file *f);

/*
 * May there be one more, for `user` and asked for from `remote`?  If not,
 * ERR_THROTTLED or, for the limit of all, ERR_BUSY, with a sentence.  Only the holder of the folder's lock may ask.
 */
MUST_CHECK int ticket_limit_check(int dir, const char *user, const char *remote,
				  struct err *e);

#endif
