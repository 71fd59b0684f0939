#include "farm/room.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>

#include "base/log.h"
#include "conf/options_slurm.h"
#include "farm/slurm.h"
#include "farm/slurm_run.h"
#include "sys/child.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/json.h"

enum {
	ASK_MS = 500,
	FILE_MAX_BYTES = 4096,
	SAID_MAX = 8 * 1024 * 1024, /* a line for each node and partition */
};

static long long smaller(long long a, long long b)
{
	return a < b ? a : b;
}

static long long within(long long value, long long max)
{
	return value < 0 ? 0 : smaller(value, max);
}

void farm_room_of_cluster(const struct config *c,
			  const struct slurm_nodes *nodes, struct room *room)
{
	static const struct slurm_nodes none = { .used_cpu = 0 };
	const struct slurm_nodes *n = nodes ? nodes : &none;
	long long cores = n->used_cpu + n->idle_cpu;
	long long left = smaller(n->node_cpu, n->idle_cpu - room->waiting_cpu);

	room->cpu = within(left, room->cpu);
	room->memory_mb = within(n->node_memory_mb - c->slurm_memory_overhead,
				 room->memory_mb);
	room->busy_milli =
		cores ? (n->used_cpu + room->waiting_cpu) * 1000 / cores : 1000;
}

/* ---- The figures that were read last ---- */

struct figures {
	long long asked_ms; /* clock_boot_ms(): when, or tried */
	long long read_ms;  /* -1: never */
	struct slurm_nodes nodes;
};

/* Are they of this boot, and about the same partitions of the same cluster? */
static bool is_ours(const json_t *file, const struct config *c)
{
	char boot[CLOCK_BOOT_ID_SIZE];
	struct err ignored = ERR_INIT;
	const char *of;
	const char *partition;
	const char *conf;

	clock_boot_id(boot);
	return json_get_string(file, "boot_id", sizeof(boot) - 1, &of,
			       &ignored) == 0 &&
	       json_get_string(file, "partition", 2048, &partition,
			       &ignored) == 0 &&
	       json_get_string(file, "conf", 2048, &conf, &ignored) == 0 &&
	       strcmp(of, boot) == 0 &&
	       strcmp(partition, c->slurm_partition) == 0 &&
	       strcmp(conf, c->slurm_conf) == 0;
}

static void load(int dir, const struct config *c, struct figures *ret)
{
	AUTO_BUF struct buf text = BUF_INIT(FILE_MAX_BYTES);
	struct figures f = { .asked_ms = 0 };
	AUTO_JSON json_t *file = NULL;
	struct err ignored = ERR_INIT;

	*ret = (struct figures){ .asked_ms = -1, .read_ms = -1 };
	if (file_read(dir, "cluster", false, &text, &ignored) == 0)
		file = json_parse_object(buf_str(&text), text.len, &ignored);
#define GET(key, min, member)                                                  \
	json_get_int(file, key, min, 1LL << 60, &f.member, &ignored)
	if (file && is_ours(file, c) && GET("asked_ms", 0, asked_ms) == 0 &&
	    GET("read_ms", -1, read_ms) == 0 &&
	    GET("used_cpu", 0, nodes.used_cpu) == 0 &&
	    GET("idle_cpu", 0, nodes.idle_cpu) == 0 &&
	    GET("node_cpu", 0, nodes.node_cpu) == 0 &&
	    GET("node_memory_mb", 0, nodes.node_memory_mb) == 0)
		*ret = f;
#undef GET
}

static int save(int dir, const struct config *c, const struct figures *f,
		struct err *e)
{
	const struct slurm_nodes *n = &f->nodes;
	char boot[CLOCK_BOOT_ID_SIZE];
	AUTO_JSON json_t *file = NULL;
	AUTO_FREE char *text = NULL;

	clock_boot_id(boot);
	file = json_pack("{ss ss ss sI sI sI sI sI sI}", "boot_id", boot,
			 "partition", c->slurm_partition, "conf",
			 c->slurm_conf, "asked_ms", (json_int_t)f->asked_ms,
			 "read_ms", (json_int_t)f->read_ms, "used_cpu",
			 (json_int_t)n->used_cpu, "idle_cpu",
			 (json_int_t)n->idle_cpu, "node_cpu",
			 (json_int_t)n->node_cpu, "node_memory_mb",
			 (json_int_t)n->node_memory_mb);
	text = file ? json_text(file) : NULL;
	if (!text)
		return err_set(e, ERR_SYSTEM, "no memory");
	return file_replace(dir, "cluster", text, strlen(text), 0600, false,
			    e);
}

/* ---- Asking ---- */

static int ask(const struct config *c, struct slurm_nodes *ret, struct err *e)
{
	AUTO_FREE char *sinfo = child_find_program("sinfo", e);
	AUTO_BUF struct buf said = BUF_INIT(SAID_MAX);
	AUTO_BUF struct buf errors = BUF_INIT(FILE_MAX_BYTES);
	AUTO_ARGV struct argv argv = { 0 };
	int status;

	if (!sinfo)
		return -1;
	slurm_nodes_command(sinfo, c, &argv);
	/* Who asks us waits for us no longer than it is told to. */
	if (slurm_run(c, &argv, (int)smaller(ASK_MS, c->farm_wait / 2), &said,
		      &errors, &status, e) < 0)
		return err_prefix(e, "sinfo");
	if (buf_failed(&said))
		return err_set(e, ERR_TOO_LARGE, "sinfo says too much");
	if (status == 0)
		return slurm_read_nodes(buf_str(&said), c, ret, e);
	return slurm_refused("sinfo", &errors, e);
}

/* One asks, and who comes meanwhile takes what there is. */
static void renew(int dir, const struct config *c, struct figures *f)
{
	AUTO_CLOSE int alone = openat(dir, "cluster-lock",
				      O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
				      0600);
	struct err e = ERR_INIT;

	if (alone < 0 || flock(alone, LOCK_EX | LOCK_NB) < 0)
		return;
	if (ask(c, &f->nodes, &e) == 0)
		f->read_ms = clock_boot_ms();
	else
		log_event("slurm", "command", "sinfo", "result", "failed",
			  "message", e.msg, NULL);
	f->asked_ms = clock_boot_ms();
	e = (struct err)ERR_INIT;
	if (save(dir, c, f, &e) < 0)
		log_error("farm", &e);
}

static bool is_within(long long since_ms, long long seconds)
{
	long long now = clock_boot_ms();

	return since_ms >= 0 && since_ms <= now &&
	       now - since_ms < seconds * 1000;
}

int farm_room(const struct store *st, const char *user, struct room *ret,
	      struct err *e)
{
	AUTO_CLOSE int dir = -1;
	struct figures f;

	if (admission_room(st, user, ret, e) < 0)
		return -1;
	if (!config_has_slurm(st->config))
		return 0;
	dir = file_private_dir(st->dir, "farm", e);
	if (dir < 0)
		return -1;
	load(dir, st->config, &f);
	if (!is_within(f.asked_ms, FARM_ROOM_FRESH_S))
		renew(dir, st->config, &f);
	farm_room_of_cluster(st->config,
			     is_within(f.read_ms, FARM_ROOM_OLD_S) ? &f.nodes :
								     NULL,
			     ret);
	return 0;
}
