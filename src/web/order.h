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
 * virtual_size, its settings, cpu, memory_mb, disk_mb, oneshot, and what a
 * cluster's job has by default) and
 * *ret_lifetime_s (0: without an end) from the form.  What is absent, and an
 * empty cpu, memory or disk, gets the machine's default; what is wrong is ERR_INPUT naming the
 * first wrong field, in the form's order; a machine that needs more than there
 * is here is ERR_BUSY.
 */
MUST_CHECK int order_read(const struct form *form, const struct config *c,
			  const struct limits *limits, struct session *ret,
			  long long *ret_lifetime_s, struct err *e);

/*
 * What a cluster's job is submitted with: account, partition, qos of *ret.
 * order_machine() gives it the first names that the configuration lists, or ""
 * without a cluster or a list; this takes the form's choice over them.  A
 * name that is not listed is ERR_INPUT for its field, and so is any where
 * there is no cluster; of an order that was forwarded from another server's,
 * which has one, it says nothing there.
 */
MUST_CHECK int order_read_cluster(const struct form *form,
				  const struct config *c, bool forwarded,
				  struct session *ret, struct err *e);
void order_cluster_standard(const struct config *c, struct session *ret);

/*
 * The fields among those three that leave a choice, for the form's page:
 * [{"name", "label", "choices": as choices.h has them, "error": what was wrong
 * with it or null, "invalid": "true" or "false"}]; and all that may be
 * chosen, for programs: {"account": [name, ...], "partition", "qos"}, or null
 * without a cluster.  NULL if no memory.
 */
json_t *order_cluster_fields(const struct form *form, const struct config *c,
			     const struct err *why);
json_t *order_cluster_names(const struct config *c);

/*
 * The order that order_read() has read, as a JSON object for the site's own
 * login program: machine, cpu, memory (MB), disk (MB), snapshot_lifetime (s),
 * gpu, oneshot, config_script, the visitor's own ("": none), and cluster
 * (session_cluster_value()).  NULL if no memory.
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
