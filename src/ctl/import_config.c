/* qwdctl import-config: the settings of the Perl service, as ours. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "conf/machines.h"
#include "ctl/conf_file.h"
#include "ctl/ctl.h"
#include "ctl/import.h"
#include "ctl/import_html.h"
#include "sys/child.h"
#include "sys/file.h"
#include "sys/json.h"

enum {
	PERL_MS = 60 * 1000,
	PAGE_MAX = 1 << 20,
};

/*
 * The file is a program, so Perl runs it, and prints what it has left in
 * %config: strings, lists of strings, and the kind of anything else.
 */
static const char perl_program[] =
	"use JSON::PP ();\n"
	"our %config;\n"
	"my $file = shift;\n"
	"sub plain {\n"
	"	my $value = shift;\n"
	"	unless (ref $value) {\n"
	"		$value = '' . ($value // '');\n"
	"		utf8::decode($value) unless utf8::is_utf8($value);\n"
	"		return $value;\n"
	"	}\n"
	"	return [map { plain($_) } @$value] if ref $value eq 'ARRAY';\n"
	"	return { kind => ref $value };\n"
	"}\n"
	"open my $out, '>&', \\*STDOUT or die;\n"
	"open STDOUT, '>&', \\*STDERR or die;\n"
	"unless (defined do $file) { die $@ if $@; die \"$file: $!\\n\" if $!; }\n"
	"print $out JSON::PP->new->utf8->canonical->encode(\n"
	"	{ map { $_ => plain($config{$_}) } keys %config });\n";

static int read_arguments(const struct given *g, struct import *im)
{
	const char *output = given_value(g, "output");

	im->given = g;
	im->from = g->words[0];
	im->list = given_value(g, "list");
	im->page = given_value(g, "machines");
	im->form = given_value(g, "form");
	im->replace = given_has(g, "replace");
	im->output = output ? strdup(output) : NULL;
	return output && !im->output ? CTL_FAILED : CTL_DONE;
}

/* ---- Options ---- */

static int run_perl(const struct import *im, json_t **ret, struct err *e)
{
	AUTO_FREE char *perl = child_find_program("perl", e);
	AUTO_FREE char *file = realpath(im->from, NULL);
	AUTO_BUF struct buf out = BUF_INIT(CONF_FILE_MAX);
	AUTO_BUF struct buf said = BUF_INIT(CONF_FILE_MAX);
	AUTO_ARGV struct argv argv = { 0 };
	struct child c = CHILD_INIT;
	int status;

	if (!perl)
		return -1;
	if (!file)
		return err_sys(e, "cannot open %s", im->from);
	argv_add(&argv, perl);
	argv_add(&argv, "-e");
	argv_add(&argv, perl_program);
	argv_add(&argv, file);
	c.argv = &argv;
	if (child_run(&c, NULL, &out, &said, PERL_MS, &status, e) < 0)
		return -1;
	if (status != 0)
		return err_set(e, ERR_CONFIG, "Perl cannot read %s: %.300s",
			       im->from, text_trim(said.data ? said.data :
							       (char[]){ "" }));
	*ret = json_parse_object(buf_str(&out), out.len, e);
	return *ret ? 0 : -1;
}

static void lose(struct import *im, const char *name, const char *why)
{
	buf_printf(&im->lost, "%s: %s\n", name, why);
}

/* The servers of the Perl program stand there in the clear, and as programs
 * that know no assertions: what is meant has to be written anew. */
static bool is_other_servers(struct import *im, const char *name)
{
	if (strcmp(name, "fallback_servers") != 0)
		return false;
	lose(im, name,
	     "write the servers that have this program by now; see "
	     "src/doc/farm.md");
	return true;
}

/* One line of config.conf.  What is empty there is left to our default. */
static void take_text(struct import *im, const char *name, const char *value)
{
	struct err e = ERR_INIT;

	if (!*value || is_other_servers(im, name))
		return;
	if (config_set(&im->ours, name, value, &e) < 0)
		lose(im, name, e.msg);
	else
		buf_printf(&im->config, "%s = %s\n", name, value);
}

/* A list is several lines where that is how the option is written (a second
 * line is refused elsewhere), and one with commas otherwise. */
static void take_list(struct import *im, const char *name, const json_t *list)
{
	AUTO_BUF struct buf joined = BUF_INIT(CONF_FILE_MAX);
	bool lines = strcmp(name, "config_script") == 0;
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item) {
		const char *text = json_string_value(item);

		if (!text) {
			lose(im, name, "one of its items is no text");
		} else if (lines) {
			take_text(im, name, text);
		} else if (*text) {
			buf_printf(&joined, "%s%s", joined.len ? ", " : "",
				   text);
		}
	}
	take_text(im, name, buf_str(&joined));
}

static void take_value(struct import *im, const char *name,
		       const json_t *value)
{
	const char *text = json_string_value(value);

	if (strcmp(name, "email_passwd") == 0 && text && *text) {
		im->mail_password = strdup(text);
		return;
	}
	if (text)
		take_text(im, name, text);
	else if (json_is_array(value))
		take_list(im, name, value);
	else if (strcmp(name, "check_user_custom") == 0)
		lose(im, name, "a Perl function; write it as a program "
			       "(see the page about custom logins)");
	else
		lose(im, name, "it is neither a text nor a list");
}

/* The password of our mail login goes into a file of its own. */
static void take_mail_password(struct import *im)
{
	if (im->mail_password)
		buf_printf(&im->config, "email_passwd_file = %s/email-password\n",
			   im->output);
}

/* ---- Machines ---- */

static int read_page(const char *path, struct buf *out, struct err *e)
{
	if (file_read(AT_FDCWD, path, true, out, e) < 0)
		return err_prefix(e, "%s", path);
	if (out->data)
		import_drop_comments(out->data);
	return 0;
}

