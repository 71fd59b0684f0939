/*
 * What the nodes of a cluster have free, as sinfo(1) of Slurm 22.05 says it.
 * Pure, as farm/slurm.h is.
 */
#ifndef QWD_FARM_SLURM_NODES_H
#define QWD_FARM_SLURM_NODES_H

#include "conf/options.h"
#include "sys/child.h"

/* Of the nodes in the partitions that slurm_partition lists, or else in
 * Slurm's default one, each counted once.  Cores of nodes that are down or
 * drained count only while jobs have them. */
struct slurm_nodes {
	long long used_cpu;
	long long idle_cpu;
	long long node_cpu;	  /* the most that one node has idle */
	long long node_memory_mb; /* the most that a node with an idle core has
				     not given away */
};

void slurm_nodes_command(const char *sinfo, const struct config *c,
			 struct argv *ret);

/* Read its answer.  ERR_DAMAGED; on failure *ret is as before. */
MUST_CHECK int slurm_read_nodes(const char *text, const struct config *c,
				struct slurm_nodes *ret, struct err *e);

#endif
