#include "farm/slurm.h"

#include <string.h>

#include "base/text.h"

static const struct {
	const char *word;
	enum slurm_state state;
} states[] = {
	{ "PENDING", SLURM_PENDING },
	{ "RESV_DEL_HOLD", SLURM_PENDING },
	{ "SPECIAL_EXIT", SLURM_PENDING },
	{ "CONFIGURING", SLURM_CONFIGURING },
	{ "RUNNING", SLURM_RUNNING },
	{ "RESIZING", SLURM_RUNNING },
	{ "SIGNALING", SLURM_RUNNING },
	{ "STOPPED", SLURM_SUSPENDED },
	{ "SUSPENDED", SLURM_SUSPENDED },
	{ "COMPLETING", SLURM_COMPLETING },
	{ "STAGE_OUT", SLURM_COMPLETING },
	{ "REQUEUED", SLURM_REQUEUED },
	{ "REQUEUE_FED", SLURM_REQUEUED },
	{ "REQUEUE_HOLD", SLURM_REQUEUED },
	{ "COMPLETED", SLURM_COMPLETED },
	{ "FAILED", SLURM_FAILED },
	{ "CANCELLED", SLURM_CANCELLED },
	{ "TIMEOUT", SLURM_TIMEOUT },
	{ "DEADLINE", SLURM_DEADLINE },
	{ "NODE_FAIL", SLURM_NODE_FAIL },
	{ "BOOT_FAIL", SLURM_BOOT_FAIL },
	{ "PREEMPTED", SLURM_PREEMPTED },
	{ "REVOKED", SLURM_REVOKED },
	{ "OUT_OF_MEMORY", SLURM_OUT_OF_MEMORY },
};

const char *slurm_state_word(enum slurm_state state)
{
	for (size_t i = 0; i < ARRAY_LEN(states); i++)
		if (states[i].state == state)
			return states[i].word;
	return "MISSING";
}

bool slurm_has_ended(enum slurm_state state)
{
	return state >= SLURM_COMPLETED;
}

enum slurm_state slurm_cause(enum slurm_state state, bool spoke,
			     const char *words)
{
	if (state == SLURM_NODE_FAIL && !spoke)
		return SLURM_BOOT_FAIL;
	if (state == SLURM_FAILED &&
	    strstr(words, "slurmstepd") != NULL &&
	    strstr(words, "Exceeded job memory limit") != NULL)
		return SLURM_OUT_OF_MEMORY;
	return state;
}

/* Where the last line that is not blank begins, and its length. */
static const char *last_line(const char *text, size_t end, size_t *ret_len)
{
	size_t begin;

	while (end && strchr(" \t\r\n.", text[end - 1]))
		end--;
	for (begin = end; begin && text[begin - 1] != '\n'; begin--)
		;
	*ret_len = end - begin;
	return text + begin;
}

/* The last one, or that before it, which tells more. */
static const char *telling_line(const char *text, size_t *ret_len)
{
	static const char *const vague[] = {
		"Job violates accounting/QOS policy",
		"Unspecified error",
	};
	const char *line = last_line(text, strlen(text), ret_len);

	for (size_t i = 0; i < ARRAY_LEN(vague) && line > text; i++)
		if (strstr(line, vague[i]))
			return last_line(text, (size_t)(line - text), ret_len);
	return line;
}

void slurm_refusal(const char *text, char *ret, size_t size)
{
	static const char *const fronts[] = {
		"sbatch: ", "scontrol: ", "squeue: ", "scancel: ",
		"slurm_load_jobs ", "slurm_update ",
		"error: ", "Batch job submission failed: ",
		"allocation failure: ",
		"Kill job error on job id ",
	};
	size_t len;
	const char *line = telling_line(text, &len);

	for (size_t i = 0; i < ARRAY_LEN(fronts); i++) {
		size_t front = strlen(fronts[i]);

		if (len >= front && memcmp(line, fronts[i], front) == 0) {
			line += front;
			len -= front;
		}
	}
	if (len >= size)
		len = size - 1;
	memcpy(ret, line, len);
	ret[len] = '\0';
	for (char *c = ret; *c; c++)
		if ((unsigned char)*c < 0x20 || (unsigned char)*c >= 0x7f)
			*c = ' ';
}

