/* What Slurm's commands say, a job's mark, and a request to qwd-visitor. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "farm/job_dir.h"
#include "farm/slurm.h"
#include "farm/visitor.h"
#include "farm/slurm_nodes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
	if (!holds)
		abort();
}

/* What was accepted has no byte that a page, a log or a command's argument
 * must not have. */
static void check_look(const char *text)
{
	struct slurm_job job = { .start = -1 };
	struct err e = ERR_INIT;

	if (slurm_read_look(text, 7, &job, &e) < 0) {
		require(e.code == ERR_DAMAGED && job.start == -1);
		return;
	}
	require(job.start >= 0);
	require(!text_has_control(job.reason) && !strpbrk(job.reason, "<>&\"'"));
	require(!*job.node || text_only(job.node, "-._"));
	require(*text || job.state == SLURM_MISSING);
	require(!*job.name || session_name_ok(job.name));
	require(!text_has_control(job.user));
}

static void check_nodes(const char *text)
{
	char list[] = "vms,short";
	const struct config c = { .slurm_partition = list };
	struct slurm_nodes n;
	struct err e = ERR_INIT;

	if (slurm_read_nodes(text, &c, &n, &e) < 0)
		require(e.code == ERR_DAMAGED);
	else
		require(n.used_cpu >= 0 && n.idle_cpu >= n.node_cpu &&
			n.node_cpu >= 0 && n.node_memory_mb >= 0);
}

static void check_others(const char *text)
{
	char address[SESSION_NODE_SIZE] = "";
	struct err e = ERR_INIT;
	long long number = 0;
	char why[40];

	if (slurm_read_submitted(text, &number, &e) == 0)
		require(number > 0);
	if (slurm_read_address(text, address, &e) == 0)
		require(text_only(address, ".-:_") && *address != '-');
	check_nodes(text);
	slurm_refusal(text, why, sizeof(why));
	require(!text_has_control(why) && strlen(why) < sizeof(why));
}

static void check_request(const char *text, size_t size)
{
	static struct visitor_request r;
	struct err e = ERR_INIT;
	const char *script = NULL;

	if (visitor_read(text, size, &r, &script, &e) < 0)
		return;
	require(session_name_ok(r.name));
	require(script > text && script <= text + size);
	require(r.verb != VISITOR_START ||
		strcmp(r.order.session.name, r.name) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = malloc(size + 1);
	struct err e = ERR_INIT;
	struct job_mark mark;

	require(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	check_look(text);
	check_others(text);
	check_request(text, size);
	if (job_mark_parse(text, size, &mark, &e) == 0)
		require(mark.job > 0 && text_only(mark.node, "-._") &&
			session_name_ok(mark.session.name));
	return 0;
}
