/*
 * Getting the text of boot scripts: files of this server, and by qwd-net's
 * verb `fetch` those of web servers.
 */
#ifndef QWD_SCRIPT_LOAD_H
#define QWD_SCRIPT_LOAD_H

#include "base/buf.h"
#include "conf/options.h"
#include "vm/script.h"

enum { SCRIPT_FETCH_S = 20 };

/*
 * The text of *s, a URL, a path or commands, to *out, whose ceiling is more
 * than service_max_script_length.  ERR_INPUT with the end of a sentence about
 * the script; ERR_SYSTEM.
 */
MUST_CHECK int script_load(const struct config *c, const struct script *s,
			   const struct script_facts *facts, struct buf *out,
			   struct err *e);

#endif
