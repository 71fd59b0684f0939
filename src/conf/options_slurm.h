/*
 * The options about Slurm: the forms of their values, and what they need of
 * each other.  For options_values.c and options.c.
 */
#ifndef QWD_CONF_OPTIONS_SLURM_H
#define QWD_CONF_OPTIONS_SLURM_H

#include "conf/options.h"

/* Forms as options_values.c has them. */
const char *option_form_slurm_name(char *value); /* or empty */
const char *option_form_slurm_gres(char *value);
const char *option_form_slurm_dir(char *value); /* or empty */

/* Do machines run as jobs of a cluster? */
bool config_has_slurm(const struct config *c);

/* ERR_CONFIG if launcher = slurm lacks dir_slurm, or contradicts another
 * option. */
MUST_CHECK int options_check_slurm(const struct config *c, struct err *e);

#endif
