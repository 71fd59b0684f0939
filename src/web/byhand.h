/*
 * The command by hand: the program started from a terminal, outside a web
 * server, by a user who then is the one and only user.
 */
#ifndef QWD_WEB_BYHAND_H
#define QWD_WEB_BYHAND_H

/*
 * main() by hand; see qemu-web-desktop(8).  Returns the exit status: 0 done,
 * 1 failed, 2 the arguments are wrong (the message names which).
 */
int by_hand_main(int argc, char **argv);

#endif
