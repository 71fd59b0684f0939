/*
 * The machines that the form offers to its visitor.
 */
#ifndef QWD_WEB_FORM_MACHINES_H
#define QWD_WEB_FORM_MACHINES_H

#include <jansson.h>

#include "session/offer.h"
#include "web/visit.h"

struct form_machines {
	/* For the page: [{"name", "description", "icon", "limits" (a
	 * sentence), "cpu", "memory", "disk" ("MIN MAX STANDARD" in the
	 * fields' units, for its script), "selected"}] */
	json_t *people;
	/* For programs: [{"name", "description", "icon", "cpu": {"default",
	 * "min", "max"}, "memory", "disk" (likewise, GB)}] */
	json_t *programs;
	bool differ; /* not all of them have the same limits of cores and
			memory */
	bool disks;  /* one of them lets choose the size of its disk */
	struct offer widest; /* the limits of all together */
};

#define AUTO_FORM_MACHINES __attribute__((cleanup(form_machines_release)))

/* Where no catalogue was made yet there are no machines. */
MUST_CHECK int form_machines_load(const struct visit *v,
				  const struct limits *limits,
				  struct form_machines *ret, struct err *e);

void form_machines_release(struct form_machines *m);

#endif
