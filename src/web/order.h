/*
 * An order: what a visitor asks for with Create, typed and checked before
 * anything acts on it.
 */
#ifndef QWD_WEB_ORDER_H
#define QWD_WEB_ORDER_H

#include <jansson.h>

#include "conf/catalogue.h"
#include "conf/options.h"
#include "session/access.h"
#include "session/lifetime.h"
#include "session/offer.h"
#include "session/session.h"
#include "web/form.h"

/*
 * Memory is ordered in GB with decimals and kept in MB: 1 GB is 1024 MB, the
 * nearest MB counts.  order_gb() is the other way: the largest number of GB
 * in thousandths that is no more than `mb`.
 */

long long order_gb(long long mb);

/*
 * Fill user-independent members of *ret (machine, title, format, iso,
 * virtual_size, its settings, cpu, memory_mb, disk_mb, oneshot) and
 * *ret_lifetime_s (0: without an end) from the form.  What is absent, and an
 * empty cpu, memory or disk, gets the machine's default; what is wrong is ERR_INPUT naming the
 * first wrong field, in the form's order; a machine that needs more than there
 * is here is ERR_BUSY.
 */
MUST_CHECK int order_read(const struct form *form, const struct config *c,
			  const struct limits *limits, struct session *ret,
			  long long *ret_lifetime_s, struct err *e);

/*
 * The order that order_read() has read, as a JSON object for the site's own
 * login program: machine, cpu, memory (MB), disk (MB), snapshot_lifetime (s),
 * gpu, oneshot, and config_script, the visitor's own ("": none).  NULL if no
 * memory.
 */
json_t *order_value(const struct form *form, const struct session *s,
		    long long lifetime_s);

/* The fields of a form that are an order, as a query string.  NULL if no
 * memory, or if it is longer than ORDER_PACKED_MAX; the caller frees. */
enum { ORDER_PACKED_MAX = 256 * 1024 };
char *order_pack(const struct form *form);

/* May `who` have the machine that is in *s?  See access_check_machine(). */
MUST_CHECK int order_check_machine(const struct session *s,
				   const struct config *c,
				   const struct identity *who, struct err *e);

/*
 * Put a machine of the catalogue, with its settings and the default amounts
 * of its offer, into *ret, and its offer into *ret_offer.  ERR_INPUT for field
 * `machine` if it is refused or its file cannot be read now.
 */
MUST_CHECK int order_machine(const struct catalogue_entry *machine,
			     const struct config *c,
			     const struct limits *limits, struct session *ret,
			     struct offer *ret_offer, struct err *e);

#endif
