#include "vm/script_customize.h"

#include <string.h>

#include "base/text.h"
#include "vm/script_text.h"

enum effect {
	NAMES,	    /* acts in the guest's disk */
	LINE,	    /* the rest of the line is any text */
	SHELL,	    /* a shell command, run in the guest's disk or at its boot */
	PERL,	    /* run by virt-customize on this server */
	FILE_WHOLE, /* the argument is a file of this server */
	FILE_FIRST, /* a file of this server, up to the ':' */
	SELECTOR,   /* of a password or key: "file:" and a file of this server */
	NETWORK,
};

/* virt-customize(1), "Customization options". */
static const struct command {
	const char *name;
	enum effect effect;
} commands[] = {
	{ "append-line", LINE },	{ "chmod", NAMES },
	{ "copy", NAMES },		{ "copy-in", FILE_FIRST },
	{ "delete", NAMES },		{ "edit", PERL },
	{ "firstboot", FILE_WHOLE },	{ "firstboot-command", SHELL },
	{ "firstboot-install", NAMES }, { "hostname", NAMES },
	{ "install", NETWORK },		{ "link", NAMES },
	{ "mkdir", NAMES },		{ "move", NAMES },
	{ "password", SELECTOR },	{ "password-crypto", NAMES },
	{ "root-password", SELECTOR },	{ "run", FILE_WHOLE },
	{ "run-command", SHELL },	{ "scrub", NAMES },
	{ "selinux-relabel", NAMES },	{ "ssh-inject", SELECTOR },
	{ "timezone", NAMES },		{ "touch", NAMES },
	{ "truncate", NAMES },		{ "truncate-recursive", NAMES },
	{ "uninstall", NAMES },		{ "update", NETWORK },
	{ "upload", FILE_FIRST },	{ "write", LINE },
};

struct line {
	const struct command *command;
	const char *argument;
	size_t len;
	const char *file; /* of this server, or NULL */
	size_t file_len;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static const struct command *find(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (strlen(commands[i].name) == len &&
		    memcmp(commands[i].name, name, len) == 0)
			return &commands[i];
	return NULL;
}

/* Take the next line that is one off the text: [*ret, *ret + *ret_len). */
static bool next_line(const char **at, const char *end, const char **ret,
		      size_t *ret_len)
{
	while (*at < end) {
		const char *begin = *at;
		const char *stop = begin;

		while (stop < end && *stop != '\n' &&
		       !(*stop == '\\' && stop + 1 < end && stop[1] == 'n'))
			stop++;
		*at = stop + (stop < end ? (*stop == '\n' ? 1 : 2) : 0);
		while (begin < stop && is_blank(*begin))
			begin++;
		while (stop > begin && is_blank(stop[-1]))
			stop--;
		if (begin == stop || *begin == '#')
			continue;
		*ret = begin;
		*ret_len = (size_t)(stop - begin);
		return true;
	}
	return false;
}

static bool skip_word(const char **at, const char *end, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(end - *at) < len || memcmp(*at, word, len) != 0)
		return false;
	*at += len;
	return true;
}

/* "[USER:][locked:|disabled:]file:FILE" (virt-builder(1), "Users and
 * passwords"): USER is any text without a colon, "file" too. */
static void find_selected(struct line *l)
{
	const char *at = l->argument;
	const char *end = at + l->len;

	if (strcmp(l->command->name, "root-password") != 0) {
		at = memchr(at, ':', l->len);
		if (!at)
			return;
		at++;
	}
	while (skip_word(&at, end, "lock:") || skip_word(&at, end, "locked:") ||
	       skip_word(&at, end, "disabled:"))
		;
	if (!skip_word(&at, end, "file:"))
		return;
	l->file = at;
	l->file_len = (size_t)(end - at);
}

static void find_file(struct line *l)
{
	const char *mark = NULL;

	switch (l->command->effect) {
	case FILE_WHOLE:
		l->file = l->argument;
		l->file_len = l->len;
		break;
	case FILE_FIRST:
		mark = memchr(l->argument, ':', l->len);
		l->file = l->argument;
		l->file_len = mark ? (size_t)(mark - l->file) : l->len;
		break;
	case SELECTOR:
		find_selected(l);
		break;
	case NAMES:
	case LINE:
	case SHELL:
	case PERL:
	case NETWORK:
		break;
	}
}

