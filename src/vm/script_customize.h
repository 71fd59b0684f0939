/*
 * Boot scripts of the kind `virt-customize:`: lines of virt-customize(1)'s
 * commands, "COMMAND ARGUMENTS" each (also "--COMMAND ARGUMENTS"), which
 * change the session's disk before it starts.  Lines end with a newline or
 * with the two characters \n.
 *
 * Only commands of a closed list are passed on.  What they read on this
 * server they read in a sandbox that holds nothing but /usr and the files that
 * the lines of the administrator name; a visitor's lines may name none, and
 * may not hold what virt-customize itself would run here (edit).  There is no
 * network in it, so that nothing can be installed then: firstboot-install and
 * exec: do that when the guest has booted.
 */
#ifndef QWD_VM_SCRIPT_CUSTOMIZE_H
#define QWD_VM_SCRIPT_CUSTOMIZE_H

#include "base/buf.h"
#include "sys/child.h"
#include "vm/script.h"

/* ERR_INPUT with the end of a sentence about the script. */
MUST_CHECK int script_customize_check(const char *lines, size_t len,
				      struct err *e);
MUST_CHECK int script_customize_check_visitor(const char *lines, size_t len,
					      struct err *e);

/*
 * Add the lines to *out, as --commands-from-file reads them, with their
 * symbols replaced, and to *files the files of this server that they read.
 */
MUST_CHECK int script_customize_fill(const char *lines, size_t len,
				     const struct script_facts *facts,
				     struct buf *out, struct argv *files,
				     struct err *e);

/* What is where, for a run of virt-customize. */
struct customize {
	const char *bwrap;	    /* absolute */
	const char *virt_customize; /* absolute */
	const char *overlay;	    /* qcow2, which it changes */
	const char *image;	    /* its backing file */
	const char *appliance;	    /* libguestfs's, a directory */
	int commands;		    /* descriptor of --commands-from-file */
	bool kvm;
	const struct argv *files; /* that the lines read here */
};

/* bubblewrap's vector and virt-customize's in it.  A pure function. */
void script_customize_command(const struct customize *c, struct argv *ret);

/* NAME=value for its environment, NULL-terminated. */
const char *const *script_customize_environment(bool kvm);

#endif
