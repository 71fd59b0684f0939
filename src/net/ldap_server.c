#include "net/ldap_server.h"

#include <openldap.h>
#include <string.h>

#include "net/certificate.h"
#include "net/connect.h"

enum {
	ANSWER_MAX = 1 << 20, /* bytes of one LDAP message */
};

static int set_options(LDAP *ld, const struct net_request *r)
{
	const int version = LDAP_VERSION3;
	/* No LDAP_OPT_NETWORK_TIMEOUT: it makes sockets non-blocking, and
	 * libldap then burns the processor while a handshake stalls.  The
	 * process has its alarm. */
	const struct timeval timeout = { .tv_sec = (time_t)r->timeout };
	ber_len_t most = ANSWER_MAX;
	Sockbuf *socket = NULL;

	if (ldap_set_option(ld, LDAP_OPT_PROTOCOL_VERSION, &version) !=
		    LDAP_OPT_SUCCESS ||
	    ldap_set_option(ld, LDAP_OPT_REFERRALS, LDAP_OPT_OFF) !=
		    LDAP_OPT_SUCCESS ||
	    ldap_set_option(ld, LDAP_OPT_TIMEOUT, &timeout) !=
		    LDAP_OPT_SUCCESS ||
	    ldap_get_option(ld, LDAP_OPT_SOCKBUF, &socket) !=
		    LDAP_OPT_SUCCESS ||
	    ber_sockbuf_ctrl(socket, LBER_SB_OPT_SET_MAX_INCOMING, &most) < 0)
		return -1;
	return 0;
}

static int set_tls(LDAP *ld, const struct net_request *r, bool verify)
{
	const int oldest = LDAP_OPT_X_TLS_PROTOCOL_TLS1_2;
	const int require = verify ? LDAP_OPT_X_TLS_DEMAND :
				     LDAP_OPT_X_TLS_NEVER;
	const int client = 0;

	if (ldap_set_option(ld, LDAP_OPT_X_TLS_CACERTFILE, r->ca_file) !=
		    LDAP_OPT_SUCCESS ||
	    ldap_set_option(ld, LDAP_OPT_X_TLS_REQUIRE_CERT, &require) !=
		    LDAP_OPT_SUCCESS ||
	    ldap_set_option(ld, LDAP_OPT_X_TLS_PROTOCOL_MIN, &oldest) !=
		    LDAP_OPT_SUCCESS)
		return -1;
	/* The last one: it makes the context from the others. */
	return ldap_set_option(ld, LDAP_OPT_X_TLS_NEWCTX, &client) ==
			       LDAP_OPT_SUCCESS ?
		       0 :
		       -1;
}

/* With GnuTLS under it libldap 2.5 takes TLS 1.1 whatever PROTOCOL_MIN is. */
static int check_version(LDAP *ld, struct net_answer *a)
{
	static const char *const good[] = { "TLS1.2", "TLS1.3", "TLSv1.2",
					    "TLSv1.3" };
	char *version = NULL;
	int result = -1;

	ldap_get_option(ld, LDAP_OPT_X_TLS_VERSION, &version);
	for (size_t i = 0; version && i < ARRAY_LEN(good); i++)
		if (strcmp(version, good[i]) == 0)
			result = 0;
	if (result < 0)
		net_say(a, NET_TLS, "%s is too old",
			version ? version : "unknown TLS");
	ldap_memfree(version);
	return result;
}

static LDAP *connect_in_clear(const struct net_request *r,
			      struct net_answer *a)
{
	bool v6 = strchr(r->host, ':');
	int fd = net_connect(r, a);
	char url[300];
	LDAP *ld = NULL;

	if (fd < 0)
		return NULL;
	snprintf(url, sizeof(url), "ldap://%s%s%s", v6 ? "[" : "", r->host,
		 v6 ? "]" : "");
	if (ldap_init_fd(fd, LDAP_PROTO_TCP, url, &ld) != LDAP_SUCCESS) {
		close(fd);
		net_say(a, NET_INTERNAL, "libldap: no handle");
		return NULL;
	}
	if (set_options(ld, r) < 0) {
		net_say(a, NET_INTERNAL, "libldap: an option is refused");
		ldap_server_close(&ld);
	}
	return ld;
}

static int start_tls(LDAP *ld, const struct net_request *r)
{
	return r->tls == NET_TLS_DIRECT ? ldap_install_tls(ld) :
					  ldap_start_tls_s(ld, NULL, NULL);
}

/*
 * libldap says the same of every failed handshake.  So look at the server's
 * certificate once more, on a connection that verifies nothing and over which
 * nothing is sent, only to find the word for the log.
 */
