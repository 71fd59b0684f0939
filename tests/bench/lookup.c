/*
 * What Create does with the catalogue and QEMU's command line: loads the
 * catalogue, finds a machine, looks whether its file is still the same, builds
 * the vector.  Prints the milliseconds of the second time.
 *
 * usage: lookup CONFIG MACHINE
 */
#include <stdio.h>
#include <time.h>

#include "conf/catalogue.h"
#include "vm/qemu.h"

static int look_up(const struct config *c, const char *name, struct err *e)
{
	AUTO_CATALOGUE struct catalogue catalogue = { .list = NULL };
	AUTO_ARGV struct argv argv = { 0 };
	struct session s = { .name = "bench", .cpu = 2, .memory_mb = 2048 };
	const struct qemu_place place = {
		.program = "/usr/bin/qemu-system-x86_64",
		.image = "/image",
		.overlay = "/overlay",
		.vnc = "/vm/vnc",
		.netdev = "user,id=net0",
	};
	const struct catalogue_entry *m;

	if (catalogue_load(c, &catalogue, e) < 0)
		return -1;
	m = catalogue_find(&catalogue, name);
	if (!m || !m->usable || catalogue_is_stale(c, m))
		return err_set(e, ERR_NOT_FOUND, "%s cannot be used", name);
	snprintf(s.format, sizeof(s.format), "%s", m->format);
	snprintf(s.qemu_options, sizeof(s.qemu_options), "%s",
		 m->qemu_options);
	qemu_command(c, &s, &place, &argv);
	return argv.count > 20 ? 0 : err_set(e, ERR_SYSTEM, "no vector");
}

int main(int argc, char **argv)
{
	AUTO_CONFIG struct config c = { .file = NULL };
	struct err e = ERR_INIT;
	struct timespec begin;
	struct timespec end;

	if (argc != 3)
		return 2;
	if (config_init(&c, &e) < 0 ||
	    config_read(&c, argv[1], true, &e) < 0 ||
	    config_finish(&c, &e) < 0 || look_up(&c, argv[2], &e) < 0)
		goto failed;
	clock_gettime(CLOCK_MONOTONIC, &begin);
	if (look_up(&c, argv[2], &e) < 0)
		goto failed;
	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("%.4f\n", (double)(end.tv_sec - begin.tv_sec) * 1e3 +
				 (double)(end.tv_nsec - begin.tv_nsec) / 1e6);
	return 0;
failed:
	fprintf(stderr, "%s\n", e.msg);
	return 1;
}
