/*
 * qwd-script: makes the boot scripts of a session ready, one session a run.
 *
 *     qwd-script NAME ORDER SEED [--config=FILE] [--OPTION=VALUE...]
 *
 * Started by the session's owner, who holds its lock; NAME is the session's.
 * ORDER is the number of an inherited descriptor by script_order_make(), or 0;
 * SEED that of an empty one, to which a NoCloud seed is written if the machine
 * takes one.  Scripts for other machines go into the session's overlay.
 *
 * Exit status: 0 the session may start; 3 it may start, on an overlay made
 * anew and without the seed; anything else: it must not.  What a person is to
 * know is one sentence on standard output, with status 0 a warning.  Standard
 * error is for the log.
 */
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/log.h"
#include "base/text.h"
#include "conf/arguments.h"
#include "script/work.h"
#include "vm/script_order.h"

enum { EXIT_READY = 0, EXIT_NOT = 1, EXIT_MISUSE = 2, EXIT_AGAIN = 3 };

static void set_facts(struct work *w, const char *password)
{
	const struct session *s = &w->session;

	w->facts.value[SYMBOL_USER] = s->user;
	w->facts.value[SYMBOL_SESSION_NAME] = s->name;
	w->facts.value[SYMBOL_VM] = s->machine;
	w->facts.value[SYMBOL_EMAIL] = s->email;
	if (w->config.script_password && *password)
		w->facts.value[SYMBOL_PW] = password;
}

/* Half a change of the disk is none: it must be made anew. */
static int on_customized(struct work *w)
{
	struct err e = ERR_INIT;

	if (work_customize(w, &e) == 0)
		return EXIT_READY;
	return work_complain(w, "The boot scripts", "virt-customize", &e) < 0 ?
		       EXIT_NOT :
		       EXIT_AGAIN;
}

static int prepare(struct work *w, const struct script_order *order, int seed)
{
	struct err e = ERR_INIT;
	int status = EXIT_READY;

	set_facts(w, order->password);
	if (work_collect(w, order->script) < 0)
		return EXIT_NOT;
	if (w->lines.len || (w->count && !w->cloud_init))
		status = on_customized(w);
	if (status != EXIT_READY || !w->count || !w->cloud_init)
		return status;
	if (work_seed(w, seed, &e) == 0)
		return EXIT_READY;
	return work_complain(w, "The boot scripts", "seed", &e) < 0 ?
		       EXIT_NOT :
		       EXIT_AGAIN;
}

static int read_all(int argc, char **argv, struct work *w,
		    struct script_order *order, struct err *e)
{
	long long fd;

	if (!text_long(argv[2], 0, 1 << 20, &fd))
		return err_set(e, ERR_INPUT, "bad arguments");
	if (arguments_config(argc, argv, 4, &w->config, e) < 0 ||
	    store_open(&w->config, &w->store, e) < 0 ||
	    store_read(&w->store, argv[1], &w->session, e) < 0)
		return -1;
	return fd ? script_order_read((int)fd, order, e) : 0;
}

static void work_release(struct work *w)
{
	for (size_t i = 0; i < w->count; i++)
		buf_release(&w->programs[i]);
	free(w->programs);
	buf_release(&w->lines);
	buf_release(&w->notice);
	argv_release(&w->files);
	store_release(&w->store);
	config_release(&w->config);
}

static int harden(struct err *e)
{
	const struct rlimit none = { 0, 0 };

	if (setrlimit(RLIMIT_CORE, &none) < 0 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_sys(e, "cannot do without core files");
	return 0;
}

int main(int argc, char **argv)
{
	AUTO_SCRIPT_ORDER struct script_order order = SCRIPT_ORDER_INIT;
	struct work w = {
		.store = STORE_INIT,
		.lines = BUF_INIT(WORK_LINES_MAX),
		.notice = BUF_INIT(2 * SESSION_REASON_SIZE),
	};
	struct err e = ERR_INIT;
	long long seed;
	int status = EXIT_NOT;

	if (argc < 4 || !text_long(argv[3], 3, 1 << 20, &seed)) {
		fputs("usage: qwd-script NAME ORDER SEED [--OPTION=VALUE...]\n"
		      "A helper of qemu-web-desktop.\n",
		      stderr);
		return EXIT_MISUSE;
	}
	if (harden(&e) < 0 || read_all(argc, argv, &w, &order, &e) < 0)
		log_error("boot-script", &e);
	else
		status = prepare(&w, &order, (int)seed);
	if (w.notice.len)
		puts(buf_str(&w.notice));
	work_release(&w);
	return status;
}
