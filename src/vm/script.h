/*
 * Boot scripts: what the configuration, a machine or a visitor wants to run
 * in a guest, as root, when it boots.  A description is
 *
 *     [if(EXPR):] exec: SHELL COMMANDS
 *     [if(EXPR):] bash: COMMANDS OF BASH
 *     [if(EXPR):] http(s)://HOST/SCRIPT[#sha256=DIGITS]
 *     [if(EXPR):] /PATH/OF/A/SCRIPT
 *     [if(EXPR):] virt-customize: LINES     (vm/script_customize.h)
 *
 * with blanks allowed around its parts.  EXPR is vm/script_expr.h's.  In all
 * of them these symbols stand for facts of the session, which are put in as
 * data and never as code (vm/script_text.h):
 *
 *     @USER@ @SESSION_NAME@ @VM@ @EMAIL@, and @PW@ with script_password
 *
 * The CGI only parses; what needs PCRE2 is done by qwd-script and qwdctl.
 */
#ifndef QWD_VM_SCRIPT_H
#define QWD_VM_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum script_kind {
	SCRIPT_EXEC,
	SCRIPT_BASH,
	SCRIPT_URL,
	SCRIPT_PATH,
	SCRIPT_CUSTOMIZE,
};

enum script_symbol {
	SYMBOL_USER,
	SYMBOL_SESSION_NAME,
	SYMBOL_VM,
	SYMBOL_EMAIL,
	SYMBOL_PW,
	SYMBOL_COUNT,
};

/* What the symbols stand for: text without control characters.  NULL is what
 * is not known, or may not be: a script that uses it cannot be made. */
struct script_facts {
	const char *value[SYMBOL_COUNT];
};

enum {
	SCRIPT_EXPR_MAX = 4096,	  /* bytes of EXPR */
	SCRIPT_SHA256_HEX = 64,
};

/* A parsed description; the texts point into it. */
struct script {
	enum script_kind kind;
	const char *condition; /* EXPR and what follows; NULL if there is none */
	const char *body;      /* commands, URL, path */
	size_t body_len;
	const char *sha256; /* of a URL: 64 digits, or NULL */
};

/*
 * Parse.  ERR_INPUT with the end of a sentence that begins with the script
 * ("begins with none of ...").  Of a pattern in EXPR only its end is found
 * here.
 */
MUST_CHECK int script_parse(const char *text, struct script *ret,
			    struct err *e);

/*
 * May a visitor send this one?  A path of this server and what virt-customize
 * would read here are for its administrator.  ERR_INPUT, as above.
 */
MUST_CHECK int script_check_visitor(const struct script *s, struct err *e);

/* The symbol that `text` begins with and its length, or SYMBOL_COUNT. */
enum script_symbol script_symbol_at(const char *text, size_t *ret_len);

/* "@USER@", ... */
const char *script_symbol_name(enum script_symbol symbol);

/* True if the symbol is somewhere in the text. */
bool script_uses(const char *text, enum script_symbol symbol);

#endif
