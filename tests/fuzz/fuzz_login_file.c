/*
 * The files behind a login: that of a cookie, of a mailed ticket, of counted
 * failures; which of them, the first byte says.  Whatever stands in them, the
 * answer is one that can be given, and a purge copes.
 *
 * A corpus cannot know the time: ~B stands for this boot, ~M for its
 * milliseconds so far, ~E for a minute from now.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "auth/login.h"
#include "auth/throttle.h"
#include "auth/ticket.h"
#include "auth/ticket_file.h"
#include "base/text.h"
#include "sys/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char token[] = "abcdefghijklmnopqrstuvwxyz234567";
static char path[64];
static struct config config;
static struct store store = STORE_INIT;
static struct secret secret;

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void remove_dir(void)
{
	struct err e = ERR_INIT;

	(void)!file_remove_tree(AT_FDCWD, path, &e);
}

static void begin(void)
{
	static const char *const folders[] = { "logins", "tickets",
					       "throttle" };
	struct err e = ERR_INIT;

	snprintf(path, sizeof(path), "/tmp/qwd-fuzz-XXXXXX");
	require(mkdtemp(path) != NULL && atexit(remove_dir) == 0);
	require(config_init(&config, &e) == 0 &&
		config_set(&config, "dir_cfg", path, &e) == 0 &&
		store_open(&config, &store, &e) == 0);
	for (size_t i = 0; i < ARRAY_LEN(folders); i++)
		require(mkdirat(store.dir, folders[i], 0700) == 0);
}

/* Where the file is that `token` stands for. */
static void file_of(const char *folder, char *ret, size_t size)
{
	struct ticket_name name;

	require(ticket_name_of(token, &name));
	snprintf(ret, size, "%s/%s", folder, name.text);
}

static void put(const char *file, const uint8_t *data, size_t size)
{
	AUTO_CLOSE int fd = openat(store.dir, file,
				   O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
				   0600);

	require(fd >= 0 && write(fd, data, size) == (ssize_t)size);
}

static void check_gone(const char *file, bool expected)
{
	require((faccessat(store.dir, file, F_OK, 0) != 0) == expected);
}

static void fill(const uint8_t *data, size_t size, struct buf *out)
{
	char boot[CLOCK_BOOT_ID_SIZE];

	clock_boot_id(boot);
	for (size_t i = 0; i < size; i++) {
		char next = i + 1 < size ? (char)data[i + 1] : '\0';

		if (data[i] != '~' || !next || !strchr("BME", next)) {
			buf_putc(out, (char)data[i]);
			continue;
		}
		if (next == 'B')
			buf_puts(out, boot);
		else
			buf_printf(out, "%lld",
				   next == 'M' ? clock_boot_ms() :
						 clock_wall() + 60);
		i++;
	}
}

static void try_login(const uint8_t *data, size_t size)
{
	struct identity who = { .user = "untouched" };
	struct err e = ERR_INIT;
	char file[128];
	size_t removed;
	bool good;

	file_of("logins", file, sizeof(file));
	put(file, data, size);
	good = login_find(&store, token, &who, &e) == 0;
	if (good) {
		require(session_user_ok(who.user) && !who.admin);
		require(strlen(who.mail) < sizeof(who.mail));
		require(login_use(&store, token, &e) == 0);
	} else {
		require(e.code == ERR_LOGIN);
		require(strcmp(who.user, "untouched") == 0);
	}
	require(login_purge(&store, &removed, &e) == 0);
	require(removed == (good ? 0 : 1));
	check_gone(file, !good);
}

static void try_ticket(const uint8_t *data, size_t size)
{
	AUTO_TICKET struct ticket seen = TICKET_INIT;
	AUTO_TICKET struct ticket used = TICKET_INIT;
	struct err e = ERR_INIT;
	char file[128];
	size_t removed;

	file_of("tickets", file, sizeof(file));
	put(file, data, size);
	if (ticket_look(&store, token, &seen, &e) == 0) {
		require(session_user_ok(seen.user));
		require(seen.order && strlen(seen.order) <= TICKET_ORDER_MAX);
		require(ticket_use(&store, token, &used, &e) == 0);
		require(strcmp(seen.user, used.user) == 0);
		require(seen.purpose == used.purpose);
		check_gone(file, true);
		e = (struct err)ERR_INIT;
		require(ticket_use(&store, token, &used, &e) < 0);
	}
	require(e.code == ERR_NOT_FOUND);
	require(ticket_purge(&store, &removed, &e) == 0);
	require(ticket_drop(&store, token, &e) == 0);
}

/* A count that cannot be read is no reason to let somebody guess more often
 * than the limit, nor to lock everybody out for ever. */
static void try_throttle(const uint8_t *data, size_t size)
{
	struct throttle t;
	struct err e = ERR_INIT;
	unsigned allowed = 0;
	char file[32];
	size_t removed;

	require(throttle_reserve(&store, &secret, "ann", "192.0.2.7", &t,
				 &e) == 0 &&
		throttle_return(&store, &t, &e) == 0);
	snprintf(file, sizeof(file), "throttle/%s", t.user.file);
	put(file, data, size);
	while (allowed <= 5 &&
	       throttle_reserve(&store, &secret, "ann", "192.0.2.7", &t, &e) ==
		       0)
		allowed++;
	require(allowed <= 5 && e.code == ERR_THROTTLED);
	require(e.retry_after >= 1 && e.retry_after <= 900);
	require(throttle_purge(&store, &removed, &e) == 0);
	require(unlinkat(store.dir, file, 0) == 0);
	snprintf(file, sizeof(file), "throttle/%s", t.address.file);
	(void)unlinkat(store.dir, file, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_BUF struct buf text = BUF_INIT(1 << 22);
	const uint8_t *bytes;

	if (store.dir < 0)
		begin();
	if (size == 0)
		return 0;
	fill(data + 1, size - 1, &text);
	if (buf_failed(&text))
		return 0;
	bytes = (const uint8_t *)buf_str(&text);
	switch (data[0] % 3) {
	case 0:
		try_login(bytes, text.len);
		break;
	case 1:
		try_ticket(bytes, text.len);
		break;
	default:
		try_throttle(bytes, text.len);
		break;
	}
	return 0;
}
