/*
 * The condition of a boot script: a closed grammar, in which nothing can run.
 * From the loosest to the tightest (precedence is Perl's, since that is what
 * sites have written):
 *
 *     A or B
 *     A and B
 *     not A
 *     A || B
 *     A && B
 *     A == B   A != B   A eq B   A ne B
 *     A =~ /PATTERN/[i]   A !~ /PATTERN/[i]
 *     !A   (A)   "TEXT"   'TEXT'
 *
 * eq and ne compare text; == and != numbers where both are whole numbers, and
 * text otherwise.  A text alone is true unless it is "" or "0".  In a text
 * \\ \" and \' are those characters; in a pattern \/ is '/'.  Symbols of a
 * text stand for their facts; in a pattern for exactly those characters.
 * Left of =~ stands a text.
 *
 * At most SCRIPT_EXPR_MAX bytes and SCRIPT_EXPR_DEPTH parentheses, ! and not
 * in one another.
 */
#ifndef QWD_VM_SCRIPT_EXPR_H
#define QWD_VM_SCRIPT_EXPR_H

#include "vm/script.h"

enum { SCRIPT_EXPR_DEPTH = 32 };

/*
 * Does the pattern match?  With `subject` NULL it is only compiled.  ERR_INPUT
 * with the end of a sentence about the script.
 */
typedef int script_matcher(const char *pattern, bool any_case,
			   const char *subject, bool *ret, struct err *e);

/*
 * Evaluate the condition that `text` begins with; *ret_end is what follows it.
 * Without `match` patterns are only skipped, and without `facts` too symbols
 * are empty.  What a condition needs not know is not matched, but compiled.
 * ERR_INPUT with the end of a sentence about the script; nothing has changed
 * then.
 */
MUST_CHECK int script_expr(const char *text, const struct script_facts *facts,
			   script_matcher *match, const char **ret_end,
			   bool *ret, struct err *e);

#endif
