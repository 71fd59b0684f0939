/*
 * qwd-net: every conversation with another server, one a run (but for the
 * farm's agent, net/agent.h).
 *
 *     qwd-net ldap-check | imap-check | smtp-check | mail-send | fetch | farm
 *
 * The request, secrets included, is ONE JSON object of at most 64 kB (farm: 1
 * MB) on standard input; the answer is ONE JSON object on a line of its own on
 * standard output.  Nothing else is read but the CA file and what the name
 * resolver needs (no ldap.conf, no .netrc, no proxy from the environment).
 * Nothing is written to standard error but the usage.
 *
 * Exit status: 0 there is an answer, yes or no; 1 it could not be found out;
 * 2 the request itself is wrong, or the command line (then without answer).
 *
 *
 * THE REQUEST  (those of fetch and farm are in net/fetch.h and net/farm.h)
 *
 * Unknown members and repeated ones are an error, and so is a value of another
 * type or range.  A member with a default may be left out or be null.
 * Lengths are in bytes.  `tls` has no default: who wants a conversation in
 * the clear has to write it.
 *
 * Of each verb:
 *     host      name or address (IPv6 without brackets), as in the
 *               server's certificate
 *     port      1..65535
 *     tls       "tls": from the first byte (ldaps, imaps, smtps)
 *               "starttls": required, before anything else is said
 *               "none": ldap-check, and mail-send without a user
 *     ca_file   absolute path of PEM certificates, in place of the system's
 *     timeout   seconds for all of it, 1..60
 *
 * Of ldap-check, imap-check and smtp-check:
 *     user      the login, 1..256, no control characters
 *     password  1..1024, no control characters
 * What is wrong with these two is no wrong request, but is refused before any
 * server is asked: "bad-input", "empty-password".
 *
 * Of ldap-check:
 *     bind_dn         who searches; default: anonymous
 *     bind_password   its password; both or none of the two
 *     base            where to search, all below it; "" is the whole tree
 *     attribute       names the user, default "uid"
 *     filter          finds the user, default "(ATTRIBUTE=%u)"; %u is the user,
 *                     escaped by RFC 4515, %% a percent sign
 *     mail_attribute  default "mail"
 *     groups          "none" (default), "memberof": that attribute of the
 *                     user's entry, "search": entries that group_filter finds,
 *                     asked as bind_dn, or as the user where there is none
 *     group_base      groups are only those below it; required with groups
 *     group_filter    %d is the DN of the user's entry, escaped; default
 *                     "(|(member=%d)(uniqueMember=%d)(memberUid=%u))", where
 *                     %u is the `user` of the answer
 *
 * Of mail-send:
 *     user, password  of the mail server; both or none
 *     from, to        one address each, as mail_address_ok() has it
 *     subject         1..256, no control characters
 *     text            the plain part; lines end with \n or \r\n
 *     html            the HTML part; default: the plain part alone
 *
 *
 * THE ANSWER
 *
 *     result    "accepted", "refused" or "error"
 *     reason    a word of NET_REASONS, which belongs to one result
 *     message   for the log, printable ASCII, no secret in it; a visitor
 *               never sees it, nor the reason
 *     user      ldap-check, accepted: the login as the directory writes it,
 *               which is what to go by: "ANN" and " ann" log in as "ann".
 *               Else null, also where the entry has no such attribute
 *     mail      ldap-check, accepted: the first address of the entry that is
 *               one, else null
 *     groups    ldap-check, accepted: names, that is the value of the first
 *               RDN of the group's entry ("cn=NAME,GROUP_BASE"); at most 256,
 *               [] without groups
 *
 * If `timeout` passes before a library notices, qwd-net answers "timeout" all
 * the same, half a second later; the caller's own deadline goes behind that.
 *
 * An unknown user costs the same round trips as a wrong password: a bind as
 * an entry that does not exist, with random bytes.  How long the server
 * itself thinks is not ours; padding both to one time is the caller's.
 *
 * No password is sent before TLS is up, at least 1.2, and the certificate and
 * its name are verified.
 */
#ifndef QWD_NET_NET_H
#define QWD_NET_NET_H

#include <jansson.h>
#include <stddef.h>

#include "base/macros.h"
#include "net/request.h"

enum {
	NET_REQUEST_MAX = 65536, /* bytes */
	NET_GROUPS_MAX = 256,
	NET_GRACE_MS = 500, /* behind the timeout */
};

enum net_result {
	NET_ACCEPTED,
	NET_REFUSED, /* a clear no */
	NET_ERROR,   /* it could not be found out */
};

