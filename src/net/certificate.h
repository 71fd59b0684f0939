/*
 * Looking at a server's certificate after it was refused, for the log.
 */
#ifndef QWD_NET_CERTIFICATE_H
#define QWD_NET_CERTIFICATE_H

#include <stdbool.h>
#include <stddef.h>

/* True if the DER certificate is made out to `host`, a name or an address
 * (RFC 6125).  Who signed it is not asked. */
bool certificate_names(const char *der, size_t len, const char *host);

#endif
