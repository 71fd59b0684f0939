#include "auth/ticket_file.h"

#include <string.h>

#include "sys/file.h"
#include "sys/json.h"

enum {
	/* In JSON a byte of the order can become "\u0001". */
	FILE_MAX_BYTES = 6 * TICKET_ORDER_MAX + 4096,
};

static const char *const purposes[] = {
	[TICKET_CREATE] = "create",
	[TICKET_MANAGE] = "manage",
};

int ticket_folder(const struct store *st, struct err *e)
{
	int fd = file_private_dir(st->dir, "tickets", e);

	if (fd < 0)
		err_prefix(e, "%s", st->path);
	return fd;
}

bool ticket_name_of(const char *token, struct ticket_name *ret)
{
	size_t len = strlen(token);

	return len == TICKET_TOKEN_SIZE - 1 &&
	       strspn(token, "abcdefghijklmnopqrstuvwxyz234567") == len &&
	       SHA256Data((const uint8_t *)token, len, ret->text) != NULL;
}

static int get_text(const json_t *file, const char *key, char *ret,
		    size_t size, struct err *e)
{
	const char *text;

	if (json_get_string(file, key, size - 1, &text, e) < 0)
		return -1;
	memcpy(ret, text, strlen(text) + 1);
	return 0;
}

static int get_purpose(const json_t *file, enum ticket_purpose *ret,
		       struct err *e)
{
	const char *word;

	if (json_get_string(file, "purpose", 16, &word, e) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(purposes); i++) {
		if (strcmp(word, purposes[i]) == 0) {
			*ret = (enum ticket_purpose)i;
			return 0;
		}
	}
	return err_set(e, ERR_DAMAGED, "purpose: unknown word");
}

static int get_order(const json_t *file, char **ret, struct err *e)
{
	const char *text;

	if (json_get_string(file, "order", TICKET_ORDER_MAX, &text, e) < 0)
		return -1;
	*ret = strdup(text);
	return *ret ? 0 : err_set(e, ERR_SYSTEM, "no memory");
}

/* The order comes last: it alone is to be released. */
static int parse(const json_t *file, struct ticket_file *ret, struct err *e)
{
	struct ticket *t = &ret->ticket;
	long long version;

	if (json_get_int(file, "version", 1, 1, &version, e) < 0 ||
	    get_text(file, "user", t->user, sizeof(t->user), e) < 0 ||
	    get_purpose(file, &t->purpose, e) < 0 ||
	    get_text(file, "remote", ret->remote, sizeof(ret->remote), e) < 0 ||
	    json_get_int(file, "created", 0, 1LL << 60, &t->created, e) < 0 ||
	    json_get_int(file, "expires", 0, 1LL << 60, &t->expires, e) < 0 ||
	    json_get_int(file, "created_boot_ms", 0, 1LL << 60,
			 &ret->created_boot_ms, e) < 0 ||
	    json_get_int(file, "expires_boot_ms", 0, 1LL << 60,
			 &ret->expires_boot_ms, e) < 0 ||
	    get_text(file, "boot_id", ret->boot_id, sizeof(ret->boot_id), e) <
		    0)
		return -1;
	if (!session_user_ok(t->user))
		return err_set(e, ERR_DAMAGED, "user: no user's name");
	return get_order(file, &t->order, e);
}

int ticket_file_read(int dir, const char *name, struct ticket_file *ret,
		     struct err *e)
{
	AUTO_BUF struct buf text = BUF_INIT(FILE_MAX_BYTES);
	AUTO_JSON json_t *file = NULL;
	struct ticket_file f = { .ticket = TICKET_INIT };

	if (file_read(dir, name, false, &text, e) < 0)
		return -1;
	file = json_parse_object(buf_str(&text), text.len, e);
	if (!file || parse(file, &f, e) < 0)
		return -1;
	*ret = f;
	return 0;
}

int ticket_file_write(int dir, const char *name, const struct ticket_file *f,
		      struct err *e)
{
	const struct ticket *t = &f->ticket;
	AUTO_JSON json_t *file = json_pack(
		"{si ss ss ss ss sI sI sI sI ss}", "version", 1, "user",
		t->user, "purpose", purposes[t->purpose], "order",
		t->order ? t->order : "", "remote", f->remote, "created",
		(json_int_t)t->created, "expires", (json_int_t)t->expires,
		"created_boot_ms", (json_int_t)f->created_boot_ms,
		"expires_boot_ms", (json_int_t)f->expires_boot_ms, "boot_id",
		f->boot_id);
	AUTO_FREE char *text = json_text(file);

	if (!text)
		return err_set(e, ERR_SYSTEM, "cannot make a ticket");
	return file_replace(dir, name, text, strlen(text), 0600, false, e);
}

bool ticket_file_is_recent(const struct ticket_file *f, bool window)
{
	char boot_id[CLOCK_BOOT_ID_SIZE];
	long long now = clock_boot_ms();

	clock_boot_id(boot_id);
	if (strcmp(boot_id, f->boot_id) != 0 || now < f->created_boot_ms)
		return false;
	return window ? now < f->created_boot_ms + TICKET_WINDOW_S * 1000LL :
			now < f->expires_boot_ms;
}

void ticket_file_release(struct ticket_file *f)
{
	ticket_release(&f->ticket);
}
