/*
 * What an installation lacks before it serves anybody: shown on the form's
 * page to whoever installs it, and to nobody else.
 */
#ifndef QWD_WEB_SETUP_H
#define QWD_WEB_SETUP_H

#include <jansson.h>

#include "web/visit.h"

/*
 * What is missing: [{"what", "advice", "commands": [...]}], each a thing of
 * which `qwdctl check` tells, too.  Empty where the service is set up: it has
 * machines, and a login or allow_anonymous.  Empty, too, for everybody but
 * visitors of the host itself and administrators, since it tells of the host's
 * inside.  NULL if no memory.
 */
json_t *setup_value(const struct visit *v, bool has_machines);

#endif
