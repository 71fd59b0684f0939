#include "conf/options_slurm.h"

#include <string.h>

#include "base/text.h"

const char *option_form_slurm_name(char *value)
{
	if (!*value || (text_only(value, "._-") && *value != '-'))
		return NULL;
	return "must be a name of Slurm's: letters, digits and ._-";
}

const char *option_form_slurm_gres(char *value)
{
	if (text_only(value, "._-:,") && *value != '-')
		return NULL;
	return "must be as gpu:1, or gpu:TYPE:1";
}

/* sbatch expands % and \ in the name of its output, and slurm.conf(5) has
 * ideas about commas and brackets. */
const char *option_form_slurm_dir(char *value)
{
	if (!*value || text_only(value, "/._-+@"))
		return NULL;
	return "must be a path of letters, digits and /._-+@";
}

bool config_has_slurm(const struct config *c)
{
	return strcmp(c->launcher, "slurm") == 0;
}

int options_check_slurm(const struct config *c, struct err *e)
{
	if (!config_has_slurm(c))
		return 0;
	if (!*c->dir_slurm)
		return err_set(e, ERR_CONFIG,
			       "launcher = slurm: dir_slurm is not set, and it "
			       "is needed");
	if (c->snapshot_use_master)
		return err_set(e, ERR_CONFIG,
			       "snapshot_use_master: not with launcher = "
			       "slurm, where a computer that is lost may "
			       "still write to the image");
	if (c->script_password)
		return err_set(e, ERR_CONFIG,
			       "script_password: not with launcher = slurm, "
			       "where the password would lie in a file");
	return 0;
}
