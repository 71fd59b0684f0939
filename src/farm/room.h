/*
 * The room that there is here, as other servers of a farm are told it: on this
 * host, or on its cluster.
 *
 * What a cluster has, its control is asked, by one request in
 * FARM_ROOM_FRESH_S, for half a second at most; others have the figures of
 * that one, which are in the file `cluster` of the store's folder farm.  Where
 * it does not answer, the last figures count for FARM_ROOM_OLD_S, and then
 * nothing is free: no session would start.
 */
#ifndef QWD_FARM_ROOM_H
#define QWD_FARM_ROOM_H

#include "farm/slurm_nodes.h"
#include "session/admission.h"

enum { FARM_ROOM_FRESH_S = 5, FARM_ROOM_OLD_S = 60 };

/* admission_room(), or what the cluster has.  That its control does not answer
 * is no error, and goes to the log. */
MUST_CHECK int farm_room(const struct store *st, const char *user,
			 struct room *ret, struct err *e);

/*
 * Put a cluster's figures into *room, which is of admission_room(): its load
 * is the share of its cores that are taken or waited for here; free is what
 * one node has, and one session may have.  NULL: they are not known.
 */
void farm_room_of_cluster(const struct config *c,
			  const struct slurm_nodes *nodes, struct room *room);

#endif
