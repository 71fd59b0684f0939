/*
 * Putting the facts of a session into a boot script: as data, whatever they
 * hold.
 *
 * In a script of the shell (its first line names sh, bash, dash, ksh, zsh or
 * ash, or no interpreter) a fact never becomes text of the script: it is the
 * value of a variable, which the shell does not read again, and the symbol
 * becomes a reference that suits the quotes around it.  The variables are
 * QWD_USER, QWD_SESSION_NAME, QWD_VM, QWD_EMAIL, in the environment of what
 * the script starts too, and QWD_PW, which is not, and only there if @PW@ is
 * used.  Only within a here-document whose end is quoted, where the shell
 * replaces nothing, the fact itself is written.
 *
 * A script of another language gets the fact itself, if it is made of letters,
 * digits and "._@+-" alone, so that it is a name in any language.
 *
 * What a script does with a variable is its own affair: one that gives it to
 * `eval` or `sh -c` makes code of it.
 */
#ifndef QWD_VM_SCRIPT_TEXT_H
#define QWD_VM_SCRIPT_TEXT_H

#include "base/buf.h"
#include "vm/script.h"

/*
 * The file to run in the guest, made of `text`: with a first line "#!SHELL" if
 * the text has none.  ERR_INPUT with the end of a sentence about the script if
 * a fact is not known or cannot be put in, or *out is full.
 */
MUST_CHECK int script_text_program(const char *text, const char *shell,
				   const struct script_facts *facts,
				   struct buf *out, struct err *e);

enum script_place {
	PLACE_URL,   /* percent-encoded */
	PLACE_PATH,  /* a part of a path: no '/', no "..", nothing hidden */
	PLACE_NAME,  /* letters, digits and "._@+-" */
	PLACE_LINE,  /* the rest of a line, as it is */
};

/* Replace the symbols of `len` bytes.  Errors as above. */
MUST_CHECK int script_text_fill(const char *text, size_t len,
				enum script_place place,
				const struct script_facts *facts,
				struct buf *out, struct err *e);

/* The assignments, "QWD_USER='ann' ...", of the shell, without a newline. */
MUST_CHECK int script_text_variables(const char *text,
				     const struct script_facts *facts,
				     struct buf *out, struct err *e);

/* Symbols of shell commands as references to these variables. */
void script_text_references(const char *text, size_t len,
			    const struct script_facts *facts, struct buf *out);

#endif
