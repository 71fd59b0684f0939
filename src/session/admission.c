#include "session/admission.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>

#include "conf/options_slurm.h"
#include "session/gpu_lease.h"
#include "session/lifetime.h"
#include "session/port.h"
#include "session/usage.h"
#include "sys/clock.h"
#include "sys/pci_gpu.h"
#include "sys/random.h"

enum {
	NAME_RANDOM = 20, /* 100 bits: names are never used again */
	SMALLEST_MEMORY_MB = 256,
};

static long long larger(long long a, long long b)
{
	return a > b ? a : b;
}

static long long smaller(long long a, long long b)
{
	return a < b ? a : b;
}

void limits_of(const struct config *c, const struct hostload *host,
	       struct limits *ret)
{
	long long memory_mb = c->snapshot_alloc_mem * 1024 / 1000;

	ret->user_sessions = c->service_max_session_nb_per_user;
	ret->sessions = c->service_max_instance_nb;
	ret->cluster = config_has_slurm(c);
	if (ret->cluster) {
		ret->session_cpu = ret->user_cpu = c->slurm_max_cpu;
		ret->user_memory_mb = c->slurm_max_memory * 1024 / 1000;
		ret->default_cpu = smaller(c->snapshot_alloc_cpu,
					   ret->session_cpu);
		ret->default_memory_mb = smaller(memory_mb,
						 ret->user_memory_mb);
		return;
	}
	ret->default_cpu = smaller(c->snapshot_alloc_cpu, host->cpus);
	/* On a small host a default session takes at most half the memory. */
	ret->default_memory_mb =
		smaller(memory_mb,
			larger(host->memory_mb / 2, SMALLEST_MEMORY_MB));
	ret->user_cpu = larger(host->cpus *
				       c->service_max_cpu_fraction_nb_per_user /
				       1000,
			       ret->default_cpu);
	ret->session_cpu = smaller(ret->user_cpu, host->cpus);
	ret->user_memory_mb =
		larger(host->memory_mb *
			       c->service_max_mem_fraction_nb_per_user / 1000,
		       ret->default_memory_mb);
}

/* Who writes to an image has it alone. */
static int check_image(const struct session_list *all, const struct session *s,
		       struct err *e)
{
	for (size_t i = 0; i < all->count; i++) {
		const struct session *other = &all->list[i];

		if (session_is_final(other) ||
		    strcmp(other->machine, s->machine) != 0 ||
		    (!other->master && !s->master))
			continue;
		return err_set(e, ERR_BUSY,
			       "This machine is in use, and can be used by one "
			       "session at a time only. Try again later, or "
			       "choose another one.");
	}
	return 0;
}

static bool gpu_is_free(const struct store *st,
			const struct session_list *all, const char *address)
{
	for (size_t i = 0; i < all->count; i++)
		if (!session_is_final(&all->list[i]) &&
		    strcmp(all->list[i].gpu, address) == 0)
			return false;
	return !gpu_lease_is_held(st, address);
}

/* Give the session one of the cards, if it wants one. */
static int choose_gpu(const struct store *st, const struct session_list *all,
		      struct session *s, struct err *e)
{
	struct gpu_list gpus;
	size_t usable;

	if (!s->gpu[0])
		return 0;
	if (gpu_scan(st->config->dir_sysfs, st->config->gpu_blacklist, &gpus,
		     e) < 0)
		return -1;
	for (size_t i = 0; i < gpus.count; i++) {
		const struct gpu *gpu = &gpus.list[i];

		if (gpu->problem[0] || !gpu_is_free(st, all, gpu->address))
			continue;
		memcpy(s->gpu, gpu->address, sizeof(s->gpu));
		return 0;
	}
	usable = gpu_count_usable(&gpus);
	if (usable == 0)
		return err_set(e, ERR_BUSY,
			       "This machine needs a graphics card, and there "
			       "is none for desktops here.");
	return err_set(e, ERR_BUSY,
		       "All graphics cards (%zu) are taken. Try again later, "
		       "or without one.",
		       usable);
}

static void add(struct usage *u, const struct elsewhere *more)
{
	if (!more)
		return;
	u->user_sessions += more->sessions;
	u->user_cpu += more->cpu;
	u->user_memory_mb += more->memory_mb;
}

