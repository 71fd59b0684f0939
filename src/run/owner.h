/*
 * The session owner: one small process that looks after one session from its
 * overlay to its clean-up.  It holds the session's lock as long as it lives,
 * it alone writes the record, and every program of the session is its child.
 * One thread, one poll(2) loop; nothing in it waits for anything else.
 */
#ifndef QWD_RUN_OWNER_H
#define QWD_RUN_OWNER_H

/*
 * main() of the owner: argv is PROGRAM --session-owner NAME LOCK CONTROL
 * ORDER and then options; LOCK, CONTROL and ORDER are the numbers of the
 * inherited descriptors of the session's lock, its listening control socket
 * and what boot scripts need of the request (0: nothing).
 * Returns when nothing of the session is left but its record.
 */
int owner_main(int argc, char **argv);

#endif
