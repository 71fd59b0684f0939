/*
 * The letter role: the mail that warns of a session's end.  A child of the
 * session's owner, so that the owner needs neither templates nor secrets.
 */
#ifndef QWD_WEB_WARNING_H
#define QWD_WEB_WARNING_H

/*
 * main() of the role: argv is PROGRAM --session-letter NAME and then options.
 * Writes to the address in the session's record.  Returns 0 when a server has
 * taken or refused the mail, which a line of the log tells, else 1.
 */
int warning_main(int argc, char **argv);

#endif