#define NET_REASONS(X)                                                         \
	X(ACCEPTED, OK, "ok")                                                  \
	/* before any server was asked */                                      \
	X(REFUSED, BAD_INPUT, "bad-input")                                     \
	X(REFUSED, EMPTY_PASSWORD, "empty-password")                           \
	X(REFUSED, BAD_ADDRESS, "bad-address") /* mail-send: `to` */           \
	/* by the server */                                                    \
	X(REFUSED, BAD_PASSWORD, "bad-password") /* or user: IMAP, SMTP */     \
	X(REFUSED, UNKNOWN_USER, "unknown-user")                               \
	X(REFUSED, AMBIGUOUS, "ambiguous")     /* several entries */           \
	X(REFUSED, NOT_ALLOWED, "not-allowed") /* locked, no password, ... */  \
	X(REFUSED, REJECTED, "rejected")       /* mail-send: for good */       \
	/* fetch */                                                            \
	X(REFUSED, BAD_URL, "bad-url")                                         \
	X(REFUSED, PRIVATE, "private-address")                                 \
	X(REFUSED, REDIRECT, "redirect")                                       \
	X(REFUSED, STATUS, "status") /* not 200 */                             \
	X(REFUSED, TOO_LARGE, "too-large")                                     \
	X(REFUSED, NOT_TEXT, "not-text")                                       \
	/* the way there */                                                    \
	X(ERROR, UNKNOWN_HOST, "unknown-host")                                 \
	X(ERROR, REFUSED_CONNECTION, "refused-connection")                     \
	X(ERROR, UNREACHABLE, "unreachable")                                   \
	X(ERROR, TIMEOUT, "timeout")                                           \
	X(ERROR, CLOSED, "closed") /* by the server, half-way */               \
	/* TLS */                                                              \
	X(ERROR, NO_TLS, "no-tls") /* not offered, or asked for in vain */     \
	X(ERROR, TLS, "tls")       /* no handshake, too old */                 \
	X(ERROR, CERTIFICATE, "certificate")                                   \
	X(ERROR, HOST_NAME, "host-name") /* the certificate is another's */    \
	X(ERROR, CA_FILE, "ca-file")                                           \
	/* the rest */                                                         \
	X(ERROR, NO_MECHANISM, "no-mechanism") /* no PLAIN, no LOGIN */        \
	X(ERROR, OWN_LOGIN, "own-login") /* bind_dn; mail-send's user */       \
	X(ERROR, BASE, "base")           /* there is none */                   \
	X(ERROR, LATER, "later")         /* the server says so */              \
	X(ERROR, PROTOCOL, "protocol")   /* an answer that makes no sense */   \
	X(ERROR, REQUEST, "request")     /* exit status 2 */                   \
	X(ERROR, INTERNAL, "internal")

#define NET_REASON_MEMBER(result, name, word) NET_##name,
enum net_reason { NET_REASONS(NET_REASON_MEMBER) };
#undef NET_REASON_MEMBER

/*
 * What a verb found out.  It serves as the error object, too: a function that
 * ends the conversation has filled it.  Release it with net_answer_release().
 */
struct net_answer {
	enum net_reason reason;
	char message[256];
	char user[NET_USER_MAX + 1];
	char mail[NET_ADDRESS_MAX + 1];
	json_t *groups; /* of strings, or NULL */
};

/* Set the reason and the message, which loses all but printable ASCII.
 * Always returns -1. */
int net_say(struct net_answer *a, enum net_reason reason, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

/* Take the message away if it holds `secret` (may be NULL). */
void net_withhold(struct net_answer *a, const char *secret);

/*
 * Look at what a visitor can have typed.  0, or -1 with the refusal in *a:
 * then no server is to be asked.
 */
MUST_CHECK int net_refusal(enum net_verb verb, const struct net_request *r,
			   struct net_answer *a);

enum net_result net_result_of(enum net_reason reason);
const char *net_reason_word(enum net_reason reason);

/* The answer as one line of JSON.  NULL if no memory; the caller frees. */
char *net_answer_text(const struct net_answer *a);

void net_answer_release(struct net_answer *a);

/*
 * The verbs.  Each fills *a, which is empty; `r` has passed net_request_parse()
 * for that verb.
 */
void net_ldap_check(const struct net_request *r, struct net_answer *a);
void net_imap_check(const struct net_request *r, struct net_answer *a);
void net_smtp_check(const struct net_request *r, struct net_answer *a);
void net_mail_send(const struct net_request *r, struct net_answer *a);

#endif
