/*
 * What the keys of machines.conf may hold; for conf/machines.c.
 */
#ifndef QWD_CONF_MACHINES_KEYS_H
#define QWD_CONF_MACHINES_KEYS_H

#include "base/buf.h"
#include "conf/machines.h"

/*
 * May `key`, one of MACHINE_KEYS, have this value?  Otherwise `problem` gets
 * the end of a sentence that begins with the value ("is empty").
 */
MUST_CHECK bool machine_key_ok(const char *key, const char *value,
			       struct buf *problem);

/* What is wrong with the keys of a machine together, as the end of a sentence
 * that begins with its name; NULL if nothing is. */
const char *machine_problem(const struct machine *machine);

#endif
