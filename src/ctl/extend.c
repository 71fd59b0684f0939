/* qwdctl extend: a session gets more time. */
#include "ctl/ctl.h"

#include <string.h>

#include "base/text.h"
#include "ctl/service_store.h"
#include "run/control.h"
#include "session/lifetime.h"
#include "sys/clock.h"

static int usage(const char *what)
{
	fprintf(stderr,
		"qwdctl extend: %s\n"
		"Usage: qwdctl extend NAME [SECONDS]\n",
		what);
	return CTL_USAGE;
}

static void tell(const struct session *s)
{
	char left[32];
	char ends[32];

	if (!s->ends) {
		printf("%s: has no end\n", s->name);
		return;
	}
	clock_duration(lifetime_left_s(s, clock_boot_ms()), left, sizeof(left));
	clock_human(session_ends(s), ends, sizeof(ends));
	printf("%s: ends in %s, %s\n", s->name, left, ends);
}

int ctl_extend(const struct config *c, int argc, char **argv)
{
	AUTO_STORE struct store store = STORE_INIT;
	long long seconds = LIFETIME_LONGEST;
	struct err e = ERR_INIT;
	struct session s;

	if (argc < 2 || argc > 3)
		return usage("name one session");
	if (!session_name_ok(argv[1]))
		return usage("this is no session's name");
	if (argc == 3 && !text_long(argv[2], 0, 1LL << 40, &seconds))
		return usage("the time is a whole number of seconds");
	if (service_store_open(c, &store, &e) < 0 ||
	    control_extend(&store, argv[1], seconds, "the administrator", &s,
			   &e) < 0) {
		fprintf(stderr, "qwdctl extend: %s: %s\n", argv[1],
			e.code == ERR_NOT_FOUND ? "no such session" : e.msg);
		return CTL_FAILED;
	}
	tell(&s);
	return CTL_DONE;
}