static int decide(const struct store *st, struct session *s,
		  const struct elsewhere *more, struct err *e)
{
	AUTO_SESSION_LIST struct session_list all = { 0 };
	struct hostload host;
	struct limits limits;
	struct usage usage;

	if (hostload_read(&host, e) < 0 ||
	    store_list_alive(st, &all, e) < 0)
		return -1;
	limits_of(st->config, &host, &limits);
	usage_count(st, &all, s->user, &usage);
	add(&usage, more);
	if (usage_check_user(&limits, &usage, s, e) < 0)
		return -1;
	if (check_image(&all, s, e) < 0)
		return usage_refuse(&usage, e);
	if (usage_check_host(st->config, &limits, &host, &usage, s, e) < 0)
		return -1;
	/* On a cluster a card is the node's to choose. */
	if ((!limits.cluster && choose_gpu(st, &all, s, e) < 0) ||
	    port_reserve(st->config, &all, s, e) < 0)
		return usage_refuse(&usage, e);
	return 0;
}

static void begin(const struct config *c, struct session *s,
		  long long lifetime_s)
{
	clock_boot_id(s->boot_id);
	s->state = SESSION_STARTING;
	s->step = STEP_ACCEPTED;
	s->touched_mb = 0;
	lifetime_begin(c, s, clock_boot_ms(), lifetime_s);
}

static int name_it(const struct config *c, struct session *s,
		   long long lifetime_s, struct err *e)
{
	char random[NAME_RANDOM + 1];

	if (random_text(random, NAME_RANDOM, e) < 0 ||
	    random_text(s->token, SESSION_TOKEN_SIZE - 1, e) < 0)
		return -1;
	snprintf(s->name, sizeof(s->name), "%s-%s", c->service, random);
	begin(c, s, lifetime_s);
	return 0;
}

/* Make the session's lock and hold it.  Returns its descriptor. */
static int make_lock(const struct store *st, const char *name, struct err *e)
{
	int fd = openat(st->locks, name,
			O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			0600);

	if (fd < 0)
		return err_sys(e, "cannot make lock %s", name);
	/* Waits for nobody but a reader that looks whether we live. */
	if (flock(fd, LOCK_EX) < 0) {
		err_sys(e, "cannot take lock %s", name);
		unlinkat(st->locks, name, 0);
		close(fd);
		return -1;
	}
	return fd;
}

/* The session's lock, and then its record. */
static int make_record(const struct store *st, struct session *s,
		       struct err *e)
{
	int lock = make_lock(st, s->name, e);

	if (lock < 0)
		return -1;
	if (store_write(st, s, e) < 0) {
		struct err ignored = ERR_INIT;

		(void)!store_forget(st, s->name, &ignored);
		close(lock);
		return -1;
	}
	return lock;
}

int admission_adopt(const struct store *st, struct session *s,
		    long long lifetime_s, struct err *e)
{
	AUTO_CLOSE int gate = store_lock(st, e);
	AUTO_SESSION_LIST struct session_list all = { 0 };

	if (gate < 0 || store_list_alive(st, &all, e) < 0 ||
	    choose_gpu(st, &all, s, e) < 0)
		return -1;
	begin(st->config, s, lifetime_s);
	return make_record(st, s, e);
}

int admission_reserve(const struct store *st, struct session *s,
		      long long lifetime_s, struct err *e)
{
	return admission_reserve_with(st, s, lifetime_s, NULL, e);
}

int admission_check(const struct store *st, const struct session *s,
		    struct err *e)
{
	AUTO_CLOSE int gate = store_lock(st, e);
	struct session trial = *s;

	return gate < 0 ? -1 : decide(st, &trial, NULL, e);
}

int admission_room(const struct store *st, const char *user,
		   struct room *ret, struct err *e)
{
	AUTO_SESSION_LIST struct session_list all = { 0 };
	struct hostload host;
	struct limits limits;
	struct usage usage;

	if (hostload_read(&host, e) < 0 || store_list_alive(st, &all, e) < 0)
		return -1;
	limits_of(st->config, &host, &limits);
	usage_count(st, &all, user, &usage);
	usage_room(st->config, &limits, &host, &usage, ret);
	return 0;
}

int admission_reserve_with(const struct store *st, struct session *s,
			   long long lifetime_s, const struct elsewhere *more,
			   struct err *e)
{
	AUTO_CLOSE int gate = store_lock(st, e);

	if (gate < 0 || decide(st, s, more, e) < 0 ||
	    name_it(st->config, s, lifetime_s, e) < 0)
		return -1;
	return make_record(st, s, e);
}
