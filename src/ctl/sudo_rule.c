/* qwdctl sudo-rule: prints the rule by which visitors' jobs are theirs
 * (farm/visitor.h). */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "conf/options_slurm.h"
#include "ctl/check.h"
#include "ctl/ctl.h"
#include "sys/file.h"

/* A word of a command in sudoers(5): there, too, characters have a meaning. */
static void print_word(const char *word)
{
	char one[2] = "";

	for (; *word; word++) {
		one[0] = *word;
		if (!text_only(one, "/._-+@"))
			putchar('\\');
		putchar(*word);
	}
}

static int print_rule(const struct config *c, const char *group,
		      struct err *e)
{
	AUTO_FREE char *helper = file_join(c->dir_libexec, "qwd-visitor");
	struct check k = { .config = c };

	if (!helper)
		return err_set(e, ERR_SYSTEM, "no memory");
	check_find_user(&k);
	printf("# What qemu-web-desktop may do as the members of group %s, for "
	       "jobs under\n# their accounts (slurm_user = visitor): run this "
	       "program, with this argument.\n",
	       group);
	fputs("Defaults!", stdout);
	print_word(helper);
	/* Somebody who is not in the group could send as many letters to root
	 * as he asks for machines. */
	puts(" !use_pty, !pam_session, !pam_setcred, !mail_badpass");
	printf("%s ALL = (%%%s, !root) NOPASSWD: ", k.user_name, group);
	print_word(helper);
	putchar(' ');
	print_word(*c->file ? c->file : CONFIG_DEFAULT_FILE);
	putchar('\n');
	return 0;
}

int ctl_sudo_rule(const struct config *c, const struct given *g)
{
	struct err e = ERR_INIT;

	if (!text_only(g->words[0], "._-") || g->words[0][0] == '-')
		err_set(&e, ERR_INPUT, "%s is not a group's name", g->words[0]);
	else if (!config_has_visitors(c))
		err_set(&e, ERR_CONFIG, "slurm_user is not visitor, so no rule "
					"is needed");
	else if (print_rule(c, g->words[0], &e) == 0)
		return CTL_DONE;
	return command_fail(g, &e);
}
