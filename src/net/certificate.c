#include "net/certificate.h"

#include <openssl/x509.h>
#include <openssl/x509v3.h>

bool certificate_names(const char *der, size_t len, const char *host)
{
	const unsigned char *bytes = (const unsigned char *)der;
	X509 *certificate = d2i_X509(NULL, &bytes, (long)len);
	bool match;

	if (!certificate)
		return false;
	match = X509_check_host(certificate, host, 0, 0, NULL) == 1 ||
		X509_check_ip_asc(certificate, host, 0) == 1;
	X509_free(certificate);
	return match;
}
