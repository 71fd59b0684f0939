#include "conf/options_slurm.h"

#include <string.h>

#include "base/text.h"

const char *option_form_slurm_name(char *value)
{
	if (text_only(value, "._-") && *value != '-' &&
	    strlen(value) < SLURM_NAME_SIZE)
		return NULL;
	return "must be names of Slurm's (letters, digits and ._-, at most 64 "
	       "of them), separated by commas";
}

bool slurm_names_have(const struct slurm_names *names, const char *name)
{
	for (size_t i = 0; i < names->count; i++)
		if (strcmp(names->list[i], name) == 0)
			return true;
	return false;
}

const char *slurm_names_parse(const char *value, struct slurm_names *ret)
{
	ret->count = 0;
	while (*value) {
		size_t len = strcspn(value, ",");
		char *name;

		if (ret->count == SLURM_NAMES_MAX)
			return "has more than 32 names";
		name = ret->list[ret->count];
		if (len >= SLURM_NAME_SIZE)
			return "has a name that is too long";
		memcpy(name, value, len);
		name[len] = '\0';
		if (slurm_names_have(ret, name))
			return "has a name twice";
		ret->count++;
		value += len + (value[len] == ',');
	}
	return NULL;
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

bool config_has_visitors(const struct config *c)
{
	return config_has_slurm(c) && strcmp(c->slurm_user, "visitor") == 0;
}

/* A name that somebody has typed must not be an account. */
static int check_visitors(const struct config *c, struct err *e)
{
	if (!config_has_visitors(c) || c->check_user_with_imap ||
	    c->check_user_with_smtp || c->check_user_with_ldap ||
	    c->check_user_with_local || c->check_user_remote ||
	    *c->check_user_custom)
		return 0;
	return err_set(e, ERR_CONFIG,
		       "slurm_user = visitor: nobody's name is checked, and "
		       "it is to be an account; set a check_user_ option that "
		       "knows the cluster's accounts");
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
	return check_visitors(c, e);
}