void slurm_look_command(const char *squeue, long long job, struct argv *ret)
{
	argv_add(ret, squeue);
	argv_add(ret, "--noheader");
	argv_add(ret, "--states=all");
	argv_addf(ret, "--jobs=%lld", job);
	argv_add(ret, "--format=%i|%T|%r|%B|%S|%u|%j|%a|%P|%q");
}

/* The next field, up to '|' or the end of the line; it is cut off. */
static char *field(char **rest)
{
	char *begin = *rest;

	if (!begin)
		return NULL;
	*rest = strchr(begin, '|');
	if (*rest)
		*(*rest)++ = '\0';
	return begin;
}

static bool read_state(const char *word, enum slurm_state *ret)
{
	for (size_t i = 0; word && i < ARRAY_LEN(states); i++) {
		if (strcmp(word, states[i].word) == 0) {
			*ret = states[i].state;
			return true;
		}
	}
	return false;
}

/* "(null)", "None", "N/A" and "n/a" are nothing. */
static bool read_word(const char *word, const char *also, char *ret,
		      size_t size)
{
	if (!word || strlen(word) >= size)
		return false;
	ret[0] = '\0';
	if (!*word || strcmp(word, "None") == 0 || strcmp(word, "n/a") == 0 ||
	    strcmp(word, "N/A") == 0 || strcmp(word, "(null)") == 0)
		return true;
	if (!text_only(word, also))
		return false;
	memcpy(ret, word, strlen(word) + 1);
	return true;
}

/* It may hold a long list of nodes: its beginning is enough. */
static bool read_reason(const char *word, char *ret, size_t size)
{
	char cut[SESSION_JOB_REASON_SIZE];

	if (!word)
		return false;
	snprintf(cut, sizeof(cut), "%s", word);
	return read_word(cut, "_-.,:;()[]/= ", ret, size);
}

static bool read_time(const char *word, long long *ret)
{
	*ret = 0;
	if (!word)
		return false;
	return strcmp(word, "N/A") == 0 || text_long(word, 0, 1LL << 40, ret);
}

/* A name that is none of a session's is nobody's: what stands there may be
 * anything without a '|'. */
static bool read_name(const char *word, char ret[SESSION_NAME_SIZE])
{
	ret[0] = '\0';
	if (word && session_name_ok(word))
		memcpy(ret, word, strlen(word) + 1);
	return word != NULL;
}

/* For people and bills: one that is not understood is none. */
static bool read_choice(const char *word, char ret[SESSION_CLUSTER_SIZE])
{
	if (!read_word(word, "-._@+", ret, SESSION_CLUSTER_SIZE))
		ret[0] = '\0';
	return word != NULL;
}

static bool read_line(char *line, long long job, struct slurm_job *ret)
{
	char *rest = line;
	const char *number = field(&rest);
	long long id;

	return text_long(number, 1, SLURM_JOB_MAX, &id) && id == job &&
	       read_state(field(&rest), &ret->state) &&
	       read_reason(field(&rest), ret->reason, sizeof(ret->reason)) &&
	       read_word(field(&rest), "-._", ret->node, sizeof(ret->node)) &&
	       read_time(field(&rest), &ret->start) &&
	       read_word(field(&rest), "-._@+\\$", ret->user,
			 sizeof(ret->user)) &&
	       read_name(field(&rest), ret->name) &&
	       read_choice(field(&rest), ret->account) &&
	       read_choice(field(&rest), ret->partition) &&
	       read_choice(field(&rest), ret->qos) && !rest;
}

int slurm_read_look(const char *text, long long job, struct slurm_job *ret,
		    struct err *e)
{
	struct slurm_job found = { .state = SLURM_MISSING };
	size_t len = strcspn(text, "\n");
	char line[1024];

	if (!*text) {
		*ret = found;
		return 0;
	}
	if (len >= sizeof(line) || strcmp(text + len, "\n") != 0)
		return err_set(e, ERR_DAMAGED, "squeue did not say one line");
	memcpy(line, text, len);
	line[len] = '\0';
	if (!read_line(line, job, &found))
		return err_set(e, ERR_DAMAGED, "squeue: not understood: %.*s",
			       (int)(len < 200 ? len : 200), text);
	*ret = found;
	return 0;
}

