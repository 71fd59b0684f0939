#include "farm/slurm_nodes.h"

#include <string.h>

#include "base/text.h"
#include "conf/options_slurm.h"

enum { LINE_SIZE = 512, CORES_MAX = 1 << 20 };

void slurm_nodes_command(const char *sinfo, const struct config *c,
			 struct argv *ret)
{
	argv_add(ret, sinfo);
	argv_add(ret, "--noheader");
	argv_add(ret, "--Node");
	if (c->slurm_partition[0])
		argv_addf(ret, "--partition=%s", c->slurm_partition);
	argv_add(ret, "--Format=NodeHost:|,Partition:|,CPUsState:|,Memory:|,"
		      "AllocMem:|");
}

struct node {
	const char *name;
	bool wanted; /* it is in one of our partitions */
	long long used, idle, memory_mb, given_mb;
};

/* The text up to `end`, which is cut off; NULL if there is none. */
static char *cut(char **rest, char end)
{
	char *begin = *rest;
	char *at = begin ? strchr(begin, end) : NULL;

	if (!at)
		return NULL;
	*at = '\0';
	*rest = at + 1;
	return begin;
}

static bool read_count(const char *text, long long max, long long *ret)
{
	return text && text_long(text, 0, max, ret);
}

/* Allocated/idle/other/total */
static bool read_cores(char *text, struct node *ret)
{
	long long other;
	long long total;

	return text && read_count(cut(&text, '/'), CORES_MAX, &ret->used) &&
	       read_count(cut(&text, '/'), CORES_MAX, &ret->idle) &&
	       read_count(cut(&text, '/'), CORES_MAX, &other) &&
	       read_count(text, CORES_MAX, &total);
}

/* The default one has a '*' behind its name. */
static bool read_partition(char *text, const struct slurm_names *names,
			   bool *ret_wanted)
{
	size_t len = text ? strlen(text) : 0;
	bool usual = len && text[len - 1] == '*';

	if (usual)
		text[len - 1] = '\0';
	if (!text || !text_only(text, "._-"))
		return false;
	*ret_wanted = names->count ? slurm_names_have(names, text) : usual;
	return true;
}

static bool read_node(char *line, const struct slurm_names *names,
		      struct node *ret)
{
	char *rest = line;

	ret->name = cut(&rest, '|');
	return ret->name && text_only(ret->name, "._-") &&
	       read_partition(cut(&rest, '|'), names, &ret->wanted) &&
	       read_cores(cut(&rest, '|'), ret) &&
	       read_count(cut(&rest, '|'), 1LL << 40, &ret->memory_mb) &&
	       read_count(cut(&rest, '|'), 1LL << 40, &ret->given_mb) &&
	       !*rest;
}

static void add(struct slurm_nodes *sum, const struct node *n)
{
	long long left_mb = n->memory_mb - n->given_mb;

	sum->used_cpu += n->used;
	sum->idle_cpu += n->idle;
	if (n->idle > sum->node_cpu)
		sum->node_cpu = n->idle;
	if (n->idle && left_mb > sum->node_memory_mb)
		sum->node_memory_mb = left_mb;
}

int slurm_read_nodes(const char *text, const struct config *c,
		     struct slurm_nodes *ret, struct err *e)
{
	struct slurm_nodes sum = { .used_cpu = 0 };
	char last[LINE_SIZE] = ""; /* a node's lines stand together */
	char line[LINE_SIZE];
	struct slurm_names names;

	(void)slurm_names_parse(c->slurm_partition, &names);
	while (*text) {
		size_t len = strcspn(text, "\n");
		struct node node;

		if (len >= sizeof(line) || !text[len])
			return err_set(e, ERR_DAMAGED,
				       "sinfo did not say whole lines");
		memcpy(line, text, len);
		line[len] = '\0';
		if (!read_node(line, &names, &node))
			return err_set(e, ERR_DAMAGED,
				       "sinfo: not understood: %.*s",
				       (int)(len < 200 ? len : 200), text);
		if (node.wanted && strcmp(node.name, last) != 0) {
			add(&sum, &node);
			snprintf(last, sizeof(last), "%s", node.name);
		}
		text += len + 1;
	}
	*ret = sum;
	return 0;
}
