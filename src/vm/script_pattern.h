/*
 * Patterns of boot scripts' conditions: PCRE2 with limits, so that none can
 * take long or much memory.  Only programs that call this link PCRE2.
 */
#ifndef QWD_VM_SCRIPT_PATTERN_H
#define QWD_VM_SCRIPT_PATTERN_H

#include "vm/script_expr.h"

/* A script_matcher.  ERR_INPUT also for a pattern that costs too much. */
script_matcher script_pattern;

#endif
