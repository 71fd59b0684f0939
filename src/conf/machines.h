/*
 * machines.conf: the machines that the site offers, in the site's order.
 *
 *     [debian-12.qcow2]
 *     description = Debian 12 with the data treatment tools
 *     url = https://images.lab.example/debian-12.qcow2
 *
 * A section's name is the image's file name in dir_machines (so no '/', see
 * text_is_file_name(), and at most MACHINE_NAME_MAX bytes).  All keys may be
 * missing; machines.conf(5) explains them.
 * Strict, as config.conf is (conf/ini.h): unknown key, key or section twice,
 * junk, values that do not go together: ERR_CONFIG with "FILE:LINE: sentence"
 * or "FILE: [NAME] sentence".
 */
#ifndef QWD_CONF_MACHINES_H
#define QWD_CONF_MACHINES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "conf/text_list.h"
#include "conf/url.h"

enum {
	MACHINE_NAME_MAX = 200,
	MACHINES_MAX = 2000,
	MACHINE_OPTIONS_MAX = 500, /* bytes of qemu_options */
	MACHINE_CPU_MAX = 512,
	MACHINE_GB_MAX = 65536, /* of memory or disk */
	MACHINE_URLS_MAX = 8,
};

/*
 * What a machine wants beside its image, as it stands in the file; X(key).
 * Each is "" where it is not said.  All of it goes to the catalogue.
 *
 *   users groups   who may use it: exact names with commas between; both
 *                  empty: everybody
 *   icon           URL path of its picture on this server
 *   cpu            what it gets and may have: see machine_range()
 *   memory disk    likewise, in GB
 *   gpu            no | yes | always: a graphics card, for who asks, or for
 *                  each session
 *   firmware       bios | uefi | uefi-secure
 *   tpm            yes | no
 *   arch           x86_64 | aarch64
 *   qemu_options   further words for QEMU's command line
 *   network        one of the words of the option guest_network
 *   mounts         in place of the option dir_mounts (conf/mounts.h), or none
 */
#define MACHINE_SETTINGS(X)                                                    \
	X(users) X(groups) X(icon) X(cpu) X(memory) X(disk) X(gpu)             \
	X(firmware) X(tpm) X(arch) X(qemu_options) X(network) X(mounts)

#define MACHINE_KEYS(X)                                                        \
	X(description) /* the name where none is given */                      \
	X(url)         /* see machine_url(); "" if the administrator installs  \
			  the file */                                          \
	X(sha256)      /* 64 lower-case hexadecimal digits, or "" */           \
	X(os)          /* "cloud-init": takes a NoCloud seed; or "" */         \
	MACHINE_SETTINGS(X)

#define MACHINE_MEMBER(key) char *key;

struct machine {
	char *name;
	MACHINE_KEYS(MACHINE_MEMBER)
	struct text_list scripts; /* config_script, which may be repeated */
};

struct machines {
	struct machine *list;
	size_t count;
};

#define AUTO_MACHINES __attribute__((cleanup(machines_release)))

/* Read the file.  ERR_CONFIG if it is wrong, ERR_SYSTEM if unreadable;
 * a file that does not exist is ERR_NOT_FOUND. */
MUST_CHECK int machines_read(const char *file, struct machines *ret,
			     struct err *e);

/* Parse `len` bytes; `name` stands for the file in messages. */
MUST_CHECK int machines_parse(const char *name, const char *text, size_t len,
			      struct machines *ret, struct err *e);

/* The machine called exactly `name`, or NULL. */
const struct machine *machines_find(const struct machines *m,
				    const char *name);

void machines_release(struct machines *m);

/* The n-th (from 0) of the addresses in `url`, which are mirrors of one file
 * with blanks between; false if there are not so many. */
bool machine_url(const struct machine *machine, size_t n,
		 char ret[URL_MAX + 1]);

/* A default and the limits around it; 0 where one is not said. */
struct machine_range {
	long long standard;
	long long min, max;
};

/*
 * Read "4", "4 1-8" or "1-8": the default, and the least and the most that a
 * visitor may ask for.  Whole numbers from 1 to `top`, or with `milli`
 * decimal ones, which are returned in thousandths.  "" is a range of zeros.
 * False if it is anything else, or out of order.
 */
MUST_CHECK bool machine_range(const char *text, bool milli, long long top,
			      struct machine_range *ret);

#endif
