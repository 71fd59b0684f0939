/*
 * The options about e-mail: the forms of their values, and what they need of
 * each other.  For options_values.c and options.c.
 */
#ifndef QWD_CONF_OPTIONS_MAIL_H
#define QWD_CONF_OPTIONS_MAIL_H

#include "conf/options.h"

/*
 * Forms as options_values.c has them: NULL, or the end of a sentence that
 * says what is wrong.  `value` is rewritten in place, in lower case and without
 * blanks around the commas.
 */
const char *option_form_address(char *value); /* one, or empty */
const char *option_form_domains(char *value); /* a list, "any", or empty */
const char *option_form_deny(char *value);    /* addresses and @domains */

/* ERR_CONFIG if check_user_with_email lacks what it needs, or email_method
 * contradicts another option. */
MUST_CHECK int options_check_mail(const struct config *c, struct err *e);

#endif