bool slurm_says_missing(const char *errors)
{
	return strstr(errors, "Invalid job id") != NULL;
}

bool slurm_says_over(const char *errors)
{
	return slurm_says_missing(errors) ||
	       strstr(errors, "already completing or completed") != NULL;
}

void slurm_cancel_command(const char *scancel, long long job, struct argv *ret)
{
	argv_add(ret, scancel);
	argv_addf(ret, "%lld", job);
}

void slurm_cancel_named_command(const char *scancel, const char *name,
				struct argv *ret)
{
	argv_add(ret, scancel);
	argv_add(ret, "--me");
	argv_addf(ret, "--name=%s", name);
}

void slurm_knock_command(const char *scancel, long long job, struct argv *ret)
{
	argv_add(ret, scancel);
	argv_add(ret, "--batch");
	argv_add(ret, "--signal=USR2");
	argv_addf(ret, "%lld", job);
}

void slurm_knock_named_command(const char *scancel, const char *name,
			       struct argv *ret)
{
	argv_add(ret, scancel);
	argv_add(ret, "--me");
	argv_add(ret, "--batch");
	argv_add(ret, "--signal=USR2");
	argv_addf(ret, "--name=%s", name);
}

void slurm_limit_command(const char *scontrol, long long job,
			 long long minutes, struct argv *ret)
{
	argv_add(ret, scontrol);
	argv_add(ret, "update");
	argv_addf(ret, "JobId=%lld", job);
	argv_addf(ret, "TimeLimit=%lld", minutes);
}

void slurm_address_command(const char *sinfo, const char *node,
			   struct argv *ret)
{
	argv_add(ret, sinfo);
	argv_add(ret, "--noheader");
	argv_add(ret, "--Node");
	argv_addf(ret, "--nodes=%s", node);
	argv_add(ret, "--format=%o");
}

int slurm_read_address(const char *text, char ret[SESSION_NODE_SIZE],
		       struct err *e)
{
	size_t len = strcspn(text, "\n");
	char word[SESSION_NODE_SIZE];

	/* A node in several partitions has a line for each. */
	if (len == 0 || len >= sizeof(word))
		return err_set(e, ERR_DAMAGED, "sinfo did not say an address");
	memcpy(word, text, len);
	word[len] = '\0';
	while (len && word[len - 1] == ' ')
		word[--len] = '\0';
	if (!text_only(word, ".-:_") || *word == '-')
		return err_set(e, ERR_DAMAGED, "sinfo did not say an address");
	memcpy(ret, word, len + 1);
	return 0;
}

/* The others are failures of our own job. */
static const struct {
	const char *sentence;
	bool failed;
} ends[] = {
	[SLURM_COMPLETED] = { "Its job on the cluster has ended.", false },
	[SLURM_CANCELLED] = { "Its job was cancelled on the cluster.", false },
	[SLURM_TIMEOUT] = { "The cluster's limit of time was reached.", false },
	[SLURM_DEADLINE] = { "The cluster's deadline for its job had passed.",
			     false },
	[SLURM_NODE_FAIL] = { "The computer of the cluster on which it ran "
			      "has failed.",
			      true },
	[SLURM_BOOT_FAIL] = { "The computer of the cluster that was to run it "
			      "did not start, or has failed.",
			      true },
	[SLURM_PREEMPTED] = { "The cluster needed its place for a job that "
			      "goes before it.",
			      true },
	[SLURM_REVOKED] = { "Another cluster has taken its job.", true },
	[SLURM_OUT_OF_MEMORY] = { "It used more memory than its job on the "
				  "cluster may.",
				  true },
	[SLURM_MISSING] = { "The cluster does not know its job any more.",
			    false },
};

const char *slurm_end_sentence(enum slurm_state state, bool *failed)
{
	if (ends[state].sentence) {
		*failed = ends[state].failed;
		return ends[state].sentence;
	}
	*failed = true;
	return "Its job on the cluster has failed.";
}