static enum net_reason why_no_tls(const struct net_request *r)
{
	struct net_answer ignored = { .reason = NET_OK };
	AUTO_LDAP LDAP *ld = connect_in_clear(r, &ignored);
	struct berval certificate = { 0 };
	enum net_reason reason = NET_CERTIFICATE;

	if (!ld || set_tls(ld, r, false) < 0 || start_tls(ld, r) ||
	    ldap_get_option(ld, LDAP_OPT_X_TLS_PEERCERT, &certificate) !=
		    LDAP_OPT_SUCCESS)
		return NET_TLS;
	if (!certificate_names(certificate.bv_val, certificate.bv_len,
			       r->host))
		reason = NET_HOST_NAME;
	ber_memfree(certificate.bv_val);
	return reason;
}

static int secure(LDAP *ld, const struct net_request *r, struct net_answer *a)
{
	int code;

	if (set_tls(ld, r, true) < 0)
		return net_say(a, NET_CA_FILE, "%s: cannot be used",
			       r->ca_file);
	code = start_tls(ld, r);
	if (code == LDAP_SUCCESS)
		return check_version(ld, a);
	if (code == LDAP_CONNECT_ERROR)
		return ldap_server_say_as(ld, code, why_no_tls(r), "TLS", a);
	if (code > 0)
		return ldap_server_say_as(ld, code, NET_NO_TLS, "StartTLS", a);
	return ldap_server_say(ld, code, "TLS", a);
}

LDAP *ldap_server_open(const struct net_request *r, struct net_answer *a)
{
	LDAP *ld = connect_in_clear(r, a);

	if (ld && r->tls != NET_TLS_NONE && secure(ld, r, a) < 0)
		ldap_server_close(&ld);
	return ld;
}

int ldap_server_bind(LDAP *ld, const char *dn, const char *password)
{
	struct berval secret = { strlen(password), (char *)password };

	if (!*password || !*dn)
		return LDAP_PARAM_ERROR;
	return ldap_sasl_bind_s(ld, dn, LDAP_SASL_SIMPLE, &secret, NULL, NULL,
				NULL);
}

int ldap_server_search(LDAP *ld, const struct net_request *r, const char *base,
		       const char *filter, const char *const *attributes,
		       int limit, LDAPMessage **ret)
{
	struct timeval timeout = { .tv_sec = (time_t)r->timeout };

	return ldap_search_ext_s(ld, base, LDAP_SCOPE_SUBTREE, filter,
				 (char **)attributes, 0, NULL, NULL, &timeout,
				 limit, ret);
}

static enum net_reason reason_of(int code)
{
	switch (code) {
	case LDAP_SERVER_DOWN:
		return NET_CLOSED;
	case LDAP_TIMEOUT:
	case LDAP_TIMELIMIT_EXCEEDED:
		return NET_TIMEOUT;
	case LDAP_BUSY:
	case LDAP_UNAVAILABLE:
	case LDAP_ADMINLIMIT_EXCEEDED:
		return NET_LATER;
	case LDAP_CONFIDENTIALITY_REQUIRED:
		return NET_NO_TLS;
	case LDAP_NO_SUCH_OBJECT:
	case LDAP_INVALID_DN_SYNTAX:
		return NET_BASE;
	case LDAP_OPERATIONS_ERROR: /* Active Directory: bind first */
	case LDAP_STRONG_AUTH_REQUIRED:
	case LDAP_INAPPROPRIATE_AUTH:
	case LDAP_INVALID_CREDENTIALS:
	case LDAP_INSUFFICIENT_ACCESS:
	case LDAP_UNWILLING_TO_PERFORM:
		return NET_OWN_LOGIN;
	case LDAP_FILTER_ERROR:
		return NET_REQUEST;
	case LDAP_NO_MEMORY:
		return NET_INTERNAL;
	default:
		return NET_PROTOCOL;
	}
}

int ldap_server_say_as(LDAP *ld, int code, enum net_reason reason,
		       const char *what, struct net_answer *a)
{
	char *more = NULL;

	ldap_get_option(ld, LDAP_OPT_DIAGNOSTIC_MESSAGE, &more);
	net_say(a, reason, "%s: %s%s%.120s", what, ldap_err2string(code),
		more && *more ? ": " : "", more ? more : "");
	ldap_memfree(more);
	return -1;
}

int ldap_server_say(LDAP *ld, int code, const char *what, struct net_answer *a)
{
	return ldap_server_say_as(ld, code, reason_of(code), what, a);
}

void ldap_server_close(LDAP **ld)
{
	if (*ld)
		ldap_unbind_ext_s(*ld, NULL, NULL);
	*ld = NULL;
}

void ldap_server_free_result(LDAPMessage **result)
{
	ldap_msgfree(*result);
	*result = NULL;
}
