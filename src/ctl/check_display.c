/* How browsers get to the displays: ports, certificate, what is open. */
#include "ctl/check.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>
#include <time.h>

#include "vm/display.h"

enum { SOON_S = 21 * 86400 };

static void check_plugin(struct check *k)
{
	AUTO_FREE char *path = NULL;

	if (asprintf(&path, "%s/qwd_display.py", k->config->dir_libexec) < 0)
		path = NULL;
	if (path && access(path, R_OK) == 0)
		check_say(k, CHECK_OK, "websockify's part %s", path);
	else
		check_say(k, CHECK_ERROR,
			  "dir_libexec: there is no %s/qwd_display.py, so no "
			  "display can be opened; install it, or correct "
			  "dir_libexec",
			  k->config->dir_libexec);
}

static X509 *read_certificate(const char *path)
{
	AUTO_FILE FILE *f = fopen(path, "re");

	return f ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;
}

static EVP_PKEY *read_key(const char *path)
{
	AUTO_FILE FILE *f = fopen(path, "re");

	return f ? PEM_read_PrivateKey(f, NULL, NULL, NULL) : NULL;
}

/* What is wrong with the certificate and its key; 0 if nothing is. */
static int judge_pair(struct check *k, const X509 *crt, const EVP_PKEY *key)
{
	const struct config *c = k->config;
	time_t soon = time(NULL) + SOON_S;

	if (!crt || !key) {
		check_say(k, CHECK_ERROR, "%s: %s cannot be read as PEM; "
					  "correct it",
			  crt ? "certificate_key" : "certificate_crt",
			  crt ? c->certificate_key : c->certificate_crt);
		return -1;
	}
	if (X509_check_private_key(crt, key) != 1) {
		check_say(k, CHECK_ERROR,
			  "certificate_key: %s is not the key of %s; give the "
			  "two that belong together",
			  c->certificate_key, c->certificate_crt);
		return -1;
	}
	if (X509_cmp_current_time(X509_get0_notAfter(crt)) < 0) {
		check_say(k, CHECK_ERROR,
			  "certificate_crt: %s has expired; renew it",
			  c->certificate_crt);
		return -1;
	}
	if (X509_cmp_time(X509_get0_notAfter(crt), &soon) < 0)
		check_say(k, CHECK_WARNING,
			  "certificate_crt: %s expires within three weeks; "
			  "renew it",
			  c->certificate_crt);
	return 0;
}

static void check_certificate(struct check *k)
{
	const struct config *c = k->config;
	const char *const files[][2] = {
		{ "certificate_crt", c->certificate_crt },
		{ "certificate_key", c->certificate_key },
	};
	X509 *crt;
	EVP_PKEY *key;

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		if (check_user_may(k, "-r", files[i][1]))
			continue;
		check_say(k, CHECK_ERROR,
			  "%s: user %s cannot read %s; let its group",
			  files[i][0], k->user_name, files[i][1]);
		return;
	}
	crt = read_certificate(c->certificate_crt);
	key = read_key(c->certificate_key);
	if (judge_pair(k, crt, key) == 0)
		check_say(k, CHECK_OK, "displays are encrypted with %s",
			  c->certificate_crt);
	X509_free(crt);
	EVP_PKEY_free(key);
}

static void check_own_ports(struct check *k)
{
	const struct config *c = k->config;
	bool open = strcmp(display_bind_address(c, NULL), "127.0.0.1") != 0;

	if (*c->certificate_crt)
		check_certificate(k);
	else if (open)
		check_say(k, CHECK_WARNING,
			  "displays cross the network in the clear; set "
			  "certificate_crt and certificate_key, or let the "
			  "web server show them (service_reverse_proxy)");
	if (open && c->service_port &&
	    (c->service_port_multiple || c->form_oneshot))
		check_say(k, CHECK_NOTE,
			  "browsers need the ports %lld to %lld of this host; "
			  "open them in its firewall",
			  c->service_port,
			  c->service_port + c->service_max_instance_nb);
}

static void check_web_server(struct check *k)
{
	const struct config *c = k->config;

	if (!c->service_port)
		check_say(k, CHECK_ERROR,
			  "service_port = 0: the web server does not know "
			  "which port it has to forward %s to; give the port "
			  "that its configuration names",
			  c->service_reverse_proxy);
	if (*c->certificate_crt)
		check_say(k, CHECK_NOTE,
			  "certificate_crt has no effect, since displays go "
			  "through the web server, which encrypts them; "
			  "remove it");
	check_say(k, CHECK_OK, "displays are at %s of the web server",
		  c->service_reverse_proxy);
}

void check_display(struct check *k)
{
	check_plugin(k);
	if (display_through_web_server(k->config))
		check_web_server(k);
	else
		check_own_ports(k);
}