static void add_machine(struct import *im, const char *name,
			const char *description, const char *url)
{
	AUTO_BUF struct buf section = BUF_INIT(8192);
	AUTO_BUF struct buf all = BUF_INIT(CONF_FILE_MAX);
	AUTO_MACHINES struct machines m = { .list = NULL };
	struct err e = ERR_INIT;

	buf_printf(&section, "\n[%s]\n", name);
	if (description && *description && strcmp(description, name) != 0)
		buf_printf(&section, "description = %s\n", description);
	if (url && *url)
		buf_printf(&section, "url = %s\n", url);
	buf_puts(&all, buf_str(&im->machines));
	buf_puts(&all, buf_str(&section));
	if (machines_parse("machines.conf", buf_str(&all), all.len, &m, &e) < 0)
		lose(im, name, e.msg);
	else
		buf_puts(&im->machines, buf_str(&section));
}

/* The Perl service's list: sections with url and description, like ours. */
static int take_machines_list(struct import *im, struct err *e)
{
	AUTO_MACHINES struct machines m = { .list = NULL };

	if (!im->list)
		return 0;
	if (machines_read(im->list, &m, e) < 0)
		return err_prefix(e, "%s", im->list);
	for (size_t i = 0; i < m.count; i++)
		add_machine(im, m.list[i].name, m.list[i].description,
			    m.list[i].url);
	return 0;
}

static bool is_listed(const struct import *im, const char *name)
{
	AUTO_MACHINES struct machines m = { .list = NULL };
	struct err ignored = ERR_INIT;

	return machines_parse("", buf_str(&im->machines), im->machines.len, &m,
			      &ignored) == 0 &&
	       machines_find(&m, name);
}

static int take_machines_page(struct import *im, struct err *e)
{
	AUTO_BUF struct buf page = BUF_INIT(PAGE_MAX);
	AUTO_BUF struct buf value = BUF_INIT(4096);
	AUTO_BUF struct buf text = BUF_INIT(4096);
	const char *at;

	if (!im->page)
		return 0;
	if (read_page(im->page, &page, e) < 0)
		return -1;
	at = buf_str(&page);
	while (import_next_option(&at, &value, &text))
		/* The list of sessions stands among them. */
		if (value.len && strcmp(buf_str(&value), "monitor") != 0 &&
		    !is_listed(im, buf_str(&value)))
			add_machine(im, buf_str(&value), buf_str(&text), NULL);
	return 0;
}

/* ---- The form ---- */

static int take_form(struct import *im, struct err *e)
{
	static const char *const fields[][2] = {
		{ "config_script", "form_config_script" },
		{ "oneshot", "form_oneshot" },
	};
	AUTO_BUF struct buf page = BUF_INIT(PAGE_MAX);

	if (!im->form)
		return 0;
	if (read_page(im->form, &page, e) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if (import_has_field(buf_str(&page), fields[i][0]))
			take_text(im, fields[i][1], "yes");
	return 0;
}

static int gather(struct import *im, struct err *e)
{
	AUTO_JSON json_t *options = NULL;
	const json_t *value;
	const char *name;

	if (config_init(&im->ours, e) < 0 || run_perl(im, &options, e) < 0)
		return -1;
	buf_printf(&im->config, "# Imported from %s; see "
				"qemu-web-desktop.conf(5).\n",
		   im->from);
	buf_puts(&im->machines, "# See machines.conf(5).\n");
	json_object_foreach(options, name, value)
		take_value(im, name, value);
	take_mail_password(im);
	if (take_form(im, e) < 0 || take_machines_list(im, e) < 0 ||
	    take_machines_page(im, e) < 0)
		return -1;
	if (buf_failed(&im->config) || buf_failed(&im->machines) ||
	    buf_failed(&im->lost))
		return err_set(e, ERR_TOO_LARGE, "there is too much of it");
	return 0;
}

static int finish(struct import *im, struct err *e)
{
	const char *slash;
	AUTO_FREE char *absolute = NULL;

	if (!im->output) {
		slash = strrchr(CONFIG_DEFAULT_FILE, '/');
		im->output = strndup(CONFIG_DEFAULT_FILE,
				     (size_t)(slash - CONFIG_DEFAULT_FILE));
	} else if (im->output[0] != '/') {
		AUTO_FREE char *here = getcwd(NULL, 0);

		absolute = here ? file_join(here, im->output) : NULL;
		if (!absolute)
			return err_sys(e, "cannot find the directory");
		free(im->output);
		im->output = TAKE(absolute);
	}
	if (!im->output)
		return err_set(e, ERR_SYSTEM, "no memory");
	if (gather(im, e) < 0)
		return -1;
	return im->given->dry_run ? 0 : import_write(im, e);
}

int ctl_import_config(const struct config *c, const struct given *g)
{
	AUTO_JSON json_t *written = json_array();
	struct import im = { .config = BUF_INIT(CONF_FILE_MAX),
			     .machines = BUF_INIT(CONF_FILE_MAX),
			     .lost = BUF_INIT(CONF_FILE_MAX),
			     .written = written };
	struct err e = ERR_INIT;
	int status = read_arguments(g, &im);

	(void)c;
	if (status == CTL_DONE)
		status = finish(&im, &e) < 0 ? command_fail(g, &e) :
					       import_tell(&im);
	config_release(&im.ours);
	buf_release(&im.config);
	buf_release(&im.machines);
	buf_release(&im.lost);
	if (im.mail_password)
		explicit_bzero(im.mail_password, strlen(im.mail_password));
	free(im.mail_password);
	free(im.output);
	return status;
}
