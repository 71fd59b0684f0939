#include "auth/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <sha256.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

enum {
	BLOCK = 64, /* bytes of SHA-256's */
	DIFFERENT_MIN = 10,
};

static int check_file(const struct secret_file *f, const struct stat *st,
		      struct err *e)
{
	if (!S_ISREG(st->st_mode))
		return err_set(e, ERR_CONFIG,
			       "%s: %s is no regular file", f->option,
			       f->path);
	if (st->st_mode & 077)
		return err_set(e, ERR_CONFIG,
			       "%s: others may read %s; its mode must be 0600, "
			       "and its content is to be replaced",
			       f->option, f->path);
	if (st->st_uid != geteuid() && st->st_uid != 0)
		return err_set(e, ERR_CONFIG,
			       "%s: %s belongs to user %u, not to the service",
			       f->option, f->path, (unsigned)st->st_uid);
	if (st->st_size < SECRET_BYTES_MIN || st->st_size > SECRET_BYTES_MAX)
		return err_set(e, ERR_CONFIG,
			       "%s: %s must have %d to %d bytes; remove it and "
			       "run '%s'",
			       f->option, f->path, SECRET_BYTES_MIN,
			       SECRET_BYTES_MAX, f->command);
	return 0;
}

/* Is it made of very few different bytes, such as a line of x? */
static bool is_weak(const unsigned char *bytes, size_t len)
{
	bool seen[256] = { false };
	int different = 0;

	for (size_t i = 0; i < len; i++) {
		different += !seen[bytes[i]];
		seen[bytes[i]] = true;
	}
	return different < DIFFERENT_MIN;
}

static int read_all(int fd, const struct secret_file *f, unsigned char *bytes,
		    size_t *ret_len, struct err *e)
{
	struct stat st;
	ssize_t got;

	if (fstat(fd, &st) < 0)
		return err_sys(e, "cannot stat %s", f->path);
	if (check_file(f, &st, e) < 0)
		return -1;
	got = pread(fd, bytes, SECRET_BYTES_MAX, 0);
	if (got < 0)
		return err_sys(e, "cannot read %s", f->path);
	if (got < SECRET_BYTES_MIN || is_weak(bytes, (size_t)got))
		return err_set(e, ERR_CONFIG,
			       "%s: %s can be guessed; remove it and run '%s'",
			       f->option, f->path, f->command);
	*ret_len = (size_t)got;
	return 0;
}

int secret_read_file(const struct secret_file *f, struct secret *ret,
		     struct err *e)
{
	unsigned char bytes[SECRET_BYTES_MAX];
	AUTO_CLOSE int fd = -1;
	SHA2_CTX hash;
	size_t len = 0;

	fd = open(f->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return err_set(e, ERR_CONFIG, "%s: there is no %s; run '%s'",
			       f->option, f->path, f->command);
	if (fd < 0)
		return err_sys(e, "cannot open %s", f->path);
	if (read_all(fd, f, bytes, &len, e) < 0)
		return -1;
	SHA256Init(&hash);
	SHA256Update(&hash, bytes, len);
	SHA256Final(ret->key, &hash);
	explicit_bzero(bytes, sizeof(bytes));
	explicit_bzero(&hash, sizeof(hash));
	return 0;
}

int secret_read(const struct config *c, struct secret *ret, struct err *e)
{
	const struct secret_file f = {
		.path = c->service_secret,
		.option = "service_secret",
		.command = "qwdctl secret",
	};

	return secret_read_file(&f, ret, e);
}

void secret_release(struct secret *s)
{
	explicit_bzero(s, sizeof(*s));
}

/* One half of HMAC: the key, padded and mixed with `pad`, goes first. */
static void begin(SHA2_CTX *hash, const struct secret *s, unsigned char pad)
{
	unsigned char block[BLOCK];

	memset(block, pad, sizeof(block));
	for (size_t i = 0; i < sizeof(s->key); i++)
		block[i] ^= s->key[i];
	SHA256Init(hash);
	SHA256Update(hash, block, sizeof(block));
	explicit_bzero(block, sizeof(block));
}

void secret_mac(const struct secret *s, const char *purpose, const char *text,
		char ret_hex[SECRET_MAC_SIZE])
{
	unsigned char inner[SHA256_DIGEST_LENGTH];
	SHA2_CTX hash;

	begin(&hash, s, 0x36);
	SHA256Update(&hash, (const uint8_t *)purpose, strlen(purpose));
	SHA256Update(&hash, (const uint8_t *)":", 1);
	SHA256Update(&hash, (const uint8_t *)text, strlen(text));
	SHA256Final(inner, &hash);
	begin(&hash, s, 0x5c);
	SHA256Update(&hash, inner, sizeof(inner));
	SHA256End(&hash, ret_hex);
	explicit_bzero(inner, sizeof(inner));
}