static int read_line(const char *text, size_t len, struct line *ret,
		     struct err *e)
{
	struct line l = { .command = NULL };
	size_t skip = len > 2 && memcmp(text, "--", 2) == 0 ? 2 : 0;
	size_t name = skip;

	while (name < len && !is_blank(text[name]))
		name++;
	l.command = find(text + skip, name - skip);
	if (!l.command) {
		err_set(e, ERR_INPUT,
			"has the line '%.*s', which begins with no "
			"command that is passed on to virt-customize",
			(int)(len < 60 ? len : 60), text);
		return -1;
	}
	if (l.command->effect == NETWORK) {
		err_set(e, ERR_INPUT,
			"has the command %s, for which there is no "
			"network then; write firstboot-install, or "
			"exec: with the guest's own command",
			l.command->name);
		return -1;
	}
	if (text[len - 1] == '\\') {
		err_set(e, ERR_INPUT,
			"has a line that ends with '\\'");
		return -1;
	}
	while (name < len && is_blank(text[name]))
		name++;
	l.argument = text + name;
	l.len = len - name;
	find_file(&l);
	if (l.file && (l.file_len == 0 || *l.file != '/' ||
		       memchr(l.file, '@', l.file_len))) {
		err_set(e, ERR_INPUT,
			"has the command %s without an absolute path "
			"of this server, or with a symbol in it",
			l.command->name);
		return -1;
	}
	*ret = l;
	return 0;
}

int script_customize_check(const char *lines, size_t len, struct err *e)
{
	const char *end = lines + len;
	const char *text;
	struct line l;

	while (next_line(&lines, end, &text, &len))
		if (read_line(text, len, &l, e) < 0)
			return -1;
	return 0;
}

int script_customize_check_visitor(const char *lines, size_t len,
				   struct err *e)
{
	const char *end = lines + len;
	const char *text;
	struct line l;

	while (next_line(&lines, end, &text, &len)) {
		if (read_line(text, len, &l, e) < 0)
			return -1;
		/* ssh-inject without a selector reads a file, too. */
		if (l.file || l.command->effect == PERL ||
		    (strcmp(l.command->name, "ssh-inject") == 0 &&
		     !memmem(l.argument, l.len, ":string:", 8)))
			return err_set(e, ERR_INPUT,
				       "has the command %s, which reads or "
				       "runs something on this server: that "
				       "is for its administrator",
				       l.command->name);
	}
	return 0;
}

static int fill_line(const struct line *l, const struct script_facts *facts,
		     struct buf *out, struct err *e)
{
	enum script_place place = PLACE_NAME;

	buf_puts(out, l->command->name);
	if (!l->len)
		return 0;
	buf_putc(out, ' ');
	if (l->command->effect == SHELL) {
		AUTO_FREE char *text = strndup(l->argument, l->len);

		if (!text)
			return err_set(e, ERR_SYSTEM, "no memory");
		if (script_text_variables(text, facts, out, e) < 0)
			return -1;
		buf_puts(out, "; ");
		script_text_references(text, l->len, facts, out);
		return 0;
	}
	if (l->command->effect == LINE || l->command->effect == SELECTOR)
		place = PLACE_LINE;
	return script_text_fill(l->argument, l->len, place, facts, out, e);
}

/* A fact may begin a selector, or be one: then it would name a file. */
static int check_filled(const struct line *l, const char *argument, size_t len,
			struct err *e)
{
	struct line filled = { .command = l->command,
			       .argument = argument,
			       .len = len };

	if (l->command->effect != SELECTOR)
		return 0;
	find_file(&filled);
	if (filled.file_len == l->file_len &&
	    (!l->file_len ||
	     memcmp(filled.file, l->file, l->file_len) == 0))
		return 0;
	return err_set(e, ERR_INPUT,
		       "has the command %s with a symbol that would name a "
		       "file of this server",
		       l->command->name);
}

