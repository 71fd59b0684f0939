#include "script/work.h"

#include <string.h>

#include "base/log.h"
#include "conf/machines.h"
#include "script/load.h"
#include "sys/file.h"
#include "vm/script_customize.h"
#include "vm/script_pattern.h"
#include "vm/script_text.h"
#include "vm/seed.h"

enum { PROGRAM_MAX = 1024 * 1024 };

/* A description and who has written it. */
struct wish {
	const char *text;
	const char *where; /* FILE:LINE; NULL: the visitor */
	char what[64];     /* that a sentence begins with */
};

int work_complain(struct work *w, const char *what, const char *where,
		  const struct err *e)
{
	const char *msg = e->msg;

	log_event("boot-script", "session", w->session.name, "where", where,
		  "error", err_name(e->code), "message", e->msg, NULL);
	if (e->code != ERR_INPUT)
		msg = "could not be prepared";
	if (!w->failed)
		buf_printf(&w->notice, "%s %s.", what, msg);
	w->failed = true;
	return w->config.config_script_required ? -1 : 0;
}

static int add_program(struct work *w, const struct script *s,
		       const struct buf *text, struct err *e)
{
	struct buf program = BUF_INIT(PROGRAM_MAX);
	struct buf *list = reallocarray(w->programs, w->count + 1,
					sizeof(*list));

	if (!list)
		return err_set(e, ERR_SYSTEM, "no memory");
	w->programs = list;
	if (script_text_program(buf_str(text),
				s->kind == SCRIPT_BASH ? "/bin/bash" :
							 "/bin/sh",
				&w->facts, &program, e) < 0) {
		buf_release(&program);
		return -1;
	}
	list[w->count++] = program;
	return 0;
}

static int add_lines(struct work *w, const struct buf *text, struct err *e)
{
	AUTO_BUF struct buf lines = BUF_INIT(WORK_LINES_MAX);

	if (w->session.iso || w->session.master)
		return err_set(e, ERR_INPUT,
			       "is for virt-customize, and this machine has no "
			       "disk of the session's own that it could "
			       "change");
	if (script_customize_fill(buf_str(text), text->len, &w->facts, &lines,
				  &w->files, e) < 0)
		return -1;
	buf_add(&w->lines, buf_str(&lines), lines.len);
	return 0;
}

static int add(struct work *w, const struct wish *wish, struct err *e)
{
	AUTO_BUF struct buf text = BUF_INIT(PROGRAM_MAX);
	const char *end;
	struct script s;
	bool holds = true;

	if (script_parse(wish->text, &s, e) < 0 ||
	    (!wish->where && script_check_visitor(&s, e) < 0) ||
	    (s.condition && script_expr(s.condition, &w->facts, script_pattern,
					&end, &holds, e) < 0)) {
		/* Its text is the administrator's affair. */
		if (wish->where && e->code == ERR_INPUT) {
			log_error("boot-script", e);
			err_set(e, ERR_INPUT, "is wrong; qwdctl check, or the "
					      "log, tells its administrator "
					      "why");
		}
		return -1;
	}
	if (!holds)
		return 0;
	if (script_load(&w->config, &s, &w->facts, &text, e) < 0)
		return -1;
	if (script_uses(buf_str(&text), SYMBOL_PW))
		w->secret = true;
	if (s.kind == SCRIPT_CUSTOMIZE)
		return add_lines(w, &text, e);
	if ((w->session.iso || w->session.master) && !w->cloud_init)
		return err_set(e, ERR_INPUT,
			       "cannot be put into %s that is not marked "
			       "os = cloud-init",
			       w->session.iso ? "a CD image" : "a master image");
	return add_program(w, &s, &text, e);
}

static int add_wish(struct work *w, const struct wish *wish)
{
	struct err e = ERR_INIT;

	if (add(w, wish, &e) == 0)
		return 0;
	return work_complain(w, wish->what,
			     wish->where ? wish->where : "visitor", &e);
}

static int add_list(struct work *w, const struct text_list *l, size_t *number)
{
	for (size_t i = 0; i < l->count; i++) {
		struct wish wish = { .text = l->items[i].text,
				     .where = l->items[i].where };

		snprintf(wish.what, sizeof(wish.what),
			 "Boot script %zu of this service", ++*number);
		if (add_wish(w, &wish) < 0)
			return -1;
	}
	return 0;
}

static int add_visitor(struct work *w, const char *script)
{
	const struct wish wish = { .text = script,
				   .what = "Your boot script" };
	struct err e = ERR_INIT;

	if (!*script)
		return 0;
	/* The request has looked, too; but the configuration may be another. */
	if (!w->config.form_config_script ||
	    strlen(script) > (size_t)w->config.service_max_script_length) {
		err_set(&e, ERR_INPUT, "is not accepted here");
		return work_complain(w, wish.what, "visitor", &e);
	}
	return add_wish(w, &wish);
}

int work_collect(struct work *w, const char *script)
{
	AUTO_MACHINES struct machines machines = { .list = NULL };
	const struct machine *m = NULL;
	struct err e = ERR_INIT;
	size_t number = 0;

	if (machines_read(w->config.machines_conf, &machines, &e) == 0)
		m = machines_find(&machines, w->session.machine);
	else if (e.code != ERR_NOT_FOUND)
		return work_complain(w, "The list of machines",
				     w->config.machines_conf, &e);
	w->cloud_init = m && strcmp(m->os, "cloud-init") == 0;
	if (add_list(w, &w->config.config_script, &number) < 0 ||
	    (m && add_list(w, &m->scripts, &number) < 0))
		return -1;
	return add_visitor(w, script);
}

int work_seed(struct work *w, int fd, struct err *e)
{
	AUTO_BUF struct buf user = BUF_INIT(2 * SEED_BYTES_MAX);
	AUTO_BUF struct buf meta = BUF_INIT(1024);
	AUTO_BUF struct buf image = BUF_INIT(2 * SEED_BYTES_MAX);

	seed_user_data(w->programs, w->count, &user);
	seed_meta_data(w->session.name, &meta);
	if (buf_failed(&user) || buf_failed(&meta))
		return err_set(e, ERR_INPUT, "do not fit on a seed");
	if (seed_image("CIDATA",
		       (const struct seed_file[]){
			       { "meta-data", buf_str(&meta), meta.len },
			       { "user-data", buf_str(&user), user.len },
		       },
		       2, &image, e) < 0)
		return -1;
	if (file_write_all(fd, image.data, image.len) < 0)
		return err_sys(e, "cannot write the seed");
	return 0;
}
