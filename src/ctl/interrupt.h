/*
 * Signals that ask a long command to end: it tidies up, and ends by itself.
 */
#ifndef QWD_CTL_INTERRUPT_H
#define QWD_CTL_INTERRUPT_H

#include <signal.h>

/* True since a signal came. */
extern volatile sig_atomic_t interrupt_stop;

/* Catch SIGINT, SIGTERM and SIGHUP from now on; one that is ignored (nohup(1))
 * stays so. */
void interrupt_catch(void);

#endif
