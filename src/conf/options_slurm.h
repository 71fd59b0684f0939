/*
 * The options about Slurm: the forms of their values, and what they need of
 * each other.  For options_values.c and options.c.
 */
#ifndef QWD_CONF_OPTIONS_SLURM_H
#define QWD_CONF_OPTIONS_SLURM_H

#include "conf/options.h"

enum { SLURM_NAME_SIZE = 65, SLURM_NAMES_MAX = 32 };

/* The names that slurm_account, slurm_partition or slurm_qos lists; the first
 * is the usual one. */
struct slurm_names {
	char list[SLURM_NAMES_MAX][SLURM_NAME_SIZE];
	size_t count;
};

/* Parse "a,b", as those options keep it.  Returns NULL and fills *ret;
 * otherwise what is wrong, as the end of a sentence that begins with the
 * option's value. */
const char *slurm_names_parse(const char *value, struct slurm_names *ret);

bool slurm_names_have(const struct slurm_names *names, const char *name);

/* Forms as options_values.c has them. */
const char *option_form_slurm_name(char *value); /* one of a list */
const char *option_form_slurm_gres(char *value);
const char *option_form_slurm_dir(char *value); /* or empty */

/* Do machines run as jobs of a cluster? */
bool config_has_slurm(const struct config *c);

/* And under the accounts of their visitors? */
bool config_has_visitors(const struct config *c);

/* ERR_CONFIG if launcher = slurm lacks dir_slurm, or contradicts another
 * option. */
MUST_CHECK int options_check_slurm(const struct config *c, struct err *e);

#endif