int script_customize_fill(const char *lines, size_t len,
			  const struct script_facts *facts, struct buf *out,
			  struct argv *files, struct err *e)
{
	const char *end = lines + len;
	const char *text;
	struct line l;

	while (next_line(&lines, end, &text, &len)) {
		size_t start = out->len;

		if (read_line(text, len, &l, e) < 0 ||
		    fill_line(&l, facts, out, e) < 0)
			return -1;
		start += strlen(l.command->name) + 1;
		if (out->len > start &&
		    check_filled(&l, out->data + start, out->len - start, e) <
			    0)
			return -1;
		/* A fact's '\' at the end would take the next line in. */
		if (out->len && out->data[out->len - 1] == '\\')
			return err_set(e, ERR_INPUT,
				       "has a line that ends with '\\'");
		buf_putc(out, '\n');
		if (l.file)
			argv_addf(files, "%.*s", (int)l.file_len, l.file);
	}
	return buf_failed(out) || files->failed ?
		       err_set(e, ERR_INPUT, "is too long") :
		       0;
}

/* ---- The run ---- */

void script_customize_command(const struct customize *c, struct argv *ret)
{
	static const char *const fixed[] = {
		"--unshare-user", "--unshare-ipc", "--unshare-pid",
		"--unshare-net", "--unshare-uts", "--die-with-parent",
		"--new-session", "--cap-drop", "ALL", "--ro-bind", "/usr", "/usr", "--symlink",
		"usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64",
		"--symlink", "usr/bin", "/bin", "--symlink", "usr/sbin",
		"/sbin", "--ro-bind-try", "/etc/ld.so.cache",
		"/etc/ld.so.cache", "--ro-bind-try", "/etc/alternatives",
		"/etc/alternatives", "--proc", "/proc", "--dev", "/dev",
		"--size", "1073741824", "--tmpfs", "/tmp", "--symlink",
		"/tmp", "/var/tmp", /* QEMU's, for its snapshot=on */
	};
	static const char *const tool[] = {
		"--no-network", "--quiet", "--format", "qcow2", "--add",
		"/overlay", "--commands-from-file",
	};

	argv_add(ret, c->bwrap);
	for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
		argv_add(ret, fixed[i]);
	if (c->kvm) {
		argv_add(ret, "--dev-bind");
		argv_add(ret, "/dev/kvm");
		argv_add(ret, "/dev/kvm");
	}
	argv_add(ret, "--ro-bind");
	argv_add(ret, c->appliance);
	argv_add(ret, "/appliance");
	/* The overlay names its backing file by this path. */
	argv_add(ret, "--ro-bind");
	argv_add(ret, c->image);
	argv_add(ret, c->image);
	argv_add(ret, "--bind");
	argv_add(ret, c->overlay);
	argv_add(ret, "/overlay");
	for (size_t i = 0; i < c->files->count; i++) {
		argv_add(ret, "--ro-bind");
		argv_add(ret, c->files->list[i]);
		argv_add(ret, c->files->list[i]);
	}
	argv_add(ret, "--");
	argv_add(ret, c->virt_customize);
	for (size_t i = 0; i < ARRAY_LEN(tool); i++)
		argv_add(ret, tool[i]);
	argv_addf(ret, "/proc/self/fd/%d", c->commands);
}

const char *const *script_customize_environment(bool kvm)
{
	static const char *const common[] = {
		"LIBGUESTFS_BACKEND=direct", "LIBGUESTFS_PATH=/appliance",
		"LIBGUESTFS_CACHEDIR=/tmp", "TMPDIR=/tmp", NULL,
	};
	static const char *const slow[] = {
		"LIBGUESTFS_BACKEND=direct", "LIBGUESTFS_PATH=/appliance",
		"LIBGUESTFS_CACHEDIR=/tmp", "TMPDIR=/tmp",
		"LIBGUESTFS_BACKEND_SETTINGS=force_tcg", NULL,
	};

	return kvm ? common : slow;
}
