#include "conf/options_mail.h"

#include <string.h>

#include "base/address.h"
#include "base/text.h"

static bool is_address(const char *text)
{
	char address[ADDRESS_SIZE];

	return address_read(text, address);
}

static bool is_deniable(const char *text)
{
	return *text == '@' ? address_domain_ok(text + 1) : is_address(text);
}

/* Rewrite the list; false if an item is not `good`. */
static bool tidy_list(char *value, bool (*good)(const char *item))
{
	char *out = value;
	char *rest = value;
	char *item;

	while ((item = strsep(&rest, ",")) != NULL) {
		item = text_trim(item);
		if (!good(item))
			return false;
		if (out != value)
			*out++ = ',';
		for (; *item; item++)
			*out++ = (char)(*item >= 'A' && *item <= 'Z' ?
						*item - 'A' + 'a' :
						*item);
	}
	*out = '\0';
	return true;
}

const char *option_form_address(char *value)
{
	char address[ADDRESS_SIZE];

	if (*value && !address_read(value, address))
		return "must be a mail address, as desktop@lab.example";
	if (*value)
		memcpy(value, address, strlen(address) + 1);
	return NULL;
}

const char *option_form_domains(char *value)
{
	if (!*value || tidy_list(value, address_domain_ok))
		return NULL;
	return "must be domains, as lab.example, separated by commas, or any";
}

const char *option_form_deny(char *value)
{
	if (!*value || tidy_list(value, is_deniable))
		return NULL;
	return "must be mail addresses, and domains as @spam.example, "
	       "separated by commas";
}

static int need(const char *value, const char *option, struct err *e)
{
	if (*value)
		return 0;
	return err_set(e, ERR_CONFIG,
		       "check_user_with_email: %s is not set, and it is needed",
		       option);
}

int options_check_mail(const struct config *c, struct err *e)
{
	bool simple = strcmp(c->email_method, "simple") == 0;

	if (simple && *c->email_passwd_file)
		return err_set(e, ERR_CONFIG,
			       "email_method: simple sends without a login, "
			       "and email_passwd_file is set");
	if (!c->check_user_with_email)
		return 0;
	if (need(c->email_from, "email_from", e) < 0 ||
	    need(c->email_domains, "email_domains", e) < 0)
		return -1;
	return simple ? 0 : need(c->smtp_server, "smtp_server", e);
}
