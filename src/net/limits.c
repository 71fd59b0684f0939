#include "net/limits.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include "sys/core.h"

enum {
	CPU_S = 5, /* a login takes some milliseconds */
	STAY_CPU_S = 300,
	STAY_FDS = 1024,
};

int limits_set(struct err *e)
{
	if (core_forbid(e) < 0)
		return -1;
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR ||
	    setenv("LDAPNOINIT", "1", 1) < 0)
		return err_sys(e, "cannot set up");
	return 0;
}

/* Everything here is safe in a signal handler. */
static void time_out(int signal)
{
	static const char answer[] =
		"{\"result\":\"error\",\"reason\":\"timeout\","
		"\"message\":\"nothing came in time\","
		"\"user\":null,\"mail\":null,\"groups\":[]}\n";

	(void)signal;
	(void)!write(STDOUT_FILENO, answer, sizeof(answer) - 1);
	_exit(1);
}

int limits_deadline(long long ms, struct err *e)
{
	const struct rlimit work = { CPU_S, CPU_S + 1 };
	const struct sigaction act = { .sa_handler = time_out };
	const struct itimerval timer = {
		.it_value = { .tv_sec = (time_t)(ms / 1000),
			      .tv_usec = (suseconds_t)(ms % 1000 * 1000) },
	};

	if (sigaction(SIGALRM, &act, NULL) < 0 ||
	    sigaction(SIGXCPU, &act, NULL) < 0 ||
	    setrlimit(RLIMIT_CPU, &work) < 0 ||
	    setitimer(ITIMER_REAL, &timer, NULL) < 0)
		return err_sys(e, "cannot set a deadline");
	return 0;
}

/* Nobody may go beyond what he was given: a web server may have limits for its
 * programs (RLimitCPU of Apache). */
static int limit(__rlimit_resource_t what, rlim_t most)
{
	struct rlimit l;

	if (getrlimit(what, &l) < 0)
		return -1;
	if (l.rlim_max > most)
		l.rlim_max = most;
	l.rlim_cur = l.rlim_max;
	return setrlimit(what, &l);
}

int limits_stay(struct err *e)
{
	return limit(RLIMIT_CPU, STAY_CPU_S) < 0 ||
			       limit(RLIMIT_NOFILE, STAY_FDS) < 0 ||
			       limit(RLIMIT_FSIZE, 0) < 0 ?
		       err_sys(e, "cannot set limits") :
		       0;
}

void limits_met(void)
{
	signal(SIGALRM, SIG_IGN);
	signal(SIGXCPU, SIG_IGN);
}
