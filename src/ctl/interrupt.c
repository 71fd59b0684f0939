#include "ctl/interrupt.h"

#include <stddef.h>

#include "base/macros.h"

volatile sig_atomic_t interrupt_stop;

static void on_signal(int signal)
{
	(void)signal;
	interrupt_stop = 1;
}

void interrupt_catch(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action = { .sa_handler = on_signal };

	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		struct sigaction old;

		if (sigaction(signals[i], NULL, &old) == 0 &&
		    old.sa_handler != SIG_IGN)
			sigaction(signals[i], &action, NULL);
	}
}
