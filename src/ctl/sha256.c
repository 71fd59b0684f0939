#include "ctl/sha256.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"

void sha256_release(struct sha256 *s)
{
	EVP_MD_CTX_free(s->context);
	s->context = NULL;
}

static int fail(struct err *e)
{
	return err_set(e, ERR_SYSTEM, "SHA-256 is not to be had from OpenSSL");
}

int sha256_begin(struct sha256 *s, struct err *e)
{
	s->context = EVP_MD_CTX_new();
	if (!s->context ||
	    EVP_DigestInit_ex(s->context, EVP_sha256(), NULL) != 1) {
		sha256_release(s);
		return fail(e);
	}
	return 0;
}

void sha256_add(struct sha256 *s, const void *bytes, size_t len)
{
	if (s->context && EVP_DigestUpdate(s->context, bytes, len) != 1)
		sha256_release(s);
}

int sha256_end(struct sha256 *s, char hex[SHA256_HEX + 1], struct err *e)
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	AUTO_BUF struct buf text = BUF_INIT(SHA256_HEX);
	unsigned len = 0;

	if (!s->context || EVP_DigestFinal_ex(s->context, sum, &len) != 1)
		return fail(e);
	text_hex(&text, sum, len);
	if (text.len != SHA256_HEX)
		return fail(e);
	memcpy(hex, text.data, SHA256_HEX + 1);
	return 0;
}
